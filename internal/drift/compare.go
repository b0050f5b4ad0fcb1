package drift

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/drtest/suite/internal/repeat"
	"golang.org/x/perf/benchmath"
)

// FamilyError is the largest probability with which a comparison says of any of its figures that it
// changed, where none did. It is that of all figures together: a pipeline that compares runs of the
// same commit twenty times is stopped for nothing at most about once, whatever the number of drills.
// Half of it is shared among the RTOs, which are what drills are about, and half among all others.
const FamilyError = 0.05

// systemError is the largest probability with which one time that the machine alone made slower
// is taken for the system's, where it did enough to be told from noise.
const systemError = 0.01

// A Verdict is what became of one figure.
type Verdict int

const (
	// NoChange says that nothing told the two from each other.
	NoChange Verdict = iota
	// Slower is a regression, also of a count: more was lost, or repeated.
	Slower
	// Faster is the opposite.
	Faster
	// TooFew says that no samples as few as those could have told a change.
	TooFew
	// Untrusted is TooFew or Slower, since the machine did not keep up.
	Untrusted
)

// A Line is the comparison of one figure of one drill.
type Line struct {
	Drill   string // its label
	Figure  string
	Old     string // as text, with the number of samples
	New     string
	Verdict Verdict
	Change  string // the verdict in words, with its reasons
	P       float64

	old, new Figure
	left     [2]int // plays that are left out since the machine did not keep up
}

// A Comparison is what Compare found.
type Comparison struct {
	Lines []Line
	// Missing are what OLD has and NEW has not, or what is missing of either.
	Missing []string
	// Notes are what else a reader has to know.
	Notes []string
}

// Options say what is compared.
type Options struct {
	// AcrossMachines compares figures of different profiles and classes of machine.
	AcrossMachines bool
}

// Compare judges each figure of the drills in both. Times are compared by the test of Mann and
// Whitney, rates by that of Fisher, and the doubt is shared after Holm (A Simple Sequentially
// Rejective Multiple Test Procedure, 1979), which holds however the figures depend on each other. It
// refuses figures of different classes.
func Compare(old, new *Baseline, o Options) (*Comparison, error) {
	if !o.AcrossMachines {
		if err := sameClasses(old, new); err != nil {
			return nil, err
		}
	}
	c := new.against(old, o)
	c.judge()
	return c, nil
}

// sameClasses refuses classes of which the other side has nothing.
func sameClasses(old, new *Baseline) error {
	was := old.classes()
	for _, class := range new.classes() {
		if !slices.Contains(was, class) {
			var names []string
			for _, w := range was {
				names = append(names, w.String())
			}
			return fmt.Errorf("these figures cannot be compared: OLD was measured with %s; NEW with %s: measure both in the same way, or add -across-machines",
				strings.Join(names, "; and with "), class)
		}
	}
	return nil
}

// classes are those of the drills, each once.
func (b *Baseline) classes() (all []Class) {
	for _, d := range b.Drills {
		if !slices.Contains(all, d.Class) {
			all = append(all, d.Class)
		}
	}
	return all
}

// against pairs the figures.
func (b *Baseline) against(old *Baseline, o Options) *Comparison {
	c := &Comparison{}
	for side, runs := range [][]Run{old.Runs, b.Runs} {
		for _, r := range runs {
			if r.Incomplete != "" {
				c.Missing = append(c.Missing, fmt.Sprintf("a run of %s is incomplete: %s", [2]string{"OLD", "NEW"}[side], r.Incomplete))
			}
		}
	}
	classes := b.classes()
	for _, was := range old.Drills {
		if !o.AcrossMachines && !slices.Contains(classes, was.Class) {
			continue // a baseline may have other classes as well
		}
		is := slices.IndexFunc(b.Drills, func(d Drill) bool { return d.same(was, o) })
		if is < 0 {
			c.Missing = append(c.Missing, was.label(old)+" was played in OLD, and not in NEW")
			continue
		}
		c.pair(was, b.Drills[is], was.label(old))
	}
	for _, d := range b.Drills {
		if !slices.ContainsFunc(old.Drills, func(was Drill) bool { return d.same(was, o) }) {
			c.Notes = append(c.Notes, d.label(b)+" is new: OLD has nothing to compare it with")
		}
	}
	return c
}

// same says whether two drills are compared with each other.
func (d Drill) same(other Drill, o Options) bool {
	return d.ID == other.ID && d.Test == other.Test && (o.AcrossMachines || d.Class == other.Class)
}

