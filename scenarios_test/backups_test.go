package scenarios

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Workflows take as long as those of most drills, with half of the calls: the processors are for
// the restore.
const (
	backedUpSteps   = 5
	backedUpLatency = 300 * time.Millisecond
)

// A backedUp is an orchestrator with a database that is backed up, and a spare machine for it.
type backedUp struct {
	repository *backuptest.Repository
	primary    *pgtest.Node
	spare      *backuptest.Spare
	backup     backuptest.Backup
	growths    byte // how often the history grew
	target     backuptest.Target
	targeted   time.Time // just before the target of the recovery was noted
	history    string    // what the history has to be after the restore
	db         *proxytest.Link
	app        *orchestrator
}

// startBackedUp starts an orchestrator with a history of a size, in compressed bytes, and backs its
// database up. The history grows by a quarter of a backup's least size before each backup but the
// first, and by another that only WAL has.
func startBackedUp(t *testing.T, size int64, repository *backuptest.Repository, network string, kinds ...backuptest.BackupKind) *backedUp {
	t.Helper()
	b := &backedUp{repository: repository}
	b.primary = pgtest.StartPrimary(t, pgtest.Config{Network: network, Archive: repository.Archive()})
	proxy := proxytest.Start(t, proxytest.Config{Network: network})
	b.db = proxy.Link(t, "database", b.primary)
	b.app = startOrchestrator(t, proxy, b.db, variant{latency: backedUpLatency})
	b.app.steps = backedUpSteps
	for _, kind := range kinds {
		b.growHistory(t, size)
		size = selected.backup / 4
		var err error
		b.backup, err = repository.Backup(t.Context(), b.primary, kind)
		require.NoError(t, err)
		t.Log(b.backup)
	}
	b.prepare(t, size)
	return b
}

// prepare makes a backed up server differ from its backup by a history of that size, which WAL has,
// and starts a spare.
func (b *backedUp) prepare(t *testing.T, size int64) {
	t.Helper()
	require.GreaterOrEqual(t, b.backup.Stored, selected.backup, "bytes in the repository")
	b.spare = backuptest.StartSpare(t, b.repository, backuptest.SpareConfig{Network: b.primary.Network()})
	b.growHistory(t, size)
	conn, err := b.primary.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	b.history, err = historyDigest(t.Context(), conn)
	require.NoError(t, err)
	require.NoError(t, waitArchived(t.Context(), conn))
}

// parts is how many tables the history is spread over. PostgreSQL keeps a table in files of at most
// a gigabyte, and the processes of a restore share files: a large database has many, this one is to
// have some as well.
const parts = 4

