package calibrate

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/drtest/suite/drtest"
)

// A Class is one kind of trouble.
type Class struct {
	Name string
	// About says in a sentence what is planted.
	About string
	// Confidence is the share of the plants in which every truth must lie within what was measured.
	// Where it is 1, the truth is no matter of chance, and none may be missed.
	Confidence float64
	// Plant makes one, from numbers of its own.
	Plant func(*rand.Rand) Plant
}

// Seeded makes the plant of a class with that seed, the same one always.
func (c Class) Seeded(seed int) Plant {
	h := fnv.New64a()
	_, _ = h.Write([]byte(c.Name)) // it never fails
	return c.Plant(rand.New(rand.NewPCG(uint64(seed), h.Sum64())))
}

// A Plant is one drill, and what is true of it.
type Plant struct {
	Scenario drtest.Scenario
	// Beside are drills that run at the same time.
	Beside []drtest.Scenario
	// Edit, where there is one, rewrites what the drill has seen.
	Edit func(*drtest.Ledger)
	// Truths are known once the drill is over.
	Truths func(*drtest.Ledger) []Truth
	// Rules hold for what is concluded.
	Rules []Rule
	// Breaks allows that the drill breaks off with an error, which concludes nothing.
	Breaks bool
}

// A Truth is a time that a plant is known to have taken.
type Truth struct {
	Name   string
	Is     time.Duration
	figure func(drtest.Figures) drtest.Figure
	limit  func(time.Duration) drtest.Objective
	// Stray is the service that clients were served by again, where that is the truth. What fails
	// on a busy machine, though the service did not fail it, says that it was later.
	Stray *Service
	// Rate is the error rate that ended then, where the truth is a matter of chance.
	Rate float64
}

// A Rule says what must not be concluded.
type Rule struct {
	Name string
	// Broken says how a report breaks it, or nothing.
	Broken func(*drtest.Report) string
	// Objectives are judged in that report.
	Objectives []drtest.Objective
}

// A Finding is what became of a truth or of a rule in one drill.
type Finding struct {
	Name   string
	Timed  bool // whether it is that of a truth
	Is     time.Duration
	Got    drtest.Interval
	Known  bool // whether there is an interval
	Missed bool // whether the truth lies outside of it
	// WrongPass says that a limit just below the truth passed, or how a rule was broken.
	WrongPass string
	// WrongFail says that a limit that the truth meets failed.
	WrongFail string
	// Admitted says that the truth was missed, and that the verdict names an error rate that it
	// does not exclude, which is no less than the true one.
	Admitted bool
	// Undecided says why not even a limit passed that the upper end of the interval meets.
	Undecided string
}

// Bad says whether something wrong was measured or concluded.
func (f Finding) Bad() bool {
	return !f.Admitted && (f.Missed || f.WrongPass != "") || f.WrongFail != ""
}

// String says what is wrong.
func (f Finding) String() string {
	if !f.Timed {
		return fmt.Sprintf("%s: %s", f.Name, f.WrongPass)
	}
	return fmt.Sprintf("%s: truth %v, measured %v..%v (known: %v) %s %s", f.Name, f.Is, f.Got.Lo, f.Got.Hi, f.Known, f.WrongPass, f.WrongFail)
}

// Find compares what a drill has measured, and what is concluded from it, with the truth.
func (p Plant) Find(l *drtest.Ledger, broken error) (findings []Finding, err error) {
	if broken != nil && !p.Breaks {
		return nil, fmt.Errorf("the drill broke: %w", broken)
	}
	if p.Edit != nil && broken == nil {
		p.Edit(l)
	}
	if p.Truths != nil && broken == nil {
		figures := drtest.Measure(l)
		for _, t := range p.Truths(l) {
			f := t.find(l, figures)
			if t.Stray != nil && t.Stray.strays(l) > 0 { // it was no earlier, that is all
				f.Missed, f.WrongFail = f.Missed && t.Is > f.Got.Hi, ""
			}
			findings = append(findings, f)
		}
	}
	for _, r := range p.Rules {
		f := Finding{Name: r.Name}
		if broken == nil {
			f.WrongPass = r.Broken(drtest.Judge(l, r.Objectives...))
		}
		findings = append(findings, f)
	}
	if broken == nil {
		findings = append(findings, agree(l))
	}
	return findings, nil
}

func (t Truth) find(l *drtest.Ledger, figures drtest.Figures) Finding {
	fig := t.figure(figures)
	f := Finding{Name: t.Name, Timed: true, Is: t.Is, Got: fig.Interval, Known: fig.Known}
	f.Missed = fig.Known && (t.Is < fig.Lo || t.Is > fig.Hi)
	if f.Missed && t.Rate > 0 && t.Is > fig.Hi {
		f.Admitted = admits(drtest.Judge(l, t.limit(long)).Verdicts[0].Why, t.Rate)
	}
	below, met := t.Is-1, t.Is
	if below >= 0 {
		if v := drtest.Judge(l, t.limit(below)).Verdicts[0]; v.Status == drtest.Pass {
			f.WrongPass = v.String()
		}
	}
	if v := drtest.Judge(l, t.limit(met)).Verdicts[0]; v.Status == drtest.Fail {
		f.WrongFail = v.String()
	}
	if v := drtest.Judge(l, t.limit(min(fig.Hi, long))).Verdicts[0]; v.Status != drtest.Pass {
		f.Undecided = v.String()
	}
	return f
}

