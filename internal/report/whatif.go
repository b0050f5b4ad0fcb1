package report

import (
	"fmt"

	"github.com/drtest/suite/drtest"
)

// A Model is what the configuration alone says of the RTO, and what it would say of another one.
type Model struct {
	Best  Seconds `json:"best"`
	Worst Seconds `json:"worst"`
	Terms []Term  `json:"terms"`
	// Deviation is how far the measured RTO is from what the model says. It is nil where there is
	// none that could be compared.
	Deviation *Deviation `json:"deviation"`
}

// A Term is one part of a model.
type Term struct {
	Name     string  `json:"name"`
	Best     Seconds `json:"best"`
	Worst    Seconds `json:"worst"`
	Source   string  `json:"source"`
	IfHalved Range   `json:"rto_if_halved"`
}

// Now is the range of the term, and Halved that of its half.
func (t Term) Now() Range    { return Range{t.Best, t.Worst} }
func (t Term) Halved() Range { return Range{t.Best / 2, t.Worst / 2} }

// A Range is from the best case to the worst.
type Range struct {
	Best  Seconds `json:"best"`
	Worst Seconds `json:"worst"`
}

// String reads "8.500s..12.075s".
func (r Range) String() string { return r.Best.String() + ".." + r.Worst.String() }

// A Deviation is how far the strict end of the measured RTO lies above the best case of the model
// and below its worst. What is negative lies outside of the model.
type Deviation struct {
	AboveBest  Seconds `json:"above_best"`
	BelowWorst Seconds `json:"below_worst"`
}

// newModel computes what a model says, or returns nil where there is none. The machine may have
// been part of an RTO that is not trusted, so that one says nothing of the model.
func newModel(m drtest.Model, rto drtest.Figure, untrusted bool) *Model {
	if len(m) == 0 {
		return nil
	}
	sum := m.RTO()
	all := &Model{Best: Seconds(sum.Lo), Worst: Seconds(sum.Hi)}
	for _, t := range m {
		halved := Range{Seconds(sum.Lo - t.Best + t.Best/2), Seconds(sum.Hi - t.Worst + t.Worst/2)}
		all.Terms = append(all.Terms, Term{t.Name, Seconds(t.Best), Seconds(t.Worst), t.Source, halved})
	}
	if rto.Known && rto.Hi != drtest.Forever && !untrusted {
		all.Deviation = &Deviation{Seconds(rto.Hi - sum.Lo), Seconds(sum.Hi - rto.Hi)}
	}
	return all
}

// Trust says in a sentence how far what the model says of another configuration can be relied on.
func (m Model) Trust() string {
	distance := func(s Seconds, inside, outside string) string {
		if s < 0 {
			return fmt.Sprintf("%s %s", -s, outside)
		}
		return fmt.Sprintf("%s %s", s, inside)
	}
	d := m.Deviation
	if d == nil {
		return "No RTO was measured that could be compared with it, so nothing here says how far the model is off."
	}
	text := fmt.Sprintf("The measured RTO was %s and %s.",
		distance(d.AboveBest, "above the best case", "below the best case"), distance(d.BelowWorst, "below the worst case", "above the worst case"))
	if d.AboveBest < 0 || d.BelowWorst < 0 {
		return text + " The model does not explain this run, so what it says of another configuration is not to be relied on."
	}
	return text
}
