package scenarios

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/drtest/suite/drtest/splitbraintest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// The regions of an active-active service, and the witness, which is the world as well.
const (
	regionA = iota
	regionB
	witness
)

// places is how many workflows an instance executes at a time. Twenty-two of the load are in flight
// at any moment: two instances carry it, one alone does not.
const places = 17

// An activeActive is a service with an instance in each of two regions and one cluster across both.
// Clients ask the instances in turn. In the region that will survive there is room for more
// instances.
type activeActive struct {
	*clustered
	app      *instances
	each     *instances // those that run from the start
	ways     [3][3]*proxytest.Gateway
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
	var ways []**proxytest.Gateway // of the routes
	for i, here := range r.networks {
		for j, there := range r.networks {
			if i != j {
				routes = append(routes, proxytest.Route{Network: here, Of: there, Addrs: patronitest.RegionAddrs(j)})
				ways = append(ways, &r.ways[i][j])
			}
		}
	}
	for i, s := range proxytest.StartGateways(t, routes...) {
		*ways[i] = s
		inject(t, s.Slow(wanLatency))
	}
	r.clustered = &clustered{load: calmLoad, Cluster: patronitest.StartRegions(t, patronitest.RegionsConfig{
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
		Port: 8080, Env: map[string]string{"LATENCY": calmLatency.String()}, Ready: answers("/healthz"),
	}}
	left := r.survivor()
	for i, network := range []string{r.networks[r.lost], r.networks[left], r.networks[left], r.networks[left]} {
		name := fmt.Sprintf("orchestrator-%d", i+1)
		configs = append(configs, containertest.Config{
			Name: name, Image: containertest.Build(t, variant{}.image()), Network: network, Port: 8080,
			Env: map[string]string{
				"DATABASE_URL": r.DSN(), "LLM_URL": "http://llm:8080", "INSTANCE": name, "CHECKPOINT_INTERVAL": selected.checkpoint.String(),
				// Over the WAN a connection takes four round trips. Nobody is silent: the ways to a
				// region that died refuse.
				"CONNECT_TIMEOUT": "500ms", "MAX_RUNNING": strconv.Itoa(places),
				// A workflow's lease outlives a planned switchover, in which nobody can renew it,
				// and not the loss of a region.
				"LEASE_TTL": "10s",
			},
			Restart: containertest.RestartOnFailure,
			Ready:   answers("/readyz"),
		})
	}
	services := containertest.StartAll(t, configs...)
	front := proxytest.Start(t, proxytest.Config{Network: r.networks[witness], Networks: r.networks[:witness], Links: len(services) - 1})
	r.app = &instances{seen: map[string]drtest.Progress{}}
	for i, s := range services[1:] {
		r.app.each = append(r.app.each, &orchestrator{service: s, provider: services[0], front: front.Link(t, s.Name(), s), client: withoutKeepAlive, steps: calmSteps})
		if i >= 2 {
			inject(t, s.Stop())
			r.spares = append(r.spares, s)
		}
	}
	r.each = &instances{each: r.app.each[:2]}
}

func (r *activeActive) survivor() int { return 1 - r.lost }

// lose is the loss of the leader's region: all that runs there dies at once, and then the ways to
// it are cut. Were they cut before, a leader that lives on for half a second would miss its standby
// and take it out of the store, and nobody might take over.
func (r *activeActive) lose() drtest.Fault {
	deaths := drtest.Together(r.leader.Kill(), r.Store.Members[r.lost].Kill(), r.app.each[0].service.Kill())
	cuts := drtest.Together(r.ways[r.survivor()][r.lost].Cut(), r.ways[witness][r.lost].Cut())
	f := drtest.Together(deaths, cuts)
	f.Inject = func(ctx context.Context) (drtest.Effect, error) {
		loss, err := deaths.Inject(ctx)
		if err != nil {
			return loss, err
		}
		cut, err := cuts.Inject(ctx)
		loss.Receipt += "; " + cut.Receipt
		return loss, err
	}
	return f
}

// backlog is how many workflows wait for a place in the instances that answer.
func (r *activeActive) backlog(ctx context.Context) (int, error) {
	waiting, answered := 0, 0
	var errs []error
	for _, o := range r.app.each {
		page, err := o.metrics(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		found := pending.FindStringSubmatch(page)
		if found == nil {
			return 0, errors.New("an instance does not tell how many workflows wait")
		}
		n, err := strconv.Atoi(found[1])
		if err != nil {
			return 0, err
		}
		answered++
		waiting += n
	}
	if answered == 0 {
		return 0, errors.Join(errs...)
	}
	return waiting, nil
}

var pending = regexp.MustCompile(`(?m)^orchestrator_workflows_pending (\d+)$`)

// crowded is how many workflows may wait before another instance is started.
const crowded = 10

// scaleOut starts a further instance whenever more than ten workflows wait, as long as there is
// one, and returns when none waits any more, after some did. Without a leader the service has
// nothing to do, so nobody waits then.
func (r *activeActive) scaleOut(ctx context.Context) error {
	var starts []func(context.Context) error
	for _, spare := range r.spares {
		starts = append(starts, spare.Resume().Do)
	}
	return scaleOut(ctx, func(ctx context.Context) (int, error) {
		if err := r.served(ctx); err != nil {
			return 0, err
		}
		return r.backlog(ctx)
	}, starts)
}

func scaleOut(ctx context.Context, backlog func(context.Context) (int, error), starts []func(context.Context) error) error {
	for waited := false; ; starts = starts[1:] {
		var n int
		err := until(ctx, func(ctx context.Context) (err error) {
			if n, err = backlog(ctx); err != nil {
				return err
			}
			waited = waited || n > 0
			if n == 0 && waited || n > crowded && len(starts) > 0 {
				return nil
			}
			return fmt.Errorf("%d workflows wait", n)
		})
		if err != nil || n == 0 {
			return err
		}
		if err := starts[0](ctx); err != nil {
			return err
		}
	}
}

// No more instances are started than are needed, and what has waited may be gone when the last one
// is ready.
func TestScaleOutControl(t *testing.T) {
	for _, c := range []struct {
		reason  string
		backlog []int // at each look; the last one stays
		started int
		err     string
	}{
		{"nobody has waited yet", []int{0, 0, crowded, 0}, 0, ""},
		{"the first one is enough", []int{crowded + 1, crowded, 1, 0}, 1, ""},
		{"both are needed, and drain it while the second one starts", []int{crowded + 1, crowded + 1, 0}, 2, ""},
		{"there are no more", []int{crowded + 1}, 2, "11 workflows wait"},
		{"there is nothing to do", []int{0}, 0, "0 workflows wait"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				started := 0
				start := func(context.Context) error { started++; return nil }
				err := scaleOut(ctx, func(context.Context) (int, error) {
					n := c.backlog[0]
					if len(c.backlog) > 1 {
						c.backlog = c.backlog[1:]
					}
					return n, nil
				}, []func(context.Context) error{start, start})
				if c.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.err)
				}
				require.Equal(t, c.started, started)
			})
		})
	}
}

