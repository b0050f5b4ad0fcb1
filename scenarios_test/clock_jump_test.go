package scenarios

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/stretchr/testify/require"
)

// The clock of the database jumps, and back again five seconds later. Two instances share the work.
// No client notices, and no instance takes anything from the other. When an instance dies for good
// as the clock goes back, the other one takes its work over all the same, within nine seconds.
func TestClockJump(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	clock := startShiftedClock(t)
	app := startInstancesOn(t, clock.pg, "")
	t.Run("ahead", func(t *testing.T) { drtest.Run(t, clockJump(app, clock, time.Hour)) })
	t.Run("back", func(t *testing.T) { drtest.Run(t, clockJump(app, clock, -time.Hour)) })
	t.Run("back as an instance dies", func(t *testing.T) { drtest.Run(t, clockBackAtCrash(app, clock)) })
}

func clockJump(app *instances, clock shiftedClock, by time.Duration) drtest.Scenario {
	return drtest.Scenario{
		ID:        "DR-DB-011",
		Title:     "Clock of the database jumps",
		Category:  database,
		Workload:  app,
		Load:      drtest.Load{Every: 150 * time.Millisecond, Timeout: time.Second, Steady: 5 * time.Second},
		Health:    app.Ready,
		Fault:     clock.Jump(by),
		HealAfter: 5 * time.Second,
		Watch:     10 * time.Second, // a lease that seems to have expired is revoked after one
		Objectives: []drtest.Objective{
			drtest.NoFailedRequests(),
			drtest.RPO(0),
			drtest.LostWork(0),
			drtest.Repeated("calls", 0),
			drtest.AllRecovered(20),
			drtest.NoDuplicates(),
		},
		Deadline: time.Minute,
	}
}

// An instance dies for good as the clock of the database goes back by an hour. The other one takes
// its work over all the same.
func clockBackAtCrash(app *instances, clock shiftedClock) drtest.Scenario {
	s := clockJump(app, clock, -time.Hour)
	s.ID += "/crash"
	s.Title = "Instance dies as the clock of the database goes back"
	s.Fault = drtest.Together(clock.Jump(-time.Hour), app.each[0].service.Kill())
	s.HealAfter = 0
	s.Objectives = []drtest.Objective{
		drtest.RPO(0),
		// A lease of three seconds since the last beat was seen, a probe interval of 100 ms until
		// it is, a claim, and two steps of 600 ms, since the checkpoint may be one behind; and as
		// much again for a busy machine.
		drtest.WorkRTO(9 * time.Second),
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
	}
	return s
}

func TestClockJumpSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("no lease", func(t *testing.T) {
		containertest.Parallel(t, containertest.Light)
		clock := startShiftedClock(t)
		s := clockJump(startInstancesOn(t, clock.pg, "no-lease"), clock, time.Hour)
		requireFailure(t, s, "repeated calls", `[1-9]\d* of them repeated`)
	})
	t.Run("nobody takes over", func(t *testing.T) {
		containertest.Parallel(t, containertest.Light)
		clock := startShiftedClock(t)
		s := clockBackAtCrash(startInstancesOn(t, clock.pg, "no-resume"), clock)
		s.Deadline = noRecoveryDeadline
		requireFailure(t, s, "work RTO", `\d+ of \d+ units never got past their progress at the fault`)
	})
}

// A shiftedClock is a database whose now() is off. It stands before PostgreSQL's own in the search
// path, so that statements call it. The clock of a container is that of its host, and cannot jump
// alone.
type shiftedClock struct{ pg *pgtest.Node }

// startShiftedClock starts a server whose clock can jump. It is right at first.
func startShiftedClock(t *testing.T) shiftedClock {
	t.Helper()
	c := shiftedClock{pgtest.StartPrimary(t, pgtest.Config{})}
	_, err := c.exec(t.Context(), `CREATE SCHEMA shifted; `+shift(0)+`;
		ALTER DATABASE app SET search_path = public, shifted, pg_catalog`)
	require.NoError(t, err)
	return c
}

func shift(by time.Duration) string {
	return fmt.Sprintf(`CREATE OR REPLACE FUNCTION shifted.now() RETURNS timestamptz LANGUAGE sql STABLE
		AS 'SELECT pg_catalog.now() + interval ''%d seconds'''`, int(by.Seconds()))
}

// exec runs statements, and then asks a new connection how far the clock is off.
func (c shiftedClock) exec(ctx context.Context, sql string) (off string, err error) {
	conn, err := c.pg.Connect(ctx)
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, sql)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return "", err
	}
	if conn, err = c.pg.Connect(ctx); err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	err = conn.QueryRow(ctx, "SELECT (now() - pg_catalog.now())::text").Scan(&off)
	return off, err
}

// Jump returns a clock that shows another time from one moment to the next, as when it is set by
// hand. Heal sets it right.
func (c shiftedClock) Jump(by time.Duration) drtest.Fault {
	inject := func(ctx context.Context) (drtest.Effect, error) {
		off, err := c.exec(ctx, shift(by))
		return drtest.Effect{Receipt: drtest.Receipt("now() is off by " + off)}, err
	}
	heal := func(ctx context.Context) error {
		_, err := c.exec(ctx, shift(0))
		return err
	}
	return drtest.Fault{Name: fmt.Sprintf("the database's clock jumps by %v", by), Inject: inject, Heal: heal}
}
