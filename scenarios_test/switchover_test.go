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
// has all that it wrote takes over at once. Clients wait for no longer than the configuration
// predicts, and nothing is lost.
func TestSwitchover(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	drtest.Run(t, plannedSwitchover(startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum})))
}

func plannedSwitchover(c *clustered) drtest.Scenario {
	s := c.scenario("Planned switchover under load", handover(c))
	s.ID = "DR-DB-008"
	s.Stages = c.FailoverStages(c.leader, "orchestrator")
	s.Proofs = []drtest.Proof{c.oneWritableNode(), c.noDivergentWrite(), c.sameRows()}
	s.Model = drtest.Model{
		{Name: "leader asked", Worst: c.Timing.LoopWait, Source: "loop_wait"},
		{Name: "leader stops", Worst: 2 * time.Second, Source: "primary_stop_timeout 2s"},
		promotion(c),
		standbyFollows(c),
		reconnect(c),
	}
	s.Objectives = []drtest.Objective{
		drtest.RTO(s.Model.RTO().Hi),
		drtest.RPO(0),
		drtest.LostWork(0), // the orchestrator keeps running
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
		drtest.Reached("redundancy restored", s.Model.RTO().Hi+15*time.Second),
	}
	return s
}

// The orchestrator knows only the member that led at first, and does not find the new leader.
func TestSwitchoverSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Heavy)
	s := plannedSwitchover(startKnowingOneMember(t, patronitest.Config{Replication: patronitest.SyncQuorum}))
	s.Deadline, s.Proofs = noRecoveryDeadline, nil
	requireFailure(t, s, "RTO", "never served again")
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
