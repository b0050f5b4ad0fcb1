package pgtest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/wait"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestPrimary(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	node := pgtest.StartPrimary(t, pgtest.Config{Settings: map[string]string{"log_min_duration_statement": "250ms"}})
	for setting, want := range map[string]string{
		"data_checksums": "on", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
		"synchronous_standby_names": "", "log_min_duration_statement": "250ms",
	} {
		require.Equal(t, want, read[string](t, node, "SELECT current_setting($1)", setting), setting)
	}

	// A crash under the restart policy keeps what was acknowledged.
	write(t, node, 1)
	fault := node.Crash()
	receipt := inject(t, fault)
	require.Contains(t, receipt, "137")
	awaitAnswer(t, node)
	require.Equal(t, []int{1}, rows(t, node))
	confirmed, err := fault.Confirm(t.Context())
	require.NoError(t, err)
	require.Contains(t, confirmed, "database system was not properly shut down")
	t.Logf("confirmed: %s", confirmed)

	// A dead node stays dead, restart policy or not.
	require.Contains(t, inject(t, node.Kill()), "137")
	requireDead(t, node)
}

func TestSyncFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
	const identifier = "SELECT system_identifier FROM pg_control_system()"
	require.Equal(t, read[int64](t, pg.Primary, identifier), read[int64](t, pg.Replica, identifier))
	require.Equal(t, pg.Primary.Network(), pg.Replica.Network())

	write(t, pg.Primary, 1)
	inject(t, pg.Primary.Kill())
	start := time.Now()
	require.NoError(t, pg.Replica.Promote().Do(t.Context()))
	t.Logf("promoted in %v", time.Since(start))
	require.Equal(t, []int{1}, rows(t, pg.Replica), "acknowledged by the primary")
	write(t, pg.Replica, 2)
	const timeline = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"
	require.Equal(t, "00000002", read[string](t, pg.Replica, timeline))
	require.Error(t, pg.Replica.Promote().Do(t.Context()), "it is a primary already")

	// A restart does not make it a replica again.
	inject(t, pg.Replica.Crash())
	awaitAnswer(t, pg.Replica)
	require.Equal(t, "00000002", read[string](t, pg.Replica, timeline))
	require.Equal(t, []int{1, 2}, rows(t, pg.Replica))
	write(t, pg.Replica, 3)
}

func TestSyncWithoutReplica(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync, Config: pgtest.Config{NoRestart: true}})
	inject(t, pg.Replica.Crash())
	requireDead(t, pg.Replica)

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	conn, err := pg.Primary.Connect(ctx)
	require.NoError(t, err)
	_, err = conn.Exec(ctx, "CREATE TABLE acked (id int PRIMARY KEY)")
	require.ErrorIs(t, err, context.DeadlineExceeded, "the primary acknowledged alone")
}

func TestAsyncThroughLink(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	var asked *pgtest.Node
	pg := pgtest.StartPair(t, pgtest.PairConfig{Upstream: func(primary *pgtest.Node) containertest.Upstream {
		asked = primary
		return primary
	}})
	require.Same(t, pg.Primary, asked)
	require.Contains(t, read[string](t, pg.Replica, "SHOW primary_conninfo"), "host=primary port=5432")
	write(t, pg.Primary, 1)
	inject(t, pg.Replica.Kill())
	write(t, pg.Primary, 2)
	require.Equal(t, []int{1, 2}, rows(t, pg.Primary))
}

// A server that cannot start says why, at once.
func TestBadSetting(t *testing.T) {
	out := failing(t, func() {
		pgtest.StartPair(t, pgtest.PairConfig{Config: pgtest.Config{Settings: map[string]string{"wal_level": "none at all"}}})
	})
	require.Contains(t, out, `invalid value for parameter "wal_level": "none at all"`)
}

// failing runs what has to fail the test in a test process of its own, and returns what that
// printed.
func failing(t *testing.T, run func()) string { return failingIn(t, t.TempDir(), run) }

// failingIn is failing with a folder for the evidence, and whatever else is temporary.
func failingIn(t *testing.T, dir string, run func()) string {
	t.Helper()
	if os.Getenv("PGTEST_FAILING") == t.Name() {
		run()
		t.SkipNow() // which is no failure
	}
	if testing.Short() {
		t.Skip("needs a container engine")
	}
	containertest.Parallel(t, containertest.Light)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.timeout=5m", "-test.parallel=1")
	cmd.Env = append(os.Environ(), "PGTEST_FAILING="+t.Name(), "TMPDIR="+dir)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	t.Logf("failed in %v", time.Since(start))
	require.Error(t, err, string(out))
	require.NotContains(t, string(out), "panic: test timed out")
	return string(out)
}

// inject injects a fault and returns its receipt.
func inject(t *testing.T, fault drtest.Fault) drtest.Receipt {
	t.Helper()
	start := time.Now()
	effect, err := fault.Inject(t.Context())
	require.NoError(t, err)
	t.Logf("%s in %v: %s", fault.Name, time.Since(start), effect.Receipt)
	if !effect.NotBefore.IsZero() {
		require.WithinRange(t, effect.NotBefore, start, effect.By, "it answered until after the call, and not when it was dead")
		require.WithinRange(t, effect.By, start, time.Now())
		t.Logf("it answered for %v, and was dead at most %v later", effect.NotBefore.Sub(start), effect.By.Sub(effect.NotBefore))
	}
	return effect.Receipt
}

// write has the node acknowledge a row, and makes the table for it if there is none.
func write(t *testing.T, node *pgtest.Node, id int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := node.Connect(ctx)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS acked (id int PRIMARY KEY)")
	require.NoError(t, err)
	_, err = conn.Exec(ctx, "INSERT INTO acked VALUES ($1)", id)
	require.NoError(t, err)
}

func rows(t *testing.T, node *pgtest.Node) []int {
	t.Helper()
	conn, err := node.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), "SELECT id FROM acked ORDER BY id")
	require.NoError(t, err)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	require.NoError(t, err)
	return ids
}

// read returns the one value that a query yields.
func read[T any](t *testing.T, node *pgtest.Node, query string, args ...any) (value T) {
	t.Helper()
	conn, err := node.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.NoError(t, conn.QueryRow(t.Context(), query, args...).Scan(&value))
	return value
}

func awaitAnswer(t *testing.T, node *pgtest.Node) {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, wait.For(ctx, 10*time.Millisecond, func(ctx context.Context) error {
		conn, err := node.Connect(ctx)
		if err != nil {
			return err
		}
		return conn.Close(ctx)
	}))
	t.Logf("answers after %v", time.Since(start))
}

// requireDead checks that nothing starts the node again within a second, ten times Docker's first
// back-off.
func requireDead(t *testing.T, node *pgtest.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := wait.For(ctx, 50*time.Millisecond, func(ctx context.Context) error {
		_, err := node.HostAddr(ctx)
		return err
	})
	require.ErrorIs(t, err, context.DeadlineExceeded, "the node came back")
}

func ExampleDSN() {
	config, err := pgx.ParseConfig(pgtest.DSN("primary:5432"))
	fmt.Println(config.User, config.Host, config.Port, config.Database, len(config.Password), err)
	// Output: postgres primary 5432 app 26 <nil>
}
