package scenarios

import (
	"context"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"golang.org/x/sync/errgroup"
)

// replicationDelay is how far the asynchronous replica is behind its primary.
const replicationDelay = 250 * time.Millisecond

// The primary dies as in DR-DB-004, with an asynchronous replica that is a quarter of a second
// behind. The orchestrator serves again within five seconds, and at most the last second is lost.
// What the primary had sent and the replica had not received dies with the primary's host.
func TestAsynchronousPrimaryFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg, proxy, replication := startAsynchronousPair(t)
	inject(t, replication.Slow(replicationDelay))
	db := proxy.Link(t, "database", pg.Primary)
	drtest.Run(t, asynchronousFailover(t, pg, replication, db, startOrchestrator(t, proxy, db, variant{})))
}

func asynchronousFailover(t testing.TB, pg *pgtest.Pair, replication, db *proxytest.Link, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-DB-004/async",
		Title:      "Database primary failover, asynchronous replica",
		Category:   database,
		Durability: "the primary's storage is gone for good, so what the replica had received is what there is",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      killWithItsHost(pg.Primary, replication),
		Runbook:    []drtest.Step{pg.Replica.Promote(), db.RouteTo(pg.Replica)},
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // as with a cut connection
			drtest.RTO(5 * time.Second),   // as DR-DB-004
			// The delay, the time that the walsender takes to wake up, and how long the kill took:
			// half a second, and as much again for a busy machine.
			drtest.RPO(4 * replicationDelay),
			survivorsRecovered(),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-DB-004"),
		Deadline: time.Minute,
	}
}

// startAsynchronousPair starts a pair whose replication goes through a link.
func startAsynchronousPair(t *testing.T) (pg *pgtest.Pair, proxy *proxytest.Proxy, replication *proxytest.Link) {
	t.Helper()
	pg = pgtest.StartPair(t, pgtest.PairConfig{Upstream: func(primary *pgtest.Node) containertest.Upstream {
		proxy = proxytest.Start(t, proxytest.Config{Network: primary.Network(), Links: 3})
		replication = proxy.Link(t, "replication", primary)
		return replication
	}})
	return pg, proxy, replication
}

// killWithItsHost is the death of a primary and of what it had sent and the replica had not
// received: the way between them is cut as soon as the primary does not answer any more.
func killWithItsHost(primary *pgtest.Node, replication *proxytest.Link) drtest.Fault {
	kill, cut := primary.Kill(), replication.Cut()
	f := drtest.Together(kill, cut)
	f.Inject = func(ctx context.Context) (drtest.Effect, error) {
		var death, silence drtest.Effect
		var both errgroup.Group
		both.Go(func() (err error) { death, err = kill.Inject(ctx); return err })
		both.Go(func() (err error) {
			if err = waitSilent(ctx, primary); err == nil {
				silence, err = cut.Inject(ctx)
			}
			return err
		})
		err := both.Wait()
		death.Receipt += "; " + silence.Receipt
		return death, err
	}
	return f
}

// waitSilent returns once a connection to a server has broken.
func waitSilent(ctx context.Context, n *pgtest.Node) error {
	conn, err := n.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for err == nil && ctx.Err() == nil {
		_, err = conn.Exec(ctx, "SELECT pg_sleep(0.002)")
	}
	return ctx.Err()
}

// The replica does not replicate at all, and nobody watches it.
func TestAsynchronousPrimaryFailoverSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	pg, proxy, replication := startAsynchronousPair(t)
	db := proxy.Link(t, "database", pg.Primary)
	app := startOrchestrator(t, proxy, db, variant{})
	inject(t, replication.Cut())
	s := asynchronousFailover(t, pg, replication, db, app)
	s.Deadline = noRecoveryDeadline
	requireFailure(t, s, "RPO", `lost \d+ of \d+ acked`)
}
