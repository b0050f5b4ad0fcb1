package splitbraintest

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/google/go-cmp/cmp"
)

func TestCommits(t *testing.T) {
	const (
		insert  = "rmgr: Heap        len (rec/tot):     67/    67, tx:        762, lsn: 0/01BBEED0, prev 0/01BBEEA8, desc: INSERT off: 22, flags: 0x00, blkref #0: rel 1663/16385/16386 blk 0\n"
		commit  = "rmgr: Transaction len (rec/tot):     34/    34, tx:        762, lsn: 0/01BBEF60, prev 0/01BBEF18, desc: COMMIT 2026-11-24 07:06:13.079515 UTC\n"
		abort   = "rmgr: Transaction len (rec/tot):     34/    34, tx:        763, lsn: 0/01BBEFD0, prev 0/01BBEF60, desc: ABORT 2026-11-24 07:06:13.079515 UTC\n"
		end     = "pg_waldump: error: error in WAL record at 0/1BBEFD0: invalid record length at 0/1BBEFF8: expected at least 24, got 0\n"
		nothing = "pg_waldump: error: could not find a valid record after 0/1BBE350\n"
	)
	type result struct {
		Commits []Commit
		End     pgtest.LSN
		Err     string
	}
	for _, c := range []struct {
		reason, dump string
		want         result
	}{
		{"commits, and the place of what comes after them", insert + commit + abort + end, result{[]Commit{{762, 0x1BBEF60}}, 0x1BBEFD0, ""}},
		{"the last record is a commit", insert + commit + end, result{[]Commit{{762, 0x1BBEF60}}, 0x1BBEF60, ""}},
		{"the WAL ends at the fork", nothing, result{nil, 0x1BBE350, ""}},
		{
			"a segment in between is gone", insert + commit + `pg_waldump: error: could not find file "000000010000000000000002": No such file or directory` + "\n",
			result{nil, 0, `pg_waldump: error: could not find file "000000010000000000000002": No such file or directory`},
		},
		{"it was killed", commit, result{nil, 0, "pg_waldump did not come to the end of the WAL: " + `"rmgr: Transaction len (rec/tot):     34/    34, tx:        762, lsn: 0/01BBEF60, prev 0/01BBEF18, desc: COMMIT 2026-11-24 07:06:13.079515 UTC\n"`}},
		{"it is not there", "", result{nil, 0, `pg_waldump did not come to the end of the WAL: ""`}},
	} {
		var got result
		var err error
		if got.Commits, got.End, err = commits(c.dump, 0x1BBE350); err != nil {
			got.Err = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestFork(t *testing.T) {
	const history = "1\t0/5000148\tno recovery target specified\n\n2\t1/60001F0\tno recovery target specified\n"
	for _, c := range []struct {
		reason   string
		old, now int
		want     pgtest.LSN
		err      string
	}{
		{reason: "the last failover", old: 2, now: 3, want: 1<<32 | 0x60001F0},
		{reason: "one before it", old: 1, now: 3, want: 0x5000148},
		{reason: "no failover", old: 3, now: 3, err: "both are on timeline 3: nobody was promoted in between"},
		{reason: "the other way round", old: 4, now: 3, err: `timeline 3 does not descend from timeline 4: its history is "1\t0/5000148\tno recovery target specified\n\n2\t1/60001F0\tno recovery target specified\n"`},
	} {
		got, err := fork(c.old, c.now, history)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if diff := cmp.Diff(c.err, said); diff != "" || got != c.want {
			t.Errorf("%s: got %v, want %v, error (-want +got):\n%s", c.reason, got, c.want, diff)
		}
	}
}

func TestCross(t *testing.T) {
	ack := func(node string, seq, timeline int, xid uint64, lsn pgtest.LSN) Write {
		return Write{Node: node, Seq: seq, Timeline: timeline, XID: xid, LSN: lsn, Outcome: drtest.Acked}
	}
	before, across, after := ack("a", 1, 2, 701, 0x80), ack("a", 2, 2, 702, 0xF8), ack("a", 3, 2, 1<<32|703, 0x110)
	unanswered := Write{Node: "a", Seq: 4, Outcome: drtest.Unknown}
	elsewhere := ack("b", 1, 3, 703, 0x120)
	earlier := ack("a", 0, 1, 703, 0x10)
	writes := []Write{earlier, before, across, after, unanswered, elsewhere}
	for _, c := range []struct {
		reason  string
		commits []Commit
		lost    []Write
		acked   []Write
		err     string
	}{
		{
			reason: "acked, by xid on its node and timeline", commits: []Commit{{702, 0x108}, {703, 0x120}, {704, 0x130}},
			lost: []Write{across, after}, acked: []Write{across, after},
		},
		{
			reason: "what another fork or another node has lost is none of this one's", commits: []Commit{{702, 0x108}, {703, 0x120}},
			lost: []Write{earlier, across, after, elsewhere}, acked: []Write{across, after},
		},
		{
			reason: "the WAL is cut short", commits: []Commit{{702, 0x108}}, lost: []Write{across, after}, acked: []Write{across},
			err: "the WAL ends at 0/200 and lacks 1 writes that were acked after the fork at 0/100: a-3",
		},
		{
			reason: "the survivor has what should diverge", commits: []Commit{{702, 0x108}, {703, 0x120}}, lost: []Write{after},
			acked: []Write{across, after},
			err:   "by the WAL 2 acked writes diverge (a-2 a-3), by its rows the survivor lacks 1 (a-3)",
		},
		{
			reason: "the survivor lacks what was committed before the fork", commits: []Commit{{702, 0x108}, {703, 0x120}},
			lost: []Write{before, across, after}, acked: []Write{across, after},
			err: "by the WAL 2 acked writes diverge (a-2 a-3), by its rows the survivor lacks 3 (a-1 a-2 a-3)",
		},
	} {
		d := Divergence{Node: "a", Timeline: 2, Fork: 0x100, End: 0x200, Commits: c.commits}
		said := ""
		if err := d.cross(writes, c.lost); err != nil {
			said = err.Error()
		}
		if diff := cmp.Diff(c.err, said); diff != "" {
			t.Errorf("%s, error (-want +got):\n%s", c.reason, diff)
		}
		if diff := cmp.Diff(c.acked, d.Acked); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestDivergenceSentence(t *testing.T) {
	d := Divergence{Node: "pg-a", Timeline: 1, Fork: 0x5000148}
	commits := []Commit{{701, 0x5000190}, {702, 0x5000200}}
	write := Write{Node: "pg-a", Seq: 17}
	for _, c := range []struct {
		commits []Commit
		acked   []Write
		want    string
	}{
		{want: "timeline 1 ends for the cluster at 0/5000148; pg-a committed no transaction after that"},
		{commits: commits, want: "timeline 1 ends for the cluster at 0/5000148; pg-a committed 2 transactions after that, of which none acked to the writer"},
		{commits: commits, acked: []Write{write}, want: "timeline 1 ends for the cluster at 0/5000148; pg-a committed 2 transactions after that, of which 1 acked to the writer: pg-a-17"},
	} {
		d.Commits, d.Acked = c.commits, c.acked
		if diff := cmp.Diff(c.want, d.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
