package drtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Figures are what a ledger shows, whatever the objectives. The package comment defines each of them.
type Figures struct {
	Detection Figure // fault to detected
	RTO       Figure // fault to served again
	Outage    Figure // first failure to served again
	HealLag   Figure // healed to served again
	WorkRTO   Figure // fault to every affected unit past its progress at the fault
	RPO       Figure // age at the fault of the oldest acked unit that was lost; 0 when none was
	LostWork  Figure // the worst rollback of progress that clients had seen

	// Counts of requests.
	Due, Acked, Rejected, Unknown int
	// Failed counts the requests that ended after the fault and were not acked.
	Failed int

	// What the system held at the end. They are empty while [Ledger.Survivors] is nil.
	Held        int      // different units of this drill
	Lost        []string // acked and not held
	LostAfter   int      // those of Lost that were acked after the fault
	Duplicates  []string // held more than once
	Resurrected []string // rejected and held
	TurnedUp    int      // unknown and held: work that was taken although nobody was told

	// The units in flight at the fault. They are known where the workload is a [Tracker].
	WorkKnown   bool
	WorkWhy     string   // why they are not known
	Affected    []string // acked before the fault and not finished in the last sample before it
	Recovered   []string // affected, and finished with the right result, exactly once
	Unrecovered []string // affected, and not recovered, each with the reason
}

// A Figure is one measured duration.
type Figure struct {
	Interval
	Known bool   // whether the drill shows it
	Why   string // why it is not known, or what is remarkable about it
}

// Availability is the share of requests that were acked, over the whole drill.
func (f Figures) Availability() float64 {
	if f.Due == 0 {
		return 0
	}
	return float64(f.Acked) / float64(f.Due)
}

func known(i Interval) Figure             { return Figure{Interval: i, Known: true} }
func unknown(why string, a ...any) Figure { return Figure{Why: fmt.Sprintf(why, a...)} }
func (f Figure) remark(why string) Figure { f.Why = why; return f }
func (l *Ledger) allUnknown(w string) Figures {
	u := unknown("%s", w)
	return Figures{Detection: u, RTO: u, Outage: u, HealLag: u, WorkRTO: u, RPO: u, LostWork: u, WorkWhy: w}
}

// Measure computes the figures of a ledger.
func Measure(l *Ledger) Figures {
	fault, ok := l.Event(FaultInjected)
	if !ok {
		f := l.allUnknown("no fault was injected")
		l.count(&f)
		return f
	}
	f := Figures{Detection: l.detection(fault)}
	l.count(&f)
	l.outage(fault, &f)
	l.survival(fault, &f)
	l.work(fault, &f)
	return f
}

func (l *Ledger) count(f *Figures) {
	f.Due = len(l.Ops)
	for _, op := range l.Ops {
		switch op.Outcome {
		case Acked:
			f.Acked++
		case Rejected:
			f.Rejected++
		default:
			f.Unknown++
		}
	}
}

func (l *Ledger) detection(fault Interval) Figure {
	if !l.Drill.Watched {
		return unknown("the scenario has no Health, so nothing could be detected")
	}
	for _, e := range l.Events {
		if e.Kind == HealthLost && e.Hi >= fault.Lo {
			return known(e.since(fault))
		}
	}
	if kept, ok := l.Event(HealthKept); ok {
		return known(Interval{Lo: max(0, kept.Lo-fault.Hi), Hi: Forever}).remark("health never turned bad")
	}
	return unknown("health was not followed to the end")
}

// failed returns the indices of the ops that ended after the fault and were not acked.
func (l *Ledger) failed() []int {
	fault, ok := l.Event(FaultInjected)
	var failed []int
	for i, op := range l.Ops {
		if ok && op.Outcome != Acked && op.End != Forever && op.End > fault.Lo {
			failed = append(failed, i)
		}
	}
	return failed
}

