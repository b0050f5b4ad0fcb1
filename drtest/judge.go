package drtest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/drtest/suite/internal/foreign"
)

// Status is the outcome of a [Verdict]. Only Pass passes.
type Status int

const (
	Inconclusive Status = iota // the drill does not show it either way; fails the test
	Pass
	Fail
)

// String returns "inconclusive", "pass" or "fail".
func (s Status) String() string {
	switch s {
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	}
	return "inconclusive"
}

// MarshalText writes the status as its name.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name of a status.
func (s *Status) UnmarshalText(text []byte) error {
	for _, known := range []Status{Inconclusive, Pass, Fail} {
		if known.String() == string(text) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("unknown status %q", text)
}

// A Verdict is the judgement of one objective.
type Verdict struct {
	Objective string         `json:"objective"`
	Status    Status         `json:"status"`
	Target    bool           `json:"target,omitempty"` // one of Scenario.Targets
	Limit     *time.Duration `json:"limit,omitempty"`  // what was allowed, where the objective has a limit
	Got       *Interval      `json:"got,omitempty"`    // what was measured, where it is a time
	Why       string         `json:"why"`              // "got 2.413s (2.391s..2.413s), want at most 5s"
	// Untrusted says of an inconclusive verdict that it was the machine that did not keep up:
	// played again on one that does, the same drill may show it.
	Untrusted bool `json:"untrusted,omitempty"`
	// Held says of an inconclusive verdict that the objective was met as far as the drill went,
	// which did not get to its end.
	Held bool `json:"held,omitempty"`
	// Recorded says of the verdict of a [Check] that it was taken over from a journal: see
	// [Report.Rejudge].
	Recorded bool `json:"recorded,omitempty"`
}

// String reads "RTO: fail: got 38.412s (38.391s..38.412s), want at most 10s".
func (v Verdict) String() string {
	status := v.Status.String()
	if v.Untrusted {
		status = "untrusted"
	}
	if v.Recorded {
		status += " (as recorded)"
	}
	return fmt.Sprintf("%s: %s: %s", v.name(), status, v.Why)
}

func (v Verdict) name() string {
	if v.Target {
		return "target " + v.Objective
	}
	return v.Objective
}

// A Report is a ledger and what was concluded from it.
type Report struct {
	Ledger   *Ledger
	Figures  Figures
	Asserted []Assertion // what was judged, beside what is judged always
	Verdicts []Verdict
}

// Status is Fail when a verdict fails, Pass when there are verdicts and all pass, Inconclusive
// otherwise.
func (r *Report) Status() Status {
	status := Pass
	for _, v := range r.Verdicts {
		switch v.Status {
		case Fail:
			return Fail
		case Inconclusive:
			status = Inconclusive
		}
	}
	if len(r.Verdicts) == 0 {
		return Inconclusive
	}
	return status
}

// Untrusted says whether nothing but the machine stands between this report and a verdict: none
// fails, and each that does not pass is untrusted.
func (r *Report) Untrusted() bool {
	return r.Status() == Inconclusive && len(r.Verdicts) > 0 &&
		!slices.ContainsFunc(r.Verdicts, func(v Verdict) bool { return v.Status != Pass && !v.Untrusted })
}

// Judge applies objectives to a ledger. It touches nothing else. Rejected work that the system
// holds nevertheless is always judged: no recovery excuses it. So are each [Proof], by what its
// examination found, and the [Model], by the measured RTO.
func Judge(l *Ledger, objectives ...Objective) *Report { return judge(l, Measure(l), objectives, nil) }

// judge applies the objectives and targets of a scenario, and what is judged always, to a ledger
// with its figures.
func judge(l *Ledger, f Figures, objectives, targets []Objective) *Report {
	r := &Report{Ledger: l, Figures: f, Asserted: assertions(objectives, targets)}
	why := l.unfinished()
	apply := func(objectives []Objective, target bool) {
		for _, o := range objectives {
			v := o.judge(l, f)
			v.Objective, v.Target = o.name, target
			if o.bounded {
				v.Limit = &o.limit
			}
			if why != "" && v.Status != Fail {
				v = l.distrustUnfinished(v, why)
			}
			v.Why = foreign.Text(v.Why) // that of a check is not ours
			r.Verdicts = append(r.Verdicts, v)
		}
	}
	apply(objectives, false)
	apply(l.always(), false)
	apply(targets, true)
	return r
}

// always returns the objectives that no scenario needs to ask for.
func (l *Ledger) always() []Objective {
	always := []Objective{staysRejected()}
	if len(l.Vanished) > 0 {
		always = append(always, staysHeld())
	}
	if l.Drill.Tracked {
		always = append(always, rightResults())
	}
	for _, proof := range l.Drill.Proofs {
		always = append(always, proved(proof))
	}
	if len(l.Drill.Model) > 0 {
		always = append(always, l.Drill.Model.explains())
	}
	return always
}

// distrustUnfinished takes the pass from a verdict on a drill that did not get to its end. Where
// the machine did not keep up in what it was that it did not get through, that is why.
func (l *Ledger) distrustUnfinished(v Verdict, why string) Verdict {
	if v.Status == Pass {
		v.Status, v.Held, v.Why = Inconclusive, true, v.Why+", but "+why
	}
	for _, window := range l.stuckWindows() {
		if strain := l.strainIn(window); !v.Untrusted && !strain.KeptUp() && l.Ended {
			v.Untrusted, v.Why = true, v.Why+": "+strain.why()
		}
	}
	return v
}

// stuckWindows are the windows in which a drill may have been kept from its end that did not get
// there.
func (l *Ledger) stuckWindows() []Interval {
	until := l.lastMeasured()
	if n := len(l.Readings); n > 0 && l.Broken != "" { // it may have been examining the system
		until = max(until, l.Readings[n-1].At)
	}
	fault, injected := l.Event(FaultInjected)
	since := Interval{fault.Lo, until}
	_, late := l.Event(DeadlinePassed)
	switch {
	case !injected:
		return []Interval{{0, until}}
	case l.Broken == "" && l.failedBefore(fault.Lo) != "":
		return []Interval{{0, fault.Lo}}
	case l.Broken == "" && late:
		return []Interval{since, l.lastStretch(since)}
	}
	if examined := (Interval{l.lastMeasured(), until}); examined.Hi-examined.Lo > time.Second { // the load was over
		return []Interval{examined}
	}
	return []Interval{since, l.lastStretch(since)}
}

// distrust makes a verdict that did not pass untrusted where the machine did not keep up in the
// window of its measurement, or in the last stretch of that window. It stays a failure where the
// time misses the limit without the machine's part as well: least is the least that was measured.
func (l *Ledger) distrust(v Verdict, window Interval, least, limit time.Duration) Verdict {
	strain := l.strainIn(window)
	if strain.KeptUp() {
		strain = l.strainIn(l.lastStretch(window))
	}
	if v.Status == Pass || strain.KeptUp() {
		return v
	}
	if without := least - strain.Machine(); v.Status == Fail && without > limit {
		v.Why += fmt.Sprintf("; the machine did not keep up (%s), and without its %s it still is more than %s", strain.Why(), seconds(strain.Machine()), seconds(without))
		return v
	}
	return untrusted(v, strain)
}

// distrustFault is distrust for who could not tell for the time in which the fault took effect.
// That is the machine's doing, where it did not keep up; a loss is not.
func (l *Ledger) distrustFault(v Verdict) Verdict {
	fault, _ := l.Event(FaultInjected)
	return l.distrust(v, fault, 0, 0)
}

// lastStretch is the part of a window after the last step and the last healing in it: a wait before
// them dilutes what the machine did.
func (l *Ledger) lastStretch(window Interval) Interval {
	if window.Hi == Forever {
		window.Hi = l.lastMeasured()
	}
	for _, e := range l.Events {
		if (e.Kind == FaultHealed || e.Kind == StepDone) && e.Hi < window.Hi {
			window.Lo = max(window.Lo, e.Hi)
		}
	}
	return window
}

// undisturbedSince is when the fault or the runbook changed something for the last time before the
// system was steady again. A stage that is reached after that does not count.
func (l *Ledger) undisturbedSince() (at time.Duration) {
	for _, e := range l.Events {
		switch e.Kind {
		case FaultInjected:
			at = max(at, e.Hi, e.Seen)
		case FaultHealed, StepDone, StageReached:
			at = max(at, e.Hi)
		case SteadyAgain:
			return at
		}
	}
	return at
}

// untrusted is a verdict that a strained machine stands in the way of, or a test process that stood
// still for but a moment.
func untrusted(v Verdict, strain Strain) Verdict {
	v.Status, v.Untrusted = Inconclusive, true
	if !strain.KeptUp() {
		v.Why += ": " + strain.why()
	}
	return v
}

// survivorsUnread is a verdict that needs the survivors, which could not be read.
func (l *Ledger) survivorsUnread(why string) Verdict {
	v := l.notShown(why)
	if read, tried := l.Event(SurvivorsRead); tried {
		if strain := l.strainIn(Interval{l.lastMeasured(), read.Hi}); !v.Untrusted && !strain.KeptUp() {
			return untrusted(v, strain)
		}
	}
	return v
}

// why says in a sentence that the machine did not keep up, and how much of the time may have been
// its doing.
func (s Strain) why() string {
	return fmt.Sprintf("the machine did not keep up: %s, so that up to %s of %s may be its doing", s.Why(), seconds(s.Machine()), seconds(s.Over))
}

// failedBefore says which request had failed already, or looked as if it would, at a moment at
// which the fault was about to be injected: since the system was found steady, or in the window
// before.
func (l *Ledger) failedBefore(at time.Duration) string {
	steady, ok := l.Event(SteadyReached)
	if !ok {
		return ""
	}
	var slowest time.Duration // answer since the last failure, also from before the window: a slow one in ten is no failure
	for _, op := range l.Ops {
		switch {
		case op.Start >= at:
			return ""
		case op.End < at && !l.unserved(op):
			slowest = max(slowest, op.End-op.Start)
		case op.Start < steady.Lo-l.Drill.Steady:
			slowest = 0
		case op.End >= at: // patience was a little less when the player looked
			if patience := 2*slowest + 2*l.Drill.gap(); op.End != Forever && l.unserved(op) && at-op.Start > patience && !op.during(l.stalls()) {
				return fmt.Sprintf("%s had been under way for %s, and failed", op.ID, seconds(at-op.Start))
			}
		case op.End >= steady.Lo:
			return fmt.Sprintf("%s: %s: %s", op.ID, op.Outcome, cmp.Or(op.Err, "later than a client waits"))
		}
	}
	return ""
}

// unfinished says why a ledger cannot pass anything, or nothing.
func (l *Ledger) unfinished() string {
	i := slices.IndexFunc(l.Events, func(e Event) bool { return e.Kind == FaultInjected })
	done := 0
	for _, e := range l.Events {
		if e.Kind == StepDone {
			done++
		}
	}
	switch gaveUp, late := l.Event(DeadlinePassed); {
	case l.Broken != "":
		return "the drill broke: " + l.Broken
	case !l.Ended:
		return "the drill was cut off before its end"
	case i < 0:
		return "no fault was injected"
	case l.Events[i].Receipt == "":
		return "the fault has no receipt"
	case l.failedBefore(l.Events[i].Lo) != "":
		return "the system failed before the fault: " + l.failedBefore(l.Events[i].Lo)
	case late:
		return fmt.Sprintf("the deadline passed at +%s: %s", seconds(gaveUp.Hi), l.noteOf(DeadlinePassed))
	case done < l.Drill.Steps:
		return fmt.Sprintf("only %d of %d steps of the runbook were done", done, l.Drill.Steps)
	}
	if open := slices.IndexFunc(l.Ops, func(op Op) bool { return op.End == Forever }); open >= 0 {
		return fmt.Sprintf("%s has no outcome", l.Ops[open].ID)
	}
	return ""
}
