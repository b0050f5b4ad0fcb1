package scenarios

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/drtest/suite/drtest/splitbraintest"
	"github.com/stretchr/testify/require"
)

// clusterLoad is [steadyLoad] with workflows of fewer calls, which leave the processors to the
// nodes. With four steps of 420 ms, 1.68 s, more than twenty workflows are in flight at any moment.
var clusterLoad = drtest.Load{Every: 75 * time.Millisecond, Timeout: time.Second, Steady: 1800 * time.Millisecond}

const (
	clusterSteps   = 4
	clusterLatency = 420 * time.Millisecond
)

// pinnedTimeout is how long a client that is pinned to one node waits for an answer.
const pinnedTimeout = time.Second

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
	return startWithPinnedTimeout(t, cluster, pinnedTimeout)
}

// startWithPinnedTimeout starts one whose pinned clients wait for that long for an answer.
func startWithPinnedTimeout(t testing.TB, cluster patronitest.Config, pinnedTimeout time.Duration) *clustered {
	t.Helper()
	c := &clustered{Cluster: patronitest.StartCluster(t, cluster)}
	c.start(t, pinnedTimeout, c.DSN())
	return c
}

// startKnowingOneMember starts one whose orchestrator knows only the member that leads at the
// start.
func startKnowingOneMember(t testing.TB, cluster patronitest.Config) *clustered {
	t.Helper()
	c := &clustered{Cluster: patronitest.StartCluster(t, cluster)}
	leader, err := c.Leader(t.Context())
	require.NoError(t, err)
	c.start(t, pinnedTimeout, leader.DSN())
	return c
}

