package pgtest_test

import (
	"errors"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"

	"github.com/drtest/suite/drtest/pgtest"
	"github.com/stretchr/testify/require"
)

// A restore brings back what was committed before its target, and nothing after it, on a node that
// is backed up again.
func TestRestore(t *testing.T) {
	t.Parallel()
	for name, repository := range map[string]func(testing.TB) *pgtest.Repository{
		"pgBackRest": pgtest.NewRepository, "PostgreSQL alone": pgtest.NewBaseBackupRepository,
	} {
		t.Run(name, func(t *testing.T) {
			containertest.Parallel(t, containertest.Heavy)
			testRestore(t, repository(t))
		})
	}
}

func testRestore(t *testing.T, repository *pgtest.Repository) {
	primary := pgtest.StartPrimary(t, pgtest.ArchiveTo(repository))
	write(t, primary, 1)
	full, err := repository.Backup(t.Context(), primary, pgtest.Full)
	require.NoError(t, err)
	t.Log(full)
	require.Greater(t, full.Size, int64(10e6), "bytes of a cluster that is empty")
	require.Greater(t, full.Stored, int64(1e6))

	write(t, primary, 2)
	at := read[time.Time](t, primary, "SELECT clock_timestamp()")
	write(t, primary, 3)
	lsn := read[int64](t, primary, "SELECT pg_current_wal_insert_lsn() - '0/0'")
	write(t, primary, 4)
	read[string](t, primary, "SELECT pg_create_restore_point('before it')::text")
	write(t, primary, 5)
	incremental, err := repository.Backup(t.Context(), primary, pgtest.Incremental)
	require.NoError(t, err)
	t.Log(incremental)
	require.Greater(t, incremental.Start, full.Start)
	_, err = repository.Backup(t.Context(), primary, 0)
	require.ErrorContains(t, err, "kind 0 is neither Full nor Incremental")

	inject(t, primary.Destroy())
	requireDead(t, primary)
	// Each begins another timeline, which those after it must not take for the one of their target.
	for _, c := range []struct {
		backup pgtest.Backup
		to     pgtest.Target
		want   []int
	}{
		{incremental, pgtest.Target{}, []int{1, 2, 3, 4, 5}},
		{full, pgtest.AtTime(at), []int{1, 2}},
		{full, pgtest.AtLSN(pgtest.LSN(lsn)), []int{1, 2, 3}},
		{full, pgtest.AtPoint("before it"), []int{1, 2, 3, 4}},
	} {
		t.Run(c.to.String(), func(t *testing.T) {
			spare := pgtest.StartSpare(t, repository)
			require.NoError(t, spare.Fetch(c.backup, c.to).Do(t.Context()))
			require.Error(t, spare.Fetch(c.backup, c.to).Do(t.Context()), "over a server's data")
			require.NoError(t, spare.Replay().Do(t.Context()))
			require.True(t, read[bool](t, spare.Node, "SELECT pg_is_in_recovery()"))
			require.Equal(t, c.want, rows(t, spare.Node))
			require.NoError(t, spare.Promote().Do(t.Context()))
			require.NoError(t, spare.Verify().Do(t.Context()))
			t.Log(spare.Restored())
			require.Equal(t, c.want, rows(t, spare.Node))
			write(t, spare.Node, 6)
			if c.to == (pgtest.Target{}) {
				next, err := repository.Backup(t.Context(), spare.Node, pgtest.Full)
				require.NoError(t, err)
				t.Log(next)
			}
		})
	}
}

// A target that the archive does not reach is an error, at once.
func TestRestoreBeyondTheArchive(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	repository := pgtest.NewRepository(t)
	primary := pgtest.StartPrimary(t, pgtest.ArchiveTo(repository))
	full, err := repository.Backup(t.Context(), primary, pgtest.Full)
	require.NoError(t, err)
	inject(t, primary.Destroy())
	spare := pgtest.StartSpare(t, repository)
	require.NoError(t, spare.Fetch(full, pgtest.AtPoint("never made")).Do(t.Context()))
	require.ErrorContains(t, spare.Replay().Do(t.Context()), "recovery ended before configured recovery target was reached")
}

// Verify reads what a restore has brought.
func TestVerify(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	repository := pgtest.NewRepository(t)
	primary := pgtest.StartPrimary(t, pgtest.ArchiveTo(repository))
	write(t, primary, 1)
	full, err := repository.Backup(t.Context(), primary, pgtest.Full)
	require.NoError(t, err)
	spare := pgtest.StartSpare(t, repository)
	require.NoError(t, errors.Join(spare.Fetch(full, pgtest.Target{}).Do(t.Context()), spare.Replay().Do(t.Context()), spare.Promote().Do(t.Context())))
	require.NoError(t, spare.Verify().Do(t.Context()))
	inject(t, spare.CorruptPage("acked"))
	require.ErrorContains(t, spare.Verify().Do(t.Context()), "invalid page")
}
