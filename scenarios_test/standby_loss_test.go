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
	standby, err := c.Standby(t.Context())
	require.NoError(t, err)
	drtest.Run(t, standbyLoss(c, standby))
}

func standbyLoss(c *clustered, standby *patronitest.Member) drtest.Scenario {
	rest := c.Others(standby)
	s := c.scenario("Synchronous standby lost", standby.Isolate())
	s.ID = "DR-DB-006"
	s.Stages = []drtest.Stage{c.redundancyRestored(rest...)}
	s.Proofs = []drtest.Proof{c.sameRows(rest...)}
	s.Model = standbyModel(c)
	s.Objectives = []drtest.Objective{
		drtest.RTO(s.Model.RTO().Hi),
		drtest.RPO(0),
		drtest.LostWork(0), // the orchestrator keeps running
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
		drtest.Reached("redundancy restored", 10*time.Second),
	}
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

// The other standby has died before, and nobody has noticed: there is none to name.
func TestStandbyLossSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.Sync, Firewall: true})
	standby, err := c.Standby(t.Context())
	require.NoError(t, err)
	for _, other := range c.Others(c.leader) {
		if other != standby {
			inject(t, other.Kill())
		}
	}
	s := standbyLoss(c, standby)
	s.Deadline, s.Proofs = 45*time.Second, nil
	requireFailure(t, s, "RTO", "never served again")
}
