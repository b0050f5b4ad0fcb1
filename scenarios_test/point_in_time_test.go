package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// A bad deploy empties the table of workflows while at least thirty are in flight, and the database
// is destroyed after that. The operator restores the last backup on a spare machine, replays WAL up
// to a target just before the statement, and redirects the orchestrator to it. Everything that was
// acknowledged before the target is there, and nothing that was committed after it. The target is
// a time, a place in the WAL, or a name that was given to one.
func TestPointInTime(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		id, name string
		mark     markTarget
	}{
		{"DR-BACKUP-002", "by time", markTime},
		{"DR-BACKUP-002/lsn", "by LSN", markLSN},
		{"DR-BACKUP-002/restore-point", "by restore point", markPoint},
	} {
		t.Run(way.name, func(t *testing.T) {
			containertest.Parallel(t, containertest.Heavy)
			repository, network := newVolumeRepository(t)
			b := startBackedUp(t, selected.backup, repository, network, backuptest.Full)
			s := pointInTime(t, b, way.mark)
			s.ID = way.id
			s.Title += ", " + way.name
			drtest.Run(t, s)
		})
	}
}

func pointInTime(t testing.TB, b *backedUp, mark markTarget) drtest.Scenario {
	load := steadyLoad
	load.Every, load.Steady = 50*time.Millisecond, 3*time.Second // longer than what can be given up
	b.askForLongWorkflows(6, load)                               // 1.8 s
	return drtest.Scenario{
		ID:         "DR-BACKUP-002",
		Title:      "Point-in-time recovery",
		Category:   backups,
		Durability: "the database's storage is gone for good, so what the repository has is what there is",
		Workload:   b.app,
		Load:       load,
		Health:     b.app.Ready,
		Fault:      b.deploy(mark),
		Runbook:    b.runbook(),
		Proofs:     append(b.proofs(backuptest.Full), drtest.Proof{Name: "ends before the statement", Examine: b.endsBeforeDeploy}),
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // as with a cut connection
			// Detection, the steps of the restore, and a breaker that is half open every 300 ms,
			// whose trial may run into the connect timeout of 1 s.
			drtest.RTO(time.Second + selected.restore + 2*time.Second),
			// What was acknowledged between the target and the end of the database is given up.
			// That comes as soon as the archive has the statement, for which any WAL has so long;
			// that its file is closed by hand makes it sooner.
			drtest.RPO(archiveLoss),
			b.keptBeforeTarget(),
			inFlightAtLeast(30),
			survivorsRecovered(),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-BACKUP-002"),
		Deadline: selected.deadline,
	}
}

// deploy is the statement, the end of the database once the archive has the statement, and the
// target just before it. Clients are served until that end, so the time counts from there.
func (b *backedUp) deploy(mark markTarget) drtest.Fault {
	destroy := b.primary.Destroy()
	f := destroy
	f.Name = "empty the table of workflows and " + destroy.Name
	f.Inject = func(ctx context.Context) (e drtest.Effect, err error) {
		conn, err := b.primary.Connect(ctx)
		if err != nil {
			return e, err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if _, err := conn.Exec(ctx, "CREATE TABLE deploys AS SELECT 'planned' AS state"); err != nil {
			return e, err
		}
		// What is acknowledged by then is before the target. Between that and the statement
		// anything may come.
		b.targeted = time.Now()
		if b.target, err = mark(ctx, conn); err != nil {
			return e, err
		}
		if _, err := conn.Exec(ctx, "UPDATE deploys SET state = 'begun'"); err != nil {
			return e, err
		}
		var rows int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM workflows").Scan(&rows); err != nil {
			return e, err
		}
		if _, err := conn.Exec(ctx, "TRUNCATE workflows"); err != nil {
			return e, err
		}
		if err := waitArchived(ctx, conn); err != nil {
			return e, err
		}
		e, err = destroy.Inject(ctx)
		e.Receipt = drtest.Receipt(fmt.Sprintf("TRUNCATE of %d workflows, after %v, is in the archive; %s", rows, b.target, e.Receipt))
		return e, err
	}
	return f
}

