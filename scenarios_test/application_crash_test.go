package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// The orchestrator is killed while it works, and its supervisor starts it again. It serves within
// three seconds, every workflow is past its old progress within five, and no more work is done
// twice than one checkpoint interval's.
func TestApplicationCrash(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{})
	drtest.Run(t, applicationCrash(t, app))
}

func applicationCrash(t testing.TB, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-APP-001",
		Title:      "Application crash recovery (SIGKILL)",
		Category:   application,
		Durability: "the orchestrator keeps nothing on disk, so a kill takes all that it has not stored in the database",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      app.service.Crash(),
		Period:     selected.checkpoint, // how much work is done again depends on when the last one was
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // nobody answers, so the next poll knows
			// Docker's first back-off of 100 ms and 0.4 s for the start, and 0.3 s until the
			// orchestrator has loaded its runs: 1 s, and a margin for a busy machine.
			drtest.RTO(3 * time.Second),
			drtest.RPO(0),
			// The same, and the work of one checkpoint interval again.
			drtest.WorkRTO(5 * time.Second),
			// The interval, and as much for a checkpoint that was being written, for a step that
			// had begun before it, and for the width of the fault.
			drtest.LostWork(2 * selected.checkpoint),
			drtest.AllRecovered(10),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-APP-001"),
		Deadline: time.Minute,
	}
}

func TestApplicationCrashSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	for _, c := range []struct{ sabotage, objective, reason string }{
		{"no-checkpoint", "lost work", "want at most 1s"},
		{"no-resume", "all recovered", `\d of \d+ units in flight recovered; not .* \(not finished\)`},
	} {
		t.Run(c.sabotage, func(t *testing.T) {
			containertest.Parallel(t, containertest.Light)
			pg := pgtest.StartPrimary(t, pgtest.Config{})
			proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
			s := applicationCrash(t, startOrchestrator(t, proxy, pg, variant{sabotage: c.sabotage}))
			s.Deadline = noRecoveryDeadline
			requireFailure(t, s, c.objective, c.reason)
		})
	}
}
