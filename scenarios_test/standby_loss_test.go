package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/stretchr/testify/require"
)

// The node of the synchronous standby falls silent. Commits wait until the leader has named the
// other standby, and go on: no acknowledged commit is ever on one node only.
func TestStandbyLoss(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.Sync, Firewall: true})
	drtest.Run(t, standbyLoss(t, c))
}

func standbyLoss(t *testing.T, c *clustered) drtest.Scenario {
	lost, err := c.Standby(t.Context())
	require.NoError(t, err)
	s := c.scenario("Synchronous standby lost", lost.Isolate())
	s.ID = "DR-DB-006"
	rest := c.Others(lost)
	s.Stages = c.FailoverStages(lost, "orchestrator", rest...)[3:]
	s.Proofs = c.proofs(rest...)[2:]
	s.Model = standbyModel(c)
	s.Objectives = standbyObjectives(s.Model.RTO().Hi)
	s.Objectives = append(s.Objectives, drtest.Reached("redundancy restored", 10*time.Second))
	return s
}

// standbyModel is of commits that wait for a standby that is silent.
func standbyModel(c *clustered) drtest.Model {
	return drtest.Model{
		{Name: "standby given up", Worst: 2 * time.Second, Source: "wal_sender_timeout 2s"},
		{Name: "another named", Worst: 2 * c.Timing.LoopWait, Source: "loop_wait: one round to see it, one to name another"},
		reconnect(c),
	}
}

func standbyObjectives(rto time.Duration) []drtest.Objective {
	return []drtest.Objective{drtest.RTO(rto), drtest.RPO(0), drtest.LostWork(0), drtest.AllRecovered(20), drtest.NoDuplicates()}
}

// standbysLoss is the loss of all standbys.
func standbysLoss(c *clustered, title, id string, loss func(*patronitest.Member) drtest.Fault) drtest.Scenario {
	var all []drtest.Fault
	for _, m := range c.Others(c.leader) {
		all = append(all, loss(m))
	}
	s := c.scenario(title, drtest.Together(all...))
	s.ID = id
	return s
}

// Every standby falls silent, and the cluster prefers answers to copies: the leader goes on alone.
// Nothing is lost, as long as it lives.
func TestStandbysLossBestEffort(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncBestEffort, Firewall: true})
	drtest.Run(t, standbysLossBestEffort(t, c))
}

func standbysLossBestEffort(_ *testing.T, c *clustered) drtest.Scenario {
	s := standbysLoss(c, "All standbys lost, best effort", "DR-DB-006/best-effort", func(m *patronitest.Member) drtest.Fault { return m.Isolate() })
	s.Model = standbyModel(c)
	s.Objectives = standbyObjectives(s.Model.RTO().Hi)
	return s
}

// Every standby dies, and the cluster prefers copies to answers: no commit is acknowledged until
// the operator has started a standby again.
func TestStandbysLossStrict(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.Sync})
	drtest.Run(t, standbysLossStrict(t, c))
}

func standbysLossStrict(_ *testing.T, c *clustered) drtest.Scenario {
	s := standbysLoss(c, "All standbys lost, strict", "DR-DB-006/strict", func(m *patronitest.Member) drtest.Fault { return m.Kill() })
	s.Runbook = []drtest.Step{c.Others(c.leader)[0].Resume()}
	// Detection by timeouts within 3 s, the start of an agent and its server 5 s, two rounds until
	// the leader names it, a second for clients to come back, and a margin for a busy machine.
	s.Objectives = append(standbyObjectives(15*time.Second), drtest.Detection(3*time.Second))
	return s
}

func TestStandbysLossSabotaged(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	s := standbysLossBestEffort(t, startClustered(t, patronitest.Config{Replication: patronitest.Sync, Firewall: true})) // strict, and nobody starts a standby
	s.Deadline = 45 * time.Second
	requireFailure(t, s, "RTO", "never served again")
}
