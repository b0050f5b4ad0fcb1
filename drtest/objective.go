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
	count   *int   // how many are demanded or allowed, of those that say so
	kind    string // what its name is of, where the scenario gave it: see [Assertion]
	judge   func(*Ledger, Figures) Verdict
}

// RTO requires service to be back within limit of the fault, and to stay: the time counts to the first
// acked request after the last one that failed, with a steady window after it.
//
// With a [Model] a limit that is not the configuration's worst case is pointed out.
func RTO(limit time.Duration) Objective {
	o := within("RTO", limit, since(FaultInjected), func(f Figures) Figure { return f.RTO })
	timely := o.judge
	o.judge = func(l *Ledger, f Figures) Verdict {
		v := timely(l, f)
		v.Why += l.Drill.Model.against(limit)
		return v
	}
	return o
}

// Detection requires the system's own Health to turn bad within limit of the fault.
func Detection(limit time.Duration) Objective {
	return within("detection", limit, since(FaultInjected), func(f Figures) Figure { return f.Detection })
}

// Reached requires the scenario's stage of that name to be reached within limit of the fault.
func Reached(stage string, limit time.Duration) Objective {
	o := within(stage, limit, since(FaultInjected), func(f Figures) Figure {
		for _, s := range f.Stages {
			if s.Name == stage {
				return s.Figure
			}
		}
		return unknown("the scenario has no stage %q", stage)
	})
	o.kind = reached
	return o
}

// HealLag requires service to be back within limit of the fault being healed.
func HealLag(limit time.Duration) Objective {
	return within("heal lag", limit, since(FaultHealed), func(f Figures) Figure { return f.HealLag })
}

// WorkRTO requires every unit that was in flight at the fault to be past its progress at the fault within
// limit of it.
func WorkRTO(limit time.Duration) Objective {
	return within("work RTO", limit, since(FaultInjected), func(f Figures) Figure { return f.WorkRTO })
}

// LostWork requires that no unit in flight was rolled back by more than limit: by progress that clients
// had seen longer than that before the fault.
func LostWork(limit time.Duration) Objective {
	return within("lost work", limit, before, func(f Figures) Figure { return f.LostWork })
}

// RPO requires every acked unit to survive, except those acked within the window before the fault. Work
// acked after the fault and lost always fails. RPO(0) forgives nothing.
func RPO(window time.Duration) Objective {
	return Objective{name: "RPO", limit: window, bounded: true, judge: func(l *Ledger, f Figures) Verdict {
		if !f.RPO.Known {
			return l.unread(f.RPO.Why)
		}
		v := Verdict{Status: f.RPO.judge(window), Got: &f.RPO.Interval, Why: wanted(f.RPO.Interval, window)}
		switch {
		case len(f.Lost) == 0:
			return Verdict{Status: Pass, Got: &f.RPO.Interval, Why: fmt.Sprintf("lost none of %d acked", f.Acked)}
		case window == 0 || f.LostAfter > 0:
			v.Status = Fail
		case v.Status == Inconclusive:
			v.Why += ": too coarse to tell, with " + resolution(l)
			fault, _ := l.Event(FaultInjected) // whose width is the machine's doing, where it did not keep up; the loss is not
			v = l.distrust(v, fault, 0, 0)
		case f.LostDuring > 0 && v.Status == Pass:
			v.Status = Inconclusive
			v.Why += fmt.Sprintf(": %d of them were under way when the fault took effect, and may have been acked after it", f.LostDuring)
		}
		v.Why = fmt.Sprintf("lost %d of %d acked (%s): %s", len(f.Lost), f.Acked, some(f.Lost), v.Why)
		if f.LostAfter > 0 {
			v.Why += fmt.Sprintf("; %d of them were acked after the fault", f.LostAfter)
		}
		return v
	}}
}

// AllRecovered requires that at least atLeast units were in flight at the fault, and that every one of them
// finished with its right result, exactly once. With fewer in flight the drill shows nothing.
//
// Units that have merely not finished by the deadline, on a machine that did not keep up, are no failure but untrusted.
func AllRecovered(atLeast int) Objective {
	return Objective{name: "all recovered", count: &atLeast, judge: func(l *Ledger, f Figures) Verdict {
		switch why := fmt.Sprintf("%d of %d units in flight recovered", len(f.Recovered), len(f.Affected)); {
		case !f.WorkKnown:
			return Verdict{Why: f.WorkWhy}
		case len(f.Unrecovered) > 0:
			var ids []string
			for _, u := range f.Unrecovered {
				ids = append(ids, fmt.Sprintf("%s (%s)", u.ID, u.Why))
			}
			v := Verdict{Status: Fail, Why: fmt.Sprintf("%s; not %s", why, some(ids))}
			_, late := l.Event(DeadlinePassed)
			if late && !slices.ContainsFunc(f.Unrecovered, func(u Unrecovered) bool { return u.Why != notFinished }) {
				return l.distrust(v, since(FaultInjected)(l, Interval{Hi: Forever}), 0, 0)
			}
			return v
		case len(f.Affected) < max(1, atLeast):
			return Verdict{Why: fmt.Sprintf("%s, want at least %d in flight at the fault", why, max(1, atLeast))}
		default:
			return Verdict{Status: Pass, Why: why}
		}
	}}
}

