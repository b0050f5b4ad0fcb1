package splitbraintest

import (
	"errors"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
)

func TestDual(t *testing.T) {
	const ran = 100 * time.Second
	ack := func(node string, start, end time.Duration) Write {
		return Write{Node: node, Start: start * time.Second, End: end * time.Second, Outcome: drtest.Acked}
	}
	no := func(node string, start, end time.Duration) Write {
		return Write{Node: node, Start: start * time.Second, End: end * time.Second, Outcome: drtest.Rejected}
	}
	unknown := func(node string, start, end time.Duration) Write {
		return Write{Node: node, Start: start * time.Second, End: end * time.Second, Outcome: drtest.Unknown}
	}
	for _, c := range []struct {
		reason string
		writes []Write
		lo, hi time.Duration // in seconds
	}{
		{reason: "no write at all"},
		{
			reason: "one node alone",
			writes: []Write{ack("a", 0, 1), no("b", 0, 1), ack("a", 2, 3), no("b", 2, 3)},
		},
		{
			reason: "one begins long after the other has ended",
			writes: []Write{ack("a", 0, 1), ack("a", 2, 3), no("a", 4, 5), no("b", 6, 7), ack("b", 8, 9)},
		},
		{
			reason: "the last write that one refused begins when the other refuses its first: they touch",
			writes: []Write{ack("a", 0, 1), ack("a", 2, 3), no("a", 4, 5), no("b", 4, 5), ack("b", 6, 7)},
		},
		{
			reason: "a hand-over between two samples cannot be told from an overlap",
			writes: []Write{ack("a", 0, 1), no("b", 1, 2), ack("a", 2, 3), ack("b", 4, 5), no("a", 4, 5)},
			hi:     3,
		},
		{
			reason: "acks of both by turns",
			writes: []Write{
				ack("a", 0, 1), no("b", 0, 1), ack("a", 10, 11), ack("b", 10, 11), ack("a", 20, 21), ack("b", 20, 21),
				ack("a", 30, 31), ack("b", 30, 31), no("a", 40, 41), ack("b", 40, 41),
			},
			lo: 30 - 11, hi: 40,
		},
		{
			reason: "a node that acked once did so at an instant",
			writes: []Write{ack("a", 0, 1), no("b", 0, 1), ack("b", 3, 4), ack("a", 5, 6), no("b", 6, 7), no("a", 8, 9)},
			hi:     6,
		},
		{
			reason: "a frozen node thaws and acks what waited: it was committed at any time since it was sent",
			writes: []Write{ack("a", 0, 1), ack("a", 2, 35), no("b", 30, 31), ack("b", 32, 33), ack("b", 34, 36), no("a", 36, 37)},
			hi:     36 - 30,
		},
		{
			reason: "a write that hangs is not accepted, however long its client waits",
			writes: []Write{ack("a", 0, 1), ack("a", 2, 3), unknown("a", 4, 34), no("b", 5, 6), ack("b", 7, 8), ack("b", 9, 10)},
		},
		{
			reason: "a node does not accept writes while it restarts",
			writes: []Write{
				ack("a", 0, 1), ack("b", 0, 1), ack("a", 10, 11), no("b", 10, 11), no("a", 20, 21), no("b", 20, 21),
				ack("b", 30, 31), no("a", 30, 31), ack("b", 40, 41), ack("a", 40, 41), ack("a", 50, 51), ack("b", 50, 51),
			},
			// At first b acked once; then both from 41 to 50, at most from 30 on and to the end.
			lo: 50 - 41, hi: 10 + (100 - 30),
		},
		{
			reason: "three nodes at once count once",
			writes: []Write{
				ack("a", 0, 1), ack("b", 0, 1), ack("c", 0, 1), ack("a", 10, 11), ack("b", 10, 11), ack("c", 10, 11),
				no("a", 20, 21), no("b", 20, 21), no("c", 20, 21),
			},
			lo: 9, hi: 20,
		},
	} {
		log := WriteLog{Writes: c.writes, Ran: ran, nodes: []string{"a", "b", "c"}}
		want := drtest.Interval{Lo: c.lo * time.Second, Hi: c.hi * time.Second}
		if diff := cmp.Diff(want, log.Dual()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestOutcome(t *testing.T) {
	answer := func(severity, code string) error {
		return &pgconn.PgError{SeverityUnlocalized: severity, Code: code}
	}
	for _, c := range []struct {
		reason string
		err    error
		want   drtest.Outcome
	}{
		{"the server answered", nil, drtest.Acked},
		{"a read-only node", answer("ERROR", "25006"), drtest.Rejected},
		{"a server that starts refuses the connection", notSent{answer("FATAL", "57P03")}, drtest.Rejected},
		{"nobody listens", notSent{errors.New("connection refused")}, drtest.Rejected},
		{"a session that is ended may have committed", answer("FATAL", "57P01"), drtest.Unknown},
		{"a warning about the replication of a commit", errors.Join(nil, errors.New("WARNING 01000: canceling wait for synchronous replication")), drtest.Unknown},
		{"a connection that breaks", errors.New("unexpected EOF"), drtest.Unknown},
	} {
		if got := outcome(c.err); got != c.want {
			t.Errorf("%s: got %s, want %s", c.reason, got, c.want)
		}
	}
}

func TestLSN(t *testing.T) {
	for _, text := range []string{"0/0", "0/5000148", "1A/FFFFFFFF"} {
		lsn, err := pgtest.ParseLSN(text)
		if diff := cmp.Diff(text, lsn.String()); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	for _, text := range []string{"", "5000148", "0/", "x/y"} {
		if lsn, err := pgtest.ParseLSN(text); err == nil {
			t.Errorf("%q is taken for %v", text, lsn)
		}
	}
}
