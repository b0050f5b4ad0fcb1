package drtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Objective judges one property of a ledger. A scenario lists the objectives that it asserts.
type Objective struct {
	name    string
	limit   time.Duration // what is allowed, if bounded
	bounded bool
	count   *int                  // how many are demanded or allowed, of those that say so
	share   *float64              // that is allowed, likewise
	kind    string                // what of is, where the scenario named it: see [Assertion]
	of      string                // the stage, the check or the counter
	needs   func(Scenario) string // says what a scenario lacks without which it cannot be judged; nil: nothing
	judge   func(*Ledger, Figures) Verdict
}

// The names of objectives that figures refer to.
const (
	nameAllRecovered = "all recovered"
	nameNoDuplicates = "no duplicates"
)

// everyObjective returns an objective of each kind, with what it takes of these.
func everyObjective(name string, limit time.Duration, count int, share float64) []Objective {
	return []Objective{
		Detection(limit), RTO(limit), HealLag(limit), RPO(limit), WorkRTO(limit), LostWork(limit), ErrorRate(share), AllRecovered(count),
		NoDuplicates(), NoFailedRequests(), Reached(name, limit), Repeated(name, count), recordedCheck(name, nil),
	}
}

// RTO requires service to be back within limit of the fault, and to stay: the time counts to the
// first acked request after the last one that failed, with a steady window after it. Where only
// some requests failed, it counts to the last of as many acks as show that no more fail. The
// verdict says which failure rate they exclude.
//
// With a [Model] a limit that is not the configuration's worst case is pointed out.
func RTO(limit time.Duration) Objective {
	o := withinFigure(nameRTO, limit, windowSince(FaultInjected))
	timely := o.judge
	o.judge = func(l *Ledger, f Figures) Verdict {
		v := timely(l, f)
		if f.RTO.Known && f.RTO.Hi != Forever {
			v.Why += fmt.Sprintf("; %d requests acked since exclude a failure rate above %s", f.Since, percent(f.Residual))
		}
		v.Why += l.Drill.Model.against(limit)
		return v
	}
	return o
}

// ErrorRate requires the share of requests that still fail once service is back to be at most so
// much, such as 0.01. It takes 299 acks in a row to exclude a rate above one per cent with a
// confidence of 95 %, and the drill goes on until it has them.
func ErrorRate(atMost float64) Objective {
	if !(atMost > 0 && atMost < 1) {
		return Objective{name: "error rate", share: &atMost} // refused with the scenario
	}
	return Objective{name: "error rate", share: &atMost, judge: func(l *Ledger, f Figures) Verdict {
		fault, injected := l.Event(FaultInjected)
		if !injected {
			return Verdict{Why: "no fault was injected"}
		}
		c := l.followClients().takeToEnd()
		acks := c.acked(l.undisturbedSince())
		if n := len(c.failed); n > 0 && c.served() == Forever {
			last := c.failed[max(0, n-longestStretch):]
			if rate := leastRate(len(last), c.next-last[0]); rate > atMost {
				v := Verdict{Status: Fail, Why: fmt.Sprintf("at least %s of the requests failed to the end, want at most %s", percent(rate), percent(atMost))}
				return l.distrust(v, Interval{fault.Lo, Forever}, 0, 0)
			}
		}
		if acks == 0 {
			return l.notShown("no request was acked after the last failure")
		}
		rate := excluded(acks, c.rows())
		why := fmt.Sprintf("%d requests acked in a row exclude a failure rate above %s, want at most %s", acks, percent(rate), percent(atMost))
		if rate > atMost {
			return l.notShown(why)
		}
		return Verdict{Status: Pass, Why: why}
	}}
}

// percent has one digit, and of what is very little two that tell it from nothing.
func percent(share float64) string {
	if share < 0.001 {
		return fmt.Sprintf("%.2g %%", 100*share)
	}
	return fmt.Sprintf("%.1f %%", 100*share)
}

