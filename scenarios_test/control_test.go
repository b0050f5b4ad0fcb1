package scenarios

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/stretchr/testify/require"
)

// Nothing happens to the system. The same engine that measures disasters must measure no outage and
// no loss.
func TestNoFaultControl(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	db := proxy.Link(t, "database", pg)
	app := startOrchestrator(t, proxy, db, variant{})
	drtest.Run(t, drtest.Scenario{
		ID:       "CONTROL",
		Title:    "No fault",
		Workload: app,
		Load:     steadyLoad,
		Health:   app.Ready,
		Fault:    drtest.NoFault(),
		Objectives: []drtest.Objective{
			drtest.NoFailedRequests(),
			drtest.RPO(0),
			drtest.LostWork(0),
			drtest.AllRecovered(20),
			drtest.NoDuplicates(),
			drtest.Repeated("calls", 0),
		},
		Watch:    5 * time.Second,
		Deadline: time.Minute,
	})
}

// No more instances are started than are needed, and what has waited may be gone when the last one
// is ready.
func TestScaleOutControl(t *testing.T) {
	for _, c := range []struct {
		reason  string
		backlog []int // at each look; the last one stays
		started int
		err     string
	}{
		{"nobody has waited yet", []int{0, 0, maxBacklog, 0}, 0, ""},
		{"the first one is enough", []int{maxBacklog + 1, maxBacklog, 1, 0}, 1, ""},
		{"both are needed, and drain it while the second one starts", []int{maxBacklog + 1, maxBacklog + 1, 0}, 2, ""},
		{"there are no more", []int{maxBacklog + 1}, 2, "11 workflows wait"},
		{"there is nothing to do", []int{0}, 0, "0 workflows wait"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				started := 0
				start := func(context.Context) error { started++; return nil }
				err := scaleOut(ctx, func(context.Context) (int, error) {
					n := c.backlog[0]
					if len(c.backlog) > 1 {
						c.backlog = c.backlog[1:]
					}
					return n, nil
				}, []func(context.Context) error{start, start})
				if c.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.err)
				}
				require.Equal(t, c.started, started)
			})
		})
	}
}

// Units that go on from a checkpoint, or from where they were, fail the check.
func TestBeganAgainControl(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	sample := func(ms int, p drtest.Progress) drtest.Sample {
		return drtest.Sample{Interval: drtest.Interval{Lo: at(ms), Hi: at(ms + 10)}, Units: map[string]drtest.Progress{"a": p}}
	}
	for _, c := range []struct {
		name        string
		before, end drtest.Progress
		want        string // empty: it holds
	}{
		{"from its beginning", drtest.Progress{Done: 4, Attempt: 1}, drtest.Progress{Done: steps, Attempt: 2, Finished: true}, ""},
		{"from a checkpoint", drtest.Progress{Done: 4, Attempt: 1}, drtest.Progress{Done: steps, Attempt: 2, From: 3, Finished: true}, "attempt 2 of a began at step 3"},
		{"from where it was", drtest.Progress{Done: 4, Attempt: 1}, drtest.Progress{Done: steps, Attempt: 1, Finished: true}, "attempt 1 of a began at step 0"},
		{"not at all", drtest.Progress{Done: 4, Attempt: 1}, drtest.Progress{Done: 4, Attempt: 1}, "attempt 1 of a began at step 0"},
		{"ended before the death", drtest.Progress{Done: steps - 1, Attempt: 1}, drtest.Progress{Done: steps, Attempt: 1, Finished: true}, "none was executed again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &drtest.Ledger{
				Drill:     drtest.Drill{ID: "HAND", Every: at(50), Timeout: time.Second, Steady: time.Second, Tracked: true},
				Ops:       []drtest.Op{{ID: "a", End: at(10), Outcome: drtest.Acked}},
				Events:    []drtest.Event{{Kind: drtest.FaultInjected, Interval: drtest.Interval{Lo: at(1000), Hi: at(1020)}, Receipt: "exit code 137"}},
				Samples:   []drtest.Sample{sample(900, c.before), sample(3000, c.end)},
				Survivors: []string{"a"},
				Ended:     true,
			}
			err := beganAgain(l, drtest.Measure(l))
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.EqualError(t, err, c.want)
			}
		})
	}
}