// label is the ID, and the test or the class where there are others of the same.
func (d Drill) label(of *Baseline) string {
	ids, tests := 0, 0
	for _, other := range of.Drills {
		if other.ID == d.ID {
			ids++
			if other.Test == d.Test {
				tests++
			}
		}
	}
	label := d.ID
	if ids > tests {
		label += " (" + d.Test + ")"
	}
	if tests > 1 {
		label += " (" + d.Class.String() + ")"
	}
	return label
}

// pair adds the figures of a drill.
func (c *Comparison) pair(was, is Drill, label string) {
	for i, d := range []Drill{was, is} {
		if d.Untrusted > 0 {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: %s of %s had a machine that did not keep up, and their times are left out",
				label, count(d.Untrusted, "play"), [2]string{"OLD", "NEW"}[i]))
		}
		if d.Broken > 0 {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: %s of %s did not come to an end, or left a damaged journal, and are left out",
				label, count(d.Broken, "play"), [2]string{"OLD", "NEW"}[i]))
		}
	}
	if len(was.Figures) == 0 && len(is.Figures) == 0 {
		c.Missing = append(c.Missing, label+": no figure is left of any play, of OLD or of NEW")
	}
	figures := slices.Clone(was.Figures)
	for _, f := range is.Figures {
		if !slices.ContainsFunc(figures, func(w Figure) bool { return w.Name == f.Name }) {
			figures = append(figures, f)
		}
	}
	slices.SortFunc(figures, func(x, y Figure) int { return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.Name, y.Name)) })
	for _, f := range figures {
		l := Line{Drill: label, Figure: f.Name, old: was.measured(f.Name), new: is.measured(f.Name), left: [2]int{was.Untrusted, is.Untrusted}}
		if f.Rate != nil { // no play is left out of it for its machine
			l.left = [2]int{}
		}
		l.Old, l.New = l.old.String(), l.new.String()
		if f.Rate != nil && l.new.samples() > 0 && l.new.Rate.Times > 0 && l.old.samples() > 0 && l.old.Rate.Times == 0 {
			c.Notes = append(c.Notes, fmt.Sprintf("%s: %s %s of NEW, and in none of %d of OLD: whether that may be is for its objectives to judge, in each play", label, f.Name, l.New, l.old.Rate.Plays))
		}
		l.P = l.old.differs(l.new, Sample.value)
		c.Lines = append(c.Lines, l)
	}
}

// measured returns the figure of that name, which has nothing where the drill has none.
func (d Drill) measured(name string) Figure {
	if i := slices.IndexFunc(d.Figures, func(f Figure) bool { return f.Name == name }); i >= 0 {
		return d.Figures[i]
	}
	return Figure{Name: name}
}

// values are what is compared of a figure that is no rate.
func (f Figure) values(of func(Sample) float64) (all []float64) {
	for _, s := range f.Samples {
		all = append(all, of(s))
	}
	for _, n := range f.Counts {
		all = append(all, float64(n))
	}
	slices.Sort(all)
	return all
}

// samples is how many there are.
func (f Figure) samples() int {
	if f.Rate != nil {
		return f.Rate.Plays
	}
	return max(len(f.Samples), len(f.Counts))
}

// differs returns the probability of a difference as large, did nothing differ.
func (f Figure) differs(from Figure, of func(Sample) float64) float64 {
	switch {
	case f.samples() == 0 || from.samples() == 0:
		return 1
	case f.Rate != nil:
		return fisher(f.Rate.Times, f.Rate.Plays, from.Rate.Times, from.Rate.Plays)
	}
	sample := func(f Figure) *benchmath.Sample {
		return benchmath.NewSample(f.values(of), &benchmath.DefaultThresholds)
	}
	return benchmath.AssumeNothing.Compare(sample(f), sample(from)).P // 1 where all are equal
}

// center is the median, or the rate.
func (f Figure) center(of func(Sample) float64) float64 {
	if f.Rate != nil {
		return float64(f.Rate.Times) / float64(f.Rate.Plays)
	}
	return repeat.Median(f.values(of))
}

// above says whether the values of f lie above those of another, as the rank test sees it: of all
// pairs, more have the larger one in f.
func (f Figure) above(other Figure, of func(Sample) float64) bool {
	if f.Rate != nil {
		return f.center(of) > other.center(of)
	}
	balance := 0
	for _, x := range f.values(of) {
		for _, y := range other.values(of) {
			balance += cmp.Compare(x, y)
		}
	}
	return balance > 0
}

