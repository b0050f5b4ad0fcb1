package drtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Figures are what a ledger shows, whatever the objectives. The package comment defines each of
// them, and Named says in a sentence what it is.
type Figures struct {
	Detection, RTO, Outage, HealLag, RPO, WorkRTO, LostWork Figure

	// Stages holds fault to reached for each stage, in the order of the scenario.
	Stages []StageFigure

	// Counts of requests.
	Due, Acked, Rejected, Unknown int
	// Availability is the share of the requests sent from the fault until service was back that
	// were served within [Load].Timeout. It is 1 when none failed, and nil when it is not known.
	Availability *float64

	// Failed counts the requests that ended after the fault and were not acked, or only after
	// [Load].Timeout.
	Failed int
	// FailedInStall counts those of Failed during which the test process stood still: they show
	// nothing.
	FailedInStall int
	// Since counts the requests that were acked in a row after the last failure. They exclude, with
	// a confidence of 95 %, that requests still fail with a rate above Residual. Both are 0 when
	// none failed.
	Since    int
	Residual float64

	// What the system held at the end. They are empty while [Ledger.Survivors] is nil.
	Held        int      // different units of this drill
	Lost        []string // acked and not held
	LostAfter   int      // those of Lost that were asked for and acked after the fault
	LostDuring  int      // those of Lost that were asked for, or acked, while it took effect
	Duplicates  []string // held more than once
	Resurrected []string // rejected and held
	Vanished    []string // held in one reading, and not in a later one

	// Wrong are the units of which clients ever saw a wrong result, whenever they were accepted;
	// Finished counts those of which they saw one. They are known where the workload is a
	// [Tracker].
	Wrong    []WrongUnit
	Finished int

	// The units in flight at the fault. They are known where the workload is a [Tracker].
	WorkKnown   bool
	WorkWhy     string   // why they are not known
	Affected    []string // acked before the fault and not finished in the last sample before it, or not any more
	Recovered   []string // affected, and finished with the right result, exactly once
	Unrecovered []Unrecovered

	// Counters holds what each counter of the workload counted, in their order.
	Counters []CounterFigure
}

// A StageFigure is when a [Stage] was reached.
type StageFigure struct {
	Name string
	Figure
}