// NoDuplicates requires that the system holds no unit more than once.
func NoDuplicates() Objective {
	return Objective{name: "no duplicates", judge: func(l *Ledger, f Figures) Verdict {
		switch {
		case l.Survivors == nil:
			return l.unread(f.RPO.Why)
		case len(f.Duplicates) > 0:
			return Verdict{Status: Fail, Why: fmt.Sprintf("%d units are held more than once: %s", len(f.Duplicates), some(f.Duplicates))}
		}
		return Verdict{Status: Pass, Why: fmt.Sprintf("%d units held, each once", f.Held)}
	}}
}

// RepeatedCalls requires that at most so many paid calls were repeats. A recovery that does work again pays for it
// again: calls that were under way at a crash, and those since the last checkpoint.
func RepeatedCalls(atMost int) Objective {
	return Objective{name: "repeated calls", count: &atMost, judge: func(_ *Ledger, f Figures) Verdict {
		switch {
		case f.Bill == nil:
			return Verdict{Why: f.BillWhy}
		case f.Bill.Calls == 0:
			return Verdict{Why: "no call was made, so none could be repeated"}
		}
		v := Verdict{Status: Pass, Why: fmt.Sprintf("%v, want at most %d", f.Bill, atMost)}
		if f.Bill.Repeated > atMost {
			v.Status = Fail
		}
		return v
	}}
}

// Transparent requires that no client sees the fault at all. Requests that fail on a machine that does not keep up may
// have failed for that, so an outage that is no longer than the machine's part is no failure then but untrusted.
func Transparent() Objective {
	return Objective{name: "transparent", judge: func(l *Ledger, f Figures) Verdict {
		fault, injected := l.Event(FaultInjected)
		switch {
		case !injected:
			return Verdict{Why: "no fault was injected"}
		case f.Failed > 0:
			v := Verdict{Status: Fail, Why: fmt.Sprintf("%d of %d requests failed after the fault", f.Failed, len(l.Ops))}
			return l.distrust(v, since(FaultInjected)(l, f.RTO.Interval), f.Outage.Lo, 0)
		case !slices.ContainsFunc(l.Ops, func(op Op) bool { return op.Start >= fault.Hi && op.Outcome == Acked }):
			return Verdict{Why: "no request was sent and acked after the fault"}
		}
		return Verdict{Status: Pass, Why: fmt.Sprintf("none of %d requests failed", len(l.Ops))}
	}}
}

// ErrInconclusive marks the error of a [Check] whose ledger, or of a [Proof] whose examination, does not show the
// property either way.
var ErrInconclusive = errors.New("inconclusive")

// Check makes an objective of any property of the ledger: it fails with the error that property returns, or is
// inconclusive if that wraps [ErrInconclusive].
func Check(name string, property func(*Ledger) error) Objective {
	if property == nil {
		return Objective{name: name, kind: check} // refused with the scenario
	}
	return Objective{name: name, kind: check, judge: func(l *Ledger, _ Figures) Verdict {
		err := property(l)
		if errors.Is(err, ErrInconclusive) {
			return Verdict{Why: err.Error()}
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
			return l.unread(f.RPO.Why)
		case len(f.Resurrected) > 0:
			return Verdict{Status: Fail, Why: fmt.Sprintf("%d rejected units are held nevertheless: %s", len(f.Resurrected), some(f.Resurrected))}
		}
		return Verdict{Status: Pass, Why: fmt.Sprintf("none of %d rejected units is held", f.Rejected)}
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
				v := Verdict{Why: cmp.Or(e.Evidence, "it gave no evidence")}
				if strain := l.Strain(e.Interval); e.Hi-e.Lo >= proofLimit && !strain.KeptUp() {
					return untrusted(v, strain)
				}
				return v
			}
		}
		return Verdict{Why: "it was never examined"}
	}}
}

// within makes an objective of a figure that is a time, measured in a window.
func within(name string, limit time.Duration, window func(*Ledger, Interval) Interval, figure func(Figures) Figure) Objective {
	return Objective{name: name, limit: limit, bounded: true, judge: func(l *Ledger, f Figures) Verdict {
		fig := figure(f)
		if !fig.Known {
			return Verdict{Why: fig.Why}
		}
		v := Verdict{Status: fig.judge(limit), Got: &fig.Interval}
		v.Why = wanted(fig.Interval, limit)
		if fig.Why != "" {
			v.Why += ": " + fig.Why
		} else if v.Status == Inconclusive {
			v.Why += ": too coarse to tell, with " + resolution(l)
		}
		return l.distrust(v, window(l, fig.Interval), fig.Lo, limit)
	}}
}

// since is the window of a time that counts from the first event of a kind.
func since(kind EventKind) func(*Ledger, Interval) Interval {
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

// before is the window of a time that counts back from the fault.
func before(l *Ledger, got Interval) Interval {
	fault, _ := l.Event(FaultInjected)
	return Interval{max(0, fault.Lo-min(got.Hi, fault.Lo)), fault.Hi}
}

func wanted(got Interval, limit time.Duration) string {
	return fmt.Sprintf("got %v, want at most %v", got, limit)
}

// resolution says what the width of an interval is made of.
func resolution(l *Ledger) string {
	fault, _ := l.Event(FaultInjected)
	return fmt.Sprintf("a fault that took %s, Load.Every %v (also of the health poll) and Load.Timeout %v",
		seconds(fault.Hi-fault.Lo), l.Drill.Every, l.Drill.Timeout)
}

// some lists at most ten ids.
func some(ids []string) string {
	if len(ids) <= 10 {
		return strings.Join(ids, " ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:10], " "), len(ids)-10)
}
