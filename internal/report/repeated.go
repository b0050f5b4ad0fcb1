package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/repeat"
)

// confidence is that of all that is said of plays.
const confidence = 0.95

// Repeated is what the plays of one drill showed together. It passes only if each of them does.
type Repeated struct {
	ID           string        `json:"id"`
	Title        string        `json:"title"`
	Test         Text          `json:"test"`
	Package      Text          `json:"package"`
	Plays        int           `json:"plays"` // that there should be
	Status       drtest.Status `json:"status"`
	Passed       int           `json:"passed"`
	Failed       int           `json:"failed"`
	Inconclusive int           `json:"inconclusive"` // those that are untrusted among them
	Untrusted    int           `json:"untrusted"`
	Missing      int           `json:"missing"` // without a journal of the drill
	// Counted are the plays that all that follows is over: those that passed or failed and came to
	// their end. Overloaded are those of them whose machine did not keep up.
	Counted    int       `json:"counted"`
	LeftOut    []LeftOut `json:"left_out"`
	Overloaded int       `json:"overloaded"`
	// Phase is of what period each fault took a random part, or nil when they did not wait.
	Phase *Seconds `json:"phase_of"`
	// Loss is in how many plays acked work was lost, and Failure how many of them failed.
	Loss    Rate           `json:"loss"`
	Failure Rate           `json:"failure"`
	Figures []Distribution `json:"figures"`

	label string
}

// Label tells the drill from the others.
func (r *Repeated) Label() string { return cmp.Or(r.label, r.ID) }

// LeftOut is a play that does not count, and why.
type LeftOut struct {
	Play int  `json:"play"`
	Why  Text `json:"why"`
}