// A WrongUnit is a unit whose result is wrong.
type WrongUnit struct {
	ID  string
	Why string
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

// A NamedFigure is one of [Figures] as every report shows it.
type NamedFigure struct {
	Name      string // as verdicts say it: "heal lag"
	Title     string // as a heading: "Heal Lag"
	Meaning   string // what it is, in one sentence
	Unit      string // "s" of a time, "units" of a count, and empty of a share
	Objective string // the name of the objective that sets a limit on it, if there is one

	Figure         // whether it is known, and why not; of a time, its interval
	Number float64 // of what is no time: a count, or a share from 0 to 1
}

// IsTime says whether the figure is a time, with an interval.
func (n NamedFigure) IsTime() bool { return n.Unit == "s" }

// String reads "2.413s (2.391s..2.413s)", "3 units", "98.5 %", or "not measured", with what there
// is to say of it.
func (n NamedFigure) String() string {
	switch {
	case n.IsTime() || !n.Known:
		return n.Figure.String()
	case n.Unit == "":
		return percent(n.Number)
	}
	return fmt.Sprintf("%.0f %s", n.Number, n.Unit)
}

// The names of the figures that have an objective of the same name.
const (
	nameDetection = "detection"
	nameRTO       = "RTO"
	nameHealLag   = "heal lag"
	nameRPO       = "RPO"
	nameWorkRTO   = "work RTO"
	nameLostWork  = "lost work"
)

// A timeFigure is a figure that is a time, and what it is called.
type timeFigure struct {
	*Figure
	name, title, meaning string
}

// times are all figures that are times, in the order of reports.
func (f *Figures) times() []timeFigure {
	return []timeFigure{
		{&f.Detection, nameDetection, "Detection Time", "From the fault until the system's own health check turned bad."},
		{&f.RTO, nameRTO, "Recovery Time (RTO)", "From the fault until clients were served again, and stayed served."},
		{&f.Outage, "outage", "Outage", "From the first failure that a client saw until clients were served again."},
		{&f.HealLag, nameHealLag, "Heal Lag", "From the end of the fault until clients were served again."},
		{&f.RPO, nameRPO, "Data Loss (RPO)", "How far back from the fault acknowledged work was lost; 0 when none was."},
		{&f.WorkRTO, nameWorkRTO, "Work Resumed (Work RTO)", "From the fault until each affected unit was past the progress that it had at the fault."},
		{&f.LostWork, nameLostWork, "Lost Work", "How far back from the fault progress that clients had seen was rolled back, of the unit that lost most."},
	}
}

// Named returns the figures with their names, in the order of reports. What reports say of figures
// follows from it. Those of stages and counters, which a scenario names, are not among them.
func (f Figures) Named() (all []NamedFigure) {
	for _, t := range f.times() {
		all = append(all, NamedFigure{Name: t.name, Title: t.title, Meaning: t.meaning, Unit: "s", Objective: t.name, Figure: *t.Figure})
	}
	count := func(name, title, objective string, n int, known bool, why, meaning string) {
		all = append(all, NamedFigure{Name: name, Title: title, Meaning: meaning, Unit: "units", Objective: objective, Figure: Figure{Known: known, Why: why}, Number: float64(n)})
	}
	count("affected", "Units Affected", "", len(f.Affected), f.WorkKnown, f.WorkWhy, "Units that were accepted before the fault and unfinished at it.")
	count("recovered", "Units Recovered", nameAllRecovered, len(f.Recovered), f.WorkKnown, f.WorkWhy, "Those of the affected units that finished with their right result, exactly once.")
	lossWhy := f.RPO.Why
	if f.RPO.Known {
		lossWhy = ""
	}
	count("lost", "Units Lost", "", len(f.Lost), f.RPO.Known, lossWhy, "Units that were acknowledged and are not held.")
	count("duplicates", "Duplicates", nameNoDuplicates, len(f.Duplicates), f.RPO.Known, lossWhy, "Units that the system holds more than once.")
	availability := NamedFigure{Name: "availability", Title: "Availability",
		Meaning: "The share of the requests sent from the fault until service was back that were served in time; 1 when none failed."}
	switch {
	case f.Availability != nil:
		availability.Known, availability.Number = true, *f.Availability
	case f.RTO.Known:
		availability.Why = "no request was sent after the fault"
	default:
		availability.Why = f.RTO.Why
	}
	return append(all, availability)
}

// time returns the figure of a name.
func (f Figures) time(name string) Figure {
	for _, t := range f.times() {
		if t.name == name {
			return *t.Figure
		}
	}
	return unknown("there is no figure %q", name)
}

// String reads "2.413s (2.391s..2.413s)" or "not measured", with what there is to say of it.
func (f Figure) String() string {
	text := "not measured"
	if f.Known {
		text = f.Interval.String()
	}
	if f.Why != "" {
		text += ": " + f.Why
	}
	return text
}

func known(i Interval) Figure             { return Figure{Interval: i, Known: true} }
func unknown(why string, a ...any) Figure { return Figure{Why: fmt.Sprintf(why, a...)} }
func (f Figure) remark(why string) Figure { f.Why = why; return f }

// nothingKnown are the figures of a drill that shows none, and why.
func nothingKnown(why string) (f Figures) {
	for _, t := range f.times() {
		*t.Figure = unknown("%s", why)
	}
	f.WorkWhy = why
	return f
}

// Measure computes the figures of a ledger.
func Measure(l *Ledger) Figures {
	fault, ok := l.Event(FaultInjected)
	if !ok {
		f := nothingKnown("no fault was injected")
		f.Counters = l.counted()
		l.count(&f)
		return f
	}
	f := Figures{Detection: l.detection(fault), Counters: l.counted()}
	l.count(&f)
	l.outage(fault, &f)
	l.survival(fault, &f)
	l.stages(fault, &f)
	l.work(fault, &f)
	l.results(&f)
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
			case e.Kind == StageKept:
				fig = unknown("it was there before the fault, and was never seen missing after it")
			case e.Kind == StageMissed:
				fig = known(Interval{Lo: max(0, e.Lo-fault.Hi), Hi: Forever}).remark("never reached")
			}
		}
		f.Stages = append(f.Stages, StageFigure{name, fig})
	}
}

