package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/stretchr/testify/require"
)

// The primary dies and stays dead. The operator promotes the synchronous replica and redirects the
// orchestrator to it, which must serve again within five seconds of the death and have lost nothing
// that was acknowledged.
func TestPrimaryFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Primary.Network()})
	db := proxy.Link(t, "database", pg.Primary)
	drtest.Run(t, primaryFailover(t, pg, db.RouteTo(pg.Replica), startOrchestrator(t, proxy, db, variant{})))
}

func primaryFailover(t testing.TB, pg *pgtest.Pair, redirect drtest.Step, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-DB-004",
		Title:      "Database primary failover",
		Category:   database,
		Durability: "the primary's storage is gone for good, so what the replica had received is what there is",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      pg.Primary.Kill(),
		Runbook:    []drtest.Step{pg.Replica.Promote(), redirect},
		Proofs:     []drtest.Proof{pgtest.CommitsWait(pg.Primary, "orchestrator")}, // to lose nothing must be no luck
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // as with a cut connection
			// Detection, a promotion of half a second, and a breaker that is half open every 300
			// ms: 2 s, and a margin for a busy machine.
			drtest.RTO(5 * time.Second),
			drtest.RPO(0),
			drtest.AllRecovered(20),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-DB-004"),
		Deadline: time.Minute,
	}
}

func TestPrimaryFailoverSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("clients pinned to the old address", func(t *testing.T) {
		containertest.Parallel(t, containertest.Light)
		pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
		proxy := proxytest.Start(t, proxytest.Config{Network: pg.Primary.Network()})
		db := proxy.Link(t, "database", pg.Primary)
		app := startOrchestrator(t, proxy, pg.Primary, variant{}) // not through the link
		s := primaryFailover(t, pg, db.RouteTo(pg.Replica), app)
		s.Deadline = noRecoveryDeadline
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
			for _, setting := range c.settings {
				require.NoError(t, pg.Primary.Exec(t.Context(), "ALTER SYSTEM SET "+setting))
			}
			require.NoError(t, pg.Primary.Exec(t.Context(), "SELECT pg_reload_conf()"))
			s := primaryFailover(t, pg, db.RouteTo(pg.Replica), app)
			requireFailure(t, s, "commits waited for a standby", c.reason)
		})
	}
}