// start starts the clients of a cluster: the orchestrator, which knows it by dsn, and the pinned
// ones.
func (c *clustered) start(t testing.TB, pinnedTimeout time.Duration, dsn string) {
	t.Helper()
	proxy := proxytest.Start(t, proxytest.Config{Network: c.Members[0].Network()})
	// A connection is tried at one member after the other: with two that are silent, a request must
	// still be in time.
	c.app = startOrchestrator(t, proxy, c.Members[0], variant{
		latency: clusterLatency, env: map[string]string{"DATABASE_URL": dsn, "CONNECT_TIMEOUT": "300ms"},
	})
	c.load, c.app.steps = clusterLoad, clusterSteps
	c.writers = splitbraintest.StartWriters(t, splitbraintest.Config{Nodes: c.nodes(), Patience: pinnedTimeout})
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

// scenario has what the drills on clusters share: workload, load and health. Each adds its ID,
// objectives and the rest.
func (c *clustered) scenario(title string, fault drtest.Fault) drtest.Scenario {
	return drtest.Scenario{
		Title:      title,
		Category:   database,
		Durability: "a node that dies keeps its host's page cache, so nothing is said of an fsync that was left out",
		Workload:   c.app,
		Load:       c.load,
		Health:     c.app.Ready,
		Fault:      fault,
		Period:     c.Timing.LoopWait, // the leader renews its lease so often
		Deadline:   90 * time.Second,
	}
}

// oneWritableNode proves that no two nodes accepted writes at once. It ends the writers.
func (c *clustered) oneWritableNode() drtest.Proof {
	return drtest.Proof{Name: "one writable node", Examine: func(context.Context) (string, error) {
		log := c.writers.Stop()
		if dual := log.Dual(); dual.Hi > 0 {
			return "", fmt.Errorf("two nodes accepted writes at once for %v", dual)
		}
		return log.String(), nil
	}}
}

// noDivergentWrite proves, by the WAL of the first leader, that it acknowledged no write which the
// present one lacks. It ends the writers.
func (c *clustered) noDivergentWrite() drtest.Proof {
	return drtest.Proof{Name: "no divergent write", Examine: func(ctx context.Context) (string, error) {
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
	}}
}

// sameRows proves that the members named, or all, hold the same rows. It ends the writers.
func (c *clustered) sameRows(members ...*patronitest.Member) drtest.Proof {
	return drtest.Proof{Name: "same rows on every node", Examine: func(ctx context.Context) (string, error) {
		c.writers.Stop()
		return c.Identical(ctx, members...)
	}}
}

// commitsWait proves that the leader's commits waited for a standby: that nothing was lost was no
// luck.
func (c *clustered) commitsWait() drtest.Proof {
	return pgtest.CommitsWait(c.leader.Node, "orchestrator")
}

// redundancyRestored is the moment at which the members named, or all, replicate again.
func (c *clustered) redundancyRestored(members ...*patronitest.Member) drtest.Stage {
	const source = "the member keys of the store, and a fresh row on each node"
	return drtest.Stage{Name: "redundancy restored", Source: source, Reached: c.Redundant(members...)}
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
	return drtest.Term{Name: "standby follows", Worst: 2 * c.Timing.LoopWait,
		Source: "loop_wait: one round to see the new leader, one to follow it"}
}

// The networks of an active-active service: its regions, and the witness, where the store has its
// third member, and where clients and the provider are.
const (
	regionA = iota
	regionB
	witness
)

// maxRunning is how many workflows an instance executes at a time. Twenty-two of the load are in
// flight at any moment: two instances carry it, one alone does not.
const maxRunning = 17

// An activeActive is a service with an instance in each of two regions and one cluster across both.
// Clients ask the instances in turn. In the region that will survive there are two spare instances.
type activeActive struct {
	*clustered
	app      *instances
	first    *instances               // those that run from the start, one in each region
	gateways [3][3]*proxytest.Gateway // from a region to another
	networks [3]string
	lost     int // the region that will die: the leader's
	spares   []*containertest.Service
}

// startActiveActive starts all of it. Members and instances know each other by their names; over
// the WAN a gateway answers to them.
func startActiveActive(t *testing.T, settings map[string]string) *activeActive {
	t.Helper()
	r := &activeActive{}
	for i := range r.networks {
		r.networks[i] = containertest.NewNetwork(t)
	}
	var routes []proxytest.Route
	var between [][2]int // the two ends of each route
	for i, here := range r.networks {
		for j, there := range r.networks {
			if i != j {
				routes = append(routes, proxytest.Route{Network: here, Of: there, Addrs: patronitest.RegionAddrs(j)})
				between = append(between, [2]int{i, j})
			}
		}
	}
	for i, gateway := range proxytest.StartGateways(t, routes...) {
		here, there := between[i][0], between[i][1]
		r.gateways[here][there] = gateway
		inject(t, gateway.Slow(wanLatency))
	}
	r.clustered = &clustered{load: clusterLoad, Cluster: patronitest.StartRegions(t, patronitest.RegionsConfig{
		First: r.networks[regionA], Second: r.networks[regionB], Witness: r.networks[witness],
		Replication: patronitest.SyncBestEffort, Settings: settings,
	})}
	var err error
	r.leader, err = r.Leader(t.Context())
	require.NoError(t, err)
	if r.leader == r.Members[regionB] {
		r.lost = regionB
	}
	r.startInstances(t)
	r.writers = splitbraintest.StartWriters(t, splitbraintest.Config{Nodes: r.nodes()})
	return r
}

// startInstances starts the provider, which is everywhere, an instance in each region, and two that
// are put aside.
func (r *activeActive) startInstances(t *testing.T) {
	t.Helper()
	configs := []containertest.Config{{
		Name: "llm", Image: containertest.Build(t, fakeLLM()), Network: r.networks[witness], Networks: r.networks[:witness],
		Port: 8080, Env: map[string]string{"LATENCY": clusterLatency.String()}, Ready: answersOK("/healthz"),
	}}
	left := r.survivor()
	for i, network := range []string{r.networks[r.lost], r.networks[left], r.networks[left], r.networks[left]} {
		name := fmt.Sprintf("orchestrator-%d", i+1)
		configs = append(configs, containertest.Config{
			Name: name, Image: containertest.Build(t, variant{}.image()), Network: network, Port: 8080,
			Env: map[string]string{
				"DATABASE_URL": r.DSN(), "LLM_URL": "http://llm:8080", "INSTANCE": name, "CHECKPOINT_INTERVAL": selected.checkpoint.String(),
				// Over the WAN a connection takes four round trips. No address is silent: the
				// gateways to a region that died refuse connections.
				"CONNECT_TIMEOUT": "500ms", "MAX_RUNNING": strconv.Itoa(maxRunning),
				// A workflow's lease outlives a planned switchover, in which nobody can renew it,
				// and not the loss of a region.
				"LEASE_TTL": "10s",
			},
			Restart: containertest.RestartOnFailure,
			Ready:   answersOK("/readyz"),
		})
	}
	services := containertest.StartAll(t, configs...)
	front := proxytest.Start(t, proxytest.Config{Network: r.networks[witness], Networks: r.networks[:witness], Links: len(services) - 1})
	r.app = &instances{seen: map[string]drtest.Progress{}}
	for i, s := range services[1:] {
		r.app.each = append(r.app.each, &orchestrator{
			service: s, provider: services[0], front: front.Link(t, s.Name(), s), client: withoutKeepAlive, steps: clusterSteps,
		})
		if i >= 2 {
			inject(t, s.Stop())
			r.spares = append(r.spares, s)
		}
	}
	r.first = &instances{each: r.app.each[:2]}
}

func (r *activeActive) survivor() int { return 1 - r.lost }