// consistency is the name of what holds for every drill.
const consistency = "the timeline contradicts the figures"

// agree finds whether the timeline tells the same as the figures.
func agree(l *drtest.Ledger) Finding {
	f, figures := Finding{Name: consistency}, drtest.Measure(l)
	var served, first *drtest.Moment
	for _, m := range l.Recovery() {
		switch m.Name {
		case "served again":
			served = &m
		case "first failure":
			first = &m
		}
	}
	switch {
	case !figures.RTO.Known:
	case served == nil || first == nil:
		f.WrongPass = "the RTO is known, but not when clients were first failed and served again"
	case served.Since != figures.RTO.Interval:
		f.WrongPass = fmt.Sprintf("served again after %v, but the RTO is %v", served.Since, figures.RTO.Interval)
	case first.Since.Lo > served.Since.Hi:
		f.WrongPass = fmt.Sprintf("served again at %v, before the first failure at %v", served.Since, first.Since)
	}
	return f
}

// A Tally adds up the findings of one name in one class.
type Tally struct {
	Class *Class
	Name  string
	Timed bool

	Plants, Contained, Missed, Admitted, Unknown, Decided, WrongPasses, WrongFails int
	Findings                                                                       []Finding
}

// Count adds a finding to its tally, which is appended where it is not there yet.
func Count(tallies []*Tally, c *Class, f Finding) []*Tally {
	for _, t := range tallies {
		if t.Class.Name == c.Name && t.Name == f.Name {
			t.add(f)
			return tallies
		}
	}
	t := &Tally{Class: c, Name: f.Name, Timed: f.Timed}
	t.add(f)
	return append(tallies, t)
}

func (t *Tally) add(f Finding) {
	t.Plants++
	t.Findings = append(t.Findings, f)
	switch {
	case f.Missed:
		t.Missed++
		if f.Admitted {
			t.Admitted++
		}
	case f.Timed && !f.Known:
		t.Unknown++
	case f.Timed:
		t.Contained++
	}
	if f.Timed && f.Undecided == "" {
		t.Decided++
	}
	if f.WrongPass != "" {
		t.WrongPasses++
	}
	if f.WrongFail != "" {
		t.WrongFails++
	}
}

// decided is the least share of the times of a class that a drill must tell: one that never tells
// anything is never wrong. A stall that is written into a ledger afterwards takes evidence that the
// drill itself would have waited for, so not all are told.
const decided = 0.8

// Holds says whether as many are right as the class says, and enough can be told. Chance may add
// three standard deviations: with a confidence of 95 %, 93 % of a thousand must be right.
func (t *Tally) Holds() bool {
	bad := 0
	for _, f := range t.Findings {
		if f.Bad() {
			bad++
		}
	}
	n, miss := float64(t.Plants), 1-t.Class.Confidence
	return float64(bad) <= n*miss+3*math.Sqrt(n*miss*(1-miss)) && (!t.Timed || float64(t.Decided) >= decided*float64(t.Plants))
}

// width returns the middle one of the widths of the intervals that have an end.
func (t *Tally) width() time.Duration {
	var widths []time.Duration
	for _, f := range t.Findings {
		if f.Known && f.Got.Hi != drtest.Forever {
			widths = append(widths, f.Got.Hi-f.Got.Lo)
		}
	}
	if len(widths) == 0 {
		return drtest.Forever
	}
	slices.Sort(widths)
	return widths[len(widths)/2]
}

// span returns the least and the greatest truth.
func (t *Tally) span() (least, most time.Duration) {
	least = drtest.Forever
	for _, f := range t.Findings {
		least, most = min(least, f.Is), max(most, f.Is)
	}
	return least, most
}

func (s *Service) rto(is time.Duration) Truth {
	return Truth{Name: "RTO", Is: is, Stray: s, figure: func(f drtest.Figures) drtest.Figure { return f.RTO }, limit: drtest.RTO}
}

func (s *Service) healLag(is time.Duration) Truth {
	return Truth{Name: "heal lag", Is: is, Stray: s, figure: func(f drtest.Figures) drtest.Figure { return f.HealLag }, limit: drtest.HealLag}
}

func detection(is time.Duration) Truth {
	return Truth{Name: "detection", Is: is, figure: func(f drtest.Figures) drtest.Figure { return f.Detection }, limit: drtest.Detection}
}

func rpo(is time.Duration) Truth {
	return Truth{Name: "RPO", Is: is, figure: func(f drtest.Figures) drtest.Figure { return f.RPO }, limit: drtest.RPO}
}

func reached(stage string, is time.Duration) Truth {
	figure := func(f drtest.Figures) drtest.Figure {
		for _, s := range f.Stages {
			if s.Name == stage {
				return s.Figure
			}
		}
		return drtest.Figure{}
	}
	return Truth{Name: stage, Is: is, figure: figure, limit: func(limit time.Duration) drtest.Objective { return drtest.Reached(stage, limit) }}
}

// never forbids statuses of an objective.
func never(name string, o drtest.Objective, forbidden ...drtest.Status) Rule {
	return Rule{Name: name, Objectives: []drtest.Objective{o}, Broken: func(r *drtest.Report) string {
		if v := r.Verdicts[0]; slices.Contains(forbidden, v.Status) {
			return v.String()
		}
		return ""
	}}
}
