package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/stretchr/testify/require"
)

// The leader's node dies while one asynchronous replica is far behind, further than
// maximum_lag_on_failover. The other replica takes over, whatever the order in which they ask for
// the lease. The orchestrator serves again within 25 seconds, and at most the last second is lost.
func TestLaggingReplica(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Firewall: true})
	far := c.Others(c.leader)[0]
	fallBehind(t, c, far)
	drtest.Run(t, laggingReplica(c, far))
}

func laggingReplica(c *clustered, far *patronitest.Member) drtest.Scenario {
	s := c.scenario("Primary dies, replica far behind", c.leader.Kill())
	s.ID = "DR-DB-007"
	rest := c.Others(c.leader)
	s.Stages = c.FailoverStages(c.leader, "orchestrator", rest...)
	s.Proofs = []drtest.Proof{c.sameRows(rest...), {Name: "the nearer replica leads", Examine: func(ctx context.Context) (string, error) {
		leader, err := c.Leader(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
		}
		if leader == far {
			return "", fmt.Errorf("%s leads, which was far behind", far.Name())
		}
		return leader.Name() + " leads", nil
	}}}
	s.Model = leaseModel(c)
	s.Objectives = []drtest.Objective{
		drtest.RTO(25 * time.Second),
		drtest.RPO(time.Second),
		survivorsRecovered(),
		drtest.NoDuplicates(),
		drtest.Reached("redundancy restored", 40*time.Second),
	}
	return s
}

// fallBehind cuts replicas off from the leader and writes more than a replica that takes over may
// lack.
func fallBehind(t *testing.T, c *clustered, far ...*patronitest.Member) {
	t.Helper()
	for _, m := range far {
		inject(t, m.Partition(c.leader))
	}
	require.NoError(t, c.leader.Exec(t.Context(), "SELECT pg_logical_emit_message(false, 'drtest', repeat('x', 4 << 20), true)"))
}

// Both replicas are too far behind to take over.
func TestLaggingReplicaSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Firewall: true})
	fallBehind(t, c, c.Others(c.leader)...)
	s := laggingReplica(c, c.Others(c.leader)[0])
	s.Deadline, s.Proofs = 75*time.Second, nil // without a leader there is nothing to examine
	requireFailure(t, s, "RTO", "never served again")
}
