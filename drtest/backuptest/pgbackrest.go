package backuptest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"

	"github.com/drtest/suite/drtest/pgtest"
)

// stanza is pgBackRest's word for the backups of one server.
const stanza = "app"

// pgBackRest is a [tool]: https://pgbackrest.org. It compresses with Zstandard at level 1, which
// costs a quarter of its default and saves as much in what drills write, packs small files into
// larger ones, and works with two processes at a time.
type pgBackRest struct {
	// Of a repository that is no folder of the nodes:
	options   map[string]string
	authority string // PEM, of the certificate
	under     string // where the store keeps its files
}

// authorityFile is where nodes have the authority of the store's certificate.
const authorityFile = "/var/lib/postgresql/authority.pem"

func (p pgBackRest) env() map[string]string {
	env := map[string]string{
		"PGBACKREST_STANZA":            stanza,
		"PGBACKREST_PG1_PATH":          pgtest.DataFolder,
		"PGBACKREST_PG1_DATABASE":      pgtest.Database,
		"PGBACKREST_REPO1_PATH":        repositoryPath,
		"PGBACKREST_REPO1_BUNDLE":      "y",
		"PGBACKREST_COMPRESS_TYPE":     "zst",
		"PGBACKREST_COMPRESS_LEVEL":    "1",
		"PGBACKREST_PROCESS_MAX":       "2",
		"PGBACKREST_START_FAST":        "y", // no waiting for a checkpoint
		"PGBACKREST_LOG_LEVEL_FILE":    "off",
		"PGBACKREST_LOG_LEVEL_CONSOLE": "warn",
		// Nothing expires within a drill.
		"PGBACKREST_REPO1_RETENTION_FULL": "99",
	}
	if p.authority != "" {
		env["PGTEST_AUTHORITY"] = p.authority
	}
	maps.Copy(env, p.options)
	return env
}

func (pgBackRest) settings() map[string]string { return nil }

// prepare reads the control file of a server that is down.
func (pgBackRest) prepare() string { return "pgbackrest --no-online stanza-create" }

func (pgBackRest) archive() string { return "pgbackrest archive-push %p" }

func (p pgBackRest) backup(ctx context.Context, n *pgtest.Node, kind BackupKind) (Backup, error) {
	name, ok := map[BackupKind]string{Full: "full", Incremental: "incr"}[kind]
	if !ok {
		return Backup{}, fmt.Errorf("kind %d is neither Full nor Incremental", kind)
	}
	// The control file of a server that was promoted a moment ago is that of before, and pgBackRest
	// refuses it. A backup begins with a checkpoint anyway.
	if err := n.Exec(ctx, "CHECKPOINT"); err != nil {
		return Backup{}, err
	}
	if _, err := n.Service().Exec(ctx, "pgbackrest", "--type="+name, "backup"); err != nil {
		return Backup{}, err
	}
	info, err := p.info(ctx, n)
	if err != nil {
		return Backup{}, err
	}
	if len(info.Backup) == 0 {
		return Backup{}, errors.New("the repository has no backup")
	}
	last := info.Backup[len(info.Backup)-1]
	switch {
	case last.Type != name: // without a full one before it an incremental backup becomes one
		return Backup{}, fmt.Errorf("backup %s is of type %s, not %s", last.Label, last.Type, name)
	case last.Error:
		return Backup{}, fmt.Errorf("backup %s has pages with wrong checksums", last.Label)
	}
	start, err := pgtest.ParseLSN(last.LSN.Start)
	return Backup{Label: last.Label, Size: last.Info.Size, Stored: last.Info.Repository.Size, Start: start}, err
}

// stanzaInfo is what pgBackRest tells of a repository.
type stanzaInfo struct {
	Archive []struct{ Max string } // the last segment
	Backup  []struct {
		Label, Type string
		Error       bool
		LSN         struct{ Start string }
		Info        struct {
			Size       int64
			Repository struct{ Size int64 }
		}
	}
}

func (pgBackRest) info(ctx context.Context, n *pgtest.Node) (stanzaInfo, error) {
	out, err := n.Service().Exec(ctx, "pgbackrest", "--output=json", "info")
	if err != nil {
		return stanzaInfo{}, err
	}
	var stanzas []stanzaInfo
	if err := json.Unmarshal([]byte(out), &stanzas); err != nil || len(stanzas) != 1 {
		return stanzaInfo{}, fmt.Errorf("pgbackrest info: %q: %w", out, err)
	}
	return stanzas[0], nil
}

func (p pgBackRest) archived(ctx context.Context, n *pgtest.Node) (pgtest.LSN, error) {
	info, err := p.info(ctx, n)
	if err != nil {
		return 0, err
	}
	if len(info.Archive) == 0 {
		return 0, errors.New("the archive is empty")
	}
	return segmentEnd(info.Archive[len(info.Archive)-1].Max)
}

func (pgBackRest) restore(folder string, b Backup, to Target) []string {
	args := []string{"pgbackrest", "--set=" + b.Label, "--pg1-path=" + folder}
	switch to.kind {
	case endOfArchive:
		// It replays all that there is and then waits for more, until it is promoted.
		args = append(args, "--type=standby")
	default:
		args = append(args, "--type="+to.kind.pgBackRest(), "--target="+to.value, "--target-timeline=current", "--target-action=pause")
		if to.exclusive() {
			args = append(args, "--target-exclusive")
		}
	}
	return append(args, "restore")
}

// folder is where a backup lies.
func (p pgBackRest) folder(b Backup) string {
	return path.Join("/", p.under, repositoryPath, "backup", stanza, b.Label)
}

// compressed has no need of the copy where a repository is in reach that has all files of the
// backup: a frame for each.
func (p pgBackRest) compressed(b Backup, copied string) string {
	if p.under != "" || b.Kind != Full {
		return compress(copied)
	}
	return "cd " + p.folder(b) + " && find bundle pg_data -type f -exec cat {} +" // small files are bundled
}

// segmentEnd returns the LSN at which a file of WAL ends, by its name: timeline, and the number of
// the segment in two parts.
func segmentEnd(name string) (pgtest.LSN, error) {
	var timeline, high, low uint32
	if _, err := fmt.Sscanf(name, "%8X%8X%8X", &timeline, &high, &low); err != nil {
		return 0, fmt.Errorf("file of WAL %q: %w", name, err)
	}
	return pgtest.LSN(high)<<32 + (pgtest.LSN(low)+1)*pgtest.SegmentSize, nil
}