// Detection requires the system's own Health to turn bad within limit of the fault.
func Detection(limit time.Duration) Objective {
	o := withinFigure(nameDetection, limit, windowSince(FaultInjected))
	timely := o.judge
	o.judge = func(l *Ledger, f Figures) Verdict {
		v := timely(l, f)
		if stall := l.hidingStall(f); v.Status == Fail && f.Detection.Hi == Forever && stall > 0 {
			v.Why += fmt.Sprintf(", but the test process stood still for %s, in which it could have been bad", seconds(stall))
			return untrusted(v, l.strainIn(windowSince(FaultInjected)(l, f.Detection.Interval)))
		}
		return v
	}
	o.needs = func(s Scenario) string { return lackIf(s.Health == nil, "the scenario has no Health") }
	return o
}

// Reached requires the scenario's stage of that name to be reached within limit of the fault.
func Reached(stage string, limit time.Duration) Objective {
	o := within(stage, limit, windowSince(FaultInjected), func(f Figures) Figure {
		for _, s := range f.Stages {
			if s.Name == stage {
				return s.Figure
			}
		}
		return unknown("the scenario has no stage %q", stage)
	})
	o.kind, o.of = reached, stage
	o.needs = func(s Scenario) string {
		names := stageNames(s.Stages)
		return lackIf(!slices.Contains(names, stage), fmt.Sprintf("the scenario's stages are %q", names))
	}
	return o
}

// lackIf returns what a scenario lacks, or nothing.
func lackIf(lacks bool, what string) string {
	if lacks {
		return what
	}
	return ""
}

// tracked says whether a scenario lacks a Tracker.
func tracked(s Scenario) string {
	_, ok := s.Workload.(Tracker)
	return lackIf(!ok, "the workload does not report the progress of its units: it is no Tracker")
}

// HealLag requires service to be back within limit of the fault being healed.
func HealLag(limit time.Duration) Objective {
	o := withinFigure(nameHealLag, limit, windowSince(FaultHealed))
	o.needs = func(s Scenario) string {
		return lackIf(s.HealAfter == 0, "the scenario has no HealAfter, so the fault is not healed")
	}
	return o
}

// WorkRTO requires every unit that was in flight at the fault to be past its progress at the fault
// within limit of it.
func WorkRTO(limit time.Duration) Objective {
	o := withinFigure(nameWorkRTO, limit, windowSince(FaultInjected))
	o.needs = tracked
	return o
}

// LostWork requires that no unit in flight was rolled back by more than limit: by progress that
// clients had seen longer than that before the fault.
func LostWork(limit time.Duration) Objective {
	o := withinFigure(nameLostWork, limit, windowBefore)
	o.needs = tracked
	return o
}

// RPO requires every acked unit to survive, except those acked within the window before the fault.
// Work acked after the fault and lost always fails, and work that may have been does not pass.
// RPO(0) forgives nothing. A window is only met when something older than the loss has survived:
// when the first unit of the load is lost, nobody knows how far the loss reaches.
func RPO(window time.Duration) Objective {
	return Objective{name: nameRPO, limit: window, bounded: true, judge: func(l *Ledger, f Figures) Verdict {
		if !f.RPO.Known {
			return l.survivorsUnread(f.RPO.Why)
		}
		v := Verdict{Status: f.RPO.judge(window), Got: &f.RPO.Interval, Why: gotAndLimit(f.RPO.Interval, window)}
		if f.RPO.Why != "" {
			v.Why += ": " + f.RPO.Why
		}
		switch {
		case len(f.Lost) == 0:
			return Verdict{Status: Pass, Got: &f.RPO.Interval, Why: fmt.Sprintf("lost none of %d acked", f.Acked)}
		case window == 0 || f.LostAfter > 0:
			v.Status = Fail
		case v.Status == Inconclusive && f.RPO.Hi == Forever: // no machine is to blame
		case v.Status == Inconclusive:
			v.Why += ": too coarse to tell, with " + resolution(l)
			v = l.distrustFault(v)
		case f.LostDuring > 0 && v.Status == Pass:
			v.Status = Inconclusive
			v.Why += fmt.Sprintf(": %d of them were asked for, or acked, while the fault took effect: nothing forgives the loss of work that may be younger than the fault", f.LostDuring)
			v = l.distrustFault(v)
		}
		v.Why = fmt.Sprintf("lost %d of %d acked (%s): %s", len(f.Lost), f.Acked, firstTen(f.Lost), v.Why)
		if f.LostAfter > 0 {
			v.Why += fmt.Sprintf("; %d of them were acked after the fault", f.LostAfter)
		}
		return v
	}}
}

