package drift

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"
)

// String reads "0.892s (0.851s..0.934s, n=10)": the median, and the interval that holds that of all
// plays with a confidence of 95 %, where there are enough samples; of a rate, its exact interval.
func (f Figure) String() string {
	switch n := f.samples(); {
	case n == 0:
		return "not measured"
	case f.Rate != nil:
		return f.Rate.String()
	default:
		s := benchmath.AssumeNothing.Summary(benchmath.NewSample(f.values(Sample.value), &benchmath.DefaultThresholds), 0.95)
		middle := f.show(f.center(Sample.value))
		if math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0) { // too few samples for one
			return fmt.Sprintf("%s (n=%d)", middle, n)
		}
		return fmt.Sprintf("%s (%s..%s, n=%d)", middle, f.show(s.Lo), f.show(s.Hi), n)
	}
}

// show prints a value of the figure.
func (f Figure) show(value float64) string {
	switch {
	case len(f.Counts) > 0:
		return fmt.Sprintf("%g", value)
	case value >= never/2: // half of one is the middle between one that ended and one that did not
		return "never"
	}
	return fmt.Sprintf("%.3fs", value)
}

// String reads "in 1 of 10 plays (0.3 %..44.5 %)".
func (r Rate) String() string {
	lo, hi := r.interval()
	return fmt.Sprintf("in %d of %s (%s..%s)", r.Times, count(r.Plays, "play"), percent(lo), percent(hi))
}

// percent has one digit behind the point, but for the two ends.
func percent(rate float64) string {
	if rate == 0 || rate == 1 {
		return fmt.Sprintf("%.0f %%", 100*rate)
	}
	return fmt.Sprintf("%.1f %%", 100*rate)
}

// probability is for a table.
func probability(p float64) string {
	if p < 0.0001 {
		return fmt.Sprintf("%.0e", p)
	}
	return fmt.Sprintf("%.4f", p)
}

// count reads "1 play" or "3 plays".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Table is the comparison for the terminal.
func (c *Comparison) Table() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DRILL\tFIGURE\tOLD\tNEW\tCHANGE")
	last := ""
	for _, l := range c.Lines {
		name := l.Drill
		if name == last {
			name = ""
		}
		last = l.Drill
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", name, l.Figure, l.Old, l.New, l.Change)
	}
	_ = w.Flush() // a strings.Builder takes everything
	b.WriteByte('\n')
	for _, m := range c.Missing {
		fmt.Fprintf(&b, "missing: %s\n", m)
	}
	for _, n := range c.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	fmt.Fprintf(&b, "%s: %d worse, %d better, %d no change, %d too few samples, %d untrusted\n", count(len(c.Lines), "figure"),
		c.Count(Slower), c.Count(Faster), c.Count(NoChange), c.Count(TooFew), c.Count(Untrusted))
	fmt.Fprintf(&b, "Where nothing changed, all figures together say \"worse\" or \"better\" in at most %g of 100 comparisons (Mann-Whitney, Fisher; Holm).\n",
		100*FamilyError)
	return b.String()
}

// Summary lists the drills of a baseline, and what is left out of it.
func (b *Baseline) Summary() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DRILL\tPLAYS\tUNTRUSTED\tBROKEN\tCLASS")
	for _, d := range b.Drills {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\n", d.ID, d.Plays, d.Untrusted, d.Broken, d.Class)
	}
	_ = w.Flush() // a strings.Builder takes everything
	for _, r := range b.Runs {
		if r.Incomplete != "" {
			fmt.Fprintf(&out, "missing: a run is incomplete: %s\n", r.Incomplete)
		}
	}
	return out.String()
}
