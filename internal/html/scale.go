package html

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
)

// wide is how many units all drawings are wide, whatever the screen is.
const wide = 1000

// A scale maps times to a drawing.
type scale struct{ from, to time.Duration }

// x is where a time lies, in units of the drawing, which it does not leave.
func (s scale) x(at time.Duration) float64 {
	if s.to <= s.from {
		return 0
	}
	return wide * min(1, max(0, float64(at-s.from)/float64(s.to-s.from)))
}

// percent is where a time lies, for text beside a drawing.
func (s scale) percent(at time.Duration) string { return number(s.x(at) / wide * 100) }

func (s scale) holds(at time.Duration) bool { return at >= s.from && at <= s.to }

// number prints a coordinate with as many digits as one can see.
func number(f float64) string {
	return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64)
}

// A shape is what is drawn in one colour: rectangles and rules.
type shape struct {
	Class string
	d     strings.Builder
}

// D is its path as SVG takes it.
func (p *shape) D() string { return p.d.String() }

// box adds a rectangle, which is wide enough to be seen.
func (p *shape) box(x0, x1, y0, y1 float64) {
	const least = 1.5
	if x1-x0 < least {
		x0 = min(x0, wide-least)
		x1 = x0 + least
	}
	fmt.Fprintf(&p.d, "M%s %sH%sV%sH%sz", number(x0), number(y0), number(x1), number(y1), number(x0))
}

// rule adds a vertical line.
func (p *shape) rule(x, height float64) { fmt.Fprintf(&p.d, "M%s 0V%s", number(x), number(height)) }

// A tick is a mark of an axis.
type tick struct {
	At   string // in per cent
	Text string
	Side string // the class of the one at an end, so that it does not leave the drawing
	Fine bool   // left out where there is little room
}

// ticks are at round times, counted from zero, which is one of them.
func (s scale) ticks(zero time.Duration) (ticks []tick) {
	step := roundStep((s.to - s.from) / 8)
	first := int64(math.Ceil(float64(s.from-zero) / float64(step)))
	for n := first; ; n++ {
		at := zero + time.Duration(n)*step
		if at > s.to {
			return ticks
		}
		t := tick{At: s.percent(at), Text: short(time.Duration(n) * step), Fine: n%2 != 0}
		switch x := s.x(at); {
		case x < 0.02*wide:
			t.Side = "start"
		case x > 0.98*wide:
			t.Side = "end"
		}
		ticks = append(ticks, t)
	}
}

// roundStep is the next round time that is not below the least.
func roundStep(least time.Duration) time.Duration {
	for step := time.Millisecond; ; step *= 10 {
		for _, n := range []time.Duration{1, 2, 5} {
			if step*n >= least {
				return step * n
			}
		}
	}
}

// short prints a round time: "-1s", "0", "250ms".
func short(d time.Duration) string {
	switch {
	case d == 0:
		return "0"
	case d%time.Second == 0:
		return fmt.Sprintf("%ds", d/time.Second)
	case d > -time.Second && d < time.Second:
		return fmt.Sprintf("%gms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%gs", d.Seconds())
}

// seconds prints a time as all reports do.
func seconds(d time.Duration) string { return fmt.Sprintf("%.3fs", d.Seconds()) }

// offset prints a time before or after the fault.
func offset(d time.Duration) string {
	if d < 0 {
		return "−" + seconds(-d)
	}
	return "+" + seconds(d)
}

// strict prints the end of an interval that counts.
func strict(i drtest.Interval) string {
	if i.Hi == drtest.Forever {
		return "more than " + seconds(i.Lo)
	}
	return seconds(i.Hi)
}

// allowed prints a limit: "5s", "1m30s", "0".
func allowed(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