// AllRecovered requires that at least atLeast units were in flight at the fault, and that every one
// of them finished with its right result, exactly once. With fewer in flight the drill shows
// nothing.
//
// Units that have merely not finished by the deadline, on a machine that did not keep up, are no
// failure but untrusted.
func AllRecovered(atLeast int) Objective {
	return Objective{name: nameAllRecovered, count: &atLeast, needs: tracked, judge: func(l *Ledger, f Figures) Verdict {
		switch why := fmt.Sprintf("%d of %d units in flight recovered", len(f.Recovered), len(f.Affected)); {
		case !f.WorkKnown:
			return l.notShown(f.WorkWhy)
		case len(f.Unrecovered) > 0:
			var ids []string
			for _, u := range f.Unrecovered {
				ids = append(ids, fmt.Sprintf("%s (%s)", u.ID, u.Why))
			}
			v := Verdict{Status: Fail, Why: fmt.Sprintf("%s; not %s", why, firstTen(ids))}
			_, late := l.Event(DeadlinePassed)
			if late && !slices.ContainsFunc(f.Unrecovered, func(u Unrecovered) bool { return u.Why != notFinished }) {
				return l.distrust(v, windowSince(FaultInjected)(l, Interval{Hi: Forever}), 0, 0)
			}
			return v
		case len(f.Affected) < max(1, atLeast):
			return l.notShown(fmt.Sprintf("%s, want at least %d in flight at the fault", why, max(1, atLeast)))
		default:
			return Verdict{Status: Pass, Why: why}
		}
	}}
}

// NoDuplicates requires that the system holds no unit more than once.
func NoDuplicates() Objective {
	return Objective{name: nameNoDuplicates, judge: func(l *Ledger, f Figures) Verdict {
		switch {
		case l.Survivors == nil:
			return l.survivorsUnread(f.RPO.Why)
		case len(f.Duplicates) > 0:
			return Verdict{Status: Fail, Why: fmt.Sprintf("%d units are held more than once: %s", len(f.Duplicates), firstTen(f.Duplicates))}
		}
		return Verdict{Status: Pass, Why: fmt.Sprintf("%d units held, each once", f.Held)}
	}}
}