// served says whether the region that is left has the database.
func (r *activeActive) served(ctx context.Context) error {
	leader, err := r.Leader(ctx)
	if err == nil && leader == r.leader {
		err = fmt.Errorf("%s leads", leader.Name())
	}
	return err
}

// One of two active regions dies, that of the database's leader. The cluster fails over to the
// other region once the lease has run out, whose instance takes the workflows over, and others are
// started there until none waits. Clients ask whoever answers. Nothing that was acknowledged is
// lost.
func activeActiveFailover(t testing.TB, r *activeActive) drtest.Scenario {
	left := r.Others(r.leader)
	s := r.scenario("Active-active failover", r.lose())
	s.ID, s.Category = "DR-REGION-002", regions
	s.Workload, s.Health = r.app, r.each.Ready
	s.Runbook = []drtest.Step{{Name: "scale out", Do: r.scaleOut}}
	s.Stages = append(r.FailoverStages(r.leader, "orchestrator", left...)[:3], drtest.Stage{
		Name: "backlog gone", Source: "orchestrator_workflows_pending of each instance", Reached: r.drained(),
	})
	s.Proofs = append(r.proofs()[:2], r.commitsWait()) // one node is left, so there is none to compare its rows with
	s.Model = append(leaseModel(r.clustered), drtest.Term{
		// The region may have had the store's leader as well. Its successor gives every lease its
		// whole time again.
		Name: "store elects a leader", Worst: 3 * time.Second,
		Source: "etcd's election-timeout of 1s, of which a follower waits up to two, and by one of which the successor extends leases",
	})
	s.Objectives = []drtest.Objective{
		drtest.Detection(time.Second), // as with a cut connection
		drtest.RTO(s.Model.RTO().Hi),
		drtest.RPO(0),
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
		// The failover, two starts of an instance, one after the other, and the workflows that
		// wait, seventeen at a time in each.
		drtest.Reached("backlog gone", s.Model.RTO().Hi+10*time.Second),
	}
	s.Targets = targets(t, "DR-REGION-002")
	return s
}

