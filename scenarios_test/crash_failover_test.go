package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
)

// The server of the leader is killed. Its agent sees that within one round and gives up the lease,
// the standby that has received most takes it, and the server that crashed follows. The
// orchestrator serves again within three seconds and loses nothing.
func TestCrashFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum})
	drtest.Run(t, crashFailover(t, c))
}

func crashFailover(t *testing.T, c *clustered) drtest.Scenario {
	s := c.scenario("Database primary failover, automatic, server crash", c.leader.Crash())
	s.ID = "DR-DB-004/crash"
	s.Stages = c.FailoverStages(c.leader, "orchestrator")
	s.Proofs = []drtest.Proof{c.oneWritableNode(), c.noDivergentWrite(), c.sameRows(), c.commitsWait()}
	s.Model = drtest.Model{
		{Name: "crash noticed", Worst: c.Timing.LoopWait, Source: "loop_wait"},
		promotion(c),
		standbyFollows(c),
		reconnect(c),
	}
	s.Objectives = []drtest.Objective{
		drtest.Detection(time.Second), // as with a cut connection
		drtest.RTO(3 * time.Second),
		drtest.RPO(0),
		drtest.LostWork(0), // the orchestrator keeps running
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
		drtest.Reached("redundancy restored", 18*time.Second),
	}
	s.Targets = targets(t, "DR-DB-004")
	return s
}

// The orchestrator knows only the member that led at first, and does not find the new leader.
func TestCrashFailoverSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Heavy)
	s := crashFailover(t, startKnowingOneMember(t, patronitest.Config{Replication: patronitest.Sync}))
	s.Deadline, s.Proofs = noRecoveryDeadline, nil
	requireFailure(t, s, "RTO", "never served again")
}
