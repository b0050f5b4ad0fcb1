package drtest

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// A unit is the history of one unit in flight at the fault.
type unit struct {
	id       string
	accepted Interval // from the request's start to its ack
	seen     []point  // the samples that showed it changed, in order
	before   int      // so many of seen ended before the fault
	during   int      // so many of seen began before the fault was seen to be in effect
}

// A point is what one sample showed of a unit.
type point struct {
	Interval
	Progress
	since time.Duration // the start of the last sample that had not shown it yet
}

// atFault returns the progress that clients knew of when the fault was about to be injected.
func (u unit) atFault() Progress {
	if u.before == 0 {
		return Progress{Attempt: 1}
	}
	return u.seen[u.before-1].Progress
}

// mostAtFault returns the most progress that the unit can have had at the fault, as far as clients
// know: what they saw while it was being injected, and, if the unit was not started again since,
// what the first sample after it showed.
func (u unit) mostAtFault(first Interval) int {
	most := u.atFault().Done
	for _, p := range u.seen[:u.during] {
		most = max(most, p.Done)
	}
	for _, p := range u.seen[u.during:] {
		if p.Lo <= first.Lo && p.Attempt == u.atFault().Attempt {
			most = max(most, p.Done)
		}
	}
	return most
}

// notFinished is why a unit is not recovered that had not come to its end by the end of the drill.
const notFinished = "not finished"

// work follows the units that were in flight at the fault.
func (l *Ledger) work(fault Interval, f *Figures) {
	switch {
	case !l.Drill.Tracked:
		f.WorkWhy = "the workload does not report the progress of its units"
	case len(l.Samples) == 0:
		f.WorkWhy = "the progress of the units was never read"
	case l.Survivors == nil:
		f.WorkWhy = f.RPO.Why
	}
	if f.WorkWhy != "" {
		f.WorkRTO, f.LostWork = unknown("%s", f.WorkWhy), unknown("%s", f.WorkWhy)
		return
	}
	f.WorkKnown = true
	units := l.inFlight(fault)
	held := l.held()
	for _, u := range units {
		f.Affected = append(f.Affected, u.id)
		var last Progress
		if n := len(u.seen); n > 0 {
			last = u.seen[n-1].Progress
		}
		not := func(why string) {
			f.Unrecovered = append(f.Unrecovered, Unrecovered{ID: u.id, Lost: held[u.id] == 0, Why: why})
		}
		switch {
		case held[u.id] == 0:
			not("lost")
		case held[u.id] > 1:
			not("held more than once")
		case !last.Finished:
			not(notFinished)
		case last.Wrong != "":
			not(last.Wrong)
		default:
			f.Recovered = append(f.Recovered, u.id)
		}
	}
	if len(units) == 0 {
		f.WorkRTO = unknown("no unit was in flight at the fault")
		f.LostWork = f.WorkRTO
		return
	}
	f.WorkRTO = l.workRTO(fault, units)
	f.LostWork = lostWork(fault, units)
}

// inFlight collects the units that were acked before the fault, as RPO counts it, and that no
// sample before it showed finished, or a later one showed unfinished again.
func (l *Ledger) inFlight(fault Interval) []unit {
	units, seen := map[string]*unit{}, l.injectReturned()
	for _, op := range l.Ops {
		if op.Outcome == Acked && op.Start < fault.Hi && op.End <= seen {
			units[op.ID] = &unit{id: op.ID, accepted: Interval{op.Start, op.End}}
		}
	}
	var previous time.Duration
	for _, s := range l.Samples {
		for id, p := range s.Units {
			u, ok := units[id]
			if !ok {
				continue
			}
			u.seen = append(u.seen, point{Interval: s.Interval, Progress: p, since: max(previous, u.accepted.Lo)})
			if s.Hi <= fault.Lo {
				u.before = len(u.seen)
			}
			if s.Lo < fault.Hi {
				u.during = len(u.seen)
			}
		}
		previous = s.Lo
	}
	var flying []unit
	for _, id := range slices.Sorted(maps.Keys(units)) {
		u := units[id]
		u.during = max(u.during, u.before)
		again := slices.ContainsFunc(u.seen[u.before:], func(p point) bool { return !p.Finished })
		if !u.atFault().Finished || again {
			flying = append(flying, *u)
		}
	}
	return flying
}