// drained is reached when no workflow waits any more, after some did.
func (r *activeActive) drained() func(context.Context) error {
	most := 0
	return func(ctx context.Context) error {
		if err := r.served(ctx); err != nil {
			return err
		}
		n, err := r.backlog(ctx)
		most = max(most, n)
		switch {
		case err != nil:
			return err
		case n > 0:
			return fmt.Errorf("%d workflows wait", n)
		case most == 0:
			return errors.New("no workflow has waited yet")
		}
		return nil
	}
}

// A region is lost, and after that it comes back.
func TestActiveActive(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	r := startActiveActive(t, nil)
	lost := false
	t.Run("failover", func(t *testing.T) {
		lost = true
		drtest.Run(t, activeActiveFailover(t, r))
	})
	t.Run("failback", func(t *testing.T) {
		home := r.leader
		if !lost { // it is played without the other one
			loss := r.lose()
			inject(t, loss)
			require.NoError(t, until(t.Context(), r.served))
			require.NoError(t, loss.Heal(t.Context()))
		}
		r.comeBack(t)
		drtest.Run(t, failback(t, r, home))
	})
}

func TestActiveActiveFailoverSabotaged(t *testing.T) {
	t.Parallel()
	t.Run("nobody scales out", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		s := activeActiveFailover(t, startActiveActive(t, nil))
		s.Runbook, s.Deadline, s.Proofs = nil, 90*time.Second, nil
		requireFailure(t, s, "backlog gone", "never reached")
	})
	t.Run("commits do not wait for the other region", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		s := activeActiveFailover(t, startActiveActive(t, map[string]string{"synchronous_commit": "off", "wal_writer_delay": "10s"}))
		s.Proofs = nil
		requireFailure(t, s, "RPO", `lost \d+ of \d+ acked`)
	})
}

// comeBack starts the members and the instance of the region that was lost again, which rewind and
// catch up. The ways to it have been healed.
func (r *activeActive) comeBack(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var starts errgroup.Group
	for _, start := range []drtest.Step{r.Store.Members[r.lost].Resume(), r.leader.Resume(), r.app.each[0].service.Resume()} {
		starts.Go(func() error { return start.Do(ctx) })
	}
	require.NoError(t, starts.Wait())
	require.NoError(t, until(ctx, r.Redundant()))
	var err error
	r.leader, err = r.Leader(ctx)
	require.NoError(t, err)
	r.writers.Stop()
	r.writers = splitbraintest.StartWriters(t, splitbraintest.Config{Nodes: r.nodes()})
}

// The region that was lost has come back and has caught up. A planned switchover gives it the
// database again, under load, as any other: for the few seconds that the leader takes to stop and
// its standby to take over. Nothing is lost.
func failback(t *testing.T, r *activeActive, home *patronitest.Member) drtest.Scenario {
	s := plannedSwitchover(t, r.clustered)
	s.ID, s.Title, s.Category = "DR-REGION-003", "Failback to the region that was lost", regions
	s.Workload, s.Health = r.app, r.each.Ready
	s.Proofs = append(s.Proofs, drtest.Proof{Name: "the region leads again", Examine: func(ctx context.Context) (string, error) {
		leader, err := r.Leader(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
		}
		if leader != home {
			return "", fmt.Errorf("%s leads", leader.Name())
		}
		return leader.Name() + " leads", nil
	}})
	return s
}

// The region takes the database over, but it has no instance, and the other one's does not reach
// it: the way there breaks as soon as the leader has stopped.
func TestFailbackSabotaged(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	r := startActiveActive(t, nil) // to fail back to the other region, none has to be lost before
	inject(t, r.app.each[1].service.Kill())
	r.each = &instances{each: r.app.each[:1]}
	s := failback(t, r, r.Others(r.leader)[0])
	way := r.ways[r.lost][r.survivor()].Cut()
	s.Fault = verified(s.Fault, func(ctx context.Context) (string, error) {
		effect, err := way.Inject(ctx)
		return string(effect.Receipt), err
	})
	s.Deadline, s.Proofs = neverBack, nil
	requireFailure(t, s, "RTO", "never served again")
}
