package drtest

import (
	"cmp"
	"fmt"
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

	// Stages holds fault to reached for each stage, in the order of the scenario.
	Stages []StageFigure

	// Counts of requests.
	Due, Acked, Rejected, Unknown int
	// Failed counts the requests that ended after the fault and were not acked.
	Failed int

	// What the system held at the end. They are empty while [Ledger.Survivors] is nil.
	Held        int      // different units of this drill
	Lost        []string // acked and not held
	LostAfter   int      // those of Lost that were asked for and acked after the fault
	LostDuring  int      // those of Lost that were under way when the fault was seen to be in effect
	Duplicates  []string // held more than once
	Resurrected []string // rejected and held

	// The units in flight at the fault. They are known where the workload is a [Tracker].
	WorkKnown   bool
	WorkWhy     string   // why they are not known
	Affected    []string // acked before the fault and not finished in the last sample before it, or not any more
	Recovered   []string // affected, and finished with the right result, exactly once
	Unrecovered []Unrecovered

	// What was paid, the drill's repeated work included. It is nil when it is not known.
	Bill    *Bill
	BillWhy string // why it is not known
}

// A StageFigure is when a [Stage] was reached.
type StageFigure struct {
	Name string
	Figure
}

// Unrecovered is a unit that was affected and not recovered.
type Unrecovered struct {
	ID   string
	Lost bool   // the system does not hold it any more
	Why  string // "lost", "not finished"...
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
	return Figures{Detection: u, RTO: u, Outage: u, HealLag: u, WorkRTO: u, RPO: u, LostWork: u, WorkWhy: w, BillWhy: w}
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
	l.stages(fault, &f)
	l.work(fault, &f)
	l.bill(&f)
	return f
}

func (l *Ledger) stages(fault Interval, f *Figures) {
	for _, name := range l.Drill.Stages {
		fig := unknown("it was not followed to the end")
		for _, e := range l.Events {
			switch {
			case e.Note != name:
			case e.Kind == StageReached:
				fig = known(e.since(fault))
			case e.Kind == StageMissed:
				fig = known(Interval{Lo: max(0, e.Lo-fault.Hi), Hi: Forever}).remark("never reached")
			}
		}
		f.Stages = append(f.Stages, StageFigure{name, fig})
	}
}

func (l *Ledger) bill(f *Figures) {
	switch f.Bill = l.Bill; {
	case f.Bill != nil:
	case !l.Drill.Billed:
		f.BillWhy = "the workload does not report what was paid"
	default:
		f.BillWhy = cmp.Or(l.note(BillRead), "the bill was never read")
	}
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

// evidence is the moment at which a failed request shows the service to be down: when the error came, or, if
// it ran into its timeout, when it was sent.
func (l *Ledger) evidence(op Op) time.Duration {
	if op.End-op.Start >= l.Drill.Timeout {
		return op.Start
	}
	return op.End
}

// outage measures what clients saw.
func (l *Ledger) outage(fault Interval, f *Figures) {
	failed := l.failed()
	f.Failed = len(failed)
	if len(failed) == 0 {
		f.RTO = unknown("no client saw an outage, so nothing was recovered from")
		f.Outage, f.HealLag = f.RTO, f.RTO
		return
	}
	down, served, remark := l.downtime(fault, failed)
	f.RTO = known(served.since(fault)).remark(remark)
	f.Outage = known(served.since(down)).remark(remark)
	if healed, ok := l.Event(FaultHealed); ok {
		f.HealLag = known(served.since(healed)).remark(remark)
	} else {
		f.HealLag = unknown("the fault was not healed")
	}
}

// downtime finds when clients were first failed and when they were served again. A failed request proves that the service was down at some
// moment after its start, and, unless it ran into its timeout, that it still was when the error came. The first
// acked request that started later proves that it was up before its end. The first failure lies between the last
// ack before it and the end of the first failed request.
func (l *Ledger) downtime(fault Interval, failed []int) (down, served Interval, remark string) {
	down, served = Interval{Lo: fault.Lo, Hi: Forever}, Interval{Hi: Forever}
	first, last := Forever, time.Duration(0) // the evidence of failure
	for _, i := range failed {
		op := l.Ops[i]
		down.Hi = min(down.Hi, op.End)
		served.Lo = max(served.Lo, op.Start)
		first, last = min(first, l.evidence(op)), max(last, l.evidence(op))
	}
	var since, until time.Duration // when the acked requests after the last failure were due
	for _, op := range l.Ops {
		if op.Outcome != Acked {
			continue
		}
		if op.End <= first {
			down.Lo = max(down.Lo, op.Start)
		}
		if op.Start <= last {
			continue
		}
		if served.Hi == Forever {
			since = op.Due
		}
		served.Hi, until = min(served.Hi, op.End), op.Due
	}
	switch steady := until-since >= l.Drill.Steady; {
	case !l.Ended && (served.Hi == Forever || !steady):
		remark, served.Hi = "the drill was cut off before its end", Forever
	case served.Hi == Forever:
		remark = "never served again"
	case !steady:
		remark = fmt.Sprintf("not steady for %v by the end of the drill", l.Drill.Steady)
		served.Hi = Forever
	}
	return down, served, remark
}

// survival crosses what clients were told with what the system holds.
func (l *Ledger) survival(fault Interval, f *Figures) {
	if l.Survivors == nil {
		f.RPO = unknown("survivors are not known: %s", cmp.Or(l.note(SurvivorsRead), "they were never read"))
		return
	}
	held := l.held()
	seen := l.seen()
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
			switch {
			case op.Start >= fault.Hi:
				f.LostAfter++
			case op.End > seen:
				f.LostDuring++
			}
		case op.Outcome == Rejected && n > 0:
			f.Resurrected = append(f.Resurrected, op.ID)
		}
	}
	if f.Acked == 0 {
		f.RPO = unknown("nothing was acked, so nothing could be lost")
	} else {
		f.RPO = known(worst)
	}
}

// seen is when Inject returned. What was asked for before the fault was in effect and acked until then counts as acked
// before it: an answer may take as long.
func (l *Ledger) seen() (at time.Duration) {
	for _, e := range l.Events {
		if e.Kind == FaultInjected {
			at = max(e.Hi, e.Seen)
		}
	}
	return at
}

// held counts how often the system holds each unit.
func (l *Ledger) held() map[string]int {
	held := map[string]int{}
	for _, id := range l.Survivors {
		held[id]++
	}
	return held
}