// workRTO is the time until every unit was past its progress at the fault. That progress is known
// from samples, so it has bounds of its own: the least is what clients had seen before the fault,
// and with it work resumed the earliest; with the most that it can have been, the latest.
func (l *Ledger) workRTO(fault Interval, units []unit) Figure {
	first := Interval{Lo: Forever} // the first sample after the fault
	for _, s := range l.Samples {
		if s.Lo >= fault.Hi {
			first = s.Interval
			break
		}
	}
	resumed, _ := l.resumed(fault, units, func(u unit) int { return u.atFault().Done })
	latest, behind := l.resumed(fault, units, func(u unit) int { return u.mostAtFault(first) })
	resumed.Hi = latest.Hi
	fig := known(resumed.since(fault))
	if resumed.Hi == Forever {
		fig.Why = fmt.Sprintf("%d of %d units never got past their progress at the fault", behind, len(units))
	}
	return fig
}

// resumed finds the last sample after the fault in which some unit was not past a progress, and the
// first one after it; and how many units never were.
func (l *Ledger) resumed(fault Interval, units []unit, progress func(unit) int) (resumed Interval, behind int) {
	at := map[string]int{}
	attempt := map[string]int{}
	waiting := map[string]bool{}
	for _, u := range units {
		at[u.id] = progress(u)
		attempt[u.id] = u.atFault().Attempt
		waiting[u.id] = true
	}
	resumed = Interval{Lo: fault.Lo, Hi: Forever}
	previous := fault.Lo
	for _, s := range l.Samples {
		if s.Hi <= fault.Lo {
			continue
		}
		for id, p := range s.Units {
			done, ok := at[id]
			if !ok {
				continue
			}
			// A unit that is past, but started again from behind since the last sample, was behind
			// between the two. A count of attempts that goes backwards says so, too.
			if p.Attempt > 0 && p.Attempt != attempt[id] && p.From <= done {
				resumed = Interval{Lo: previous, Hi: Forever}
			}
			attempt[id] = p.Attempt
			if p.Finished || p.Done > done {
				delete(waiting, id)
			} else {
				waiting[id] = true
			}
		}
		switch {
		case len(waiting) > 0:
			resumed = Interval{Lo: s.Lo, Hi: Forever}
		case resumed.Hi == Forever:
			resumed.Hi = s.Hi
		}
		previous = s.Lo
	}
	return resumed, len(waiting)
}

// lostWork finds the worst rollback: of each unit, the time from when the progress that it resumed
// from had first been seen until the fault. Progress that was seen while the fault was being
// injected may have been before or after it, so it counts for the strict end only.
func lostWork(fault Interval, units []unit) Figure {
	var worst Interval
	for _, u := range units {
		before := u.atFault()
		if slices.ContainsFunc(u.seen, func(p point) bool { return p.Attempt == 0 && (p.Done > 0 || p.Finished) }) {
			return unknown("the workload does not report attempts, so rollbacks between two samples would be missed")
		}
		first := max(1, before.Attempt) // the first execution of a unit that waited is no takeover
		most := before.Done
		for _, p := range u.seen[:u.during] {
			most = max(most, p.Done)
		}
		from, resumed := most, false
		for _, p := range u.seen[u.before:] {
			resumed = resumed || p.Finished || p.Lo >= fault.Hi
			if p.Attempt > first {
				from = min(from, p.From)
			}
			if p.Lo >= fault.Hi || p.Attempt > first {
				from = min(from, p.Done) // what clients saw outweighs what the system says
			}
		}
		if !resumed {
			return unknown("%s was never seen again after the fault", u.id)
		}
		if was, is := u.recounted(); was > 0 && from > 0 {
			return unknown("%s was in attempt %d and later in attempt %d, so rollbacks between two samples would be missed", u.id, was, is)
		}
		reached := u.reached(from)
		if from < before.Done {
			worst.Lo = max(worst.Lo, fault.Lo-reached.Hi)
		}
		if from < most {
			worst.Hi = max(worst.Hi, fault.Hi-reached.Lo)
		}
	}
	return known(worst)
}

// recounted returns two attempts of a unit where the later one is the lower: the count of attempts
// began again. A unit that waits has no attempt.
func (u unit) recounted() (was, is int) {
	for _, p := range u.seen {
		if p.Attempt > 0 && p.Attempt < was {
			return was, p.Attempt
		}
		was = max(was, p.Attempt)
	}
	return 0, 0
}

// reached says when clients first saw that done steps were finished.
func (u unit) reached(done int) Interval {
	for _, p := range u.seen[:u.during] {
		if p.Done >= done && done > 0 {
			return Interval{Lo: p.since, Hi: p.Hi}
		}
	}
	return u.accepted
}
