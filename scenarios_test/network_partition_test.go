package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// The network between the orchestrator and the database loses every packet for five seconds, and
// nobody is told. The orchestrator gives up on its database within two seconds and serves again
// within two seconds of the repair. Work in progress goes on in memory: neither data nor work is
// lost.
func TestNetworkPartition(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{firewall: true})
	drtest.Run(t, networkPartition(t, pg, app))
}

func networkPartition(t testing.TB, pg *pgtest.Node, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-NET-001",
		Title:      "Network partition between application and database",
		Category:   network,
		Durability: "no process ends, so nothing can be lost that was ever written",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      app.service.Partition(pg),
		HealAfter:  5 * time.Second,
		Objectives: []drtest.Objective{
			// Silence is noticed by timeouts only. A probe begins 100 ms after the one before it
			// and gives up after 500 ms, so the third one in a row has failed after 1.8 s. The
			// statements of clients, which fail after 1 s, make it 1.2 s.
			drtest.Detection(2 * time.Second),
			// The trial of the breaker that began just before the repair may wait out the connect
			// timeout of 1 s, since its packet is sent again only then. The next one follows 300 ms
			// later, with the next request: 1.4 s, and a margin for a busy machine.
			drtest.HealLag(2 * time.Second),
			drtest.RTO(7 * time.Second), // the five seconds and the heal lag
			drtest.RPO(0),
			drtest.LostWork(0), // the orchestrator keeps running
			drtest.AllRecovered(10),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-NET-001"),
		Deadline: time.Minute,
	}
}

func TestNetworkPartitionSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	s := networkPartition(t, pg, startOrchestrator(t, proxy, pg, variant{firewall: true, sabotage: "no-timeouts"}))
	s.Deadline = noRecoveryDeadline
	// No statement ever fails, so there is nothing for the circuit breaker to count.
	requireFailure(t, s, "detection", "want at most 2s") // or after the repair, when connections break
}
