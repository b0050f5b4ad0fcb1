package backuptest_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/stretchr/testify/require"
)

// A restore brings back what was committed before its target, and nothing after it, on a node that
// is backed up again.
func TestRestore(t *testing.T) {
	t.Parallel()
	for name, repository := range map[string]func(testing.TB) *backuptest.Repository{
		"pgBackRest": backuptest.NewRepository, "PostgreSQL alone": backuptest.NewBaseBackupRepository,
	} {
		t.Run(name, func(t *testing.T) {
			containertest.Parallel(t, containertest.Heavy)
			testRestore(t, repository(t))
		})
	}
}

func testRestore(t *testing.T, repository *backuptest.Repository) {
	primary := pgtest.StartPrimary(t, pgtest.Config{Archive: repository.Archive()})
	write(t, primary, 1)
	full, err := repository.Backup(t.Context(), primary, backuptest.Full)
	require.NoError(t, err)
	t.Log(full)
	require.Greater(t, full.Size, int64(10e6), "bytes of a cluster that is empty")
	require.Greater(t, full.Stored, int64(1e6))

	write(t, primary, 2)
	at := now(t, primary)
	write(t, primary, 3)
	lsn, err := pgtest.ParseLSN(read(t, primary, "SELECT pg_current_wal_insert_lsn()::text"))
	require.NoError(t, err)
	write(t, primary, 4)
	read(t, primary, "SELECT pg_create_restore_point('before it')::text")
	write(t, primary, 5)
	incremental, err := repository.Backup(t.Context(), primary, backuptest.Incremental)
	require.NoError(t, err)
	t.Log(incremental)
	require.Greater(t, incremental.Start, full.Start)
	_, err = repository.Backup(t.Context(), primary, 0)
	require.ErrorContains(t, err, "kind 0 is neither Full nor Incremental")

	inject(t, primary.Destroy())
	// Each begins another timeline, which those after it must not take for the one of their target.
	for _, c := range []struct {
		backup backuptest.Backup
		to     backuptest.Target
		want   string
	}{
		{incremental, backuptest.Target{}, "1, 2, 3, 4, 5"},
		{full, backuptest.AtTime(at), "1, 2"},
		{full, backuptest.AtLSN(lsn), "1, 2, 3"},
		{full, backuptest.AtPoint("before it"), "1, 2, 3, 4"},
	} {
		t.Run(c.to.String(), func(t *testing.T) {
			spare := backuptest.StartSpare(t, repository, backuptest.SpareConfig{})
			require.NoError(t, spare.Fetch(c.backup, c.to).Do(t.Context()))
			require.Error(t, spare.Fetch(c.backup, c.to).Do(t.Context()), "over a server's data")
			require.NoError(t, spare.Replay().Do(t.Context()))
			require.Equal(t, "true", read(t, spare.Node, "SELECT pg_is_in_recovery()::text"))
			require.Equal(t, c.want, read(t, spare.Node, acked))
			require.NoError(t, spare.Promote().Do(t.Context()))
			require.NoError(t, spare.Verify().Do(t.Context()))
			t.Log(spare.Restored())
			require.Equal(t, c.want, read(t, spare.Node, acked))
			write(t, spare.Node, 6)
			if c.to == (backuptest.Target{}) {
				next, err := repository.Backup(t.Context(), spare.Node, backuptest.Full)
				require.NoError(t, err)
				t.Log(next)
			}
		})
	}
}

// A target that the archive does not reach is an error, at once.
func TestRestoreBeyondTheArchive(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	repository := backuptest.NewRepository(t)
	primary := pgtest.StartPrimary(t, pgtest.Config{Archive: repository.Archive()})
	full, err := repository.Backup(t.Context(), primary, backuptest.Full)
	require.NoError(t, err)
	inject(t, primary.Destroy())
	spare := backuptest.StartSpare(t, repository, backuptest.SpareConfig{})
	require.NoError(t, spare.Fetch(full, backuptest.AtPoint("never made")).Do(t.Context()))
	require.ErrorContains(t, spare.Replay().Do(t.Context()), "recovery ended before configured recovery target was reached")
}

// Verify reads what a restore has brought.
func TestVerify(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	repository := backuptest.NewRepository(t)
	primary := pgtest.StartPrimary(t, pgtest.Config{Archive: repository.Archive()})
	write(t, primary, 1)
	full, err := repository.Backup(t.Context(), primary, backuptest.Full)
	require.NoError(t, err)
	spare := backuptest.StartSpare(t, repository, backuptest.SpareConfig{})
	require.NoError(t, errors.Join(spare.Fetch(full, backuptest.Target{}).Do(t.Context()), spare.Replay().Do(t.Context()), spare.Promote().Do(t.Context())))
	require.NoError(t, spare.Verify().Do(t.Context()))
	inject(t, spare.CorruptPage("acked"))
	require.ErrorContains(t, spare.Verify().Do(t.Context()), "invalid page")
}

// acked are the rows of write.
const acked = "SELECT string_agg(id::text, ', ' ORDER BY id) FROM acked"

// write has the node acknowledge a row, and makes the table for it if there is none.
func write(t *testing.T, node *pgtest.Node, id int) {
	t.Helper()
	require.NoError(t, node.Exec(t.Context(), "CREATE TABLE IF NOT EXISTS acked (id int PRIMARY KEY)"))
	require.NoError(t, node.Exec(t.Context(), fmt.Sprintf("INSERT INTO acked VALUES (%d)", id)))
}

// read returns what a query yields.
func read(t *testing.T, node *pgtest.Node, query string) string {
	t.Helper()
	said, err := node.Text(t.Context(), query)
	require.NoError(t, err)
	return said
}

// now is the time by the clock of a server.
func now(t *testing.T, node *pgtest.Node) time.Time {
	t.Helper()
	us, err := strconv.ParseInt(read(t, node, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint::text"), 10, 64)
	require.NoError(t, err)
	return time.UnixMicro(us)
}

func inject(t *testing.T, f drtest.Fault) {
	t.Helper()
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	t.Log(effect.Receipt)
}
