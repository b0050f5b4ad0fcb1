package pgtest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/jackc/pgx/v5"
)

// staleTimeout is how long a connection that was kept may take to show that it still works.
const staleTimeout = time.Second

// connections are connections to a node that are kept from one look to the next: stages look twenty
// times a second, and each new connection costs the server a process. Several looks at the same
// time have a connection each, since one may wait for a standby while another only reads.
type connections struct {
	mu   sync.Mutex
	idle []*pgx.Conn
}

// NewNode returns the node of a service that runs as long as t, and whose container is that of a
// server: see [Config.Container].
func NewNode(t testing.TB, s *containertest.Service) *Node {
	n := &Node{service: s}
	t.Cleanup(func() {
		for conn := n.idle.take(); conn != nil; conn = n.idle.take() {
			conn.Close(context.WithoutCancel(t.Context()))
		}
	})
	return n
}

// take returns an idle connection, or nil.
func (c *connections) take() *pgx.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		return nil
	}
	conn := c.idle[last]
	c.idle = c.idle[:last]
	return conn
}

func (c *connections) give(conn *pgx.Conn) {
	if conn.IsClosed() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = append(c.idle, conn)
}

// connection returns a connection that works, a new one if none that was kept does.
func (n *Node) connection(ctx context.Context) (*pgx.Conn, error) {
	for conn := n.idle.take(); conn != nil; conn = n.idle.take() {
		ping, cancel := context.WithTimeout(ctx, staleTimeout)
		err := conn.Ping(ping)
		cancel()
		if err == nil {
			return conn, nil
		}
		conn.Close(ctx)
	}
	return n.Connect(ctx)
}

// Exec runs SQL on the node, in the database app, as the superuser.
func (n *Node) Exec(ctx context.Context, sql string) error {
	conn, err := n.connection(ctx)
	if err != nil {
		return err
	}
	defer n.idle.give(conn)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", n.Name(), err)
	}
	return nil
}

// Text returns what a query on the node says, which is one value: a text.
func (n *Node) Text(ctx context.Context, sql string) (string, error) {
	conn, err := n.connection(ctx)
	if err != nil {
		return "", err
	}
	defer n.idle.give(conn)
	var s string
	if err := conn.QueryRow(ctx, sql).Scan(&s); err != nil {
		return "", fmt.Errorf("%s: %w", n.Name(), err)
	}
	return s, nil
}
