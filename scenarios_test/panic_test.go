package scenarios

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// A workflow makes its worker dereference nil, each time that it is executed, and the process dies
// of it. Its supervisor starts it again until the orchestrator has set that workflow aside, after
// three deaths, which takes no more than ten seconds. All others finish.
func TestPanic(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{faultBuild: true, env: threeLives})
	drtest.Run(t, workerPanic(t, app))
}

func workerPanic(t testing.TB, app *orchestrator) drtest.Scenario {
	poison := job{prompt: " <<panic>>", steps: steps, wantErr: "set aside after 3 attempts"}
	load := steadyLoad
	load.Every *= 2 // each workflow in flight is a suspect
	return drtest.Scenario{
		ID:         "DR-APP-004",
		Title:      "Panic recovery",
		Category:   application,
		Durability: "as with a kill: the orchestrator keeps nothing on disk",
		Workload:   app,
		Load:       load,
		Health:     app.Ready,
		Fault: withEvidence(app.service.Exit(2, func(context.Context) error {
			app.askNext(poison)
			return nil
		}), app.panicked),
		// The service comes back between the deaths, so the load goes on until the last one is
		// over.
		Stages: []drtest.Stage{{Name: "poison set aside", Reached: app.jobsEnded}},
		Objectives: []drtest.Objective{
			// The poison is asked for within 100 ms and executed at once; then nobody answers.
			drtest.Detection(time.Second),
			// Three deaths, with Docker's back-off of 100, 200 and 400 ms, and 0.5 s for each
			// start: 2.2 s. After the second one all that were in flight are suspects, some 12, and
			// tried one after the other, for a step of 300 ms each, so that the poison may be met
			// after 3.6 s: 5.8 s, and two thirds of that again as a margin. It is up for a while
			// between its deaths, so that some twenty acks in a row, one every 150 ms, have to show
			// that no more fail: 3 s.
			drtest.RTO(13 * time.Second),
			drtest.RPO(0),
			drtest.WorkRTO(12 * time.Second), // the same, and steps that are done again
			drtest.LostWork(2 * selected.checkpoint),
			drtest.AllRecovered(8),
			drtest.NoDuplicates(),
			drtest.Reached("poison set aside", 10*time.Second),
		},
		Targets:  targets(t, "DR-APP-004"),
		Deadline: time.Minute,
	}
}

// threeLives lets a workflow's instance die three times before the workflow is set aside.
var threeLives = map[string]string{"MAX_ATTEMPTS": "3"}

// panicked finds the stack of the panic in the orchestrator's log.
func (o *orchestrator) panicked(ctx context.Context) (string, error) {
	log, err := o.service.Logs(ctx)
	if err != nil {
		return "", err
	}
	_, after, found := strings.Cut(log, "panic: ")
	what, stack, _ := strings.Cut(after, "\n")
	if !found || !strings.Contains(stack, "goroutine ") {
		return "", errors.New("the orchestrator logged no stack of a panic")
	}
	return "log: panic: " + what, nil
}

func TestPanicSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	s := workerPanic(t, startOrchestrator(t, proxy, pg, variant{sabotage: "retry-for-ever", env: threeLives}))
	s.Deadline = 45 * time.Second
	requireFailure(t, s, "RTO", "never served again|not steady")
}
