package pgtest

import (
	"context"
	"fmt"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/secret"
	"github.com/jackc/pgx/v5"
)

const connectTimeout = 5 * time.Second

// A Node is one PostgreSQL server in a container. Its data lasts as long as the container, across
// restarts.
type Node struct {
	service *containertest.Service
	idle    connections
}

// Service returns the node's container, for the faults of any service.
func (n *Node) Service() *containertest.Service { return n.service }

// Name returns the node's name on its network.
func (n *Node) Name() string { return n.service.Name() }

// Addr returns the node's address inside its network, such as "primary:5432".
func (n *Node) Addr() string { return n.service.Addr() }

// Network returns the name of the network that the node lives on.
func (n *Node) Network() string { return n.service.Network() }

// HostAddr returns the address at which the test process reaches the node. A restart changes it.
func (n *Node) HostAddr(ctx context.Context) (string, error) { return n.service.HostAddr(ctx) }

// DSN returns the connection string for clients inside the node's network. It holds a password: see
// [DSN].
func (n *Node) DSN() string { return DSN(n.Addr()) }

// DSN returns the connection string of a cluster that is reached at addr, such as the address of a
// link. It names the database app and the superuser postgres, with his password: a random one for
// each test process, without which no server lets anybody in over the network. Reports, journals
// and the logs of containers show "[password]" in its place.
func DSN(addr string) string {
	return "postgres://postgres:" + secret.Password() + "@" + addr + "/" + Database + "?sslmode=disable"
}

// Connect opens a connection from the test process to the database app, as superuser, at the
// address that the node has now. It takes at most five seconds.
func (n *Node) Connect(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	addr, err := n.HostAddr(ctx)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, DSN(addr))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", n.service.Name(), err)
	}
	return conn, nil
}
