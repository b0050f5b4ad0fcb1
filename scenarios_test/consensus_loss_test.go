package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
)

// The consensus store is cut off for 20 seconds. The leader cannot renew its lease: it makes itself
// read only before that has run out, and leads again within five seconds of the repair. Nothing is
// lost.
func TestConsensusLoss(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	drtest.Run(t, consensusLoss(startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum, Firewall: true})))
}

func consensusLoss(c *clustered) drtest.Scenario {
	s := c.scenario("Consensus store lost", c.Store.Isolate())
	s.ID = "DR-DB-005"
	s.HealAfter = 20 * time.Second
	s.Stages = []drtest.Stage{c.redundancyRestored()}
	s.Model = drtest.Model{
		{Name: "store away", Best: s.HealAfter, Worst: s.HealAfter, Source: "the fault"},
		{Name: "agent asks again", Worst: c.Timing.LoopWait + c.Timing.RetryTimeout, Source: "loop_wait, retry_timeout"},
		promotion(c),
		standbyFollows(c),
		reconnect(c),
	}
	s.Objectives = []drtest.Objective{
		// By then another member could lead beside it. An agent begins a round every loop_wait, and
		// gives up after retry_timeout: 4 s.
		drtest.Detection(c.Timing.TTL),
		drtest.RPO(0),
		drtest.LostWork(0), // the orchestrator keeps running
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
		// An agent asks the store again after loop_wait, and gives each question retry_timeout.
		drtest.HealLag(5 * time.Second),
		drtest.RTO(25 * time.Second),
		drtest.Reached("redundancy restored", s.HealAfter+15*time.Second),
	}
	return s
}

// The same in failsafe mode. The leader stays primary, since it reaches every other member: clients
// notice nothing.
func TestConsensusLossFailsafe(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	drtest.Run(t, consensusLossFailsafe(startClustered(t, patronitest.Config{
		Replication: patronitest.SyncQuorum, Failsafe: true, EtcdMembers: 3, Firewall: true,
	})))
}

func consensusLossFailsafe(c *clustered) drtest.Scenario {
	s := consensusLoss(c)
	s.ID = "DR-DB-005/failsafe"
	s.Title += ", failsafe mode"
	s.Stages, s.Model = nil, nil // nothing is lost, and there is nothing to recover from
	s.Objectives = []drtest.Objective{
		drtest.NoFailedRequests(),
		drtest.RPO(0),
		drtest.LostWork(0),
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
	}
	return s
}

// Each mode is played on a cluster that has the other one.
func TestConsensusLossSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("the leader does not make itself read only", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		s := consensusLoss(startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum, Failsafe: true, Firewall: true}))
		s.Watch = 45 * time.Second // that nothing is detected, by far
		requireFailure(t, s, "detection", "health never turned bad")
	})
	t.Run("failsafe mode was asked for, and is off", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		s := consensusLossFailsafe(startClustered(t, patronitest.Config{Replication: patronitest.Sync, Firewall: true}))
		s.HealAfter = 10 * time.Second // the leader gives up after retry_timeout
		requireFailure(t, s, "no failed requests", "requests failed")
	})
}
