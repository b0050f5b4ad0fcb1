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
// orchestrator serves again within three seconds.
func TestCrashFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum})
	drtest.Run(t, crashFailover(t, c))
}

func crashFailover(t *testing.T, c *clustered) drtest.Scenario {
	s := c.scenario("Database primary failover, automatic, server crash", c.leader.Crash())
	s.ID = "DR-DB-004/crash"
	s.Stages = c.FailoverStages(c.leader, "orchestrator")
	s.Proofs = append(c.proofs(), c.commitsWait())
	s.Model = drtest.Model{
		{Name: "crash noticed", Worst: c.Timing.LoopWait, Source: "loop_wait"},
		promotion(c),
		standbyFollows(c),
		reconnect(c),
	}
	s.Objectives = failoverObjectives(3 * time.Second)
	s.Objectives = append(s.Objectives, drtest.Detection(time.Second))
	s.Targets = targets(t, "DR-DB-004")
	return s
}

// The leader's node dies and stays dead. Nobody gives up its lease, which has to run out; then the
// standby that has received most takes it. The orchestrator serves again within 25 seconds.
func TestNodeFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum, Failsafe: true})
	drtest.Run(t, nodeFailover(t, c))
}

func nodeFailover(t *testing.T, c *clustered) drtest.Scenario {
	s := c.scenario("Database primary failover, automatic, node death", c.leader.Kill())
	s.ID = "DR-DB-004/node"
	s.Stages = c.FailoverStages(c.leader, "orchestrator", c.Others(c.leader)...)
	s.Proofs = append(c.proofs(c.Others(c.leader)...), c.commitsWait())
	s.Model = leaseModel(c)
	s.Objectives = failoverObjectives(25 * time.Second)
	s.Objectives = append(s.Objectives, drtest.Detection(time.Second))
	s.Targets = targets(t, "DR-DB-004")
	return s
}

// leaseModel is of a failover that nobody asks for: the lease of the leader runs out.
func leaseModel(c *clustered) drtest.Model {
	return drtest.Model{
		// Renewed once in a round, which begins every loop_wait and takes less than another.
		{Name: "lease runs out", Best: c.Timing.TTL - 2*c.Timing.LoopWait, Worst: c.Timing.TTL, Source: "ttl, loop_wait"},
		{Name: "lease revoked", Worst: 500 * time.Millisecond, Source: "etcd looks for expired leases every 500ms"},
		{Name: "dead member asked", Worst: 2 * time.Second, Source: "an agent waits 2s for each member's before it takes the lease"},
		promotion(c),
		standbyFollows(c),
		reconnect(c),
	}
}

func failoverObjectives(rto time.Duration) []drtest.Objective {
	return []drtest.Objective{
		drtest.RTO(rto),
		drtest.RPO(0),
		drtest.LostWork(0), // the orchestrator keeps running
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
		drtest.Reached("redundancy restored", rto+15*time.Second),
	}
}

func TestCrashFailoverSabotaged(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	s := crashFailover(t, startKnowingOneMember(t, patronitest.Config{Replication: patronitest.Sync}))
	s.Deadline, s.Proofs = neverBack, nil
	requireFailure(t, s, "RTO", "never served again")
}
