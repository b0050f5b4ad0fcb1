package scenarios

import (
	"context"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/stretchr/testify/require"
)

// A clusterDrill is one of several that a cluster goes through. Each begins once the cluster is redundant again.
type clusterDrill struct {
	name     string
	mode     pgtest.Mode // of the cluster from this drill on; zero: it stays
	scenario func(*testing.T, *clustered) drtest.Scenario
	repair   func(context.Context, *clustered) error // what the operator does after the drill; nil: nothing
}

// The drills of one test share a cluster, whose start takes longer than most of them. It is as strict a test as a cluster for
// each: a disaster meets a cluster that has been through others.
func playOneByOne(t *testing.T, opts []pgtest.Option, drills ...clusterDrill) {
	t.Helper()
	inTurn(t, clusterSlots)
	c := startClustered(t, pgtest.SyncQuorum, opts...)
	for _, d := range drills {
		t.Run(d.name, func(t *testing.T) {
			c.anew(t, d.mode)
			drtest.Run(t, d.scenario(t, c))
			if d.repair != nil {
				require.NoError(t, d.repair(t.Context(), c))
			}
		})
	}
}

// anew waits until the cluster is redundant, in another mode if that is not zero, and pins new clients to its members.
func (c *clustered) anew(t *testing.T, mode pgtest.Mode) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, until(ctx, c.Redundant()), "the cluster has not recovered from the drill before")
	if mode != 0 {
		require.NoError(t, c.SetMode(ctx, mode))
		require.NoError(t, until(ctx, c.Redundant()))
	}
	var err error
	c.leader, err = c.Leader(ctx)
	require.NoError(t, err)
	c.writers.Stop()
	c.writers = pgtest.StartWriters(t, patience, c.nodes()...)
}

// The leader gives up its lease by itself, keeps it, or is relieved of it.
func TestClusterFailover(t *testing.T) {
	playOneByOne(t, nil,
		clusterDrill{name: "planned switchover", scenario: plannedSwitchover},
		clusterDrill{name: "server crash", scenario: crashFailover},
		clusterDrill{name: "page corruption", scenario: workflowsCorruption},
		clusterDrill{name: "consensus store lost", scenario: consensusLoss},
		clusterDrill{name: "standby lost", mode: pgtest.Sync, scenario: standbyLoss},
		clusterDrill{name: "all standbys lost", scenario: standbysLossStrict, repair: func(ctx context.Context, c *clustered) error {
			return c.Others(c.leader)[1].Resume(ctx) // the runbook has started the other one
		}},
		clusterDrill{name: "all standbys lost, best effort", mode: pgtest.SyncBestEffort, scenario: standbysLossBestEffort},
		clusterDrill{name: "replica far behind", mode: pgtest.Async, scenario: func(t *testing.T, c *clustered) drtest.Scenario {
			far := c.Others(c.leader)[0]
			fallBehind(t, c, far)
			return laggingReplica(c, far)
		}},
	)
}

// The lease of the leader runs out. In failsafe mode it may lead on without one, as long as it reaches all others: not if it is cut off
// from them.
func TestClusterLease(t *testing.T) {
	playOneByOne(t, []pgtest.Option{pgtest.Failsafe(), pgtest.StoreOfThree()},
		clusterDrill{name: "consensus store lost, failsafe mode", scenario: consensusLossFailsafe},
		clusterDrill{name: "split brain", scenario: splitBrain},
		clusterDrill{name: "node death", scenario: nodeFailover},
	)
}
