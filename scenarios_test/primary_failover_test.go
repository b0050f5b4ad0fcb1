package scenarios

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// replicationDelay is how far the asynchronous replica is behind its primary.
const replicationDelay = 250 * time.Millisecond

// The primary dies and stays dead. The operator promotes the replica and redirects the orchestrator
// to it, which must serve again within five seconds of the death.
func primaryFailover(t testing.TB, pg *pgtest.Pair, redirect drtest.Step, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		Title:      "Database primary failover",
		Category:   database,
		Durability: "the primary's storage is gone for good, so what the replica had received is what there is",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      pg.Primary.Kill(),
		Runbook: []drtest.Step{
			pg.Replica.Promote(),
			redirect,
		},
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // as with a cut connection
			// Detection, a promotion of half a second, and a breaker that is half open every 300
			// ms: 2 s, and a margin for a busy machine.
			drtest.RTO(5 * time.Second),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-DB-004"),
		Deadline: time.Minute,
	}
}

// With a synchronous replica nothing is lost that was acknowledged.
func synchronousFailover(t testing.TB, pg *pgtest.Pair, db *proxytest.Link, app *orchestrator) drtest.Scenario {
	s := primaryFailover(t, pg, db.RouteTo(pg.Replica), app)
	s.ID = "DR-DB-004"
	s.Proofs = append(s.Proofs, pgtest.CommitsWait(pg.Primary, "orchestrator")) // to lose nothing must be no luck
	s.Objectives = append(s.Objectives, drtest.RPO(0), drtest.AllRecovered(20))
	return s
}

// With an asynchronous replica that is a quarter of a second behind, at most the last second is
// lost. What the primary had sent and the replica had not received dies with the primary's host.
func asynchronousFailover(t testing.TB, pg *pgtest.Pair, replication, db *proxytest.Link, app *orchestrator) drtest.Scenario {
	s := primaryFailover(t, pg, db.RouteTo(pg.Replica), app)
	s.ID = "DR-DB-004/async"
	s.Title += ", asynchronous replica"
	s.Fault = killWithItsHost(pg.Primary, replication)
	// The delay, the time that the walsender takes to wake up, and how long the kill took: half a
	// second, and as much again for a busy machine.
	s.Objectives = append(s.Objectives, drtest.RPO(4*replicationDelay), survivorsRecovered())
	return s
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
			if err = goneSilent(ctx, primary); err == nil {
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

// goneSilent returns once a connection to a server has broken.
func goneSilent(ctx context.Context, n *pgtest.Node) error {
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

func TestPrimaryFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Primary.Network()})
	db := proxy.Link(t, "database", pg.Primary)
	drtest.Run(t, synchronousFailover(t, pg, db, startOrchestrator(t, proxy, db, variant{})))
}

func TestAsynchronousPrimaryFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg, proxy, replication := startAsynchronousPair(t)
	inject(t, replication.Slow(replicationDelay))
	db := proxy.Link(t, "database", pg.Primary)
	drtest.Run(t, asynchronousFailover(t, pg, replication, db, startOrchestrator(t, proxy, db, variant{})))
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

func TestPrimaryFailoverSabotaged(t *testing.T) {
	t.Parallel()
	t.Run("clients pinned to the old address", func(t *testing.T) {
		containertest.Parallel(t, containertest.Light)
		pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
		proxy := proxytest.Start(t, proxytest.Config{Network: pg.Primary.Network()})
		db := proxy.Link(t, "database", pg.Primary)
		s := synchronousFailover(t, pg, db, startOrchestrator(t, proxy, pg.Primary, variant{})) // not through the link
		s.Deadline = neverBack
		requireFailure(t, s, "RTO", "never served again")
	})
	for _, c := range []struct {
		sabotage string
		settings []string
		reason   string
	}{
		{"synchronous standby taken off the list", []string{"synchronous_standby_names = ''"}, "synchronous_standby_names is empty"},
		{"nothing is flushed", []string{"fsync = off", "synchronous_commit = off"}, "synchronous_commit is off, fsync is off"},
	} {
		t.Run(c.sabotage, func(t *testing.T) {
			containertest.Parallel(t, containertest.Light)
			pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
			proxy := proxytest.Start(t, proxytest.Config{Network: pg.Primary.Network()})
			db := proxy.Link(t, "database", pg.Primary)
			app := startOrchestrator(t, proxy, db, variant{})
			conn, err := pg.Primary.Connect(t.Context())
			require.NoError(t, err)
			for _, setting := range c.settings {
				_, err = conn.Exec(t.Context(), "ALTER SYSTEM SET "+setting)
				require.NoError(t, err)
			}
			_, err = conn.Exec(t.Context(), "SELECT pg_reload_conf()")
			require.NoError(t, errors.Join(err, conn.Close(t.Context())))
			requireFailure(t, synchronousFailover(t, pg, db, app), "commits waited for a standby", c.reason)
		})
	}
	t.Run("replica detached", func(t *testing.T) {
		containertest.Parallel(t, containertest.Light)
		pg, proxy, replication := startAsynchronousPair(t)
		db := proxy.Link(t, "database", pg.Primary)
		app := startOrchestrator(t, proxy, db, variant{})
		inject(t, replication.Cut()) // nobody watches it
		s := asynchronousFailover(t, pg, replication, db, app)
		s.Deadline = neverBack
		requireFailure(t, s, "RPO", `lost \d+ of \d+ acked`)
	})
}

// inject injects what is a condition of the drill, and not its fault.
func inject(t *testing.T, f drtest.Fault) {
	t.Helper()
	effect, err := f.Inject(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	t.Logf("%s: %s", f.Name, effect.Receipt)
}
