package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
)

// The leader's node dies and stays dead. Nobody gives up its lease, which has to run out; then the
// standby that has received most takes it. The orchestrator serves again within 25 seconds and
// loses nothing.
func TestNodeFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum, Failsafe: true, EtcdMembers: 3})
	drtest.Run(t, nodeFailover(t, c))
}

func nodeFailover(t *testing.T, c *clustered) drtest.Scenario {
	survivors := c.Others(c.leader)
	s := c.scenario("Database primary failover, automatic, node death", c.leader.Kill())
	s.ID = "DR-DB-004/node"
	s.Stages = c.FailoverStages(c.leader, "orchestrator", survivors...)
	s.Proofs = []drtest.Proof{c.oneWritableNode(), c.noDivergentWrite(), c.sameRows(survivors...), c.commitsWait()}
	s.Model = leaseModel(c)
	s.Objectives = []drtest.Objective{
		drtest.Detection(time.Second), // as with a cut connection
		drtest.RTO(25 * time.Second),
		drtest.RPO(0),
		drtest.LostWork(0), // the orchestrator keeps running
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
		drtest.Reached("redundancy restored", 40*time.Second),
	}
	s.Targets = targets(t, "DR-DB-004")
	return s
}

// Commits are acknowledged before they leave the leader's memory, which is written every ten
// seconds, so they die with it.
func TestNodeFailoverSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Heavy)
	s := nodeFailover(t, startClustered(t, patronitest.Config{
		Replication: patronitest.SyncQuorum,
		Settings:    map[string]string{"synchronous_commit": "off", "wal_writer_delay": "10s"},
	}))
	report := playSabotaged(t, s)
	requireFailed(t, report, "RPO", `lost \d+ of \d+ acked`)
	requireFailed(t, report, "commits waited for a standby", "synchronous_commit is off")
}
