package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
)

// Every standby falls silent, and the cluster prefers answers to copies: the leader goes on alone.
// Nothing is lost, as long as it lives.
func TestStandbysLossBestEffort(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncBestEffort, Firewall: true})
	drtest.Run(t, standbysLossBestEffort(c))
}

func standbysLossBestEffort(c *clustered) drtest.Scenario {
	standbys := c.Others(c.leader)
	s := c.scenario("All standbys lost, best effort", drtest.Together(standbys[0].Isolate(), standbys[1].Isolate()))
	s.ID = "DR-DB-006/best-effort"
	s.Model = standbyModel(c)
	s.Objectives = []drtest.Objective{
		drtest.RTO(s.Model.RTO().Hi),
		drtest.RPO(0),
		drtest.LostWork(0), // the orchestrator keeps running
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
	}
	return s
}

// Every standby dies, and the cluster prefers copies to answers: no commit is acknowledged until
// the operator has started a standby again. The orchestrator serves again within 15 seconds.
func TestStandbysLossStrict(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.Sync})
	drtest.Run(t, standbysLossStrict(c))
}

func standbysLossStrict(c *clustered) drtest.Scenario {
	standbys := c.Others(c.leader)
	s := c.scenario("All standbys lost, strict", drtest.Together(standbys[0].Kill(), standbys[1].Kill()))
	s.ID = "DR-DB-006/strict"
	s.Runbook = []drtest.Step{standbys[0].Resume()}
	s.Objectives = []drtest.Objective{
		drtest.Detection(3 * time.Second), // by timeouts
		// Detection, the start of an agent and its server 5 s, two rounds until the leader names
		// it, a second for clients to come back, and a margin for a busy machine.
		drtest.RTO(15 * time.Second),
		drtest.RPO(0),
		drtest.LostWork(0), // the orchestrator keeps running
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
	}
	return s
}

func TestStandbysLossSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("best effort was asked for, and the cluster is strict", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		s := standbysLossBestEffort(startClustered(t, patronitest.Config{Replication: patronitest.Sync, Firewall: true}))
		s.Deadline = 45 * time.Second
		requireFailure(t, s, "RTO", "never served again")
	})
	t.Run("strict, and nobody starts a standby", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		s := standbysLossStrict(startClustered(t, patronitest.Config{Replication: patronitest.Sync}))
		s.Runbook, s.Deadline = nil, 60*time.Second
		requireFailure(t, s, "RTO", "never served again")
	})
}
