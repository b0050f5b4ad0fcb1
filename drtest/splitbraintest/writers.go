// Package splitbraintest proves that a cluster has split its brain, or that it has not: a writer
// that is pinned to each node measures which nodes accepted writes, and when, and the write-ahead
// log of an old primary tells what it committed after the others had left it.
package splitbraintest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/wait"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	writeEvery       = 100 * time.Millisecond
	writeDialTimeout = time.Second            // a new attempt may find a way where the last one waits for a lost packet
	stopGrace        = time.Second            // for the writes under way
	askAgain         = 250 * time.Millisecond // the engine, of a node that does not run: each question costs as much as a write
)

// Writers measure which nodes accept writes, and when. To each node is pinned one client, beside
// any proxy, that inserts a row every 100 ms, one after the other, whether or not the node takes
// it. A client that runs out of patience closes its connection and sends no request to cancel, with
// which a primary that waits for its synchronous standby would make the commit visible.
type Writers struct {
	began   time.Time
	table   string
	clients []*writer
	quit    chan struct{}
	cut     context.CancelFunc // of what is under way
	running sync.WaitGroup
	once    sync.Once
	log     *WriteLog
}

// A Config describes writers.
type Config struct {
	// Nodes are those that are written to, one client each. Required.
	Nodes []*pgtest.Node
	// Patience is how long a client waits for the answer to one write. Zero: a second.
	Patience time.Duration

	_ struct{} // keyed literals only, so that fields can be added
}

// StartWriters makes a table of its own in the database app, on whichever node accepts it, waits
// until all nodes have it, and starts a writer for each node. The writers stop with t at the
// latest. It fails t when the nodes do not all have the table within [containertest.StartTimeout].
func StartWriters(t testing.TB, config Config) *Writers {
	t.Helper()
	patience := cmp.Or(config.Patience, time.Second)
	if patience < 0 || len(config.Nodes) == 0 {
		t.Fatalf("writers for %d nodes with a patience of %v: want nodes and patience", len(config.Nodes), patience)
	}
	w := &Writers{table: "drtest_writes_" + strings.ToLower(rand.Text()[:8]), quit: make(chan struct{})}
	for _, n := range config.Nodes {
		c := &writer{node: n, name: n.Name(), patience: patience}
		if slices.ContainsFunc(w.clients, func(other *writer) bool { return other.name == c.name }) {
			t.Fatalf("writers: two nodes have the name %s", c.name)
		}
		w.clients = append(w.clients, c)
	}
	if err := w.makeTable(t.Context()); err != nil {
		machine.Fatal(t, fmt.Errorf("writers: table %s: %w", w.table, err))
	}
	var ctx context.Context
	ctx, w.cut = context.WithCancel(context.WithoutCancel(t.Context()))
	w.began = time.Now()
	for _, c := range w.clients {
		w.running.Go(func() { c.run(ctx, w) })
	}
	t.Cleanup(func() { w.Stop() })
	return w
}

// Stop ends the writers and returns what they saw. Writes under way get one more second and are
// unknown after it. Further calls return the same.
func (w *Writers) Stop() *WriteLog {
	w.once.Do(func() {
		close(w.quit)
		late := time.AfterFunc(stopGrace, w.cut)
		w.running.Wait()
		late.Stop()
		w.cut()
		w.log = &WriteLog{Ran: time.Since(w.began), table: w.table}
		for _, c := range w.clients {
			w.log.nodes = append(w.log.nodes, c.name)
			w.log.Writes = append(w.log.Writes, c.writes...)
		}
		slices.SortStableFunc(w.log.Writes, func(a, b Write) int { return cmp.Compare(a.Start, b.Start) })
	})
	return w.log
}

