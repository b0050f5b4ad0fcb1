// Package backuptest backs up PostgreSQL servers, archives their WAL and restores both on spare
// machines, step by step, for the length of a test: with pgBackRest, in a volume or in an object
// store with the protocol of S3, or with PostgreSQL's own tools alone.
package backuptest

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/measured"
)

// ArchiveInterval is how old the WAL of a primary with a [Repository] gets before it is handed to
// the archive: the least that PostgreSQL takes as archive_timeout. The server counts it in whole
// seconds, so up to twice as long may pass.
const ArchiveInterval = time.Second

// repositoryPath is where nodes have the volume of their repository.
const repositoryPath = "/var/lib/pgbackrest"

// A Repository holds the backups of one database server and the archive of its WAL. It lies outside
// of the server's node, and outlives it.
type Repository struct {
	tool   tool
	volume string                 // that nodes mount; empty: none
	store  *containertest.Service // that holds the files; nil: the nodes have them in the volume
	spares atomic.Int32           // that were started
}

// A tool makes backups, archives WAL and restores both.
type tool interface {
	env() map[string]string      // of the nodes
	settings() map[string]string // of the nodes, beside those of all
	prepare() string             // a script that makes the repository
	archive() string             // the archive_command
	backup(context.Context, *pgtest.Node, BackupKind) (Backup, error)
	archived(context.Context, *pgtest.Node) (pgtest.LSN, error) // the end of the archive
	folder(Backup) string                                       // where the backup lies
	// compressed is a script that writes a backup, compressed with Zstandard, to its standard
	// output; copied has its files.
	compressed(b Backup, copied string) string
	// restore is the command that fills an empty folder with what a server needs that is to recover
	// up to the target.
	restore(folder string, b Backup, to Target) []string
}

// NewRepository makes a repository of pgBackRest in a Docker volume, which is removed with t.
func NewRepository(t testing.TB) *Repository {
	t.Helper()
	return &Repository{tool: pgBackRest{}, volume: containertest.NewVolume(t)}
}

// Archive returns what has a server archive its WAL to the repository from its first moment on,
// every [ArchiveInterval] while it writes: it is for [pgtest.Config]. An image of your own must be
// built on Debian.
func (r *Repository) Archive() *pgtest.Archive {
	settings := map[string]string{
		"archive_mode": "on", "archive_command": r.tool.archive(), "archive_timeout": fmt.Sprintf("%ds", ArchiveInterval/time.Second),
	}
	maps.Copy(settings, r.tool.settings())
	env := r.tool.env()
	env["PGTEST_PREPARE"] = r.tool.prepare()
	volumes := map[string]string{}
	if r.volume != "" {
		volumes[repositoryPath] = r.volume
	}
	return &pgtest.Archive{Image: image, Settings: settings, Env: env, Volumes: volumes}
}

// A BackupKind says what a backup holds.
type BackupKind int

const (
	// Full has everything.
	Full BackupKind = iota + 1
	// Incremental has what changed since the last backup, which is needed to restore it.
	// PostgreSQL's own tools need a full one first on a server that was restored: it has no
	// summaries of the WAL from before.
	Incremental
)

// A Backup is one that is complete in its repository.
type Backup struct {
	Label  string
	Kind   BackupKind
	Size   int64 // bytes of the server's files
	Stored int64 // bytes in the repository that a restore reads
	Took   time.Duration
	// Start is where the WAL begins that a restore replays.
	Start pgtest.LSN
}

// String reads "full backup 20251124-120734F: 87.7 MB as 31.6 MB in the repository, in 2.386s".
func (b Backup) String() string {
	kind := map[BackupKind]string{Full: "full", Incremental: "incremental"}[b.Kind]
	return fmt.Sprintf("%s backup %s: %.1f MB as %.1f MB in the repository, in %.3fs",
		kind, b.Label, megabytes(b.Size), megabytes(b.Stored), b.Took.Seconds())
}

func megabytes(n int64) float64 { return float64(n) / 1e6 }

// Backup backs up a node, which is one that archives its WAL there, while it serves. It returns
// when the backup and all WAL that it needs are in the repository. A page with a wrong checksum is
// an error.
func (r *Repository) Backup(ctx context.Context, n *pgtest.Node, kind BackupKind) (Backup, error) {
	defer measured.Starts.Begin()() // it keeps the machine as busy
	begin := time.Now()
	b, err := r.tool.backup(ctx, n, kind)
	if err != nil {
		return Backup{}, fmt.Errorf("back up %s: %w", n.Name(), err)
	}
	b.Kind, b.Took = kind, time.Since(begin)
	return b, nil
}

// LoseFile returns a repository that loses a file of a backup: the last one, by its path, but for
// postgresql.auto.conf, which pg_verifybackup leaves out on purpose. Nobody is told, until the
// backup is verified or needed. Node is one that has the repository. Heal does nothing.
func (r *Repository) LoseFile(node *pgtest.Node, b Backup) drtest.Fault {
	return drtest.Fault{Name: "lose a file of backup " + b.Label, Inject: func(ctx context.Context) (drtest.Effect, error) {
		const lose = `f=$(find "$0" -type f ! -name '*manifest*' ! -name 'postgresql.auto.conf*' | sort | tail -n 1) && rm "$f" && echo "$f"`
		holder := r.store
		if holder == nil {
			holder = node.Service()
		}
		file, err := holder.Exec(ctx, "sh", "-c", lose, r.tool.folder(b))
		if err != nil {
			return drtest.Effect{}, err
		}
		return drtest.Effect{Receipt: drtest.Receipt(strings.TrimSpace(file) + " is gone")}, nil
	}}
}