// NoFailedRequests requires that no client sees the fault at all: none fails, none has its answer
// later than [Load].Timeout, and answers do not become slow: of no hundred in a row more than one
// in twenty takes longer than twice the slowest of the steady window, and Load.Every. Two of thirty
// are slow by chance on an ordinary machine, so it takes as many as show that with a confidence of
// 95 %. Requests that fail on a machine that does not keep up may have failed for that, so an
// outage that is no longer than the machine's part is no failure then but untrusted. A time in
// which no request was sent can hide an outage, so it does not pass.
func NoFailedRequests() Objective {
	return Objective{name: "no failed requests", judge: func(l *Ledger, f Figures) Verdict {
		fault, injected := l.Event(FaultInjected)
		window := windowSince(FaultInjected)(l, Interval{Hi: Forever})
		a := l.answers(fault)
		unserved := l.followClients().takeToEnd().missingEvidence()
		became := func(slow int) string {
			return fmt.Sprintf("%d of %d answers after the fault took longer than any before it by far: up to %s, where %s was the slowest",
				slow, a.of, seconds(a.slowest), seconds(a.usual))
		}
		switch {
		case !injected:
			return Verdict{Why: "no fault was injected"}
		case f.Failed > f.FailedInStall:
			v := Verdict{Status: Fail, Why: fmt.Sprintf("%d of %d requests failed after the fault", f.Failed, len(l.Ops))}
			return l.distrust(v, windowSince(FaultInjected)(l, f.RTO.Interval), f.Outage.Lo, 0)
		case f.Failed > 0:
			return untrusted(Verdict{Why: fmt.Sprintf("%d requests failed while the test process stood still", f.Failed)}, l.strainIn(window))
		case a.after == 0:
			return l.notShown("no request was sent and acked after the fault")
		case unserved != "":
			return l.notShown(unserved)
		case leastRate(a.slow, a.of) > mostSlow:
			return l.distrust(Verdict{Status: Fail, Why: became(a.slow)}, window, a.slowest-a.usual, 0)
		case leastRate(a.stalled, a.of) > mostSlow:
			return untrusted(Verdict{Why: became(a.stalled) + ", some of them while the test process stood still"}, l.strainIn(window))
		case a.unseen > l.Drill.gap():
			return untrusted(Verdict{Why: hiddenOutage(a.unseen)}, l.strainIn(window))
		}
		return Verdict{Status: Pass, Why: fmt.Sprintf("none of %d requests failed, and the slowest answer took %s, %s before the fault",
			len(l.Ops), seconds(a.slowest), seconds(a.usual))}
	}}
}

// hidingStall is for how long the test process stood still between the fault and the return of
// service, at most; or nothing, where clients saw more of the outage than such a time can hide.
func (l *Ledger) hidingStall(f Figures) (longest time.Duration) {
	window := l.recoveryWindow(f)
	for _, stall := range l.stalls() {
		longest = max(longest, min(stall.Hi, window.Hi)-max(stall.Lo, window.Lo))
	}
	if longest <= l.Drill.gap() || f.Outage.Known && longest < f.Outage.Lo {
		return 0
	}
	return longest
}

// hiddenOutage says why nobody knows of an outage.
func hiddenOutage(unseen time.Duration) string {
	return fmt.Sprintf("no request was sent for %s, in which an outage could hide", seconds(unseen))
}

// notShown is the verdict of an objective that the drill does not show either way. On a machine that
// did not keep up it is untrusted, whatever is missing: work that came in too slowly for as much of
// it to be in flight as was asked for, a commit that nobody saw wait.
func (l *Ledger) notShown(why string) Verdict {
	return l.distrust(Verdict{Why: why}, Interval{0, l.lastMeasured()}, 0, 0)
}

// notMeasured is a verdict on a figure that is not known. An outage that no client saw may have
// been one while no request was sent.
func (l *Ledger) notMeasured(fig Figure) Verdict {
	if fault, _ := l.Event(FaultInjected); fig.Why == noOutage {
		if unseen := l.answers(fault).unseen; unseen > l.Drill.gap() {
			v := Verdict{Why: fig.Why + ": " + hiddenOutage(unseen)}
			return untrusted(v, l.strainIn(Interval{fault.Lo, Forever}))
		}
	}
	return l.notShown(fig.Why)
}

// answers are the times that answers took, before the fault and after it.
type answers struct {
	usual   time.Duration // the slowest in the steady window before the fault
	after   int           // so many were of requests that were sent after it
	slowest time.Duration // that came after it
	of      int           // so many in a row are judged at a time
	slow    int           // the most of them that took long
	stalled int           // likewise, with those that were under way while the test process stood still
	unseen  time.Duration // the longest time in which no request was sent since the fault
}

// mostSlow is the share of answers that may be slow.
const mostSlow = 0.05

