package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// The context of two workflows grows until the kernel kills the orchestrator for it. The
// orchestrator has raised the alarm before that, at four fifths of its limit. The operator gives it
// more memory and starts it again, and it serves within eight seconds of the first growth and
// finishes everything, those two workflows as well.
func TestOutOfMemory(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, growing)
	drtest.Run(t, outOfMemory(t, app))
}

func outOfMemory(t testing.TB, app *orchestrator) drtest.Scenario {
	grow := job{prompt: " <<grow:16>>", steps: 20} // by 16 MiB with each step of 300 ms
	return drtest.Scenario{
		ID:         "DR-APP-005",
		Title:      "OOM kill recovery",
		Category:   application,
		Durability: "as with a kill: the orchestrator keeps nothing on disk",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault: app.service.OOM(func(context.Context) error {
			app.askNext(grow, grow)
			return nil
		}),
		Runbook: []drtest.Step{
			app.service.SetMemory(8 * memoryLimit), // they need 640 MiB in all
			app.service.Resume(),
		},
		Stages: []drtest.Stage{{Name: "growing workflows finished", Reached: app.jobsEnded}},
		Objectives: []drtest.Objective{
			// 32 MiB every 300 ms, from the 30 or 40 MiB that it needs anyway to the 102 MiB of the
			// alert: 0.7 s, and three times as much on a busy machine, where steps take longer.
			drtest.Detection(3 * time.Second),
			// Another 0.3 s until the kill, or a second, since the kernel makes room as long as it
			// can; 0.2 s for the new limit, 0.7 s for the start: 2.6 s, and three times as much, as
			// before.
			drtest.RTO(8 * time.Second),
			drtest.RPO(0),
			drtest.WorkRTO(9 * time.Second),
			// The fault takes as long as the growth; and no more than was promised, whatever the
			// profile.
			drtest.LostWork(min(2*selected.checkpoint+5*time.Second, time.Minute)),
			drtest.AllRecovered(15),
			drtest.NoDuplicates(),
			drtest.Check("alert before the kill", alertBeforeKill),
			// They have all of their 20 steps of 300 ms yet to do when they resume from their first
			// checkpoint.
			drtest.Reached("growing workflows finished", 14*time.Second),
		},
		Targets:  targets(t, "DR-APP-005"),
		Deadline: time.Minute,
	}
}

// memoryLimit leaves room above what the orchestrator needs for the alert, at 80 %, to be seen
// before the kill.
const memoryLimit = 128 << 20

var growing = variant{faultBuild: true, memory: memoryLimit, unsupervised: true}

// alertBeforeKill demands that the system gave lack of memory as the reason why it was not well,
// while the fault was being injected, which ends with the kill. A process that was killed cannot
// have said so, and the next one is started later.
func alertBeforeKill(l *drtest.Ledger, _ drtest.Figures) error {
	fault, ok := l.Event(drtest.FaultInjected)
	if !ok {
		return fmt.Errorf("%w: no fault was injected", drtest.ErrInconclusive)
	}
	for _, e := range l.Events {
		if e.Kind == drtest.HealthLost && e.Hi > fault.Lo {
			if e.Hi < fault.Hi && strings.Contains(e.Note, "memory: ") {
				return nil
			}
			return fmt.Errorf("the first that it said was: %s", e.Note)
		}
	}
	return errors.New("it never said that anything was wrong")
}

func TestOutOfMemorySabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("limit not raised", func(t *testing.T) {
		containertest.Parallel(t, containertest.Light)
		pg := pgtest.StartPrimary(t, pgtest.Config{})
		proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
		s := outOfMemory(t, startOrchestrator(t, proxy, pg, growing))
		s.Runbook = s.Runbook[1:]
		s.Deadline = noRecoveryDeadline
		requireFailure(t, s, "RTO", "never served again|not steady")
	})
	t.Run("alert too late", func(t *testing.T) {
		containertest.Parallel(t, containertest.Light)
		pg := pgtest.StartPrimary(t, pgtest.Config{})
		proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
		v := growing
		v.env = map[string]string{"MEMORY_ALERT_RATIO": "1"}
		s := outOfMemory(t, startOrchestrator(t, proxy, pg, v))
		// Killed, or so short of memory before that that it answers nobody.
		requireFailure(t, s, "alert before the kill", "the first that it said was: .*(refused|EOF|reset|deadline exceeded)")
	})
}
