package splitbraintest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/wait"
	"github.com/stretchr/testify/require"
)

// A replica that is cut off is promoted while its primary lives and serves.
func TestNaivePromotion(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPair(t, pgtest.PairConfig{})
	w := StartWriters(t, Config{Nodes: []*pgtest.Node{pg.Primary, pg.Replica}})
	awaitWrites(t, w, pg.Primary, 5)
	detach(t, pg)
	awaitWrites(t, w, pg.Primary, 5)
	require.NoError(t, pg.Replica.Promote().Do(t.Context()))
	awaitWrites(t, w, pg.Replica, 5)
	awaitWrites(t, w, pg.Primary, 5)
	log := w.Stop()
	t.Log(log)
	require.Same(t, log, w.Stop())
	require.Positive(t, log.Dual().Lo)
	require.GreaterOrEqual(t, log.Dual().Hi, log.Dual().Lo)

	// What is lost, by the rows of both nodes.
	var want []int
	has := written(t, w, pg.Replica, "primary")
	for _, id := range written(t, w, pg.Primary, "primary") {
		if !slices.Contains(has, id) {
			want = append(want, id)
		}
	}
	require.GreaterOrEqual(t, len(want), 10)
	lost, err := log.Lost(t.Context(), pg.Replica)
	require.NoError(t, err)
	var got []int
	for _, l := range lost {
		require.Equal(t, "primary", l.Node)
		require.Equal(t, 1, l.Timeline)
		got = append(got, l.Seq)
	}
	require.Equal(t, want, got)
	for _, a := range log.Acked(pg.Replica) {
		require.Equal(t, 2, a.Timeline)
	}

	d, err := log.Divergence(t.Context(), pg.Primary, pg.Replica)
	require.NoError(t, err)
	t.Log(d)
	require.Equal(t, lost, d.Acked)
	require.Len(t, d.Commits, len(want), "nobody else wrote")
	require.Greater(t, d.End, d.Fork)

	_, err = log.Divergence(t.Context(), pg.Replica, pg.Replica)
	require.ErrorContains(t, err, "both are on timeline 2: nobody was promoted in between")
	_, err = log.Divergence(t.Context(), pg.Replica, pg.Primary)
	require.ErrorContains(t, err, "timeline 1 does not descend from timeline 2")

	// The server stands still from here on. It would write its last page anew, at some time, to
	// whatever file then has the segment's name, and that page may hold all of the acked writes.
	run(t, pg.Primary, "sh", "-c", "kill -STOP -1 && grep -q 'T (stopped)' /proc/[0-9]*/status")

	// Without the segment of the fork there is no proof, and with a copy of it there is one again.
	first := segment(d.Timeline, d.Fork)
	run(t, pg.Primary, "mkdir", pgtest.KeptWALFolder)
	run(t, pg.Primary, "mv", pgtest.WALFolder+"/"+first, "/tmp")
	_, err = log.Divergence(t.Context(), pg.Primary, pg.Replica)
	require.ErrorContains(t, err, "is not kept")
	run(t, pg.Primary, "cp", "/tmp/"+first, pgtest.KeptWALFolder)
	again, err := log.Divergence(t.Context(), pg.Primary, pg.Replica)
	require.NoError(t, err)
	require.Equal(t, d, again)

	// pg_rewind puts the survivor's segment in its place, which knows nothing of the acked writes.
	require.NoError(t, pg.Replica.Service().CopyTo(t.Context(), pgtest.WALFolder+"/"+first, pg.Primary.Service(), pgtest.WALFolder))
	again, err = log.Divergence(t.Context(), pg.Primary, pg.Replica)
	require.NoError(t, err)
	require.Equal(t, d, again, "the copy counts")
	run(t, pg.Primary, "rm", pgtest.KeptWALFolder+"/"+first)
	_, err = log.Divergence(t.Context(), pg.Primary, pg.Replica)
	require.ErrorContains(t, err, fmt.Sprintf("lacks %d writes that were acked after the fork", len(want)))
}