// results finds wrong results in every sample: also what turned wrong after it had been right, and
// right after it had been wrong.
func (l *Ledger) results(f *Figures) {
	wrong, finished := map[string]bool{}, map[string]bool{}
	for _, s := range l.Samples {
		for _, id := range slices.Sorted(maps.Keys(s.Units)) {
			u := s.Units[id]
			if u.Finished {
				finished[id] = true
			}
			if u.Wrong != "" && !wrong[id] {
				wrong[id] = true
				f.Wrong = append(f.Wrong, WrongUnit{id, u.Wrong})
			}
		}
	}
	f.Finished = len(finished)
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

// mostFlaps is from how many failures of health before the fault on a failure after it shows
// nothing. One is allowed: a system that has just been started may have been busy.
const mostFlaps = 2

func (l *Ledger) detection(fault Interval) Figure {
	if !l.Drill.Watched {
		return unknown("the scenario has no Health, so nothing could be detected")
	}
	well, flaps := false, 0 // before the fault
	for _, e := range l.Events {
		switch {
		case e.Kind == HealthLost && e.Hi < fault.Lo:
			if well {
				flaps++
			}
			well = false
		case (e.Kind == HealthGood || e.Kind == HealthRestored) && e.Hi < fault.Lo:
			well = true
		case e.Kind != HealthLost:
		case flaps >= mostFlaps:
			return unknown("health had turned bad %d times before the fault, so that it turned bad after it shows nothing", flaps)
		default:
			return known(e.since(fault))
		}
	}
	if !well && flaps > 0 {
		return unknown("health was bad already when the fault was injected")
	}
	if kept, ok := l.Event(HealthKept); ok {
		return known(Interval{Lo: max(0, kept.Lo-fault.Hi), Hi: Forever}).remark("health never turned bad")
	}
	return unknown("health was not followed to the end")
}

// unserved says whether a client was not served by a request: it failed, or its answer came after
// the client had given up.
func (l *Ledger) unserved(op Op) bool {
	return op.Outcome != Acked || l.Drill.Timeout > 0 && op.End-op.Start > l.Drill.Timeout
}

// provenDownAt is the moment at which a failed request shows the service to be down: when the error
// came, or, if it ran into its timeout, when it was sent.
func (l *Ledger) provenDownAt(op Op) time.Duration {
	if op.End-op.Start >= l.Drill.Timeout {
		return op.Start
	}
	return op.End
}

const noOutage = "no client saw an outage, so nothing was recovered from"

// outage measures what clients saw.
func (l *Ledger) outage(fault Interval, f *Figures) {
	d := l.downtime(fault)
	if d == nil {
		f.Availability = new(1.0)
		f.RTO = unknown(noOutage)
		f.Outage, f.HealLag = f.RTO, f.RTO
		return
	}
	f.Failed, f.FailedInStall, f.Since, f.Residual = d.failed, d.stalled, d.acks, d.residual()
	f.RTO = known(d.served.since(fault)).remark(d.remark)
	f.Outage = known(d.served.since(d.down)).remark(d.remark)
	if healed, ok := l.Event(FaultHealed); ok {
		f.HealLag = known(d.served.since(healed)).remark(d.remark)
	} else {
		f.HealLag = unknown("the fault was not healed")
	}
	due, served := 0, 0
	for _, op := range l.Ops {
		if op.Start < fault.Lo || op.Start > d.served.Hi {
			continue
		}
		due++
		if !l.unserved(op) {
			served++
		}
	}
	if due > 0 {
		f.Availability = new(float64(served) / float64(due))
	}
}

// A downtime is when clients were first failed and when they were served again.
type downtime struct {
	down, served Interval
	remark       string
	first, last  Op  // that failed
	failed       int // requests
	stalled      int // those of them during which the test process stood still
	acks, rows   int // the row of acks since the last failure, and how many such rows there were
}

// residual is the failure rate that the acks after the last failure exclude.
func (d *downtime) residual() float64 {
	if d.acks == 0 {
		return 1
	}
	return excluded(d.acks, d.rows)
}

// downtime finds when clients were first failed and when they were served again, or nil when none
// was failed. A failed request proves that the service was down at some moment after its start,
// and, unless it ran into its timeout, that it still was when the error came. A request that failed
// while the test process stood still proves neither: it may have been answered in time. The first
// failure lies between the last ack before it and the end of the first failed request.
func (l *Ledger) downtime(fault Interval) *downtime {
	c := l.followClients().takeToEnd()
	if len(c.failed) == 0 {
		return nil
	}
	d := &downtime{down: Interval{fault.Lo, Forever}, served: Interval{0, c.served()}, failed: len(c.failed), acks: c.acked(0), rows: c.rows(),
		first: l.Ops[c.failed[0]], last: l.Ops[c.failed[0]]}
	stalls := l.stalls()
	for _, i := range c.failed {
		op := l.Ops[i]
		if l.provenDownAt(op) < l.provenDownAt(d.first) {
			d.first = op
		}
		if l.provenDownAt(op) >= l.provenDownAt(d.last) {
			d.last = op
		}
		if op.during(stalls) {
			d.stalled++
			continue
		}
		d.down.Hi = min(d.down.Hi, op.End)
		d.served.Lo = max(d.served.Lo, op.Start)
	}
	for _, op := range l.Ops {
		if op.Outcome == Acked && op.End <= l.provenDownAt(d.first) {
			d.down.Lo = max(d.down.Lo, op.Start)
		}
	}
	if d.stalled == d.failed {
		d.down.Hi = d.last.End
	}
	d.down.Hi = min(d.down.Hi, c.served())
	switch {
	case !l.Ended && (d.served.Hi == Forever || c.window < 0):
		d.remark, d.served.Hi = "the drill was cut off before its end", Forever
	case d.served.Hi == Forever && d.acks == 0:
		d.remark = "never served again"
	case d.served.Hi == Forever:
		d.remark = "not served again for certain: " + c.missingEvidence()
	case c.window > c.begin: // a failure may hide where no request was sent
		d.served.Hi = max(d.served.Hi, l.Ops[c.window].End)
	case c.window < 0:
		d.remark, d.served.Hi = fmt.Sprintf("not steady for %v by the end of the drill", l.Drill.Steady), Forever
	}
	return d
}

// survival crosses what clients were told with what the system holds.
func (l *Ledger) survival(fault Interval, f *Figures) {
	if l.Survivors == nil {
		f.RPO = unknown("survivors are not known: %s", cmp.Or(l.noteOf(SurvivorsRead), "they were never read"))
		return
	}
	f.Vanished = l.Vanished
	held := l.held()
	seen := l.injectReturned()
	var worst Interval               // each unit was acked between its request's start and end
	oldest, kept := Forever, Forever // when the oldest acked unit that was lost was asked for, and the oldest that was not
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
			case op.Start >= fault.Lo, op.End > seen:
				f.LostDuring++
			}
			oldest = min(oldest, op.Start)
		case op.Outcome == Acked:
			kept = min(kept, op.Start)
		case op.Outcome == Rejected && n > 0:
			f.Resurrected = append(f.Resurrected, op.ID)
		}
	}
	if f.Acked == 0 {
		f.RPO = unknown("nothing was acked, so nothing could be lost")
		return
	}
	f.RPO = known(worst)
	if kept > oldest && oldest < fault.Lo {
		f.RPO.Hi = Forever
		f.RPO.Why = "the first unit of the load is lost, so the loss may reach back beyond it"
	}
}

// injectReturned is when Inject returned. What was asked for before the fault was in effect and
// acked until then counts as acked before it: an answer may take as long.
func (l *Ledger) injectReturned() (at time.Duration) {
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
