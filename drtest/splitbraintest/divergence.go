package splitbraintest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/drtest/pgtest"
)

// A Divergence is what a node committed on a timeline after the cluster had left it: the exact
// proof of a split brain, or of its absence, read from the node's write-ahead log.
type Divergence struct {
	Node     string
	Timeline int
	Fork     pgtest.LSN // where the next timeline of the cluster begins
	End      pgtest.LSN // the last record of the timeline that the node has; Fork if it has none after it
	Commits  []Commit   // in their order
	Acked    []Write    // those among them that the node's writer saw acked: they are lost
}

// A Commit is the record of one transaction.
type Commit struct {
	XID uint32 // its low 32 bits
	LSN pgtest.LSN
}

// String says it in one sentence.
func (d Divergence) String() string {
	s := fmt.Sprintf("timeline %d ends for the cluster at %v; %s committed ", d.Timeline, d.Fork, d.Node)
	if len(d.Commits) == 0 {
		return s + "no transaction after that"
	}
	s += fmt.Sprintf("%d transactions after that, of which ", len(d.Commits))
	if len(d.Acked) == 0 {
		return s + "none acked to the writer"
	}
	return s + fmt.Sprintf("%d acked to the writer: %s", len(d.Acked), some(d.Acked))
}

// Divergence reads what the old primary committed on the timeline of its last acked write after the
// cluster had left that timeline, as the history of the surviving primary tells. The old primary
// may be dead. Its WAL is taken from /var/lib/postgresql/kept, if the file with the fork was kept
// there, or else from the server's own directory, which pg_rewind must not have changed.
//
// It is an error when both are on one timeline, when the WAL does not reach from the fork to each
// write that the node has acked, and when the commits and the rows that the survivor lacks do not
// tell the same.
func (l *WriteLog) Divergence(ctx context.Context, old, survivor *pgtest.Node) (*Divergence, error) {
	d, err := l.divergence(ctx, old, survivor)
	if err != nil {
		return nil, fmt.Errorf("divergence of %s from %s: %w", old.Name(), survivor.Name(), err)
	}
	return d, nil
}

func (l *WriteLog) divergence(ctx context.Context, old, survivor *pgtest.Node) (*Divergence, error) {
	d := &Divergence{Node: old.Name()}
	for _, w := range l.Acked(old) {
		d.Timeline = max(d.Timeline, w.Timeline)
	}
	if d.Timeline == 0 {
		return nil, errors.New("it acked no write, so its timeline is not known")
	}
	now, past, err := history(ctx, survivor)
	if err != nil {
		return nil, err
	}
	if d.Fork, err = fork(d.Timeline, now, past); err != nil {
		return nil, err
	}
	// The copy of a dead node's WAL is read where a server runs.
	dir := "/tmp/drtest-wal-" + rand.Text()
	if _, err := survivor.Service().Exec(ctx, "mkdir", dir); err != nil {
		return nil, err
	}
	defer survivor.Service().Exec(context.WithoutCancel(ctx), "rm", "-rf", dir)
	if err := copyWAL(ctx, old, d.Timeline, d.Fork, survivor, dir); err != nil {
		return nil, err
	}
	// It always ends with an error, where the WAL ends if nothing else is wrong. The two outputs
	// must not mix: they are cut in the middle of lines.
	const waldump = `pg_waldump -p "$1" -t "$2" -s "$3" 2>"$4"; cat "$4"`
	dump, err := survivor.Service().Exec(ctx, "sh", "-c", waldump, "sh", dir, strconv.Itoa(d.Timeline), d.Fork.String(), dir+"/errors")
	if err != nil {
		return nil, err
	}
	if d.Commits, d.End, err = commits(dump, d.Fork); err != nil {
		return nil, err
	}
	lost, err := l.lost(ctx, survivor)
	if err != nil {
		return nil, err
	}
	return d, d.cross(l.Writes, lost)
}

// history returns the timeline of a primary, and the history of its timelines.
func history(ctx context.Context, n *pgtest.Node) (timeline int, lines string, err error) {
	conn, err := n.Connect(ctx)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	const current = `SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int`
	if err := conn.QueryRow(ctx, current).Scan(&timeline); err != nil {
		return 0, "", err
	}
	if timeline == 1 { // it has no history
		return timeline, "", nil
	}
	file := fmt.Sprintf("pg_wal/%08X.history", timeline)
	err = conn.QueryRow(ctx, "SELECT pg_read_file($1)", file).Scan(&lines)
	return timeline, lines, err
}

