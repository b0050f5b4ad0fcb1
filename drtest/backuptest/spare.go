package backuptest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/wait"
	"github.com/jackc/pgx/v5"
)

const (
	spare      = "spare"
	replayPoll = 10 * time.Millisecond
)

// A Spare is a machine for a server that is restored: it runs, with PostgreSQL installed and
// without any data. Its methods Fetch, Replay, Promote and Verify are the steps of a restore, in
// this order. Afterwards it is the new primary, which archives to the same repository.
type Spare struct {
	*pgtest.Node
	repository *Repository
	backup     Backup
	target     Target
	restore    Restore
}

// A Restore is what a restore did, and how long each of its steps took.
type Restore struct {
	Size, Stored int64 // bytes that were restored, and those that were read from the repository for it
	WAL          int64 // bytes of WAL from the start of the backup to where replay ended

	Fetch, Replay, Promote, Verify time.Duration
}

// A SpareConfig describes a spare. Its zero value is PostgreSQL 17 on a network of its own.
type SpareConfig struct {
	// Image and Network are those of [pgtest.Config]. The image must be that of the server that was
	// backed up.
	Image   containertest.Image
	Network string

	_ struct{} // keyed literals only, so that fields can be added
}

// StartSpare starts a spare for the server of a repository. The first one of a repository has the
// name spare, the next ones spare-2, spare-3... It fails t as [pgtest.StartPrimary] does.
func StartSpare(t testing.TB, r *Repository, c SpareConfig) *Spare {
	t.Helper()
	server := pgtest.Config{Image: c.Image, Network: c.Network, Archive: r.Archive()}
	config := server.Container(t, spare)
	if n := r.spares.Add(1); n > 1 {
		config.Name = fmt.Sprintf("%s-%d", spare, n)
	}
	config.Ready = func(ctx context.Context, s *containertest.Service) error {
		_, err := s.Exec(ctx, "test", "-p", pgtest.Home+"/restored")
		return err
	}
	return &Spare{Node: pgtest.NewNode(t, containertest.Start(t, config)), repository: r}
}

// Fetch copies a backup from the repository to the spare, which has no data yet, and settles up to
// where WAL will be replayed. A backup that is not complete and intact is an error.
func (s *Spare) Fetch(b Backup, to Target) drtest.Step {
	return drtest.Step{Name: "fetch backup " + b.Label, Do: func(ctx context.Context) error {
		begin := time.Now()
		if _, err := s.Service().Exec(ctx, s.repository.tool.restore(pgtest.DataFolder, b, to)...); err != nil {
			return err
		}
		s.backup, s.target = b, to
		s.restore = Restore{Size: b.Size, Stored: b.Stored, Fetch: time.Since(begin)}
		return nil
	}}
}

// Replay starts the server and returns when it has replayed WAL up to the target and reads can see
// that; writes it takes once it is promoted. It is an error when the archive ends before the
// target.
func (s *Spare) Replay() drtest.Step { return drtest.Step{Name: "replay WAL", Do: s.replay} }

func (s *Spare) replay(ctx context.Context) error {
	begin := time.Now()
	end, err := s.repository.tool.archived(ctx, s.Node)
	if err != nil {
		return err
	}
	if _, err := s.Service().Exec(ctx, "sh", "-c", "echo >/var/lib/postgresql/restored"); err != nil {
		return err
	}
	replayed, err := s.replayed(ctx, end)
	if err != nil {
		return err
	}
	s.restore.Replay, s.restore.WAL = time.Since(begin), int64(replayed-s.backup.Start)
	return nil
}

// replayed waits until the server has paused at its target or, where it has none, has replayed all
// of the archive.
func (s *Spare) replayed(ctx context.Context, end pgtest.LSN) (at pgtest.LSN, err error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			conn.Close(context.WithoutCancel(ctx))
		}
	}()
	err = wait.For(ctx, replayPoll, func(ctx context.Context) (err error) {
		if conn == nil || conn.IsClosed() {
			if conn, err = s.Connect(ctx); err != nil {
				conn = nil
				if last, logErr := s.lastWords(ctx); logErr == nil && last != "" {
					stop(errors.New(last))
				}
				return err
			}
		}
		const state = `SELECT coalesce(pg_last_wal_replay_lsn() - '0/0', 0)::bigint, pg_get_wal_replay_pause_state() = 'paused'`
		var paused bool
		if err := conn.QueryRow(ctx, state).Scan(&at, &paused); err != nil {
			return err
		}
		if paused || s.target.kind == endOfArchive && at >= end {
			return nil
		}
		return fmt.Errorf("WAL is replayed up to %v, and archived up to %v", at, end)
	})
	return at, err
}

// lastWords returns why the server gave up, or nothing.
func (s *Spare) lastWords(ctx context.Context) (string, error) {
	log, err := s.Service().Logs(ctx)
	if err != nil || !strings.Contains(log, "database system is shut down") {
		return "", err
	}
	for line := range strings.Lines(log) {
		if at := strings.Index(line, "FATAL:"); at >= 0 && !strings.Contains(line, "the database system is") {
			return "the server has ended: " + strings.TrimSpace(line[at:]), nil
		}
	}
	return "the server has ended", nil
}

// Promote makes the server a primary on a timeline of its own, and is done once it has committed a
// transaction there.
func (s *Spare) Promote() drtest.Step {
	promote := s.Node.Promote()
	return drtest.Step{Name: promote.Name, Do: func(ctx context.Context) error {
		begin := time.Now()
		err := promote.Do(ctx)
		s.restore.Promote = time.Since(begin)
		return err
	}}
}

// Verify has pg_amcheck read every page of every table and btree index of the database app and of
// the catalogs that all databases share, with its checksum, and look up every row in each of its
// indexes. Its error is the first that is wrong.
func (s *Spare) Verify() drtest.Step { return drtest.Step{Name: "verify", Do: s.verify} }

func (s *Spare) verify(ctx context.Context) error {
	begin := time.Now()
	_, err := s.Service().Exec(ctx, "pg_amcheck", "--username=postgres", "--database="+pgtest.Database, "--install-missing", "--heapallindexed", "--jobs=2")
	if err != nil {
		return err
	}
	const state = `SELECT current_setting('data_checksums') || ', failures: ' || sum(checksum_failures) FROM pg_stat_database`
	switch checksums, err := s.Text(ctx, state); {
	case err != nil:
		return err
	case checksums != "on, failures: 0":
		return fmt.Errorf("checksums are %s", checksums)
	}
	s.restore.Verify = time.Since(begin)
	return nil
}

// Restored returns what the steps up to now did.
func (s *Spare) Restored() Restore { return s.restore }

// String reads "fetched 31.6 MB, which are 87.7 MB of files, in 1.065s (82.3 MB/s); replayed 20.1
// MB of WAL in 0.601s; promoted in 0.311s; verified in 0.522s".
func (r Restore) String() string {
	return fmt.Sprintf("fetched %.1f MB, which are %.1f MB of files, in %.3fs (%.1f MB/s); replayed %.1f MB of WAL in %.3fs; promoted in %.3fs; verified in %.3fs",
		megabytes(r.Stored), megabytes(r.Size), r.Fetch.Seconds(), r.rate(), megabytes(r.WAL), r.Replay.Seconds(), r.Promote.Seconds(), r.Verify.Seconds())
}

// rate is that of the fetch, in megabytes of files per second.
func (r Restore) rate() float64 { return megabytes(r.Size) / r.Fetch.Seconds() }
