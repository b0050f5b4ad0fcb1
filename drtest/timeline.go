package drtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Timeline returns one line per event, counted from the fault, with the first and last failed request and
// the return of service among them.
func (l *Ledger) Timeline() string {
	fault, _ := l.Event(FaultInjected)
	var shown []Event
	for _, e := range l.Events {
		trivial := e.Kind == HealthKept || e.Kind == HealthGood
		if !trivial {
			shown = append(shown, e)
		}
	}
	if failed := l.failed(); len(failed) > 0 {
		for kind, i := range map[EventKind]int{"first failure": failed[0], "last failure": failed[len(failed)-1]} {
			op := l.Ops[i]
			shown = append(shown, Event{Kind: kind, Interval: Interval{op.Start, op.End}, Note: fmt.Sprintf("%s %s: %s", op.ID, op.Outcome, op.Err)})
		}
		after := l.Ops[failed[len(failed)-1]+1:]
		if i := slices.IndexFunc(after, func(op Op) bool { return op.Outcome == Acked }); i >= 0 {
			shown = append(shown, Event{Kind: "served again", Interval: Interval{after[i].Start, after[i].End}, Note: after[i].ID})
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
