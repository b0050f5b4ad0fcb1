package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/jackc/pgx/v5/pgconn"
)

// The leader hands over in good order, under load, as for maintenance: it stops, and a standby that
// has all that it wrote takes over at once.
func TestSwitchover(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum})
	drtest.Run(t, plannedSwitchover(t, c))
}

func TestSwitchoverSabotaged(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	s := plannedSwitchover(t, startKnowingOneMember(t, patronitest.Config{Replication: patronitest.SyncQuorum}))
	s.Deadline, s.Proofs = neverBack, nil
	requireFailure(t, s, "RTO", "never served again")
}

func plannedSwitchover(_ *testing.T, c *clustered) drtest.Scenario {
	s := c.scenario("Planned switchover under load", handover(c))
	s.ID = "DR-DB-008"
	s.Stages = c.FailoverStages(c.leader, "orchestrator")
	s.Proofs = c.proofs()
	s.Model = drtest.Model{
		{Name: "leader asked", Worst: c.Timing.LoopWait, Source: "loop_wait"},
		{Name: "leader stops", Worst: 2 * time.Second, Source: "primary_stop_timeout 2s"},
		promotion(c),
		standbyFollows(c),
		reconnect(c),
	}
	s.Objectives = failoverObjectives(s.Model.RTO().Hi)
	return s
}

// handover has the leader hand over. It is in effect when the leader takes no more writes. The
// agent's answer comes at its end.
func handover(c *clustered) drtest.Fault {
	answered := make(chan error, 1)
	inject := func(ctx context.Context) (drtest.Effect, error) {
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			answered <- c.Switchover().Do(ctx)
		}()
		for ctx.Err() == nil {
			select {
			case err := <-answered:
				if err != nil { // it is refused: a busy machine leaves no standby fit to take over
					return drtest.Effect{}, err
				}
				answered <- nil // for later
			default:
			}
			// A server that is slow has refused nothing.
			if err := writable(ctx, c.leader.Node); err != nil && !pgconn.Timeout(err) {
				return drtest.Effect{Receipt: drtest.Receipt(c.leader.Name() + " takes no write: " + err.Error())}, nil
			}
		}
		return drtest.Effect{}, ctx.Err()
	}
	confirm := func(ctx context.Context) (drtest.Receipt, error) {
		select {
		case err := <-answered:
			return "the agent has answered that it is done", err
		case <-ctx.Done():
			return "", fmt.Errorf("the agent has not answered: %w", ctx.Err())
		}
	}
	return drtest.Fault{Name: "switchover from " + c.leader.Name(), Inject: inject, Confirm: confirm}
}