// A markTarget takes the target of a restore from a server: what it had committed before, and
// nothing that it commits after.
type markTarget func(context.Context, *pgx.Conn) (backuptest.Target, error)

func markTime(ctx context.Context, c *pgx.Conn) (backuptest.Target, error) {
	var now time.Time
	err := c.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&now)
	return backuptest.AtTime(now), err
}

func markLSN(ctx context.Context, c *pgx.Conn) (backuptest.Target, error) {
	var lsn int64
	err := c.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn() - '0/0'").Scan(&lsn)
	return backuptest.AtLSN(pgtest.LSN(lsn)), err
}

func markPoint(ctx context.Context, c *pgx.Conn) (backuptest.Target, error) {
	_, err := c.Exec(ctx, "SELECT pg_create_restore_point('before deploy')")
	return backuptest.AtPoint("before deploy"), err
}

// endsBeforeDeploy looks for the transactions just before the target and just after it.
func (b *backedUp) endsBeforeDeploy(ctx context.Context) (string, error) {
	if err := b.restored(); err != nil {
		return "", err
	}
	conn, err := b.spare.Connect(ctx)
	if err != nil {
		return "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var state string
	err = conn.QueryRow(ctx, "SELECT state FROM deploys").Scan(&state)
	if err == nil && state != "planned" {
		err = fmt.Errorf("the restored deploy is %s, and was planned at the target", state)
	}
	return fmt.Sprintf("the restored deploy is %s, as it was at %v", state, b.target), err
}

// keptBeforeTarget demands that everything acknowledged before the target is held.
func (b *backedUp) keptBeforeTarget() drtest.Objective {
	return drtest.Check("kept before the target", func(l *drtest.Ledger, _ drtest.Figures) error {
		if l.Survivors == nil {
			return fmt.Errorf("%w: survivors are not known", drtest.ErrInconclusive)
		}
		if _, injected := l.Event(drtest.FaultInjected); !injected {
			return fmt.Errorf("%w: no fault was injected", drtest.ErrInconclusive)
		}
		held := map[string]bool{}
		for _, id := range l.Survivors {
			held[id] = true
		}
		acked, lost := 0, 0
		for _, op := range l.Ops {
			if op.Outcome == drtest.Acked && !l.Drill.Began.Add(op.End).After(b.targeted) {
				acked++
				if !held[op.ID] {
					lost++
				}
			}
		}
		switch {
		case acked == 0:
			return fmt.Errorf("%w: nothing was acked before", drtest.ErrInconclusive)
		case lost > 0:
			return fmt.Errorf("lost %d of %d acked before the target", lost, acked)
		}
		return nil
	})
}

func TestPointInTimeSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("too late", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		repository, network := newVolumeRepository(t)
		b := startBackedUp(t, selected.backup, repository, network, backuptest.Full)
		s := pointInTime(t, b, markPoint)
		s.Runbook[0] = b.spare.Fetch(b.backup, backuptest.Target{}) // all that the archive has
		report := playSabotaged(t, s)
		requireFailed(t, report, "kept before the target", `lost \d+ of \d+ acked`)
		requireFailed(t, report, "ends before the statement", "the restored deploy is begun")
	})
	t.Run("too early", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		repository, network := newVolumeRepository(t)
		b := startBackedUp(t, selected.backup, repository, network, backuptest.Full)
		conn, err := b.primary.Connect(t.Context())
		require.NoError(t, err)
		defer conn.Close(context.WithoutCancel(t.Context()))
		early, err := markLSN(t.Context(), conn) // before the load begins
		require.NoError(t, err)
		s := pointInTime(t, b, func(context.Context, *pgx.Conn) (backuptest.Target, error) { return early, nil })
		report := playSabotaged(t, s)
		requireFailed(t, report, "RPO", `lost \d+ of \d+ acked`)
		requireFailed(t, report, "kept before the target", `lost \d+ of \d+ acked`)
	})
}