// answersInRow are judged at a time: an outage that is waited out must not be thinned by how long
// the drill goes on.
const answersInRow = 100

func (l *Ledger) answers(fault Interval) (a answers) {
	stalls := l.stalls()
	var from time.Duration // what was sent before that may have met a system that had just started
	if steady, ok := l.Event(SteadyReached); ok {
		from = steady.Lo - l.Drill.Steady
	}
	for _, op := range l.Ops {
		if op.Start >= from && op.Outcome == Acked && op.End <= fault.Lo && !op.during(stalls) {
			a.usual = max(a.usual, op.End-op.Start)
		}
	}
	sent := fault.Lo
	var row []Op
	slow, stalled := 0, 0
	count := func(op Op, one int) {
		if op.End-op.Start <= 2*a.usual+l.Drill.Every {
			return
		}
		if stalled += one; !op.during(stalls) {
			slow += one
		}
	}
	for _, op := range l.Ops {
		if op.Start >= fault.Lo {
			a.unseen, sent = max(a.unseen, op.Start-sent), op.Start
		}
		if op.Outcome != Acked || op.End <= fault.Lo {
			continue
		}
		if op.Start >= fault.Hi {
			a.after++
		}
		a.slowest = max(a.slowest, op.End-op.Start)
		count(op, 1)
		if row = append(row, op); len(row) > answersInRow {
			count(row[0], -1)
			row = row[1:]
		}
		a.of, a.slow, a.stalled = len(row), max(a.slow, slow), max(a.stalled, stalled)
	}
	return a
}

// ErrInconclusive marks the error of a [Check] whose ledger, or of a [Proof] whose examination,
// does not show the property either way.
var ErrInconclusive = errors.New("inconclusive")

// Check makes an objective of any property of the ledger and of the figures that [Measure] makes of
// it: it fails with the error that property returns, or is inconclusive if that wraps
// [ErrInconclusive], or if property panics. An error that wraps it is no failure, whatever else it
// wraps; where the machine did not keep up, it is untrusted.
func Check(name string, property func(*Ledger, Figures) error) Objective {
	if property == nil {
		return Objective{name: name, kind: check, of: name} // refused with the scenario
	}
	return Objective{name: name, kind: check, of: name, judge: func(l *Ledger, f Figures) (v Verdict) {
		defer func() { // the other verdicts stand
			if with := recover(); with != nil {
				v = Verdict{Why: fmt.Sprintf("it panicked: %v, at %s", with, origin())}
			}
		}()
		err := property(l, f)
		if errors.Is(err, ErrInconclusive) {
			return l.notShown(err.Error())
		}
		if err != nil {
			return Verdict{Status: Fail, Why: err.Error()}
		}
		return Verdict{Status: Pass, Why: "holds"}
	}}
}

// staysRejected is judged always.
func staysRejected() Objective {
	return Objective{name: "rejected stays rejected", judge: func(l *Ledger, f Figures) Verdict {
		switch {
		case l.Survivors == nil:
			return l.survivorsUnread(f.RPO.Why)
		case len(f.Resurrected) > 0:
			return Verdict{Status: Fail, Why: fmt.Sprintf("%d rejected units are held nevertheless: %s", len(f.Resurrected), firstTen(f.Resurrected))}
		}
		return Verdict{Status: Pass, Why: fmt.Sprintf("none of %d rejected units is held", f.Rejected)}
	}}
}

// staysHeld is judged where a unit vanished while the survivors were read.
func staysHeld() Objective {
	return Objective{name: "held stays held", judge: func(l *Ledger, f Figures) Verdict {
		return Verdict{Status: Fail, Why: fmt.Sprintf("%d units were held and vanished after the drill: %s", len(f.Vanished), firstTen(f.Vanished))}
	}}
}

