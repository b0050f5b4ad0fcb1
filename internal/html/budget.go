package html

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
)

// A budget is where the seconds of an RTO went: from the fault to each moment that the journal
// tells of, until service was back. Each part ends at the strict end of the moment that ends it, so
// the parts add up to the RTO as it is judged.
type budget struct {
	Shares  []share
	Total   string
	Limit   string // where it is, in per cent of what is drawn of the limit; empty: there is none
	Missed  string // where it is, in per cent of the RTO; empty: it was met
	Allowed string
	Endless bool // service never came back, so the last part goes on
	Machine string
	Note    string
}

// A share is one part of it.
type share struct {
	Name string
	Kind kind
	Took string
	Part string // of the whole, in per cent
	// Where it begins and how wide it is, in per cent: of the RTO, and of the limit.
	Left, Wide, LimitLeft, LimitWide string
}

// A kind of share has a colour.
type kind struct{ Name, Class string }

var kinds = [...]kind{
	{"detection", "detection"},
	{"before and between steps of the runbook", "decision"},
	{"a step of the runbook", "step"},
	{"a stage of the system's own recovery", "stage"},
	{"the fault was held", "held"},
	{"until clients were served again", "clients"},
}

const (
	detecting = iota
	deciding
	stepping
	staging
	holding
	returning
)

// A bound is a moment that ends a share.
type bound struct {
	at   time.Duration
	kind int
	name string
}

// newBudget returns nil where there is no RTO to be made of something.
func newBudget(r *drtest.Report) *budget {
	fault, injected := r.Ledger.Event(drtest.FaultInjected)
	rto := r.Figures.RTO
	if !injected || !rto.Known {
		return nil
	}
	b := &budget{Total: strict(rto.Interval), Endless: rto.Hi == drtest.Forever}
	end := lastOf(r.Ledger)
	if !b.Endless {
		end = fault.Lo + rto.Hi
	}
	total := end - fault.Lo
	if total <= 0 {
		return nil
	}
	percent := func(part, whole time.Duration) string { return number(100 * float64(part) / float64(whole)) }
	shown := total // how much time the whole drawing is
	if limit := limitOf(r.Verdicts, "RTO"); limit != nil {
		b.Allowed, shown = allowed(*limit), max(total, *limit)
		b.Limit = percent(*limit, shown)
		if *limit < total {
			b.Missed = b.Limit
		}
	}
	from := fault.Lo
	for _, next := range bounds(r.Ledger, fault, end, b.Endless) {
		took := next.at - from
		if took < time.Millisecond && next.kind != returning { // it cannot be seen, and goes to the next one
			continue
		}
		b.Shares = append(b.Shares, share{
			Name: next.name, Kind: kinds[next.kind], Took: seconds(took), Part: wholePercent(float64(took) / float64(total)),
			Left: percent(from-fault.Lo, total), Wide: percent(took, total), LimitLeft: percent(from-fault.Lo, shown), LimitWide: percent(took, shown),
		})
		from = next.at
	}
	b.Machine = machinePart(r.Strain())
	b.Note = rto.Why
	return b
}

// wholePercent prints a share. What is little is not nothing.
func wholePercent(part float64) string {
	if part < 0.01 {
		return "< 1 %"
	}
	return fmt.Sprintf("%.0f %%", 100*part)
}

// bounds lists the moments from the fault until service was back.
func bounds(l *drtest.Ledger, fault drtest.Interval, end time.Duration, endless bool) []bound {
	var all []bound
	detected, begun := false, 0
	for _, e := range l.Events {
		switch e.Kind {
		case drtest.HealthLost:
			if !detected && e.Hi >= fault.Lo {
				detected = true
				all = append(all, bound{e.Hi, detecting, "until the failure was detected"})
			}
		case drtest.StepBegun:
			name := "until the runbook began"
			if begun > 0 {
				name = "between two steps"
			}
			begun++
			all = append(all, bound{e.Lo, deciding, name})
		case drtest.StepDone:
			all = append(all, bound{e.Hi, stepping, "step: " + e.Note})
		case drtest.StageReached:
			all = append(all, bound{e.Hi, staging, "until the stage: " + e.Note})
		case drtest.FaultHealed:
			all = append(all, bound{e.Hi, holding, "until the fault was healed"})
		}
	}
	all = slices.DeleteFunc(all, func(b bound) bool { return b.at <= fault.Lo || b.at > end })
	slices.SortStableFunc(all, func(a, b bound) int { return cmp.Compare(a.at, b.at) })
	name := "until clients were served again"
	if endless {
		name = "after that, until the end of the drill"
	}
	return append(all, bound{end, returning, name})
}

// limitOf is the strictest limit of an objective.
func limitOf(verdicts []drtest.Verdict, objective string) (limit *time.Duration) {
	for _, v := range verdicts {
		if v.Objective == objective && !v.Target && v.Limit != nil && (limit == nil || *v.Limit < *limit) {
			limit = v.Limit
		}
	}
	return limit
}

// machinePart says how much of the time may have been the machine's doing. It overlaps the shares.
func machinePart(s drtest.Strain) string {
	if !s.Known {
		return ""
	}
	var parts []string
	for _, p := range []struct {
		what string
		took time.Duration
	}{
		{"some task waited for a processor", s.Waited}, {"containers were starting", s.Starts},
		{"the host of the virtual machine took its processors", s.Stolen}, {"the test process stood still", s.Stopped},
	} {
		if p.took >= time.Millisecond {
			parts = append(parts, fmt.Sprintf("%s for %s", p.what, seconds(p.took)))
		}
	}
	text := fmt.Sprintf("At most %s of %s can have been the test machine's doing", seconds(s.Machine()), seconds(s.Over))
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text + "."
}
