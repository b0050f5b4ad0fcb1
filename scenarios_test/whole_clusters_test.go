package scenarios

import (
	"cmp"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/stretchr/testify/require"
)

// A clusterDrill is one of several that a cluster goes through. Each begins once the cluster is
// redundant again.
type clusterDrill struct {
	name     string
	mode     pgtest.Mode // of the cluster from this drill on; zero: that of the drill before
	scenario func(*testing.T, *clustered) drtest.Scenario
	repair   func(context.Context, *clustered) error // what the operator does after the drill; nil: nothing
}

// The drills of one test share a cluster, whose start takes longer than most of them. It is as
// strict a test as a cluster for each: a disaster meets a cluster that has been through others. One
// that has not recovered from the drill before, or could not be started for it, takes no other
// result along: the next drill has one of its own.
func playOneByOne(t *testing.T, opts []pgtest.Option, drills ...clusterDrill) {
	t.Helper()
	containertest.Parallel(t, containertest.Heavy)
	if testing.Short() {
		t.Skip("needs a container engine, and -short is set")
	}
	var c *clustered
	mode := pgtest.SyncQuorum
	for _, d := range drills {
		mode = cmp.Or(d.mode, mode)
		t.Run(d.name, func(sub *testing.T) {
			if c != nil {
				if err := c.reset(sub, mode); err != nil {
					sub.Logf("a new cluster, since that of the drill before has not recovered: %v", err)
					c.writers.Stop()
					c = nil
				}
			}
			if c == nil {
				err := attempt(t, func(t testing.TB) { c = startClustered(t, mode, opts...) })
				if err != nil {
					c = nil
					sub.Fatal(err)
				}
			}
			drtest.Run(sub, d.scenario(sub, c))
			if d.repair != nil {
				require.NoError(sub, d.repair(sub.Context(), c))
			}
		})
	}
}

// reset waits until the cluster is redundant, in that mode, and pins new clients to its members.
func (c *clustered) reset(t *testing.T, mode pgtest.Mode) error {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := until(ctx, c.Redundant()); err != nil {
		return err
	}
	if mode != c.mode {
		if err := errors.Join(c.SetMode(mode).Do(ctx), until(ctx, c.Redundant())); err != nil {
			return err
		}
		c.mode = mode
	}
	leader, err := c.Leader(ctx)
	if err != nil {
		return err
	}
	c.leader = leader
	c.writers.Stop()
	c.writers = pgtest.StartWriters(t, patience, c.nodes()...)
	return nil
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
			return c.Others(c.leader)[1].Resume().Do(ctx) // the runbook has started the other one
		}},
		clusterDrill{name: "all standbys lost, best effort", mode: pgtest.SyncBestEffort, scenario: standbysLossBestEffort},
		clusterDrill{name: "replica far behind", mode: pgtest.Async, scenario: func(t *testing.T, c *clustered) drtest.Scenario {
			far := c.Others(c.leader)[0]
			fallBehind(t, c, far)
			return laggingReplica(c, far)
		}},
	)
}

// The lease of the leader runs out. In failsafe mode it may lead on without one, as long as it
// reaches all others: not if it is cut off from them.
func TestClusterLease(t *testing.T) {
	playOneByOne(t, []pgtest.Option{pgtest.Failsafe(), pgtest.StoreOfThree()},
		clusterDrill{name: "consensus store lost, failsafe mode", scenario: consensusLossFailsafe},
		clusterDrill{name: "split brain", scenario: splitBrain},
		clusterDrill{name: "node death", scenario: nodeFailover},
	)
}
