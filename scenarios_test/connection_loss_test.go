package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// The connection to the database is cut for five seconds. The orchestrator says so within a second,
// serves again within a second of the repair, and loses neither data nor work.
func TestConnectionLoss(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	db := proxy.Link(t, "database", pg)
	app := startOrchestrator(t, proxy, db, variant{})
	drtest.Run(t, connectionLoss(t, db, app))
}

func connectionLoss(t testing.TB, db *proxytest.Link, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-DB-001",
		Title:      "Database connection loss",
		Category:   database,
		Durability: "no process ends, so nothing can be lost that was ever written",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      db.Cut(),
		HealAfter:  5 * time.Second,
		Objectives: []drtest.Objective{
			// Three failed statements of a probe every 100 ms open the breaker: 0.4 s, and as much
			// again for the poll and a busy machine.
			drtest.Detection(time.Second),
			// The breaker is half open every 300 ms and closes with the first probe after that, 100
			// ms later.
			drtest.HealLag(time.Second),
			drtest.RTO(6 * time.Second), // the five seconds and the heal lag
			drtest.RPO(0),
			drtest.LostWork(0), // the orchestrator keeps running
			drtest.AllRecovered(10),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-DB-001"),
		Deadline: time.Minute,
	}
}

func TestConnectionLossSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	for _, c := range []struct{ sabotage, objective, reason string }{
		// Nothing watches the connection, so the service believes that it is well until several of
		// its probes had no answer.
		{"no-breaker", "detection", "want at most 1s|health never turned bad"},
		// The connections that broke are asked for ever.
		{"stale-pool", "heal lag", "never served again"},
	} {
		t.Run(c.sabotage, func(t *testing.T) {
			containertest.Parallel(t, containertest.Light)
			pg := pgtest.StartPrimary(t, pgtest.Config{})
			proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
			db := proxy.Link(t, "database", pg)
			s := connectionLoss(t, db, startOrchestrator(t, proxy, db, variant{sabotage: c.sabotage}))
			s.Deadline = noRecoveryDeadline
			requireFailure(t, s, c.objective, c.reason)
		})
	}
}
