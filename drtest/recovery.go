package drtest

import (
	"cmp"
	"slices"
)

// A Moment is one instant of a recovery.
type Moment struct {
	Name   string
	Since  Interval // from the fault; its Hi is [Forever] when the moment never came
	After  Interval // from the last moment before it that came
	Source string   // where it is seen: the receipt of the fault, "clients", "Health", "runbook", "heal", that of a [Stage]
}

// Recovery breaks the recovery down into its moments, in the order in which each had certainly
// come: the fault, the first failure that clients saw, detection, steps of the runbook, stages, the
// end of the fault, "served again", which is the RTO, and "steady again". It is empty when no fault
// was injected.
func (l *Ledger) Recovery() []Moment {
	fault, injected := l.Event(FaultInjected)
	if !injected {
		return nil
	}
	type instant struct {
		name, source string
		Interval
	}
	var seen []instant
	add := func(name, source string, at Interval) { seen = append(seen, instant{name, source, at}) }
	receipt, detected := "", false
	for i, e := range l.Events {
		switch e.Kind {
		case FaultInjected:
			receipt = string(e.Receipt)
		case HealthLost:
			if !detected && e.Hi >= fault.Lo {
				add(string(e.Kind), "Health", e.Interval)
				detected = true
			}
		case FaultHealed:
			add(string(e.Kind), "heal", e.Interval)
		case StepBegun:
			ended := func(later Event) bool { return later.Kind == StepDone && later.Note == e.Note }
			if !slices.ContainsFunc(l.Events[i:], ended) {
				add(e.Note, "runbook", Interval{e.Lo, Forever})
			}
		case StepDone:
			add(e.Note, "runbook", e.Interval)
		case StageReached:
			add(e.Note, l.Drill.Sources[e.Note], e.Interval)
		case StageMissed:
			add(e.Note, l.Drill.Sources[e.Note], Interval{e.Lo, Forever})
		case SteadyAgain:
			add(string(e.Kind), "clients", e.Interval)
		}
	}
	if d := l.downtime(fault); d != nil {
		add("first failure", "clients", d.down)
		add("served again", "clients", d.served)
	}
	last := func(i instant) int { // whatever else comes at the same moment
		if i.name == string(SteadyAgain) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(seen, func(a, b instant) int {
		return cmp.Or(cmp.Compare(a.Hi, b.Hi), cmp.Compare(last(a), last(b)), cmp.Compare(a.Lo, b.Lo))
	})
	moments, before := []Moment{{Name: string(FaultInjected), Source: receipt}}, fault
	for _, i := range seen {
		moments = append(moments, Moment{Name: i.name, Since: i.since(fault), After: i.since(before), Source: i.source})
		if i.Hi != Forever {
			before = i.Interval
		}
	}
	return moments
}