// outage finds when clients were served again. The last failed request proves that the service was down at
// some moment after its start; the first acked one that started after it proves that it was up before its
// end. The first failure lies between the last ack before it and the end of the first failed request.
func (l *Ledger) outage(fault Interval, f *Figures) {
	failed := l.failed()
	f.Failed = len(failed)
	if len(failed) == 0 {
		f.RTO = unknown("no client saw an outage, so nothing was recovered from")
		f.Outage, f.HealLag = f.RTO, f.RTO
		return
	}
	first, last := failed[0], failed[len(failed)-1]
	served, steady := Interval{Lo: l.Ops[last].Start, Hi: Forever}, false
	for i := last + 1; i < len(l.Ops); i++ {
		op := l.Ops[i]
		if op.Outcome != Acked { // only requests without an outcome are left here
			continue
		}
		served.Hi = min(served.Hi, op.End)
		steady = steady || op.Due-l.Ops[last+1].Due >= l.Drill.Steady
	}
	remark := ""
	switch {
	case !l.Ended && (served.Hi == Forever || !steady):
		remark, served.Hi = "the drill was cut off before its end", Forever
	case served.Hi == Forever:
		remark = "never served again"
	case !steady:
		remark = fmt.Sprintf("not steady for %v by the end of the drill", l.Drill.Steady)
		served.Hi = Forever
	}
	down := Interval{Lo: fault.Lo, Hi: l.Ops[first].End}
	for _, op := range l.Ops[:first] {
		if op.Outcome == Acked {
			down.Lo = max(down.Lo, op.Start)
		}
	}
	for _, i := range failed {
		down.Hi = min(down.Hi, l.Ops[i].End)
	}
	f.RTO = known(served.since(fault)).remark(remark)
	f.Outage = known(served.since(down)).remark(remark)
	if healed, ok := l.Event(FaultHealed); ok {
		f.HealLag = known(served.since(healed)).remark(remark)
	} else {
		f.HealLag = unknown("the fault was not healed")
	}
}

// survival crosses what clients were told with what the system holds.
func (l *Ledger) survival(fault Interval, f *Figures) {
	if l.Survivors == nil {
		f.RPO = unknown("survivors are not known: %s", cmp.Or(l.note(SurvivorsRead), "they were never read"))
		return
	}
	held := map[string]int{}
	for _, id := range l.Survivors {
		held[id]++
	}
	var worst Interval // each unit was acked between its request's start and end
	for _, op := range l.Ops {
		n := held[op.ID]
		if n > 0 {
			f.Held++
		}
		if n > 1 {
			f.Duplicates = append(f.Duplicates, op.ID)
		}
		switch {
		case op.Outcome == Acked && n == 0:
			f.Lost = append(f.Lost, op.ID)
			worst.Lo, worst.Hi = max(worst.Lo, fault.Lo-op.End), max(worst.Hi, fault.Hi-op.Start)
			if op.End > fault.Hi {
				f.LostAfter++
			}
		case op.Outcome == Rejected && n > 0:
			f.Resurrected = append(f.Resurrected, op.ID)
		case op.Outcome == Unknown && n > 0:
			f.TurnedUp++
		}
	}
	if f.Acked == 0 {
		f.RPO = unknown("nothing was acked, so nothing could be lost")
	} else {
		f.RPO = known(worst)
	}
}

// unit is the history of one unit in flight at the fault.
type unit struct {
	id       string
	accepted Interval // from the request's start to its ack
	seen     []point  // the samples that showed it changed, in order
	before   int      // the last of seen that was read before the fault, or -1
}

type point struct {
	Interval
	Progress
	since time.Duration // the start of the last sample that had not shown it yet
}

// at returns the progress that clients knew of at the fault.
func (u unit) at() Progress {
	if u.before < 0 {
		return Progress{Attempt: 1}
	}
	return u.seen[u.before].Progress
}