// A synchronous primary answers nobody without its replica, and what it has not answered nobody
// sees.
func TestNaivePromotionOfSynchronousReplica(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
	w := StartWriters(t, Config{Patience: 300 * time.Millisecond, Nodes: []*pgtest.Node{pg.Primary, pg.Replica}})
	awaitWrites(t, w, pg.Primary, 5)
	_, err := (&WriteLog{table: w.table}).Lost(t.Context(), pg.Replica)
	require.ErrorContains(t, err, "it is a replica")
	detach(t, pg)
	const hanging = 4
	awaitHanging := func() {
		t.Helper()
		require.NoError(t, wait.For(bounded(t), 10*time.Millisecond, func(ctx context.Context) error {
			return holds(ctx, pg.Primary, fmt.Sprintf("SELECT count(*) >= %d FROM pg_stat_activity WHERE wait_event = 'SyncRep'", hanging))
		}))
	}
	awaitHanging()
	require.NoError(t, pg.Replica.Promote().Do(t.Context()))
	awaitWrites(t, w, pg.Replica, 5)
	log := w.Stop()
	t.Log(log)

	acks := log.Acked(pg.Primary)
	var seqs []int
	for _, a := range acks {
		seqs = append(seqs, a.Seq)
	}
	require.Equal(t, seqs, written(t, w, pg.Primary, "primary"), "what clients gave up is visible")
	awaitHanging() // as before
	unanswered := 0
	for _, w := range log.Writes {
		if w.Node == "primary" && w.Outcome == drtest.Unknown {
			unanswered++
		}
		if w.Node == "replica" && w.Outcome == drtest.Rejected {
			require.Contains(t, w.Why, "25006")
		}
	}
	require.GreaterOrEqual(t, unanswered, hanging)
	require.Equal(t, drtest.Interval{}, log.Dual())

	d, err := log.Divergence(t.Context(), pg.Primary, pg.Replica)
	require.NoError(t, err)
	t.Log(d)
	require.Empty(t, d.Acked)
	require.GreaterOrEqual(t, len(d.Commits), hanging)
	requireNoneLost(t, log, pg.Replica)
}

// A commit that somebody cancels is answered with success and a warning, and is no ack.
func TestCancelledCommit(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
	w := StartWriters(t, Config{Patience: 30 * time.Second, Nodes: []*pgtest.Node{pg.Primary}})
	awaitWrites(t, w, pg.Primary, 5)
	detach(t, pg)
	const waiting = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	require.NoError(t, wait.For(bounded(t), 10*time.Millisecond, func(ctx context.Context) error {
		return holds(ctx, pg.Primary, "SELECT bool_or(pg_cancel_backend(pid)) IS TRUE "+waiting)
	}))
	require.NoError(t, wait.For(bounded(t), 10*time.Millisecond, func(ctx context.Context) error {
		return holds(ctx, pg.Primary, "SELECT count(*) = 1 "+waiting)
	}))
	start := time.Now()
	log := w.Stop()
	require.Less(t, time.Since(start), stopGrace+5*time.Second, "patience is 30 s")
	visible := written(t, w, pg.Primary, "primary")
	acks := log.Acked(pg.Primary)
	require.Len(t, visible, len(acks)+1)
	cancelled := log.Writes[len(acks)]
	require.Equal(t, drtest.Unknown, cancelled.Outcome)
	require.Contains(t, cancelled.Why, "WARNING 01000: canceling wait for synchronous replication")
	require.Equal(t, visible[len(acks)], cancelled.Seq)
}

