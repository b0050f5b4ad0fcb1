package scenarios

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
)

// Nobody reaches the consensus store for 20 seconds. The leader cannot renew its lease: it makes
// itself read only, and leads again after the repair.
func TestConsensusLoss(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum, Firewall: true})
	drtest.Run(t, consensusLoss(t, c))
}

func consensusLoss(_ *testing.T, c *clustered) drtest.Scenario {
	s := c.scenario("Consensus store lost", c.Store.Isolate())
	s.ID = "DR-DB-005"
	s.HealAfter = 20 * time.Second
	lost := false
	s.Stages = []drtest.Stage{{Name: "redundancy restored", Source: "the member keys of the store, and a fresh row on each node", Reached: func(ctx context.Context) error {
		if err := c.Redundant()(ctx); err != nil {
			lost = true
			return err
		}
		if !lost {
			return errors.New("it has not been lost yet")
		}
		return nil
	}}}
	s.Model = drtest.Model{
		{Name: "store away", Best: s.HealAfter, Worst: s.HealAfter, Source: "the fault"},
		{Name: "agent asks again", Worst: c.Timing.LoopWait + c.Timing.RetryTimeout, Source: "loop_wait, retry_timeout"},
		promotion(c),
		standbyFollows(c),
		reconnect(c),
	}
	s.Objectives = []drtest.Objective{
		drtest.RPO(0), drtest.LostWork(0), drtest.AllRecovered(20), drtest.NoDuplicates(),
		// An agent asks the store again after loop_wait, and gives each question retry_timeout.
		drtest.HealLag(5 * time.Second),
		drtest.RTO(25 * time.Second),
		drtest.Reached("redundancy restored", s.HealAfter+15*time.Second),
	}
	return s
}

// In failsafe mode the leader stays primary, since it reaches every other member: clients notice
// nothing.
func TestConsensusLossFailsafe(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum, Failsafe: true, EtcdMembers: 3, Firewall: true})
	drtest.Run(t, consensusLossFailsafe(t, c))
}

func consensusLossFailsafe(t *testing.T, c *clustered) drtest.Scenario {
	s := consensusLoss(t, c)
	s.ID = "DR-DB-005/failsafe"
	s.Title += ", failsafe mode"
	s.Stages, s.Model = nil, nil // nothing is lost, and there is nothing to recover from
	s.Objectives = []drtest.Objective{drtest.NoFailedRequests(), drtest.RPO(0), drtest.LostWork(0), drtest.AllRecovered(20), drtest.NoDuplicates()}
	return s
}

func TestConsensusLossSabotaged(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	s := consensusLossFailsafe(t, startClustered(t, patronitest.Config{Replication: patronitest.Sync, Firewall: true})) // not in failsafe mode
	s.HealAfter = 10 * time.Second                                                                                      // the leader gives up after retry_timeout
	requireFailure(t, s, "no failed requests", "requests failed")
}
