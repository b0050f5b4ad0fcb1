package splitbraintest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/jackc/pgx/v5"
)

// A Write is one row that a writer tried to insert. Its instants count from the start of the
// writers, on the monotonic clock of the test process.
type Write struct {
	Node       string
	Seq        int // from 1, of the node's writer
	Start, End time.Duration
	// Outcome is Rejected when the transaction certainly was not committed. A commit that the
	// server answers with the warning that it may not have been replicated is Unknown.
	Outcome drtest.Outcome
	Why     string // it is not acked

	// What an acked write was told by its node: its transaction, its timeline, and an LSN just
	// below the commit's.
	XID      uint64
	Timeline int
	LSN      pgtest.LSN
}

// String returns the id of the write: "primary-17".
func (w Write) String() string { return fmt.Sprintf("%s-%d", w.Node, w.Seq) }

// A WriteLog is what writers saw.
type WriteLog struct {
	Writes []Write       // in the order in which they began
	Ran    time.Duration // until the last writer had stopped
	nodes  []string
	table  string
}

// Acked returns the writes that a node acknowledged, in their order.
func (l *WriteLog) Acked(n *pgtest.Node) []Write { return acked(l.Writes, n.Name()) }

func acked(writes []Write, node string) []Write {
	var list []Write
	for _, w := range writes {
		if w.Node == node && w.Outcome == drtest.Acked {
			list = append(list, w)
		}
	}
	return list
}

// Dual returns the dual-writable time: how long two or more nodes accepted writes at once. A node
// accepts writes from one ack to the next unless a write between them was not acked. A commit lies
// between the start and the end of its write, so Lo counts from the end of the first ack in a row
// to the start of the last. Hi counts from the start of the write before that row, which the node
// did not ack, to the start of the one after it, or to the end of its last ack where that is later.
// With Hi zero no two nodes accepted writes at once, as far as one client of each can see; writes
// 100 ms apart can tell no more. Two nodes can ack by turns with Lo zero when one of them acked but
// once.
func (l *WriteLog) Dual() drtest.Interval {
	var certain, possible []drtest.Interval
	for _, node := range l.nodes {
		c, p := accepting(l.Writes, node, l.Ran)
		certain, possible = append(certain, c...), append(possible, p...)
	}
	return drtest.Interval{Lo: overlap(certain), Hi: overlap(possible)}
}

// accepting returns the times in which a node certainly and possibly accepted writes.
func accepting(writes []Write, node string, ran time.Duration) (certain, possible []drtest.Interval) {
	var first, last *Write // of the row of acks
	var before time.Duration
	end := func(after time.Duration) {
		if first == nil {
			return
		}
		if first.End < last.Start {
			certain = append(certain, drtest.Interval{Lo: first.End, Hi: last.Start})
		}
		possible = append(possible, drtest.Interval{Lo: before, Hi: max(last.End, after)})
		first = nil
	}
	for _, w := range writes {
		switch {
		case w.Node != node:
		case w.Outcome != drtest.Acked:
			end(w.Start)
			before = w.Start
		default:
			if first == nil {
				first = &w
			}
			last = &w
		}
	}
	end(ran)
	return certain, possible
}

// overlap returns for how long two or more of the intervals hold at once.
func overlap(intervals []drtest.Interval) time.Duration {
	type edge struct {
		at   time.Duration
		step int
	}
	var edges []edge
	for _, i := range intervals {
		edges = append(edges, edge{i.Lo, 1}, edge{i.Hi, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int { return cmp.Compare(a.at, b.at) })
	var sum, since time.Duration
	var open int
	for _, e := range edges {
		if open > 1 {
			sum += e.at - since
		}
		open, since = open+e.step, e.at
	}
	return sum
}

// Lost returns the acked writes of all nodes whose rows the surviving primary does not have. It is
// an error to ask a replica, which may yet receive them.
func (l *WriteLog) Lost(ctx context.Context, survivor *pgtest.Node) ([]Write, error) {
	lost, err := l.lost(ctx, survivor)
	if err != nil {
		return nil, fmt.Errorf("writes that %s has: %w", survivor.Name(), err)
	}
	return lost, nil
}

func (l *WriteLog) lost(ctx context.Context, survivor *pgtest.Node) ([]Write, error) {
	conn, err := survivor.Connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var replica bool
	if err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&replica); err != nil {
		return nil, err
	}
	if replica {
		return nil, errors.New("it is a replica")
	}
	rows, err := conn.Query(ctx, "SELECT node, seq FROM "+l.table)
	if err != nil {
		return nil, err
	}
	type key struct {
		Node string
		Seq  int
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[key])
	if err != nil {
		return nil, err
	}
	held := map[key]bool{}
	for _, k := range keys {
		held[k] = true
	}
	var lost []Write
	for _, w := range l.Writes {
		if w.Outcome == drtest.Acked && !held[key{w.Node, w.Seq}] {
			lost = append(lost, w)
		}
	}
	return lost, nil
}

// String says in one sentence what each node acked, and when, and for how long two did at once.
func (l *WriteLog) String() string {
	var said []string
	for _, node := range l.nodes {
		list := acked(l.Writes, node)
		if len(list) == 0 {
			said = append(said, node+" acked no write")
			continue
		}
		said = append(said, fmt.Sprintf("%s acked %d writes, from +%.3fs to +%.3fs",
			node, len(list), list[0].End.Seconds(), list[len(list)-1].End.Seconds()))
	}
	dual := "never two at once"
	if d := l.Dual(); d.Hi > 0 {
		dual = fmt.Sprintf("two at once for %v", d)
	}
	return strings.Join(said, "; ") + "; " + dual
}

// some lists at most ten writes.
func some(writes []Write) string {
	var ids []string
	for _, w := range writes[:min(10, len(writes))] {
		ids = append(ids, w.String())
	}
	list := strings.Join(ids, " ")
	if more := len(writes) - len(ids); more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