// makeTable returns once all nodes have the table.
func (w *Writers) makeTable(ctx context.Context) (err error) {
	ctx, cancel := machine.Allow(ctx, containertest.StartTimeout)
	defer cancel()
	defer func() { err = machine.Blame(ctx, err) }()
	err = wait.For(ctx, writeEvery, func(ctx context.Context) error {
		var errs []error
		for _, c := range w.clients {
			err := c.node.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+w.table+" (node text, seq int, PRIMARY KEY (node, seq))")
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return err
	}
	return wait.For(ctx, writeEvery, func(ctx context.Context) error {
		for _, c := range w.clients {
			if err := c.node.Exec(ctx, "SELECT FROM "+w.table); err != nil {
				return err
			}
		}
		return nil
	})
}

// A writer is the client that is pinned to one node.
type writer struct {
	node     *pgtest.Node
	name     string
	patience time.Duration
	writes   []Write

	away   error     // the engine's last answer, when the node did not run
	asked  time.Time // when that was
	conn   *pgx.Conn // nil while there is none
	socket net.Conn  // of conn
	notice error     // what the server said of a commit that it answers
}

// run writes until the meter quits. It cuts a write short when ctx ends.
func (c *writer) run(ctx context.Context, w *Writers) {
	defer c.hangUp()
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for seq := 1; ; seq++ {
		write := Write{Node: c.name, Seq: seq, Start: time.Since(w.began)}
		err := c.write(ctx, w.table, &write)
		write.End = time.Since(w.began)
		write.Outcome = outcome(err)
		if err != nil {
			write.Why = err.Error()
		}
		c.writes = append(c.writes, write)
		select {
		case <-w.quit:
			return
		case <-tick.C:
		}
	}
}

// write inserts one row and notes what the server says of it.
func (c *writer) write(ctx context.Context, table string, w *Write) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	if c.conn == nil {
		if err := c.dial(ctx); err != nil {
			return notSent{err}
		}
	}
	c.notice = nil
	insert := "INSERT INTO " + table + ` VALUES ($1, $2) RETURNING pg_current_xact_id()::text::bigint,
		(pg_current_wal_insert_lsn() - '0/0')::bigint,
		('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int`
	err := c.conn.QueryRow(ctx, insert, w.Node, w.Seq).Scan(&w.XID, &w.LSN, &w.Timeline)
	if c.conn.IsClosed() {
		c.hangUp()
	}
	return errors.Join(err, c.notice)
}

// dial opens a connection at the address that the node has now.
func (c *writer) dial(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, writeDialTimeout)
	defer cancel()
	if c.away != nil && time.Since(c.asked) < askAgain {
		return c.away
	}
	addr, err := c.node.HostAddr(ctx)
	if c.away, c.asked = err, time.Now(); err != nil {
		return err
	}
	config, err := pgx.ParseConfig(pgtest.DSN(addr))
	if err != nil {
		return err
	}
	config.RuntimeParams["log_min_messages"] = "log" // that a standby takes no write is no news to its log, ten times a second
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if strings.Contains(n.Message, "synchronous replication") {
			c.notice = fmt.Errorf("%s %s: %s", n.Severity, n.Code, n.Message)
		}
	}
	var socket net.Conn
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		// pgx dials again only to cancel, when the context ends under a query.
		if socket != nil {
			return nil, errors.New("writers cancel nothing")
		}
		var d net.Dialer
		var err error
		socket, err = d.DialContext(ctx, network, addr)
		return socket, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		if socket != nil {
			socket.Close()
		}
		return err
	}
	c.conn, c.socket = conn, socket
	return nil
}

// hangUp closes the connection at once, also under a query, of which the server is told nothing.
func (c *writer) hangUp() {
	if c.conn != nil {
		c.socket.Close()
		c.conn, c.socket = nil, nil
	}
}

// notSent is an error from before anything was sent.
type notSent struct{ error }

func (e notSent) Unwrap() error { return e.error }

// outcome says what a client may conclude from the error of a write. PostgreSQL rolls back what it
// answers with an ERROR, and says nothing of a commit with a FATAL, the end of a session.
func outcome(err error) drtest.Outcome {
	var before notSent
	var answer *pgconn.PgError
	switch {
	case err == nil:
		return drtest.Acked
	case errors.As(err, &before),
		errors.As(err, &answer) && answer.SeverityUnlocalized == "ERROR",
		pgconn.SafeToRetry(err):
		return drtest.Rejected
	}
	return drtest.Unknown
}
