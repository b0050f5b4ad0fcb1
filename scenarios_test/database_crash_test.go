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

// The database server is killed while it commits, and its supervisor starts it again. The
// orchestrator serves again within five seconds and has lost nothing that it acknowledged. It did
// not crash itself, so no work is done twice.
func TestDatabaseCrash(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{})
	drtest.Run(t, databaseCrash(t, pg, app))
}

func databaseCrash(t testing.TB, pg *pgtest.Node, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-DB-002",
		Title:      "Database crash during execution",
		Category:   database,
		Durability: "the server's memory is lost, the page cache of its host is not: commits that were written but not flushed survive",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      pg.Crash(),
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // as with a cut connection
			// Docker's first back-off of 100 ms and 0.4 s for the start, crash recovery of a few
			// seconds of WAL in as many tenths, and a breaker that is half open every 300 ms, whose
			// trial may run into the connect timeout of 1 s while the node has no address: 2.5 s,
			// and as much again for a busy machine.
			drtest.RTO(5 * time.Second),
			drtest.RPO(0),
			drtest.LostWork(selected.checkpoint),
			drtest.AllRecovered(5),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-DB-002"),
		Deadline: time.Minute,
	}
}

func TestDatabaseCrashSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	for _, c := range []struct {
		sabotage          string
		server            pgtest.Config
		objective, reason string
	}{
		// Commits are acknowledged before they leave the server's memory, which is written every
		// ten seconds.
		{"synchronous_commit=off", pgtest.Config{Settings: map[string]string{"synchronous_commit": "off", "wal_writer_delay": "10s"}},
			"RPO", `lost \d+ of \d+ acked`},
		{"no supervisor", pgtest.Config{NoRestart: true}, "RTO", "never served again"},
	} {
		t.Run(c.sabotage, func(t *testing.T) {
			containertest.Parallel(t, containertest.Light)
			pg := pgtest.StartPrimary(t, c.server)
			proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
			app := startOrchestrator(t, proxy, pg, variant{})
			checkpoint(t, pg) // or the tables themselves would be lost
			s := databaseCrash(t, pg, app)
			s.Deadline = noRecoveryDeadline
			requireFailure(t, s, c.objective, c.reason)
		})
	}
}

// checkpoint makes the server write all that it holds in memory.
func checkpoint(t *testing.T, pg *pgtest.Node) {
	t.Helper()
	require.NoError(t, pg.Exec(t.Context(), "CHECKPOINT"))
}
