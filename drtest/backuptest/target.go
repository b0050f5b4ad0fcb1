package backuptest

import (
	"time"

	"github.com/drtest/suite/drtest/pgtest"
)

// A Target is where in the history of a database a restore ends. The zero value is the end of the
// archive, on its latest timeline. With any other a restore stays on the timeline of its backup: on
// a later one the same time or LSN may stand for something else.
type Target struct {
	kind  targetKind
	value string
}

type targetKind int

const (
	endOfArchive targetKind = iota
	targetTime
	targetLSN
	targetPoint
)

// pgBackRest returns the kind in pgBackRest's words, which are those of PostgreSQL's
// recovery_target settings.
func (k targetKind) pgBackRest() string {
	return map[targetKind]string{targetTime: "time", targetLSN: "lsn", targetPoint: "name"}[k]
}

// AtTime ends a restore after the last transaction that had committed by then, by the clock of the
// server that was backed up: take t from there, such as from its clock_timestamp(). It has the
// resolution of PostgreSQL, a microsecond.
func AtTime(t time.Time) Target {
	return Target{targetTime, t.UTC().Format("2006-01-02 15:04:05.000000+00")}
}

// AtLSN ends a restore just before the first WAL record that begins at the LSN or after it, such as
// that of pg_current_wal_insert_lsn().
func AtLSN(l pgtest.LSN) Target { return Target{targetLSN, l.String()} }

// AtPoint ends a restore at a named restore point, from pg_create_restore_point().
func AtPoint(name string) Target { return Target{targetPoint, name} }

// exclusive says whether what is at the target is left out.
func (t Target) exclusive() bool { return t.kind == targetLSN }

// String reads "lsn 0/5000148", or "end of the archive".
func (t Target) String() string {
	if t.kind == endOfArchive {
		return "end of the archive"
	}
	return t.kind.pgBackRest() + " " + t.value
}
