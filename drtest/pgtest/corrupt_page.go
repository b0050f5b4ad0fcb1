package pgtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/drtest/suite/drtest"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const corrupted = "XX001" // SQLSTATE data_corrupted

// CorruptPage returns a page that is damaged on the node's disk: random bytes over rows in the
// first page of the table, in the database app. Who reads it is told by its checksum, SQLSTATE
// XX001, and what is written elsewhere goes on. Replicas have a good page: replication ships
// changes, not pages.
//
// Inject returns when the server has read the page and refused it. Heal does nothing: no read makes
// it good again.
func (n *Node) CorruptPage(table string) drtest.Fault {
	inject := func(ctx context.Context) (drtest.Effect, error) {
		conn, err := n.Connect(ctx)
		if err != nil {
			return drtest.Effect{}, err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if _, err := conn.Exec(ctx, "CREATE EXTENSION IF NOT EXISTS pg_buffercache"); err != nil {
			return drtest.Effect{}, err
		}
		var file string
		if err := conn.QueryRow(ctx, "SELECT pg_relation_filepath($1::regclass)", table).Scan(&file); err != nil {
			return drtest.Effect{}, err
		}
		receipt, err := n.corruptPage(ctx, conn, table, DataFolder+"/"+file)
		return drtest.Effect{Receipt: receipt}, err
	}
	return drtest.Fault{Name: fmt.Sprintf("corrupt a page of %s on %s", table, n.Name()), Inject: inject}
}

// corruptPage writes until the page that the server reads is the damaged one: under load somebody
// may have it in memory, and write the good one again.
func (n *Node) corruptPage(ctx context.Context, conn *pgx.Conn, table, file string) (drtest.Receipt, error) {
	const (
		overwrite = `open F, "+<", $ARGV[0] or die $!; seek F, 8000, 0; print F map { chr rand 256 } 1..64; close F or die $!`
		evict     = `SELECT pg_buffercache_evict(bufferid) FROM pg_buffercache
			WHERE relfilenode = pg_relation_filenode($1::regclass) AND relforknumber = 0 AND relblocknumber = 0`
	)
	for range 20 {
		// A page that is dirty is written as it is evicted, so first that and then the bytes.
		if _, err := conn.Exec(ctx, evict, table); err != nil {
			return "", err
		}
		if _, err := n.service.Exec(ctx, "perl", "-e", overwrite, file); err != nil {
			return "", err
		}
		if _, err := conn.Exec(ctx, evict, table); err != nil {
			return "", err
		}
		_, err := conn.Exec(ctx, fmt.Sprintf("SELECT count(t::text) FROM %s t WHERE ctid < '(1,0)'", table))
		var answer *pgconn.PgError
		switch {
		case errors.As(err, &answer) && answer.Code == corrupted:
			return drtest.Receipt(answer.Code + " " + answer.Message), nil
		case err != nil:
			return "", err
		}
	}
	return "", fmt.Errorf("the first page of %s was written again each time", table)
}