// judge says of each figure what became of it.
func (c *Comparison) judge() {
	var recoveries, others []*Line
	for i := range c.Lines {
		if l := &c.Lines[i]; l.Figure == "RTO" {
			recoveries = append(recoveries, l)
		} else {
			others = append(others, l)
		}
	}
	judge(recoveries, FamilyError/2)
	judge(others, FamilyError/2)
}

// judge shares the doubt among the lines.
func judge(lines []*Line, doubt float64) {
	slices.SortStableFunc(lines, func(a, b *Line) int { return cmp.Compare(a.P, b.P) })
	family := 0
	for _, l := range lines {
		if l.canDiffer() {
			family++
		}
	}
	differs := true
	for rank, l := range lines {
		differs = differs && l.P <= doubt/float64(max(1, family-rank))
		if differs {
			l.changed()
		} else {
			l.unchanged(doubt / float64(max(1, family)))
		}
	}
}

// canDiffer says whether a figure could have changed, whichever of its samples were those of OLD.
// One that is the same in all plays of both could not, and takes no share of the doubt.
func (l *Line) canDiffer() bool {
	a, b := l.old, l.new
	switch {
	case a.samples() == 0 || b.samples() == 0: // with samples, it could have
		return true
	case a.Rate != nil:
		times, plays := a.Rate.Times+b.Rate.Times, a.Rate.Plays+b.Rate.Plays
		return times > 0 && times < plays
	}
	all := append(a.values(Sample.value), b.values(Sample.value)...)
	return slices.Min(all) < slices.Max(all)
}

// changed judges a figure that differs.
func (l *Line) changed() {
	up := l.new.above(l.old, Sample.value)
	l.Verdict = Faster
	if up {
		l.Verdict = Slower
	}
	l.Change = l.word(up) + l.delta() + ", p=" + probability(l.P)
	if _, isTime := timed[l.Figure]; !isTime {
		return
	}
	// What the machine may have taken is the machine's: the rest has to differ as well.
	if p := l.old.differs(l.new, Sample.system); p > max(systemError, l.P) || l.new.above(l.old, Sample.system) != up {
		l.Verdict = Untrusted
		l.Change = fmt.Sprintf("untrusted: %s%s, and what the machine may have taken can be why", l.word(up), l.delta())
	}
}

// word names a change.
func (l *Line) word(up bool) string {
	words := [2]string{"less", "more"}
	switch {
	case l.old.Rate != nil:
		words = [2]string{"rarer", "more often"}
	case l.Figure == "RPO" || l.Figure == "lost work" || len(l.old.Counts) > 0:
	default:
		words = [2]string{"faster", "slower"}
	}
	if up {
		return words[1]
	}
	return words[0]
}

// delta is by how much the middle changed, where that says something.
func (l *Line) delta() string {
	a, b := l.old.center(Sample.value), l.new.center(Sample.value)
	switch {
	case l.old.Rate != nil, a >= never, b >= never, a == b:
		return ""
	case len(l.old.Counts) > 0:
		return fmt.Sprintf(" by %g", max(a, b)-min(a, b))
	case a == 0:
		return fmt.Sprintf(" by %.3fs", max(a, b)-min(a, b))
	}
	return fmt.Sprintf(" by %.3fs (%+.0f %%)", max(a, b)-min(a, b), 100*(b-a)/a)
}

// unchanged judges a figure that does not differ. With a p of at most sure it would have.
func (l *Line) unchanged(sure float64) {
	a, b := l.old.samples(), l.new.samples()
	need := needed(sure)
	switch {
	case leastP(a, b) <= sure:
		l.Verdict, l.Change = NoChange, "no change"
	case l.left != [2]int{} && leastP(a+l.left[0], b+l.left[1]) <= sure:
		l.Verdict = Untrusted
		l.Change = fmt.Sprintf("untrusted: %d and %d plays are left, %d on each side are needed", a, b, need)
	default:
		l.Verdict = TooFew
		l.Change = fmt.Sprintf("too few samples: %d and %d, where %d on each side are needed", a, b, need)
	}
}

// Count is how many figures have a verdict.
func (c *Comparison) Count(v Verdict) (n int) {
	for _, l := range c.Lines {
		if l.Verdict == v {
			n++
		}
	}
	return n
}
