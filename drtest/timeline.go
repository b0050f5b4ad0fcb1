package drtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Timeline returns one line per event, counted from the fault, with the first and last failed
// request and the return of service among them.
func (l *Ledger) Timeline() string {
	fault, _ := l.Event(FaultInjected)
	var shown []Event
	for _, e := range l.Events {
		trivial := e.Kind == HealthKept || e.Kind == HealthGood || e.Kind == Stalled && e.Hi-e.Lo <= l.Drill.gap()
		if !trivial {
			shown = append(shown, e)
		}
	}
	if d := l.downtime(fault); d != nil {
		for kind, op := range map[EventKind]Op{"first failure": d.first, "last failure": d.last} {
			note := fmt.Sprintf("%s %s: %s", op.ID, op.Outcome, op.Err)
			if op.Outcome == Acked {
				note = fmt.Sprintf("%s acked after %s, later than a client waits", op.ID, seconds(op.End-op.Start))
			}
			shown = append(shown, Event{Kind: kind, Interval: Interval{op.Start, l.provenDownAt(op)}, Note: note})
		}
		if d.served.Hi != Forever {
			shown = append(shown, Event{Kind: "served again", Interval: d.served})
		}
	}
	at := func(e Event) time.Duration {
		if e.Kind == FaultInjected {
			return e.Lo
		}
		return e.Hi
	}
	slices.SortStableFunc(shown, func(a, b Event) int { return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a.Kind, b.Kind)) })
	var b strings.Builder
	for _, e := range shown {
		sign, offset := "+", at(e)-fault.Lo
		if offset < 0 {
			sign, offset = "-", -offset
		}
		kind, rest, _ := strings.Cut(e.String(), ": ")
		line := fmt.Sprintf("%12s  %-15s  %s", sign+seconds(offset), kind, rest)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
