package scenarios

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/dnstest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/drtest/suite/fixtures/images"
	"github.com/stretchr/testify/require"
)

// Every node of the active region dies at once, and the ways to it are cut. Once two of three
// observers agree, an automation promotes the replica in the passive region, whose orchestrator
// takes the workflows over, and changes the DNS record of the service. Clients behind a caching
// resolver follow within its TTL. At most the last moment is lost.
func TestActivePassiveFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	drtest.Run(t, activePassiveFailover(t, startActivePassive(t, dnstest.Config{})))
}

func activePassiveFailover(t testing.TB, r *activePassive) drtest.Scenario {
	load := steadyLoad
	load.Every = 60 * time.Millisecond // thirty workflows in flight
	return drtest.Scenario{
		ID:         "DR-REGION-001",
		Title:      "Active-passive failover",
		Category:   regions,
		Durability: "the region's storage is gone for good, so what the replica had received is what there is",
		Workload:   r.app,
		Load:       load,
		Health:     r.app.Ready,
		Fault:      r.loseRegion(),
		Runbook: []drtest.Step{
			{Name: "quorum", Do: r.quorum},
			r.pg.Replica.Promote(),
			r.record.PointTo(r.passive.gate),
		},
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // as with a cut connection
			// Detection, three questions of an observer, the last of which runs into its timeout, a
			// promotion of half a second and a change of the record of half a second, the TTL, and
			// a breaker that is half open every 300 ms, whose trial takes up to a second: 3.5 s and
			// the TTL, and a margin for a busy machine.
			drtest.RTO(5*time.Second + selected.ttl),
			// What the primary had sent and the replica had not received: the latency, the time
			// that the walsender takes to wake up, and how long it took until all were dead; and as
			// much again for a busy machine.
			drtest.RPO(time.Second),
			survivorsRecovered(),
			inFlightAtLeast(25),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-REGION-001"),
		Deadline: time.Minute + 2*selected.ttl,
	}
}

// wanLatency is how long an answer from another region is under way.
const wanLatency = 30 * time.Millisecond

// A region is a network of its own, and the ways into it.
type region struct {
	network string
	gate    *proxytest.Link // from the world
}

// An activePassive is a service in two regions, of which one serves. The passive one has a replica
// of the database, and an orchestrator that waits until its database takes writes. Clients, in the
// world outside, find the service by its name.
type activePassive struct {
	active, passive region
	pg              *pgtest.Pair
	replication     *proxytest.Link // of the passive region, over the WAN
	observation     *proxytest.Link // likewise: of the service of the active one
	activeService   *containertest.Service
	passiveService  *containertest.Service
	record          *dnstest.Record // of the service
	observers       []*containertest.Service
	app             *orchestrator
}

// startActivePassive starts all of it: two regions and the world, each a network. Only WAN links
// lead from one to another.
func startActivePassive(t *testing.T, names dnstest.Config) *activePassive {
	t.Helper()
	world := containertest.NewNetwork(t)
	r := &activePassive{}
	r.active.network, r.passive.network = containertest.NewNetwork(t), containertest.NewNetwork(t)
	var wan *proxytest.Proxy
	r.pg = pgtest.StartPair(t, pgtest.PairConfig{
		Config: pgtest.Config{Network: r.active.network},
		// The replica is on the network of the link.
		Upstream: func(primary *pgtest.Node) containertest.Upstream {
			wan = proxytest.Start(t, proxytest.Config{Network: r.passive.network, Networks: []string{r.active.network}})
			r.replication = wan.Link(t, "replication", primary)
			inject(t, r.replication.Slow(wanLatency))
			return r.replication
		},
	})
	r.startServices(t, world)
	gates := []*proxytest.Proxy{
		proxytest.Start(t, proxytest.Config{Network: world, Networks: []string{r.active.network}}),
		proxytest.Start(t, proxytest.Config{Network: world, Networks: []string{r.passive.network}}),
	}
	r.active.gate = gates[0].Link(t, "gate of the active region", r.activeService)
	r.passive.gate = gates[1].Link(t, "gate of the passive region", r.passiveService)
	inject(t, r.active.gate.Slow(wanLatency))
	inject(t, r.passive.gate.Slow(wanLatency))
	r.observation = wan.Link(t, "observation", r.activeService)
	inject(t, r.observation.Slow(wanLatency))

	names.Network, names.TTL = world, selected.ttl
	zone := dnstest.Start(t, names)
	r.record = zone.Record(t, "service", r.active.gate)
	r.app.front = proxytest.Start(t, proxytest.Config{Network: world, Resolver: zone.Resolver()}).Link(t, "clients", r.record)
	r.observe(t, world)
	return r
}

