package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/drtest/suite/drtest/splitbraintest"
	"github.com/stretchr/testify/require"
)

// calmLoad is [steadyLoad] with workflows of fewer calls, which leave the processors to the nodes.
// With four steps of 420 ms, 1.68 s, more than twenty workflows are in flight at any moment.
var calmLoad = drtest.Load{Every: 75 * time.Millisecond, Timeout: time.Second, Steady: 1800 * time.Millisecond}

const (
	calmSteps   = 4
	calmLatency = 420 * time.Millisecond
)

// patience is how long a client that is pinned to one node waits for an answer.
const patience = time.Second

// A clustered system is an orchestrator on a cluster, all members of which it knows, with a client
// pinned to each.
type clustered struct {
	*patronitest.Cluster
	app     *orchestrator
	writers *splitbraintest.Writers
	leader  *patronitest.Member // at the start
	load    drtest.Load
}

func startClustered(t testing.TB, cluster patronitest.Config) *clustered {
	t.Helper()
	return startWithPatience(t, cluster, patience)
}

// startWithPatience starts one whose pinned clients wait for that long for an answer.
func startWithPatience(t testing.TB, cluster patronitest.Config, patience time.Duration) *clustered {
	t.Helper()
	c := &clustered{Cluster: patronitest.StartCluster(t, cluster)}
	c.start(t, patience, c.DSN())
	return c
}

// startKnowingOneMember starts one whose orchestrator knows only the member that leads at the
// start.
func startKnowingOneMember(t testing.TB, cluster patronitest.Config) *clustered {
	t.Helper()
	c := &clustered{Cluster: patronitest.StartCluster(t, cluster)}
	leader, err := c.Leader(t.Context())
	require.NoError(t, err)
	c.start(t, patience, leader.DSN())
	return c
}

// start starts the clients of a cluster: the orchestrator, which knows it by dsn, and the pinned
// ones.
func (c *clustered) start(t testing.TB, patience time.Duration, dsn string) {
	t.Helper()
	proxy := proxytest.Start(t, proxytest.Config{Network: c.Members[0].Network()})
	// A connection is tried at one member after the other: with two that are silent, a request must
	// still be in time.
	c.app = startOrchestrator(t, proxy, c.Members[0], variant{
		latency: calmLatency, env: map[string]string{"DATABASE_URL": dsn, "CONNECT_TIMEOUT": "300ms"},
	})
	c.load, c.app.steps = calmLoad, calmSteps
	c.writers = splitbraintest.StartWriters(t, splitbraintest.Config{Nodes: c.nodes(), Patience: patience})
	var err error
	c.leader, err = c.Leader(t.Context())
	require.NoError(t, err)
}

func (c *clustered) nodes() []*pgtest.Node {
	var nodes []*pgtest.Node
	for _, m := range c.Members {
		nodes = append(nodes, m.Node)
	}
	return nodes
}

// scenario is what the drills on clusters share.
func (c *clustered) scenario(title string, fault drtest.Fault) drtest.Scenario {
	return drtest.Scenario{
		Title:      title,
		Category:   database,
		Durability: "a node that dies keeps its host's page cache, so nothing is said of an fsync that was left out",
		Workload:   c.app,
		Load:       c.load,
		Health:     c.app.Ready,
		Fault:      fault,
		Deadline:   90 * time.Second,
	}
}

// proofs are what the nodes themselves have to say in the end: that of the first ends the writers.
// Members are those that live.
func (c *clustered) proofs(members ...*patronitest.Member) []drtest.Proof {
	return []drtest.Proof{
		{Name: "one writable node", Examine: func(context.Context) (string, error) {
			log := c.writers.Stop()
			if dual := log.Dual(); dual.Hi > 0 {
				return "", fmt.Errorf("two nodes accepted writes at once for %v", dual)
			}
			return log.String(), nil
		}},
		{Name: "no divergent write", Examine: func(ctx context.Context) (string, error) {
			survivor, err := c.Leader(ctx)
			if err != nil {
				return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
			}
			d, err := c.writers.Stop().Divergence(ctx, c.leader.Node, survivor.Node)
			if err != nil {
				return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
			}
			if len(d.Acked) > 0 {
				return "", fmt.Errorf("%v", d)
			}
			return d.String(), nil
		}},
		{Name: "same rows on every node", Examine: func(ctx context.Context) (string, error) {
			c.writers.Stop()
			return c.Identical(ctx, members...)
		}},
	}
}

// commitsWait is for drills that promise to lose nothing when the leader goes: that must be no
// luck.
func (c *clustered) commitsWait() drtest.Proof {
	return pgtest.CommitsWait(c.leader.Node, "orchestrator")
}

// reconnect is what clients add to a failover: the breaker's trial that finds a primary which still
// waits for a standby gives up after a second, the next one follows 300 ms later, requests are
// taken once a probe has got through, 100 ms after that, and one is due in each interval of the
// load.
func reconnect(c *clustered) drtest.Term {
	return drtest.Term{Name: "clients come back", Worst: 1400*time.Millisecond + c.load.Every,
		Source: fmt.Sprintf("STATEMENT_TIMEOUT 1s, BREAKER_TIMEOUT 300ms, PROBE_INTERVAL 100ms, Load.Every %v", c.load.Every)}
}

// promotion is the end of recovery of a standby that has replayed all but the last moment.
func promotion(c *clustered) drtest.Term {
	return drtest.Term{Name: "promotion", Worst: c.Timing.LoopWait, Source: "its agent looks again after loop_wait"}
}

// standbyFollows is what a new primary waits for, before it acknowledges anything, with synchronous
// replication.
func standbyFollows(c *clustered) drtest.Term {
	return drtest.Term{Name: "standby follows", Worst: 2 * c.Timing.LoopWait, Source: "loop_wait: one round to see the new leader, one to follow it"}
}
