package calibrate

import (
	"math/rand/v2"
	"time"

	"github.com/drtest/suite/drtest"
)

// stalled is a drill whose ledger is rewritten to what a process would have written that stood
// still for a while: virtual time cannot stop a process. [TestStopped] does, in real time.
func stalled(r *rand.Rand) Plant {
	l := load(r)
	s, windows := service(r, l), windows(r, l, 1+r.IntN(3))
	s.Failure = []Failure{Refuse, Hang}[r.IntN(2)]
	s.Fails = func(q Request) bool { return down(windows, q.Since) }
	c := s.scenario(l)
	after, lasts := between(r, 0, 4*time.Second), between(r, 100*ms, 2*time.Second)
	c.Watch = 8 * time.Second // so that there is time to be steady again after the stall
	return Plant{Scenario: c, Edit: func(l *drtest.Ledger) {
		fault, _ := l.Event(drtest.FaultInjected)
		stall(l, drtest.Interval{Lo: fault.Hi + after, Hi: fault.Hi + after + lasts}, func(at time.Duration) bool {
			return down(windows, at-(fault.Hi-s.InjectAfter))
		})
	}, Truths: func(*drtest.Ledger) []Truth { return []Truth{s.rto(windows[len(windows)-1].Hi)} }, Rules: []Rule{
		never("no client saw the fault", drtest.NoFailedRequests(), drtest.Pass),
	}}
}

// stall has the process stand still: what was due meanwhile leaves in one burst after it, and what
// was under way ends after it.
func stall(l *drtest.Ledger, still drtest.Interval, down func(at time.Duration) bool) {
	burst := still.Hi
	for i := range l.Ops {
		op := &l.Ops[i]
		took := op.End - op.Start
		if op.Start >= still.Lo && op.Start < still.Hi {
			burst += 10 * time.Microsecond
			op.Start = burst
			if down(burst) {
				op.Outcome, op.Err = drtest.Unknown, "connection refused"
			} else {
				op.Outcome, op.Err = drtest.Acked, ""
			}
			op.End = op.Start + min(took, l.Drill.Timeout/2)
		}
		if op.Start < still.Lo && op.End >= still.Lo && op.End < still.Hi {
			op.End = still.Hi + 5*time.Microsecond
			if op.End-op.Start >= l.Drill.Timeout && i%2 == 0 { // its timer ended first, and not its answer
				op.Outcome, op.Err = drtest.Unknown, "context deadline exceeded"
			}
		}
	}
	l.Events = append(l.Events, drtest.Event{Kind: drtest.Stalled, Interval: still})
}
