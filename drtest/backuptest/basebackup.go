package backuptest

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
)

// NewBaseBackupRepository makes a repository in a Docker volume, which is removed with t, without
// any tool but PostgreSQL's own, of version 17 or later: pg_basebackup makes backups,
// pg_verifybackup examines each one that a restore needs, and pg_combinebackup puts them together.
// Nothing is compressed.
func NewBaseBackupRepository(t testing.TB) *Repository {
	t.Helper()
	return &Repository{tool: baseBackups{}, volume: containertest.NewVolume(t)}
}

// baseBackups is a [tool]: https://www.postgresql.org/docs/17/continuous-archiving.html.
type baseBackups struct{}

const (
	walFolder    = repositoryPath + "/wal"
	baseFolder   = repositoryPath + "/base"
	backupScript = "/etc/postgresql/basebackup.sh"
)

// script asks the node's basebackup.sh.
func (baseBackups) script(ctx context.Context, n *pgtest.Node, args ...string) (string, error) {
	out, err := n.Service().Exec(ctx, append([]string{"sh", backupScript}, args...)...)
	return strings.TrimSpace(out), err
}

func (baseBackups) env() map[string]string { return map[string]string{} }

func (baseBackups) settings() map[string]string { return map[string]string{"summarize_wal": "on"} }

func (baseBackups) prepare() string {
	return "cd " + repositoryPath + " && mkdir wal base chains"
}

// archive lets nobody see a file before it is whole and flushed.
func (baseBackups) archive() string {
	return "cd " + walFolder + " && test ! -e %f && cp $OLDPWD/%p .%f && sync .%f && mv .%f %f && sync ."
}

func (b baseBackups) backup(ctx context.Context, n *pgtest.Node, kind BackupKind) (Backup, error) {
	suffix, based, args := "F", "", []string(nil)
	switch kind {
	case Full:
	case Incremental:
		var err error
		if based, err = b.script(ctx, n, "last"); err != nil {
			return Backup{}, err
		}
		suffix, args = "I", []string{"--incremental=" + path.Join(baseFolder, based, "backup_manifest")}
	default:
		return Backup{}, fmt.Errorf("kind %d is neither Full nor Incremental", kind)
	}
	// The label is a name, whose order is that of the backups.
	made := Backup{Label: time.Now().UTC().Format("20060102-150405.000000") + suffix, Kind: kind}
	// It waits until the archive has all WAL that it needs, and fails for a page with a wrong
	// checksum.
	command := append([]string{"pg_basebackup", "--host=/var/run/postgresql", "--username=postgres", "--pgdata=" + b.folder(made), "--checkpoint=fast", "--wal-method=none"}, args...)
	if _, err := n.Service().Exec(ctx, command...); err != nil {
		return Backup{}, err
	}
	out, err := b.script(ctx, n, "note", made.Label, based)
	if err != nil {
		return Backup{}, err
	}
	facts := strings.Fields(out)
	if len(facts) != 3 {
		return Backup{}, fmt.Errorf("backup %s: %q", made.Label, out)
	}
	if made.Size, err = strconv.ParseInt(facts[0], 10, 64); err != nil {
		return Backup{}, err
	}
	if made.Stored, err = strconv.ParseInt(facts[1], 10, 64); err != nil {
		return Backup{}, err
	}
	made.Start, err = pgtest.ParseLSN(facts[2])
	return made, err
}

func (baseBackups) compressed(_ Backup, copied string) string { return compress(copied) }

// compress is a script that writes a folder, compressed as pgBackRest does it here, to its standard
// output.
func compress(folder string) string { return "tar -cf - " + folder + " | zstd -q -1 -T0" }

func (baseBackups) folder(b Backup) string { return path.Join(baseFolder, b.Label) }

func (b baseBackups) archived(ctx context.Context, n *pgtest.Node) (pgtest.LSN, error) {
	name, err := b.script(ctx, n, "archived")
	if err != nil {
		return 0, err
	}
	return segmentEnd(name)
}

func (baseBackups) restore(folder string, b Backup, to Target) []string {
	settings, signal := map[string]string{"restore_command": `cp ` + walFolder + `/%f "%p"`}, "standby.signal"
	if to.kind != endOfArchive {
		signal = "recovery.signal"
		settings["recovery_target_"+to.kind.pgBackRest()] = to.value
		settings["recovery_target_timeline"] = "current"
		settings["recovery_target_inclusive"] = fmt.Sprint(!to.exclusive())
		settings["recovery_target_action"] = "pause"
	}
	return []string{"sh", backupScript, "restore", b.Label, folder, pgtest.Conf(settings), signal}
}
