package calibrate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
)

// Tables are what the page says of the tallies: of the times first, then of what must not be
// concluded.
func Tables(all []*Tally) string {
	var times, rules strings.Builder
	times.WriteString("| planted | figure | its truth | plants | in the interval | outside | of these, not excluded | no interval | passes below it | fails at it | passes at the end | width |\n" +
		"|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	rules.WriteString("| planted | never concluded | plants | concluded |\n|---|---|--:|--:|\n")
	about := ""
	consistent := Tally{}
	for _, t := range all {
		if t.Name == consistency {
			consistent.Plants += t.Plants
			consistent.WrongPasses += t.WrongPasses
			continue
		}
		planted := ""
		if t.Class.About != about {
			about = t.Class.About
			planted = fmt.Sprintf("**%s**: %s", t.Class.Name, about)
		}
		if !t.Timed {
			fmt.Fprintf(&rules, "| %s | %s | %d | %d |\n", cmp.Or(planted, "**"+t.Class.Name+"**"), t.Name, t.Plants, t.WrongPasses)
			continue
		}
		least, most := t.span()
		fmt.Fprintf(&times, "| %s | %s | %s to %s | %d | %s | %d | %d | %d | %d | %d | %d | %s |\n", planted, t.Name, short(least), short(most),
			t.Plants, share(t.Contained, t.Plants), t.Missed, t.Admitted, t.Unknown, t.WrongPasses, t.WrongFails, t.Decided, short(t.width()))
	}
	fmt.Fprintf(&rules, "| **all of these** | %s | %d | %d |\n", consistency, consistent.Plants, consistent.WrongPasses)
	return times.String() + "\n" + rules.String()
}

// share gives a count, and what part of all it is where that is not the whole.
func share(n, of int) string {
	if n == of {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d (%.1f %%)", n, 100*float64(n)/float64(of))
}

func short(d time.Duration) string {
	switch {
	case d == drtest.Forever:
		return "no end"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// The sizes of the picture, in pixels.
const (
	columns               = 4
	panelWide, panelHigh  = 240, 170
	left, right, top, low = 56, 10, 34, 26 // margins within a panel
	shown                 = 150            // plants in a panel, beside those that are missed
)

// Picture draws each measured interval against the truth, as SVG: one panel for each figure of a
// class.
func Picture(all []*Tally) string {
	timed := slices.DeleteFunc(slices.Clone(all), func(t *Tally) bool { return !t.Timed })
	rows := (len(timed) + columns - 1) / columns
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="10">`+"\n", columns*panelWide, rows*panelHigh+44)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="white"/>`+"\n")
	fmt.Fprintf(&b, `<text x="8" y="16" font-size="13" font-weight="bold">Measured less planted, over planted</text>`+"\n")
	fmt.Fprintf(&b, `<text x="8" y="32" fill="#555">Each line is the interval of one drill. It holds the truth where it meets zero; where it does not, it is red.</text>`+"\n")
	for i, t := range timed {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%columns*panelWide, 44+i/columns*panelHigh)
		t.panel(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// panel draws one figure.
func (t *Tally) panel(b *strings.Builder) {
	_, most := t.span()
	most = max(most, time.Millisecond)
	var lows, highs []time.Duration
	for _, f := range t.Findings {
		if f.Known {
			lows, highs = append(lows, f.Got.Lo-f.Is), append(highs, cap10(f)-f.Is)
		}
	}
	if len(lows) == 0 {
		lows, highs = []time.Duration{-1}, []time.Duration{1}
	}
	slices.Sort(lows)
	slices.Sort(highs)
	// The panel shows all but the widest twentieth, and at least a tenth of a second.
	bottom, ceiling := min(lows[len(lows)/20], -50*time.Millisecond), max(highs[len(highs)*19/20], 50*time.Millisecond)
	x := func(d time.Duration) float64 {
		return left + float64(panelWide-left-right)*float64(d)/float64(most)
	}
	y := func(d time.Duration) float64 {
		d = min(max(d, bottom), ceiling)
		return top + float64(panelHigh-top-low)*float64(ceiling-d)/float64(ceiling-bottom)
	}
	fmt.Fprintf(b, `<text x="%d" y="14" font-weight="bold">%s</text>`+"\n", left, t.Class.Name)
	fmt.Fprintf(b, `<text x="%d" y="27" fill="#555">%s, %s of %d</text>`+"\n", left, t.Name, share(t.Contained, t.Plants), t.Plants)
	fmt.Fprintf(b, `<rect x="%d" y="%d" width="%d" height="%d" fill="none" stroke="#ccc"/>`+"\n", left, top, panelWide-left-right, panelHigh-top-low)
	var good, bad strings.Builder
	for i, f := range t.Findings {
		if !f.Known || i >= shown && !f.Missed {
			continue
		}
		line := &good
		if f.Missed {
			line = &bad
		}
		fmt.Fprintf(line, "M%.1f %.1fV%.1f", x(f.Is), y(f.Got.Lo-f.Is), y(cap10(f)-f.Is))
	}
	fmt.Fprintf(b, `<path d="%s" stroke="#2a6fb0" stroke-opacity="0.6"/>`+"\n", good.String())
	if bad.Len() > 0 {
		fmt.Fprintf(b, `<path d="%s" stroke="#c4122f" stroke-width="1.5"/>`+"\n", bad.String())
	}
	fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="black"/>`+"\n", left, y(0), panelWide-right)
	for _, d := range []time.Duration{ceiling, 0, bottom} {
		if d != 0 && math.Abs(y(d)-y(0)) < 10 {
			continue // they would stand one upon the other
		}
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end" fill="#555">%s</text>`+"\n", left-4, y(d)+3, signed(d))
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" fill="#555">0</text>`+"\n", left, panelHigh-low+12)
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#555">%s</text>`+"\n", panelWide-right, panelHigh-low+12, short(most))
}

// cap10 is the upper end of an interval, or, where it has none, ten times the truth.
func cap10(f Finding) time.Duration {
	if f.Got.Hi == drtest.Forever {
		return 10*f.Is + time.Second
	}
	return f.Got.Hi
}

func signed(d time.Duration) string {
	switch {
	case d < 0:
		return "−" + short(-d)
	case d > 0:
		return "+" + short(d)
	}
	return "0"
}
