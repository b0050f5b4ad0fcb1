package scenarios

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/stretchr/testify/require"
)

// The orchestrator is killed before any workflow in flight has had a checkpoint since it was
// accepted, and its supervisor starts it again. It serves within three seconds and has lost nothing
// that it acknowledged. Every workflow goes on from its acceptance, so no more than its whole is
// done again.
func TestEarlyCrash(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{env: rareCheckpoints})
	report := drtest.Run(t, earlyCrash(t, pg, app))
	require.NotZero(t, report.Figures.LostWork.Hi, "a crash before the first checkpoint must cost work")
}

func earlyCrash(t testing.TB, pg *pgtest.Node, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-APP-002",
		Title:      "Crash before checkpoint",
		Category:   application,
		Durability: "the orchestrator keeps nothing on disk, so a kill takes all that it has not stored in the database",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      withEvidence(app.service.Crash(), noCheckpoints(pg)),
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // nobody answers, so the next poll knows
			drtest.RTO(3 * time.Second),   // as DR-APP-001
			drtest.RPO(0),
			// The restart, and the whole of a workflow, which is 1.8 s.
			drtest.WorkRTO(5 * time.Second),
			// The whole of a workflow, and half a second for the width of the fault and a busy
			// machine.
			drtest.LostWork(steps*stepLatency + 500*time.Millisecond),
			drtest.AllRecovered(10),
			drtest.NoDuplicates(),
			drtest.Check("begun again", beganAgain),
		},
		Targets:  targets(t, "DR-APP-002"),
		Deadline: time.Minute,
	}
}

// rareCheckpoints are too rare for a workflow of these drills to have one before it ends.
var rareCheckpoints = map[string]string{"CHECKPOINT_INTERVAL": "30s"}

// noCheckpoints is evidence that the database holds no checkpoint of an open workflow but that of
// its acceptance.
func noCheckpoints(pg *pgtest.Node) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		conn, err := pg.Connect(ctx)
		if err != nil {
			return "", err
		}
		var open, later int
		const count = "SELECT count(*), count(*) FILTER (WHERE step > 0) FROM workflows WHERE status = 'open'"
		err = conn.QueryRow(ctx, count).Scan(&open, &later)
		if err := errors.Join(err, conn.Close(ctx)); err != nil {
			return "", fmt.Errorf("count checkpoints: %w", err)
		}
		if open == 0 || later > 0 {
			return "", fmt.Errorf("%d of %d open workflows have a checkpoint, want none of some", later, open)
		}
		return fmt.Sprintf("none of %d open workflows has a checkpoint but that of its acceptance", open), nil
	}
}

// beganAgain demands that every unit in flight was executed a second time, from its beginning. One
// that ended in the moment between the last look at it and the death was not in flight any more:
// nobody goes on with a first attempt after it.
func beganAgain(l *drtest.Ledger, f drtest.Figures) error {
	if !f.WorkKnown {
		return fmt.Errorf("%w: %s", drtest.ErrInconclusive, f.WorkWhy)
	}
	fault, _ := l.Event(drtest.FaultInjected)
	last, before, restarted := lastProgress(l), map[string]drtest.Progress{}, 0
	for _, s := range l.Samples {
		if s.Hi <= fault.Lo {
			maps.Copy(before, s.Units)
		}
	}
	for _, id := range f.Affected {
		switch p := last[id]; {
		case p.Attempt == 1 && p.Finished && before[id].Done >= steps-1:
		case p.Attempt < 2 || p.From != 0:
			return fmt.Errorf("attempt %d of %s began at step %d", p.Attempt, id, p.From)
		default:
			restarted++
		}
	}
	if restarted == 0 {
		return errors.New("none was executed again")
	}
	return nil
}

func TestEarlyCrashSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	s := earlyCrash(t, pg, startOrchestrator(t, proxy, pg, variant{env: rareCheckpoints, sabotage: "ack-before-commit"}))
	s.Deadline = 20 * time.Second
	requireFailure(t, s, "RPO", `lost \d+ of \d+ acked`)
}