// startServices starts the provider, which is everywhere, and an orchestrator in each region.
func (r *activePassive) startServices(t *testing.T, world string) {
	t.Helper()
	instance := func(name string, db *pgtest.Node, ready string) containertest.Config {
		return containertest.Config{
			Name:    name,
			Image:   containertest.Build(t, variant{}.image()),
			Network: db.Network(),
			Port:    8080,
			Env: map[string]string{
				"DATABASE_URL": db.DSN(), "LLM_URL": "http://llm:8080", "INSTANCE": name, "CHECKPOINT_INTERVAL": selected.checkpoint.String(),
			},
			Restart: containertest.RestartOnFailure,
			Ready:   answersOK(ready),
		}
	}
	services := containertest.StartAll(t,
		containertest.Config{
			Name: "llm", Image: containertest.Build(t, fakeLLM()), Network: world, Networks: []string{r.active.network, r.passive.network},
			Port: 8080, Env: map[string]string{"LATENCY": stepLatency.String()}, Ready: answersOK("/healthz"),
		},
		instance("orchestrator-a", r.pg.Primary, "/readyz"),
		instance("orchestrator-b", r.pg.Replica, "/healthz"), // ready once its database takes writes
	)
	r.activeService, r.passiveService = services[1], services[2]
	r.app = &orchestrator{service: r.passiveService, provider: services[0], client: withoutKeepAlive, jobs: map[string]job{}}
}

// observe starts an observer in each region and a witness in the world. Each asks the service of
// the active region on its own way.
func (r *activePassive) observe(t *testing.T, world string) {
	t.Helper()
	image := containertest.Build(t, observer())
	var configs []containertest.Config
	for _, o := range []struct{ name, network, target string }{
		{"observer-a", r.active.network, r.activeService.Addr()},
		{"observer-b", r.passive.network, r.observation.Addr()},
		{"witness", world, r.active.gate.Addr()},
	} {
		configs = append(configs, containertest.Config{
			Name: o.name, Image: image, Network: o.network, Port: 8080,
			Env: map[string]string{
				"TARGET": "http://" + o.target + "/readyz", "INTERVAL": "200ms", "TIMEOUT": "500ms", "FAILURES": "3",
			},
			Ready: func(ctx context.Context, s *containertest.Service) error {
				said, err := verdict(ctx, s)
				if err == nil && said != "up" {
					err = errors.New("it sees the service " + said)
				}
				return err
			},
		})
	}
	r.observers = containertest.StartAll(t, configs...)
}

func observer() containertest.Image {
	return containertest.Image{Name: "drtest/observer", Files: images.Observer(), Programs: []containertest.Program{
		{Name: "observer", Package: "github.com/drtest/suite/fixtures/observer"},
	}}
}

// verdict is what an observer says.
func verdict(ctx context.Context, observer *containertest.Service) (string, error) {
	addr, err := observer.HostAddr(ctx)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/verdict", nil)
	if err != nil {
		return "", err
	}
	resp, err := withoutKeepAlive.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	return string(said), err
}

// loseRegion is the loss of the active region: each of its nodes dies, and every way to it is cut,
// at once.
func (r *activePassive) loseRegion() drtest.Fault {
	return drtest.Together(
		r.pg.Primary.Kill(), r.activeService.Kill(), r.observers[0].Kill(),
		r.replication.Cut(), r.observation.Cut(), r.active.gate.Cut(),
	)
}

// quorum returns once two of the three observers hold the service for down. One that does not
// answer has no vote: it may be the one that is cut off.
func (r *activePassive) quorum(ctx context.Context) error {
	return poll(ctx, func(ctx context.Context) error {
		said, down := r.verdicts(ctx)
		if down < 2 {
			return fmt.Errorf("no quorum: %v", said)
		}
		return nil
	})
}

// verdicts returns what each observer says, and how many say down.
func (r *activePassive) verdicts(ctx context.Context) (said map[string]string, down int) {
	said = map[string]string{}
	for _, o := range r.observers {
		v, err := verdict(ctx, o)
		if err != nil {
			v = "nothing"
		}
		if said[o.Name()] = v; v == "down" {
			down++
		}
	}
	return said, down
}

func TestActivePassiveFailoverSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("resolver ignores the TTL", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		s := activePassiveFailover(t, startActivePassive(t, dnstest.Config{IgnoreTTL: true}))
		s.Deadline = noRecoveryDeadline
		requireFailure(t, s, "RTO", "never served again")
	})
	t.Run("passive region does not replicate", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		r := startActivePassive(t, dnstest.Config{})
		inject(t, r.replication.Cut()) // nobody watches it
		s := activePassiveFailover(t, r)
		requireFailure(t, s, "RPO", `lost \d+ of \d+ acked`)
	})
	t.Run("only the way between the regions is cut", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		r := startActivePassive(t, dnstest.Config{})
		inject(t, r.observation.Cut())
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.NoError(t, poll(ctx, func(ctx context.Context) error {
			said, down := r.verdicts(ctx)
			if down == 0 {
				return fmt.Errorf("nobody has noticed: %v", said)
			}
			return nil
		}))
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.ErrorContains(t, r.quorum(ctx), "no quorum: map[observer-a:up observer-b:down witness:up]")
	})
}
