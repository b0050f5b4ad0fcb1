package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/drtest/suite/drtest/splitbraintest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// A region was lost, has come back and has caught up. A planned switchover gives it the database
// again, under load, as any other: for the few seconds that the leader takes to stop and its
// standby to take over. Nothing is lost.
func TestFailback(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	r := startActiveActive(t, nil)
	home := r.leader
	r.loseAndRegain(t)
	drtest.Run(t, failback(r, home))
}

// failback is a planned switchover as in DR-DB-008, with its model and its objectives.
func failback(r *activeActive, home *patronitest.Member) drtest.Scenario {
	s := plannedSwitchover(r.clustered)
	s.ID, s.Title, s.Category = "DR-REGION-003", "Failback to the region that was lost", regions
	s.Workload, s.Health = r.app, r.first.Ready
	s.Proofs = append(s.Proofs, drtest.Proof{Name: "the region leads again", Examine: func(ctx context.Context) (string, error) {
		leader, err := r.Leader(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
		}
		if leader != home {
			return "", fmt.Errorf("%s leads", leader.Name())
		}
		return leader.Name() + " leads", nil
	}})
	return s
}

// loseAndRegain loses the leader's region and, once the other one leads, has it come back: its
// gateways are healed, and its members and its instance start again, rewind and catch up.
func (r *activeActive) loseAndRegain(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	loss := r.loseRegion()
	inject(t, loss)
	require.NoError(t, poll(ctx, r.otherRegionLeads))
	require.NoError(t, loss.Heal(ctx))
	var starts errgroup.Group
	for _, start := range []drtest.Step{r.Store.Members[r.lost].Resume(), r.leader.Resume(), r.app.each[0].service.Resume()} {
		starts.Go(func() error { return start.Do(ctx) })
	}
	require.NoError(t, starts.Wait())
	require.NoError(t, poll(ctx, r.Redundant()))
	var err error
	r.leader, err = r.Leader(ctx)
	require.NoError(t, err)
	r.writers.Stop() // those that are pinned to a node which died
	r.writers = splitbraintest.StartWriters(t, splitbraintest.Config{Nodes: r.nodes()})
}

// The region takes the database over, but it has no instance, and the other one's does not reach
// it: the way there breaks as soon as the leader has stopped. No region has to be lost for that.
func TestFailbackSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Heavy)
	r := startActiveActive(t, nil)
	inject(t, r.app.each[1].service.Kill())
	r.first = &instances{each: r.app.each[:1]}
	s := failback(r, r.Others(r.leader)[0])
	cut := r.gateways[r.lost][r.survivor()].Cut()
	s.Fault = withEvidence(s.Fault, func(ctx context.Context) (string, error) {
		effect, err := cut.Inject(ctx)
		return string(effect.Receipt), err
	})
	s.Deadline, s.Proofs = noRecoveryDeadline, nil
	requireFailure(t, s, "RTO", "never served again")
}