// A restart gives a node another address, at which its writer finds it.
func TestWritersRedial(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	node := pgtest.StartPrimary(t, pgtest.Config{})
	w := StartWriters(t, Config{Nodes: []*pgtest.Node{node}})
	awaitWrites(t, w, node, 5)
	before, err := node.HostAddr(t.Context())
	require.NoError(t, err)
	_, err = node.Crash().Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, wait.For(bounded(t), 10*time.Millisecond, func(ctx context.Context) error {
		return holds(ctx, node, "SELECT true")
	}))
	awaitWrites(t, w, node, 5)
	after, err := node.HostAddr(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, before, after)
	log := w.Stop()
	t.Log(log)
	requireNoneLost(t, log, node)
	require.Equal(t, drtest.Interval{}, log.Dual())
	_, err = log.Divergence(t.Context(), node, node)
	require.ErrorContains(t, err, "both are on timeline 1: nobody was promoted in between")
}

// Whoever makes sure that the primary is dead splits nothing.
func TestFencedPromotion(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
	w := StartWriters(t, Config{Nodes: []*pgtest.Node{pg.Primary, pg.Replica}})
	awaitWrites(t, w, pg.Primary, 5)
	_, err := pg.Primary.Kill().Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, pg.Replica.Promote().Do(t.Context()))
	awaitWrites(t, w, pg.Replica, 5)
	log := w.Stop()
	t.Log(log)
	require.Equal(t, drtest.Interval{}, log.Dual())
	requireNoneLost(t, log, pg.Replica)
	d, err := log.Divergence(t.Context(), pg.Primary, pg.Replica)
	require.NoError(t, err)
	t.Log(d)
	require.Empty(t, d.Acked)
}

// detach ends the replication of a pair, of which the primary is not told more than that its
// replica has gone.
func detach(t *testing.T, pg *pgtest.Pair) {
	t.Helper()
	require.NoError(t, pg.Replica.Exec(t.Context(), "ALTER SYSTEM SET primary_conninfo = ''"))
	require.NoError(t, pg.Replica.Exec(t.Context(), "SELECT pg_reload_conf()"))
	require.NoError(t, wait.For(bounded(t), 10*time.Millisecond, func(ctx context.Context) error {
		return holds(ctx, pg.Primary, "SELECT count(*) = 0 FROM pg_stat_replication")
	}))
}

// awaitWrites returns when a node has that many more rows of its own writer.
func awaitWrites(t *testing.T, w *Writers, n *pgtest.Node, more int) {
	t.Helper()
	name := n.Name()
	want := len(written(t, w, n, name)) + more
	require.NoError(t, wait.For(bounded(t), 10*time.Millisecond, func(ctx context.Context) error {
		return holds(ctx, n, fmt.Sprintf("SELECT count(*) >= %d FROM %s WHERE node = '%s'", want, w.table, name))
	}))
}

// written returns what a node has of the writer of that name.
func written(t *testing.T, w *Writers, n *pgtest.Node, writer string) []int {
	t.Helper()
	conn, err := n.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var seqs []int
	query := "SELECT coalesce(array_agg(seq ORDER BY seq), '{}') FROM " + w.table + " WHERE node = $1"
	err = conn.QueryRow(t.Context(), query, writer).Scan(&seqs)
	require.NoError(t, err)
	return seqs
}

// holds returns nil if a query yields true.
func holds(ctx context.Context, n *pgtest.Node, query string) error {
	conn, err := n.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var yes bool
	if err := conn.QueryRow(ctx, query).Scan(&yes); err != nil {
		return err
	}
	if !yes {
		return fmt.Errorf("not true of %s: %s", n.Name(), query)
	}
	return nil
}

func requireNoneLost(t *testing.T, log *WriteLog, survivor *pgtest.Node) {
	t.Helper()
	lost, err := log.Lost(t.Context(), survivor)
	require.NoError(t, err)
	require.Empty(t, lost)
}

func run(t *testing.T, n *pgtest.Node, cmd ...string) {
	t.Helper()
	_, err := n.Service().Exec(t.Context(), cmd...)
	require.NoError(t, err)
}

// bounded returns a context for what has to come within ten seconds.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}
