package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// Nothing happens to the system. The same engine that measures disasters must measure no outage and
// no loss.
func TestNoFaultControl(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	db := proxy.Link(t, "database", pg)
	app := startOrchestrator(t, proxy, db, variant{})
	drtest.Run(t, drtest.Scenario{
		ID:       "CONTROL",
		Title:    "No fault",
		Workload: app,
		Load:     steadyLoad,
		Health:   app.Ready,
		Fault:    drtest.NoFault(),
		Objectives: []drtest.Objective{
			drtest.NoFailedRequests(),
			drtest.RPO(0),
			drtest.LostWork(0),
			drtest.AllRecovered(20),
			drtest.NoDuplicates(),
			drtest.Repeated("calls", 0),
		},
		Watch:    5 * time.Second,
		Deadline: time.Minute,
	})
}