// A Rate is how often something happened, and what that says of the rate with which it does, with a
// confidence of 95 %.
type Rate struct {
	Times int `json:"times"`
	Of    int `json:"of"` // the counted plays that show it
	// AtMost is the bound for one side, and Lo and Hi are the exact interval for both.
	AtMost float64 `json:"at_most"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
	// AtWorst is AtMost if it had happened in each play that is not in Of.
	AtWorst float64 `json:"at_worst"`
}

func newRate(times, of, plays int) Rate {
	r := Rate{Times: times, Of: of, AtMost: repeat.AtMost(times, of, confidence), AtWorst: repeat.AtMost(times+plays-of, plays, confidence)}
	r.Hi = 1
	if of > 0 {
		r.Lo, r.Hi = repeat.Between(times, of, confidence)
	}
	return r
}

// A Number is a time in seconds, or a count. In JSON it is null where it has no end.
type Number float64

// MarshalJSON writes as many decimals as there are.
func (n Number) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(n), 1) {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(n), 'f', -1, 64), nil
}

// An Extent is between which ends a statistic lies: those of the lenient and of the strict ends of
// what was measured.
type Extent struct {
	Lo Number `json:"lo"`
	Hi Number `json:"hi"`
}

// A Distribution is over what the plays of a drill measured of one figure.
type Distribution struct {
	Name   string   `json:"name"`
	Title  string   `json:"title"`
	Time   bool     `json:"time"` // it is in seconds
	Limit  *Seconds `json:"limit"`
	Over   int      `json:"over"`   // the counted plays that show it
	Absent int      `json:"absent"` // those that do not
	Min    *Extent  `json:"min"`
	Median *Extent  `json:"median"`
	P95    *Extent  `json:"p95"` // nil for fewer plays than tell it from the largest
	Max    *Extent  `json:"max"`
	// Bounds are, of a time, upper bounds of its quantiles, with a confidence of 95 %.
	Bounds []Bound  `json:"bounds"`
	Plays  []Played `json:"plays"`
}

// A Bound says that at least a share of such disasters take no longer than AtMost, which is nil
// where the plays are too few, or where it has no end.
type Bound struct {
	Quantile float64 `json:"quantile"`
	AtMost   *Number `json:"at_most"`
	Needs    int     `json:"needs"` // plays
}

// Played is what one play measured.
type Played struct {
	Play   int           `json:"play"`
	Status drtest.Status `json:"status"`
	Extent
}

// leastForP95 is how many values it takes until one in twenty is more than the 95th percentile.
const leastForP95 = 20

// quantiles are those that are bounded, where the plays suffice.
var quantiles = []float64{0.5, 0.9, 0.95, 0.99}

// repeated sums up the plays of each drill.
func repeated(results []Result, n int) (all []Repeated) {
	keys, drills := grouped(results)
	for _, key := range keys {
		all = append(all, sumUp(drills[key], n))
	}
	return all
}

func sumUp(plays []*Result, n int) Repeated {
	first := plays[0]
	g := Repeated{ID: first.ID, Title: first.Title, Test: first.Test, Package: first.Package, Plays: n, Missing: n - len(plays), label: first.label,
		Status: drtest.Pass, LeftOut: []LeftOut{}, Figures: []Distribution{}}
	var counted []*Result
	there := map[int]bool{}
	for _, r := range plays {
		there[r.Play] = true
		switch r.Status {
		case drtest.Pass:
			g.Passed++
		case drtest.Fail:
			g.Failed++
		default:
			g.Inconclusive++
		}
		if r.Untrusted {
			g.Untrusted++
		}
		if r.Phase != nil {
			g.Phase = &r.Phase.Of
		}
		if why := r.leftOut(); why != "" {
			g.LeftOut = append(g.LeftOut, LeftOut{r.Play, Text(why)})
			continue
		}
		counted = append(counted, r)
		if r.Machine != nil && r.Machine.Overloaded {
			g.Overloaded++
		}
	}
	for k := 1; k <= n; k++ {
		if !there[k] {
			g.LeftOut = append(g.LeftOut, LeftOut{k, "it left no journal of the drill"})
		}
	}
	slices.SortStableFunc(g.LeftOut, func(a, b LeftOut) int { return cmp.Compare(a.Play, b.Play) })
	switch {
	case g.Failed > 0:
		g.Status = drtest.Fail
	case g.Passed < n:
		g.Status = drtest.Inconclusive
	}
	g.Counted = len(counted)
	lost, known, failed := 0, 0, 0
	for _, r := range counted {
		if r.Figures.RPO.Known {
			known++
			if len(r.Figures.Lost) > 0 {
				lost++
			}
		}
		if r.Status == drtest.Fail {
			failed++
		}
	}
	g.Loss, g.Failure = newRate(lost, known, n), newRate(failed, len(counted), n)
	g.addFigures(counted)
	return g
}

// leftOut says why a play does not count, or nothing.
func (r *Result) leftOut() string {
	switch {
	case r.unsound:
		return string(r.Reason)
	case r.Untrusted:
		return "untrusted: the machine did not keep up"
	case r.Status == drtest.Inconclusive:
		return "inconclusive"
	}
	return ""
}

// addFigures adds a distribution of each figure that some play shows.
func (g *Repeated) addFigures(counted []*Result) {
	add := func(name, title string, time bool, of func(*Result) (Extent, bool)) {
		d := Distribution{Name: name, Title: title, Time: time, Bounds: []Bound{}, Plays: []Played{}}
		for _, r := range counted {
			e, known := of(r)
			if !known {
				d.Absent++
				continue
			}
			d.Plays = append(d.Plays, Played{r.Play, r.Status, e})
			if limit, is := r.Limits[name]; is && (d.Limit == nil || limit < *d.Limit) {
				d.Limit = &limit
			}
		}
		if d.Over = len(d.Plays); d.Over > 0 {
			d.describe()
			g.Figures = append(g.Figures, d)
		}
	}
	for i, fig := range (drtest.Figures{}).Named() {
		add(Key(fig.Name), fig.Title, fig.IsTime(), func(r *Result) (Extent, bool) {
			f := r.Figures.Named()[i]
			if f.IsTime() {
				return extent(f.Interval), f.Known
			}
			return Extent{Number(f.Number), Number(f.Number)}, f.Known
		})
	}
	if len(counted) == 0 {
		return
	}
	for i, s := range counted[0].Stages { // the same in each play
		add(Key(s.Name), "Stage: "+s.Name, true, func(r *Result) (Extent, bool) {
			if i >= len(r.Stages) || r.Stages[i].Reached == nil {
				return Extent{}, false
			}
			return extent(drtest.Interval(*r.Stages[i].Reached)), true
		})
	}
	for i, c := range counted[0].Counters {
		for _, part := range []string{"total", "repeated"} {
			add(Key(c.Name+" "+part), "Counter: "+c.Name+", "+part, false, func(r *Result) (Extent, bool) {
				if i >= len(r.Counters) || r.Counters[i].Total == nil {
					return Extent{}, false
				}
				n := *r.Counters[i].Total
				if part == "repeated" {
					n = *r.Counters[i].Repeated
				}
				return Extent{Number(n), Number(n)}, true
			})
		}
	}
}

func extent(i drtest.Interval) Extent {
	e := Extent{Number(i.Lo.Seconds()), Number(i.Hi.Seconds())}
	if i.Hi == drtest.Forever {
		e.Hi = Number(math.Inf(1))
	}
	return e
}

// describe fills in what follows from the plays. A statistic of intervals lies between that of
// their lenient ends and that of their strict ones, since each of these grows with what it is made
// of.
func (d *Distribution) describe() {
	var lo, hi []float64
	for _, p := range d.Plays {
		lo, hi = append(lo, float64(p.Lo)), append(hi, float64(p.Hi))
	}
	slices.Sort(lo)
	slices.Sort(hi)
	of := func(statistic func([]float64) float64) *Extent {
		return &Extent{Number(statistic(lo)), Number(statistic(hi))}
	}
	d.Min, d.Max = of(func(s []float64) float64 { return s[0] }), of(func(s []float64) float64 { return s[len(s)-1] })
	d.Median = of(repeat.Median)
	if d.Over >= leastForP95 {
		d.P95 = of(func(s []float64) float64 { return repeat.Percentile(s, 95) })
	}
	if !d.Time {
		return
	}
	bound := func(quantile float64, rank int, found bool, needs int) {
		b := Bound{Quantile: quantile, Needs: needs}
		if found && !math.IsInf(hi[rank-1], 1) {
			b.AtMost = new(Number(hi[rank-1]))
		}
		d.Bounds = append(d.Bounds, b)
	}
	bound(repeat.AtLeast(d.Over, d.Over, confidence), d.Over, true, d.Over) // the most that these plays bound
	for _, q := range quantiles {
		rank, found := repeat.Rank(d.Over, q, confidence)
		bound(q, rank, found, repeat.Needed(q, confidence))
	}
}

// Shown prints a statistic as all reports do: "2.413s (2.391s..2.413s)", or a count.
func (d *Distribution) Shown(e *Extent) string {
	switch {
	case e == nil:
		return fmt.Sprintf("takes %d plays", leastForP95)
	case !d.Time:
		return strconv.FormatFloat(math.Round(float64(e.Hi)*1e4)/1e4, 'f', -1, 64)
	}
	hi := drtest.Forever
	if !math.IsInf(float64(e.Hi), 1) {
		hi = duration(e.Hi)
	}
	return drtest.Interval{Lo: duration(e.Lo), Hi: hi}.String()
}

func duration(n Number) time.Duration {
	return time.Duration(math.Round(float64(n) * float64(time.Second)))
}

// Proves says in sentences what the plays can and cannot prove.
func (g *Repeated) Proves() (sentences []string) {
	say := func(format string, args ...any) { sentences = append(sentences, fmt.Sprintf(format, args...)) }
	if g.Counted == 0 {
		say("None of the %d plays counts, so they prove nothing.", g.Plays)
		return sentences
	}
	l := g.Loss
	switch {
	case l.Of == 0:
		say("No play shows whether acknowledged work was lost.")
	case l.Times == 0:
		say("Acknowledged work was lost in 0 of %d plays: at most %s of such disasters lose some, at 95 %%.", l.Of, AtMostPercent(l.AtMost))
	default:
		say("Acknowledged work was lost in %d of %d plays, %s: between %s and %s of such disasters lose some, at 95 %%.", l.Times, l.Of, percentOf(l.Times, l.Of),
			atLeastPercent(l.Lo), AtMostPercent(l.Hi))
	}
	if l.Of > 0 && l.Of < g.Plays {
		say("Had each of the %d plays that do not show it lost some as well, it would be at most %s.", g.Plays-l.Of, AtMostPercent(l.AtWorst))
	}
	f := g.Failure
	if f.Times == 0 {
		say("0 of %d plays failed: at most %s of such drills fail, at 95 %%.", f.Of, AtMostPercent(f.AtMost))
	} else {
		say("%d of %d plays failed, %s: between %s and %s of such drills fail, at 95 %%.", f.Times, f.Of, percentOf(f.Times, f.Of), atLeastPercent(f.Lo), AtMostPercent(f.Hi))
	}
	for i := range g.Figures {
		if d := &g.Figures[i]; d.Name == "rto" || d.Name == "work_rto" {
			sentences = append(sentences, d.proves()...)
		}
	}
	if n := len(g.LeftOut); n > 0 {
		say("%d of %d plays are left out, so all this is said of disasters in which a play counts.", n, g.Plays)
	}
	moments := "The faults came as soon as the load was steady, at the same moment of what the system does again and again: this says nothing of other moments."
	if g.Phase != nil {
		moments = fmt.Sprintf("Each fault came at a random moment of %v.", time.Duration(*g.Phase))
	}
	say("%s It is a statement of this disaster with this load, on this machine, if plays do not depend on each other.", moments)
	return sentences
}

// proves says what is known of the quantiles of a time.
func (d *Distribution) proves() (sentences []string) {
	name := d.Title
	most := d.Bounds[0]
	if most.AtMost == nil {
		return []string{fmt.Sprintf("%s: it did not end in each play, so the largest bounds nothing.", name)}
	}
	largest := fmt.Sprintf("%s: %d plays bound the %s percentile: at least %s of such disasters take no longer than %s, the longest, at 95 %%.",
		name, d.Over, ordinal(int(math.Floor(100*most.Quantile))), atLeastPercent(most.Quantile), Seconds(duration(*most.AtMost)))
	sentences = append(sentences, largest)
	bounded, few := "", ""
	for _, b := range d.Bounds[1:] {
		percentile := ordinal(int(math.Round(100 * b.Quantile)))
		switch {
		case b.AtMost != nil:
			bounded += fmt.Sprintf(", the %s percentile is at most %s", percentile, Seconds(duration(*b.AtMost)))
		case d.Over < b.Needs:
			few += fmt.Sprintf(", the %s takes %d plays", percentile, b.Needs)
		}
	}
	if bounded != "" {
		sentences = append(sentences, "Likewise"+bounded[1:]+".")
	}
	if few != "" {
		sentences = append(sentences, "So few plays bound no higher one:"+few[1:]+".")
	}
	return sentences
}

// ordinal prints a percentile: "86th".
func ordinal(n int) string {
	suffix := "th"
	if n%100/10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return strconv.Itoa(n) + suffix
}

// AtMostPercent prints an upper bound, which is rounded up: "14 %".
func AtMostPercent(p float64) string { return percentBy(math.Ceil, p) }

// atLeastPercent prints a lower bound, which is rounded down.
func atLeastPercent(p float64) string { return percentBy(math.Floor, p) }

func percentBy(round func(float64) float64, p float64) string {
	digits := 1.0
	if p == 0 {
		return "0 %"
	}
	if p < 0.01 || p > 0.99 && p < 1 {
		digits = 100
	}
	return strconv.FormatFloat(round(100*p*digits-1e-9*sign(round))/digits, 'f', -1, 64) + " %"
}

// sign lets a number that is whole but for the arithmetic stay as it is.
func sign(round func(float64) float64) float64 {
	if round(0.5) == 1 {
		return 1
	}
	return -1
}

func percentOf(part, whole int) string {
	return strconv.FormatFloat(math.Round(1000*float64(part)/float64(whole))/10, 'f', -1, 64) + " %"
}

// Sources are those of what is said of plays.
const Sources = "The bounds of a rate are those of Clopper and Pearson (Biometrika 26, 1934), for one side 1 - 0.05^(1/n) when it was never seen, " +
	"which the rule of three gives as 3/n (Hanley and Lippman-Hand, JAMA 249, 1983). Those of a percentile are order statistics, for any distribution " +
	"(David and Nagaraja, Order Statistics, 2003, section 7.1)."
