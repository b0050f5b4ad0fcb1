package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/drtest/suite/drtest/splitbraintest"
	"github.com/stretchr/testify/require"
)

// The leader is cut off from the other nodes, the store and the orchestrator, but not from all of
// its clients: one of the pinned ones goes on asking it. It makes itself read only, a standby takes
// over once the lease has run out, and after the repair the old leader rewinds and follows. Nothing
// that was acknowledged on either side is lost.
func TestSplitBrain(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum, Failsafe: true, Firewall: true})
	drtest.Run(t, splitBrain(t, c))
}

func splitBrain(t *testing.T, c *clustered) drtest.Scenario {
	s := c.scenario("Split brain", c.leader.Isolate())
	s.ID = "DR-NET-002"
	s.Category = network
	s.HealAfter = 30 * time.Second
	s.Stages = c.FailoverStages(c.leader, "orchestrator")
	s.Proofs = []drtest.Proof{c.oneWritableNode(), c.noDivergentWrite(), c.sameRows(), c.commitsWait()}
	s.Model = leaseModel(c)
	s.Objectives = []drtest.Objective{
		drtest.Detection(2 * time.Second), // by timeouts only, as in DR-NET-001
		drtest.RTO(25 * time.Second),
		drtest.RPO(0),
		drtest.LostWork(0), // the orchestrator keeps running
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
		drtest.Reached("redundancy restored", s.HealAfter+15*time.Second),
	}
	s.Targets = targets(t, "DR-NET-002")
	return s
}

// With asynchronous replication the lease alone does not keep an old leader from acknowledging what
// nobody else will have: not one whose agent hangs while its server goes on, until the agent goes
// on too, and not one that was frozen and wakes up with a request in its buffers. What it took is
// lost, and the instruments say so, write by write.
func TestSplitBrainSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("asynchronous, agent hangs", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		c := startClustered(t, patronitest.Config{})
		report, log := playLoss(t, c, "agent", c.leader.HangAgent())
		requireFailed(t, report, "one writable node", `^two nodes accepted writes at once for \d`)
		require.Greater(t, log.Dual().Lo, time.Second, "certainly at once")
	})
	t.Run("asynchronous, node frozen, patient client", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		c := startWithPinnedTimeout(t, patronitest.Config{}, time.Minute)
		playLoss(t, c, "pause", c.leader.Pause())
	})
}

// playLoss plays the scenario with a fault that ends when another member has long taken over, and
// demands that acked writes are lost and proved to be.
func playLoss(t *testing.T, c *clustered, id string, fault drtest.Fault) (*drtest.Report, *splitbraintest.WriteLog) {
	t.Helper()
	s := splitBrain(t, c)
	s.ID, s.Fault = "DR-NET-002/"+id, fault
	s.HealAfter = 32 * time.Second // the lease and its failover take 27 s at worst
	s.Stages, s.Model, s.Targets = []drtest.Stage{c.redundancyRestored()}, nil, nil
	s.Objectives = []drtest.Objective{drtest.RPO(0)}
	report := playSabotaged(t, s)
	log := c.writers.Stop()
	t.Log(log)
	requireLostAsProved(t, c, report, log)
	requireFailed(t, report, "commits waited for a standby", "synchronous_standby_names is empty")
	return report, log
}

// requireLostAsProved demands that the WAL of the old leader tells of exactly the acked writes that
// the new one lacks.
func requireLostAsProved(t *testing.T, c *clustered, report *drtest.Report, log *splitbraintest.WriteLog) {
	t.Helper()
	survivor, err := c.Leader(t.Context())
	require.NoError(t, err)
	lost, err := log.Lost(t.Context(), survivor.Node)
	require.NoError(t, err)
	require.NotEmpty(t, lost)
	d, err := log.Divergence(t.Context(), c.leader.Node, survivor.Node)
	require.NoError(t, err)
	require.Equal(t, lost, d.Acked)
	requireFailed(t, report, "no divergent write", `^timeline 1 ends for the cluster at \S+; `+c.leader.Name()+` committed \d+ transactions after that, of which \d+ acked`)
}
