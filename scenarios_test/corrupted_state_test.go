package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/jackc/pgx/v5"
)

// The orchestrator is killed, and of what it had stored of its runs only the first half is there
// when it comes back: no JSON any more. It reports so and serves within three seconds, and goes on
// from the last good checkpoint of each run. No more work is done twice than a crash costs anyway,
// and every result is right.
func TestCorruptedState(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{env: frequentCheckpoints()})
	drtest.Run(t, corruptedState(t, pg, app))
	requireLogged(t, app, "checkpoint is corrupt.*checksum mismatch")
}

func corruptedState(t testing.TB, pg *pgtest.Node, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-DATA-001",
		Title:      "Corrupted state recovery",
		Category:   corruption,
		Durability: "the checkpoints are damaged, the history of checkpoints beside them and the requests are not",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Uncorrupted,
		Fault:      drtest.Together(app.service.Crash(), tearStates(pg)),
		Objectives: []drtest.Objective{
			// States are verified as they are loaded, just before it serves.
			drtest.Detection(3 * time.Second),
			// These are as in the crash of an orchestrator with good states. For each bad one two
			// more statements are made before it serves, a tenth of a second for all; and no more
			// work is lost, since the history begins with a copy of the state that is damaged.
			drtest.RTO(3 * time.Second),
			drtest.RPO(0),
			drtest.WorkRTO(5 * time.Second),
			drtest.LostWork(2 * frequentInterval),
			drtest.AllRecovered(10),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-DATA-001"),
		Deadline: time.Minute,
	}
}

// frequentInterval is how often the workflows of these drills are saved, in every profile: there
// must be something to damage.
const frequentInterval = 500 * time.Millisecond

func frequentCheckpoints() map[string]string {
	return map[string]string{"CHECKPOINT_INTERVAL": frequentInterval.String()}
}

func TestCorruptedStateSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	s := corruptedState(t, pg, startOrchestrator(t, proxy, pg, variant{env: frequentCheckpoints(), sabotage: "no-checksum"}))
	s.Deadline, s.Watch = noRecoveryDeadline, 12*time.Second // that nothing is detected
	report := playSabotaged(t, s)
	requireFailed(t, report, "detection", "health never turned bad")
	// The provider refuses the empty prompts that runs are resumed with.
	requireFailed(t, report, "all recovered", `failed: complete .*: provider answers 400`)
}

// tearStates returns the damage that a torn write does: of the stored state of each open run that
// has got anywhere only the first half is left. It waits until the database has no clients, since
// one of them could write the right state over it, and so must come with what ends them. Nobody is
// told; the row itself is well.
func tearStates(pg *pgtest.Node) drtest.Fault {
	return drtest.Fault{Name: "tear stored states", Inject: func(ctx context.Context) (drtest.Effect, error) {
		conn, err := pg.Connect(ctx)
		if err != nil {
			return drtest.Effect{}, fmt.Errorf("tear states: %w", err)
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if err := clientsGone(ctx, conn); err != nil {
			return drtest.Effect{}, fmt.Errorf("tear states: %w", err)
		}
		rows, err := damageStates(ctx, conn, `
			UPDATE workflows SET state = left(state, length(state) / 2) WHERE status = 'open' AND step > 0 RETURNING key`)
		if err != nil {
			return drtest.Effect{}, fmt.Errorf("tear states: %w", err)
		}
		var reason error
		for _, r := range rows {
			var into any
			if reason = json.Unmarshal([]byte(r.State), &into); reason == nil {
				return drtest.Effect{}, fmt.Errorf("tear states: that of %s parses: %s", r.Key, r.State)
			}
		}
		return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf("%d states do not parse: %v", len(rows), reason))}, nil
	}}
}

// clientsGone waits until nobody else is connected to the database.
func clientsGone(ctx context.Context, conn *pgx.Conn) error {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for {
		var others int
		err := conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others)
		if err != nil || others == 0 {
			return err
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%d clients are still connected: %w", others, context.Cause(ctx))
		}
	}
}
