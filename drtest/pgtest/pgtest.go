// Package pgtest runs PostgreSQL servers in containers for the length of a test: a primary alone,
// or a pair with a streaming replica, with the faults that they can suffer and the steps that a
// runbook takes on them. All servers boot from one template, a cluster that was stopped cleanly and
// is part of the image, with data checksums and with fsync on. Clients need a password, which
// [DSN] has: it is a random one for each test process.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/wait"
)

// A Pair is a primary and a replica that streams from it.
type Pair struct {
	Primary, Replica *Node
}

// StartPrimary starts a server without a replica and returns when it answers queries. It fails t
// when that takes longer than [containertest.StartTimeout], and at once when the server ends.
func StartPrimary(t testing.TB, c Config) *Node {
	t.Helper()
	n := start(t, c.Container(t, primary))[0]
	c.init(t, n)
	return n
}

// StartPair starts a primary and a replica at the same time and returns when the replica streams
// and, with [Sync], commits wait for it. It fails t as [StartPrimary] does.
func StartPair(t testing.TB, c PairConfig) *Pair {
	t.Helper()
	if c.Replication != Async && c.Replication != Sync {
		t.Fatalf("pgtest: Replication %d is neither Async nor Sync", c.Replication)
	}
	p := c.start(t)
	ctx, cancel := machine.Allow(t.Context(), containertest.StartTimeout)
	defer cancel()
	if err := p.streams(ctx, c.Replication); err != nil {
		machine.Fatal(t, machine.Blame(ctx, fmt.Errorf("replica does not stream: %w", err)))
	}
	c.init(t, p.Primary)
	if err := p.replayed(ctx); err != nil {
		machine.Fatal(t, machine.Blame(ctx, fmt.Errorf("replica does not replay: %w", err)))
	}
	return p
}

// init runs the user's SQL.
func (c Config) init(t testing.TB, n *Node) {
	t.Helper()
	if c.InitSQL == "" {
		return
	}
	conn, err := n.Connect(t.Context()) // of its own: what it sets must not stay for others
	if err == nil {
		_, err = conn.Exec(t.Context(), c.InitSQL)
		err = errors.Join(err, conn.Close(t.Context()))
	}
	if err != nil {
		t.Fatalf("InitSQL: %v", err)
	}
}

// replayed returns once the replica shows all that the primary has written up to now.
func (p *Pair) replayed(ctx context.Context) error {
	written, err := p.Primary.Text(ctx, "SELECT pg_current_wal_lsn()::text")
	if err != nil {
		return err
	}
	return wait.For(ctx, 10*time.Millisecond, func(ctx context.Context) error {
		shown, err := p.Replica.Text(ctx, fmt.Sprintf("SELECT (pg_last_wal_replay_lsn() >= '%s')::text", written))
		if err == nil && shown != "true" {
			err = fmt.Errorf("it has not replayed up to %s", written)
		}
		return err
	})
}

// streams returns once the primary sees the replica stream, as the replication demands.
func (p *Pair) streams(ctx context.Context, r Replication) error {
	conn, err := p.Primary.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	want := map[Replication]string{Async: "streaming async", Sync: "streaming sync"}[r]
	const states = `SELECT coalesce(string_agg(state || ' ' || sync_state, ', '), 'no connection')
		FROM pg_stat_replication WHERE application_name = $1`
	return wait.For(ctx, 10*time.Millisecond, func(ctx context.Context) error {
		var got string
		if err := conn.QueryRow(ctx, states, replica).Scan(&got); err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("primary sees %q, want %q", got, want)
		}
		return nil
	})
}