// growHistory adds rows to the history, tables that nobody changes any more. What they hold is the
// same in each run, and cannot be compressed to less than size: each has 512 random bytes, as 1024
// hexadecimal digits.
func (b *backedUp) growHistory(t *testing.T, size int64) {
	t.Helper()
	conn, err := b.primary.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	require.NoError(t, err)
	exec := func(sql string) {
		t.Helper()
		_, err := tx.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	if b.growths == 0 {
		exec("CREATE TABLE history (part int, id bigint GENERATED ALWAYS AS IDENTITY, body text NOT NULL, PRIMARY KEY (part, id)) PARTITION BY LIST (part)")
	}
	random := rand.NewChaCha8([32]byte{b.growths})
	for part := range parts {
		copying := fmt.Sprintf("COPY history_%d (body) FROM STDIN", part)
		if b.growths == 0 {
			exec(fmt.Sprintf("CREATE TABLE history_%d PARTITION OF history (part DEFAULT %[1]d) FOR VALUES IN (%[1]d)", part))
			copying += " (FREEZE)" // what first reads a row that is not frozen writes its whole page to WAL
		}
		_, err = conn.PgConn().CopyFrom(t.Context(), &rows{random, size / parts}, copying)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit(t.Context()))
	b.growths++
}

// rows are lines of 512 random bytes as hexadecimal digits, until they hold left bytes.
type rows struct {
	random *rand.ChaCha8
	left   int64
}

func (r *rows) Read(p []byte) (int, error) {
	const bytes, line = 512, 2*512 + 1
	if r.left <= 0 {
		return 0, io.EOF
	}
	if len(p) < line {
		return 0, io.ErrShortBuffer
	}
	r.left -= bytes
	body := make([]byte, bytes)
	r.random.Read(body)
	hex.Encode(p, body)
	p[line-1] = '\n'
	return line, nil
}

// historyDigest sums up the history, whatever the order of its rows.
func historyDigest(ctx context.Context, conn *pgx.Conn) (text string, err error) {
	const sum = "SELECT format('%s rows, digest %s', count(*), bit_xor(hashtextextended(body, id))) FROM history"
	err = conn.QueryRow(ctx, sum).Scan(&text)
	return text, err
}

// waitArchived returns once the archive has all that was committed before.
func waitArchived(ctx context.Context, conn *pgx.Conn) error {
	var last string
	if err := conn.QueryRow(ctx, "SELECT pg_walfile_name(pg_switch_wal())").Scan(&last); err != nil {
		return err
	}
	return poll(ctx, func(ctx context.Context) error {
		var newest, failure string
		const state = "SELECT coalesce(last_archived_wal, ''), coalesce(last_failed_wal, '') FROM pg_stat_archiver"
		if err := conn.QueryRow(ctx, state).Scan(&newest, &failure); err != nil {
			return err
		}
		if newest < last {
			return fmt.Errorf("%s is not archived, but %q is; %q failed", last, newest, failure)
		}
		return nil
	})
}

// runbook restores the database on the spare and redirects the orchestrator to it.
func (b *backedUp) runbook() []drtest.Step {
	return []drtest.Step{
		// The target is known once the fault has been injected.
		{Name: "fetch the backup", Do: func(ctx context.Context) error { return b.spare.Fetch(b.backup, b.target).Do(ctx) }},
		b.spare.Replay(),
		b.spare.Promote(),
		{Name: "verify", Do: b.verify},
		b.db.RouteTo(b.spare),
	}
}

// verify examines all pages, and compares the history with what it was.
func (b *backedUp) verify(ctx context.Context) error {
	if err := b.spare.Verify().Do(ctx); err != nil {
		return err
	}
	conn, err := b.spare.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	restored, err := historyDigest(ctx, conn)
	if err == nil && restored != b.history {
		err = fmt.Errorf("the history has %s, and had %s", restored, b.history)
	}
	return err
}

// restored says whether there is a restored server to examine: a drill that ended halfway proves
// nothing of it.
func (b *backedUp) restored() error {
	if restore := b.spare.Restored(); restore.Verify == 0 {
		return fmt.Errorf("%w: the restore did not come to its end: %v", drtest.ErrInconclusive, restore)
	}
	return nil
}

// proofs are what is examined after any restore: the restored server makes a backup of that kind.
func (b *backedUp) proofs(next backuptest.BackupKind) []drtest.Proof {
	return []drtest.Proof{
		{Name: "the restored server is backed up", Examine: func(ctx context.Context) (string, error) {
			if err := b.restored(); err != nil {
				return "", err
			}
			backup, err := b.repository.Backup(ctx, b.spare.Node, next)
			return fmt.Sprintf("%v; the restore %v", backup, b.spare.Restored()), err
		}},
	}
}

// askForLongWorkflows has the load ask for workflows that take so many steps, until its fault, also
// when the steady state comes late. Requests of the outage, which are rejected, use up what is
// left.
func (b *backedUp) askForLongWorkflows(steps int, load drtest.Load) {
	b.app.askNext(slices.Repeat([]job{{steps: steps}}, 2*int(load.Steady/load.Every))...)
}

// newVolumeRepository is a repository in a Docker volume, and a network, for one of the tests that
// may restore at a time.
func newVolumeRepository(t *testing.T) (*backuptest.Repository, string) {
	t.Helper()
	return backuptest.NewRepository(t), containertest.NewNetwork(t)
}
