package formats

import (
	"cmp"
	"slices"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
)

// A Running is a drill that goes on.
type Running struct {
	ID                   string
	Phase                Phase
	Elapsed              time.Duration // since it began
	Acked, Failed, Asked int           // requests so far; one that waits for its answer is neither acked nor failed
}

// A Phase is what a drill does at a time.
type Phase string

// The phases of a drill, in their order.
const (
	Steadying  Phase = "steadying"  // until the system is in a steady state
	Injecting  Phase = "injecting"  // until the fault is in effect
	Recovering Phase = "recovering" // until the system is steady again, or the deadline
	Examining  Phase = "examining"  // survivors are read, and proofs sought
)

var phases = []Phase{Steadying, Injecting, Recovering, Examining}

// NewRunning returns what a ledger that has not ended shows at a time.
func NewRunning(l *drtest.Ledger, now time.Time) Running {
	r := Running{ID: l.Drill.ID, Phase: Steadying, Elapsed: max(0, now.Sub(l.Drill.Began)), Asked: len(l.Ops)}
	for _, op := range l.Ops {
		switch {
		case op.End == drtest.Forever:
		case op.Outcome == drtest.Acked:
			r.Acked++
		default:
			r.Failed++
		}
	}
	for _, e := range l.Events {
		next := r.Phase
		switch e.Kind {
		case drtest.SteadyReached:
			next = Injecting
		case drtest.FaultInjected:
			next = Recovering
		case drtest.SteadyAgain, drtest.DeadlinePassed:
			next = Examining
		}
		if slices.Index(phases, next) > slices.Index(phases, r.Phase) {
			r.Phase = next
		}
	}
	return r
}

// Live returns metrics of drills while a run goes on, for Prometheus: of those that go on, and what
// those showed that have ended. Nothing is said of the run, which has not ended.
func Live(running []Running, ended *report.Report) []byte {
	running = slices.SortedStableFunc(slices.Values(running), func(a, b Running) int { return cmp.Compare(a.ID, b.ID) })
	var t teller
	t.tell("drtest.live.drills", "", "How many drills go on.", func(f *family) { f.add(float64(len(running))) })
	t.tell("drtest.live.phase", "", "What a drill that goes on does: 1 for its phase, 0 for the others.", func(f *family) {
		for _, r := range running {
			for _, p := range phases {
				f.add(truth(p == r.Phase), "drill", r.ID, "phase", string(p))
			}
		}
	})
	t.tell("drtest.live.elapsed", "s", "How long a drill has gone on.", func(f *family) {
		for _, r := range running {
			f.add(seconds(r.Elapsed), "drill", r.ID)
		}
	})
	t.tell("drtest.live.requests", "", "Requests of a drill that goes on: acked, failed, or waiting for their answer.", func(f *family) {
		for _, r := range running {
			f.add(float64(r.Acked), "drill", r.ID, "outcome", "acked")
			f.add(float64(r.Failed), "drill", r.ID, "outcome", "failed")
			f.add(float64(r.Asked-r.Acked-r.Failed), "drill", r.ID, "outcome", "waiting")
		}
	})
	t.drills(ended)
	return exposition(t.all)
}
