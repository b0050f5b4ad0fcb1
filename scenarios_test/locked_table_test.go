package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/jackc/pgx/v5"
)

// A migration locks the table of the workflows for five seconds, while the database answers all
// else. The orchestrator says that it is not ready, refuses what it cannot store, and goes on once
// the lock is gone. Nothing is lost, and no call is paid for twice.
func TestLockedTable(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{})
	for _, mode := range []string{"ACCESS EXCLUSIVE", "SHARE"} {
		t.Run(mode, func(t *testing.T) { drtest.Run(t, lockedTable(pg, app, mode)) })
	}
}

func lockedTable(pg *pgtest.Node, app *orchestrator, mode string) drtest.Scenario {
	return drtest.Scenario{
		ID:        "DR-DB-010",
		Title:     "Table locked",
		Category:  database,
		Workload:  app,
		Load:      steadyLoad,
		Health:    app.Ready,
		Fault:     lockTable(pg, mode),
		HealAfter: 5 * time.Second,
		Objectives: []drtest.Objective{
			// Three probes and their timeouts, 3 x 600 ms.
			drtest.Detection(2500 * time.Millisecond),
			// As with a partition: a statement's timeout, the breaker's, and a probe.
			drtest.HealLag(3 * time.Second),
			drtest.RPO(0),
			drtest.LostWork(0),
			drtest.Repeated("calls", 0),
			drtest.AllRecovered(20),
			drtest.NoDuplicates(),
			drtest.Check("bad until the lock is gone", badThroughout),
		},
		Deadline: time.Minute,
	}
}

// lockTable is a session that locks the table of the workflows and does not end, as a migration
// that goes wrong.
func lockTable(pg *pgtest.Node, mode string) drtest.Fault {
	var conn *pgx.Conn
	inject := func(ctx context.Context) (e drtest.Effect, err error) {
		if conn, err = pg.Connect(ctx); err != nil {
			return e, err
		}
		for _, sql := range []string{"BEGIN", "LOCK TABLE workflows IN " + mode + " MODE"} {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return e, err
			}
		}
		var held string
		err = conn.QueryRow(ctx, `SELECT string_agg(mode, ', ') FROM pg_locks
			WHERE relation = 'workflows'::regclass AND granted AND pid = pg_backend_pid()`).Scan(&held)
		e.Receipt = drtest.Receipt("held: " + held)
		return e, err
	}
	heal := func(ctx context.Context) error {
		if conn == nil {
			return nil
		}
		return conn.Close(ctx)
	}
	return drtest.Fault{Name: "lock workflows in " + mode + " mode", Inject: inject, Heal: heal}
}

// badThroughout demands that health, once it is bad, is not good again before the fault is healed.
func badThroughout(l *drtest.Ledger, _ drtest.Figures) error {
	healed, ok := l.Event(drtest.FaultHealed)
	if !ok {
		return fmt.Errorf("%w: the fault was not healed", drtest.ErrInconclusive)
	}
	bad := false
	for _, e := range l.Events {
		switch {
		case e.Kind == drtest.HealthLost:
			bad = true
		case e.Kind == drtest.HealthRestored && bad && e.Hi < healed.Lo:
			return fmt.Errorf("health was good again %v before the lock was gone", (healed.Lo - e.Hi).Round(time.Millisecond))
		}
	}
	if !bad {
		return fmt.Errorf("health was never bad")
	}
	return nil
}

func TestLockedTableSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	s := lockedTable(pg, startOrchestrator(t, proxy, pg, variant{sabotage: "no-breaker"}), "ACCESS EXCLUSIVE")
	requireFailure(t, s, "bad until the lock is gone", "health was never bad|health was good again") // whatever the machine does beside it
}
