// Package pgtest runs PostgreSQL 17 in containers for the length of a test: a primary alone, a pair
// with a streaming replica, or a cluster that elects its primary, with the faults that they can
// suffer, and the backups from which they are restored. All nodes boot from one template, a cluster
// that was stopped cleanly and is part of the image, with data checksums and with fsync on. Clients
// need no password: the cluster is thrown away with its test, and only its own network and the
// loopback address of the host lead to it.
package pgtest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/wait"
)

// Mode says what a primary waits for before it acknowledges a commit.
type Mode int

const (
	// Async acknowledges once the primary has flushed the commit. A failover loses what had not yet
	// reached the replica.
	Async Mode = iota + 1
	// Sync acknowledges once the replica has flushed the commit as well, from the primary's first
	// moment on. Without its replica the primary answers no writer. A wait that is cancelled, as
	// clients do when their patience ends, leaves a commit that others can see and that a failover
	// may lose; PostgreSQL reports such a commit as done, with a warning.
	Sync
	// SyncBestEffort is Sync as long as a cluster has a standby, and Async without one.
	SyncBestEffort
	// SyncQuorum is Sync with whichever standby of a cluster is first. When the primary dies, the
	// one that has received most takes over. With Sync it is the synchronous one, even when another
	// is ahead, which must then be rewound before it can follow: a cluster of three acknowledges
	// nothing until then.
	SyncQuorum
)

// The roles are DNS names, and the replica's is also the name under which it streams.
const (
	primary = "primary"
	replica = "replica"
)

// A Pair is a primary and a replica that streams from it.
type Pair struct {
	Primary, Replica *Node
}

// StartPrimary starts a server without a replica and returns when it answers queries. It fails t
// when that takes longer than [containertest.StartTimeout], and at once when the server ends.
func StartPrimary(t testing.TB, opts ...Option) *Node {
	t.Helper()
	o := gather(t, opts)
	o.alone(t)
	if o.through != nil {
		t.Fatal("pgtest: ReplicateThrough is an option of StartPair")
	}
	return start(t, o.primary(Async))[0]
}

// StartPair starts a primary and a replica at the same time and returns when the replica streams
// and, in mode Sync, commits wait for it. It fails t as [StartPrimary] does.
func StartPair(t testing.TB, mode Mode, opts ...Option) *Pair {
	t.Helper()
	if mode != Sync && mode != Async {
		t.Fatalf("pgtest: mode %d is neither Sync nor Async", mode)
	}
	o := gather(t, opts)
	o.alone(t)
	p := o.startPair(t, mode)
	ctx, cancel := machine.Allow(t.Context(), containertest.StartTimeout)
	defer cancel()
	if err := p.streams(ctx, mode); err != nil {
		machine.Fatal(t, machine.Blame(ctx, fmt.Errorf("replica does not stream: %w", err)))
	}
	return p
}

// streams returns once the primary sees the replica stream, in the mode.
func (p *Pair) streams(ctx context.Context, mode Mode) error {
	conn, err := p.Primary.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	want := map[Mode]string{Async: "streaming async", Sync: "streaming sync"}[mode]
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