// rightResults is judged always where the workload is a [Tracker].
func rightResults() Objective {
	return Objective{name: "right results", judge: func(l *Ledger, f Figures) Verdict {
		switch {
		case len(f.Wrong) > 0:
			var units []string
			for _, u := range f.Wrong {
				units = append(units, fmt.Sprintf("%s (%s)", u.ID, u.Why))
			}
			return Verdict{Status: Fail, Why: fmt.Sprintf("%d units had a wrong result: %s", len(f.Wrong), firstTen(units))}
		case len(l.Samples) == 0:
			return l.notShown("the progress of the units was never read")
		}
		return Verdict{Status: Pass, Why: fmt.Sprintf("none of %d finished units had a wrong one", f.Finished)}
	}}
}

// proved is judged always, for each proof of the scenario.
func proved(proof string) Objective {
	return Objective{name: proof, judge: func(l *Ledger, _ Figures) Verdict {
		for _, e := range l.Events {
			switch {
			case e.Note != proof:
			case e.Kind == Proved && e.Evidence != "":
				return Verdict{Status: Pass, Why: e.Evidence}
			case e.Kind == Refuted:
				return Verdict{Status: Fail, Why: e.Evidence}
			case e.Kind == Proved, e.Kind == NotProved:
				v := l.notShown(cmp.Or(e.Evidence, "it gave no evidence"))
				if strain := l.strainIn(e.Interval); !v.Untrusted && !strain.KeptUp() {
					return untrusted(v, strain)
				}
				return v
			}
		}
		return Verdict{Why: "it was never examined"}
	}}
}

// withinFigure makes an objective of the figure of a name, which is a time.
func withinFigure(name string, limit time.Duration, window func(*Ledger, Interval) Interval) Objective {
	return within(name, limit, window, func(f Figures) Figure { return f.time(name) })
}

// within makes an objective of a time, measured in a window.
func within(name string, limit time.Duration, window func(*Ledger, Interval) Interval, figure func(Figures) Figure) Objective {
	return Objective{name: name, limit: limit, bounded: true, judge: func(l *Ledger, f Figures) Verdict {
		fig := figure(f)
		if !fig.Known {
			return l.notMeasured(fig)
		}
		v := Verdict{Status: fig.judge(limit), Got: &fig.Interval}
		v.Why = gotAndLimit(fig.Interval, limit)
		if fig.Why != "" {
			v.Why += ": " + fig.Why
		} else if v.Status == Inconclusive {
			v.Why += ": too coarse to tell, with " + resolution(l)
		}
		return l.distrust(v, window(l, fig.Interval), fig.Lo, limit)
	}}
}

// windowSince is the window of a time that counts from the first event of a kind.
func windowSince(kind EventKind) func(*Ledger, Interval) Interval {
	return func(l *Ledger, got Interval) Interval {
		from, _ := l.Event(kind)
		switch {
		case got.Hi != Forever:
			return Interval{from.Lo, from.Lo + got.Hi}
		case got.Lo > 0: // it was followed until then
			return Interval{from.Lo, from.Hi + got.Lo}
		}
		return Interval{from.Lo, Forever}
	}
}

// windowBefore is the window of a time that counts back from the fault.
func windowBefore(l *Ledger, got Interval) Interval {
	fault, _ := l.Event(FaultInjected)
	return Interval{max(0, fault.Lo-min(got.Hi, fault.Lo)), fault.Hi}
}

func gotAndLimit(got Interval, limit time.Duration) string {
	return fmt.Sprintf("got %v, want at most %v", got, limit)
}

// resolution says what the width of an interval is made of.
func resolution(l *Ledger) string {
	fault, _ := l.Event(FaultInjected)
	return fmt.Sprintf("a fault that took %s, Load.Every %v (also of the health poll) and Load.Timeout %v",
		seconds(fault.Hi-fault.Lo), l.Drill.Every, l.Drill.Timeout)
}

// firstTen lists at most ten ids.
func firstTen(ids []string) string {
	if len(ids) <= 10 {
		return strings.Join(ids, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:10], " "), len(ids)-10)
}
