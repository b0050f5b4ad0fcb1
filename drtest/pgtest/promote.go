package pgtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drtest/suite/drtest"
)

const promoteTimeout = time.Minute

// Promote makes a standby a primary and returns once it has committed a transaction on a new
// timeline. All that it has received is replayed first. Nothing stops the old primary: whoever
// promotes has to make sure that it is dead or cut off. It fails when the node is a primary
// already, and after a minute.
func (n *Node) Promote() drtest.Step {
	return drtest.Step{Name: "promote " + n.Name(), Do: n.promote}
}

func (n *Node) promote(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, promoteTimeout)
	defer cancel()
	conn, err := n.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	// The control file of a standby is as old as its last restart point or its minimum recovery
	// point.
	const known = `SELECT greatest(timeline_id, min_recovery_end_timeline) FROM pg_control_checkpoint(), pg_control_recovery()`
	var before, after int
	if err := conn.QueryRow(ctx, known).Scan(&before); err != nil {
		return err
	}
	// A promotion that takes too long is a false and a warning, not an error.
	var promoted bool
	if err := conn.QueryRow(ctx, `SELECT pg_promote(wait => true)`).Scan(&promoted); err != nil {
		return err
	}
	if !promoted {
		return errors.New("pg_promote gave up waiting for the end of recovery")
	}
	// A transactional message is written to the WAL and committed, and leaves nothing in any table.
	// The control file still names the old timeline here, the WAL does not.
	if _, err := conn.Exec(ctx, `SELECT pg_logical_emit_message(true, 'pgtest', 'promoted')`); err != nil {
		return fmt.Errorf("first write: %w", err)
	}
	const current = `SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int`
	if err := conn.QueryRow(ctx, current).Scan(&after); err != nil {
		return err
	}
	if after <= before {
		return fmt.Errorf("timeline is still %d", after)
	}
	return nil
}
