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

// An orchestrator that is told to leave and one that is killed both recover, and the graceful way
// is strictly better: work that a crash has to pay again is not repeated.
func TestShutdown(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{})
	var graceful, abrupt *drtest.Report
	t.Run("graceful", func(t *testing.T) { graceful = drtest.Run(t, gracefulShutdown(t, app)) })
	t.Run("crash", func(t *testing.T) { abrupt = drtest.Run(t, abruptShutdown(t, app)) })
	if graceful == nil || abrupt == nil {
		t.Skip("one way was not played, so there is nothing to compare") // or it failed, and so does this
	}
	require.Less(t, graceful.Figures.Counter("calls").Repeated, abrupt.Figures.Counter("calls").Repeated, "repeated calls")
	// A crash just after a checkpoint loses nothing but the calls in progress.
	require.LessOrEqual(t, graceful.Figures.LostWork.Hi, abrupt.Figures.LostWork.Hi, "lost work")
}

// The orchestrator is told to leave, as by a deployment: it finishes the steps in progress, saves
// all runs and ends, and the operator starts a replacement. The replacement serves within three
// seconds. No work is done again, so nothing is paid twice.
func gracefulShutdown(t testing.TB, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-APP-003/graceful",
		Title:      "Graceful shutdown (SIGTERM)",
		Category:   application,
		Durability: "the orchestrator keeps nothing on disk: what survives is what it has stored in the database before it left",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      app.service.Stop(),
		Runbook:    []drtest.Step{app.service.Resume()},
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // that it is shutting down is the first that it says
			// A step of 300 ms that has just begun, a statement that saves all, 0.1 s for the
			// engine to take the container away, and a start of 0.7 s: 1.2 s, and a margin for a
			// busy machine.
			drtest.RTO(3 * time.Second),
			drtest.RPO(0),
			drtest.WorkRTO(4 * time.Second), // the same, and a step
			drtest.LostWork(0),
			drtest.Repeated("calls", 0),
			drtest.AllRecovered(10),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-APP-003"),
		Deadline: time.Minute,
	}
}

// The same orchestrator is killed instead. What DR-APP-001 demands holds here as well.
func abruptShutdown(t testing.TB, app *orchestrator) drtest.Scenario {
	s := applicationCrash(t, app)
	s.ID, s.Title = "DR-APP-003/crash", "Shutdown by a crash (SIGKILL)"
	s.Targets = targets(t, "DR-APP-003")
	return s
}

func TestShutdownSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	s := gracefulShutdown(t, startOrchestrator(t, proxy, pg, variant{sabotage: "exit-on-sigterm"}))
	s.Deadline = 20 * time.Second
	// The calls in progress are made again, and so is what was done since the last checkpoint.
	requireFailure(t, s, "repeated calls", `[1-9]\d* of them repeated, want at most 0`)
}