// past says whether the unit is past its progress at the fault, as p shows it.
func (u unit) past(p Progress) bool { return p.Finished || p.Done > u.at().Done }

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
	held := map[string]int{}
	for _, id := range l.Survivors {
		held[id]++
	}
	for _, u := range units {
		f.Affected = append(f.Affected, u.id)
		var last Progress
		if n := len(u.seen); n > 0 {
			last = u.seen[n-1].Progress
		}
		switch {
		case held[u.id] == 0:
			f.Unrecovered = append(f.Unrecovered, u.id+" (lost)")
		case held[u.id] > 1:
			f.Unrecovered = append(f.Unrecovered, u.id+" (held more than once)")
		case !last.Finished:
			f.Unrecovered = append(f.Unrecovered, u.id+" (not finished)")
		case last.Wrong != "":
			f.Unrecovered = append(f.Unrecovered, u.id+" ("+last.Wrong+")")
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

// inFlight collects the units that were acked before the fault and that no sample before it showed finished.
func (l *Ledger) inFlight(fault Interval) []unit {
	units := map[string]*unit{}
	for _, op := range l.Ops {
		if op.Outcome == Acked && op.End <= fault.Lo {
			units[op.ID] = &unit{id: op.ID, accepted: Interval{op.Start, op.End}, before: -1}
		}
	}
	var previous time.Duration
	for _, s := range l.Samples {
		for id, p := range s.Units {
			u, ok := units[id]
			if !ok {
				continue
			}
			if s.Hi <= fault.Lo {
				u.before = len(u.seen)
			}
			u.seen = append(u.seen, point{Interval: s.Interval, Progress: p, since: max(previous, u.accepted.Lo)})
		}
		previous = s.Lo
	}
	var flying []unit
	for _, id := range slices.Sorted(maps.Keys(units)) {
		if u := units[id]; !u.at().Finished {
			flying = append(flying, *u)
		}
	}
	return flying
}

// workRTO finds the last sample after the fault in which some unit was not past its progress at the fault,
// and the first one after it.
func (l *Ledger) workRTO(fault Interval, units []unit) Figure {
	byID := map[string]*unit{}
	behind := map[string]bool{}
	attempt := map[string]int{}
	for i, u := range units {
		byID[u.id] = &units[i]
		behind[u.id] = true
		attempt[u.id] = u.at().Attempt
	}
	resumed := Interval{Lo: fault.Lo, Hi: Forever}
	previous := fault.Lo
	for _, s := range l.Samples {
		if s.Hi <= fault.Lo {
			continue
		}
		for id, p := range s.Units {
			u, ok := byID[id]
			if !ok {
				continue
			}
			// A unit that is past, but started anew from behind since the last sample, was behind between
			// the two.
			if p.Attempt > attempt[id] && p.From <= u.at().Done {
				resumed = Interval{Lo: previous, Hi: Forever}
			}
			attempt[id] = p.Attempt
			if u.past(p) {
				delete(behind, id)
			} else {
				behind[id] = true
			}
		}
		switch {
		case len(behind) > 0:
			resumed = Interval{Lo: s.Lo, Hi: Forever}
		case resumed.Hi == Forever:
			resumed.Hi = s.Hi
		}
		previous = s.Lo
	}
	fig := known(resumed.since(fault))
	if resumed.Hi == Forever {
		fig.Why = fmt.Sprintf("%d of %d units never got past their progress at the fault", len(behind), len(units))
	}
	return fig
}

// lostWork finds the worst rollback: of each unit, the time from when the progress that it resumed from had
// first been seen until the fault.
func lostWork(fault Interval, units []unit) Figure {
	var worst Interval
	for _, u := range units {
		before := u.at()
		if before.Attempt == 0 {
			return unknown("the workload does not report attempts, so rollbacks between two samples would be missed")
		}
		from, resumed := before.Done, false
		for _, p := range u.seen[u.before+1:] {
			resumed = true
			if p.Attempt > before.Attempt {
				from = min(from, p.From)
			}
			from = min(from, p.Done) // what clients saw outweighs what the system says
		}
		if !resumed {
			return unknown("%s was never seen again after the fault", u.id)
		}
		if from >= before.Done {
			continue
		}
		reached := u.reached(from)
		worst.Lo = max(worst.Lo, fault.Lo-reached.Hi)
		worst.Hi = max(worst.Hi, fault.Hi-reached.Lo)
	}
	return known(worst)
}

// reached says when clients first saw that done steps were finished, before the fault.
func (u unit) reached(done int) Interval {
	for _, p := range u.seen[:u.before+1] {
		if p.Done >= done && done > 0 {
			return Interval{Lo: p.since, Hi: p.Hi}
		}
	}
	return u.accepted
}
