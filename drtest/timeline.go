package drtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Timeline returns one line per event, counted from the fault, with the first and last failure and the
// return of service among them.
func (l *Ledger) Timeline() string {
	type entry struct {
		at         time.Duration
		what, note string
	}
	var entries []entry
	fault, ok := l.Event(FaultInjected)
	for _, e := range l.Events {
		at := e.Hi
		if e.Kind == FaultInjected || e.Kind == StepBegun {
			at = e.Lo
		}
		if e.Kind != HealthKept && (e.Kind != HealthRestored || e.Hi > fault.Lo) {
			entries = append(entries, entry{at, string(e.Kind), e.Note})
		}
	}
	first, last := -1, -1
	for i, op := range l.Ops {
		if !ok || op.Outcome == Acked || op.End <= fault.Lo || op.End == Forever {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if first >= 0 {
		op := l.Ops[first]
		entries = append(entries, entry{op.End, "first failure", fmt.Sprintf("%s %s: %s", op.ID, op.Outcome, op.Err)})
		op = l.Ops[last]
		entries = append(entries, entry{op.End, "last failure", fmt.Sprintf("%s %s: %s", op.ID, op.Outcome, op.Err)})
		for _, op := range l.Ops[last+1:] {
			if op.Outcome == Acked {
				entries = append(entries, entry{op.End, "served again", op.ID})
				break
			}
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.at, b.at) })
	var b strings.Builder
	for _, e := range entries {
		sign, at := "+", e.at-fault.Lo
		if at < 0 {
			sign, at = "-", -at
		}
		line := fmt.Sprintf("%12s  %-15s  %s", sign+seconds(at), e.what, e.note)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