// fork returns where a cluster that is on timeline now has left the timeline old.
func fork(old, now int, history string) (pgtest.LSN, error) {
	if old == now {
		return 0, fmt.Errorf("both are on timeline %d: nobody was promoted in between", now)
	}
	for line := range strings.Lines(history) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == strconv.Itoa(old) {
			return pgtest.ParseLSN(fields[1])
		}
	}
	return 0, fmt.Errorf("timeline %d does not descend from timeline %d: its history is %q", now, old, history)
}

// segment returns the name of the file that holds an LSN.
func segment(timeline int, l pgtest.LSN) string {
	return fmt.Sprintf("%08X%08X%08X", timeline, uint32(l>>32), uint32(l)/pgtest.SegmentSize)
}

// copyWAL copies what a node has of a timeline's WAL, from the file that holds an LSN on, to a
// folder of another one. Others of its files would only take time: many of them, of 16 MB each, are
// from before.
func copyWAL(ctx context.Context, of *pgtest.Node, timeline int, from pgtest.LSN, to *pgtest.Node, dir string) error {
	var err error
	for _, source := range []string{pgtest.KeptWALFolder, pgtest.WALFolder} {
		at := from
		for ; ; at += pgtest.SegmentSize {
			if err = of.Service().CopyTo(ctx, path.Join(source, segment(timeline, at)), to.Service(), dir); err != nil {
				break
			}
		}
		switch {
		case !errdefs.IsNotFound(err):
			return err
		case at != from:
			return nil
		}
	}
	return fmt.Errorf("timeline %d forks at %v, and its WAL segment is not kept: %w", timeline, from, err)
}

var (
	walCommit = regexp.MustCompile(`^rmgr: Transaction .* tx: +(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .* desc: COMMIT(_PREPARED)? `)
	walRecord = regexp.MustCompile(`^rmgr: .* lsn: ([0-9A-F]+/[0-9A-F]+), `)
	// The end of the WAL is a record that is none: what else stops pg_waldump, such as a file that
	// is missing, is said in other words.
	walEnd   = regexp.MustCompile(`^pg_waldump: error: error in WAL record at [0-9A-F]+/[0-9A-F]+: `)
	walEmpty = regexp.MustCompile(`^pg_waldump: error: could not find a valid record after `)
)

// commits reads what pg_waldump prints from the fork on.
func commits(dump string, fork pgtest.LSN) (list []Commit, end pgtest.LSN, err error) {
	end = fork
	ended := false
	for line := range strings.Lines(dump) {
		line = strings.TrimSpace(line)
		if r := walRecord.FindStringSubmatch(line); r != nil {
			lsn, err := pgtest.ParseLSN(r[1])
			if err != nil {
				return nil, 0, err
			}
			end = max(end, lsn)
		}
		if c := walCommit.FindStringSubmatch(line); c != nil {
			xid, err := strconv.ParseUint(c[1], 10, 32)
			if err != nil {
				return nil, 0, fmt.Errorf("%w in %q", err, line)
			}
			lsn, err := pgtest.ParseLSN(c[2])
			if err != nil {
				return nil, 0, err
			}
			list = append(list, Commit{XID: uint32(xid), LSN: lsn})
		}
		switch {
		case walEnd.MatchString(line), walEmpty.MatchString(line):
			ended = true
		case strings.HasPrefix(line, "pg_waldump: error: "):
			return nil, 0, errors.New(line)
		}
	}
	if !ended {
		return nil, 0, fmt.Errorf("pg_waldump did not come to the end of the WAL: %q", dump[max(0, len(dump)-200):])
	}
	return list, end, nil
}

// cross finds the writes that were acked and diverge, and holds the WAL against what clients saw:
// every write that the node acked above the fork is among the commits, and those that were acked
// are the ones that are lost.
func (d *Divergence) cross(writes, lost []Write) error {
	xids := map[uint32]bool{}
	for _, c := range d.Commits {
		xids[c.XID] = true
	}
	var missing []Write
	for _, w := range acked(writes, d.Node) {
		switch {
		case w.Timeline != d.Timeline:
		case xids[uint32(w.XID)]:
			d.Acked = append(d.Acked, w)
		case w.LSN >= d.Fork:
			missing = append(missing, w)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the WAL ends at %v and lacks %d writes that were acked after the fork at %v: %s",
			d.End, len(missing), d.Fork, some(missing))
	}
	lost = slices.DeleteFunc(slices.Clone(lost), func(w Write) bool { return w.Node != d.Node || w.Timeline != d.Timeline })
	if !slices.Equal(d.Acked, lost) {
		return fmt.Errorf("by the WAL %d acked writes diverge (%s), by its rows the survivor lacks %d (%s)",
			len(d.Acked), some(d.Acked), len(lost), some(lost))
	}
	return nil
}
