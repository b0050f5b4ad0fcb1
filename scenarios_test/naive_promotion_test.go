package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/drtest/suite/drtest/splitbraintest"
	"github.com/stretchr/testify/require"
)

// A naive script takes a replica that it cannot see replicate for the survivor of a dead primary,
// and promotes it without fencing the primary, which lives and serves the clients that are pinned
// to it. No two nodes may accept writes at once, and no write that a node acknowledged may be
// missing on the survivor.
func naivePromotion(pg *pgtest.Pair, replication *proxytest.Link, app *orchestrator, writers *splitbraintest.Writers) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-DB-NAIVE",
		Title:      "Promotion without a fence",
		Category:   database,
		Durability: "both nodes keep their storage; what the old primary alone has is lost when it is made a replica",
		Workload:   app,
		Load:       steadyLoad,
		Fault:      naiveScript(pg, replication),
		// To the clients of the old primary nothing happens.
		Objectives: []drtest.Objective{drtest.NoFailedRequests()},
		// The first to be examined ends the writers.
		Proofs: []drtest.Proof{
			{Name: "one writable node", Examine: func(context.Context) (string, error) {
				log := writers.Stop()
				if dual := log.Dual(); dual.Hi > 0 {
					return "", fmt.Errorf("two nodes accepted writes at once for %v", dual)
				}
				return log.String(), nil
			}},
			{Name: "no divergent write", Examine: func(ctx context.Context) (string, error) {
				d, err := writers.Stop().Divergence(ctx, pg.Primary, pg.Replica)
				if err != nil {
					return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
				}
				if len(d.Acked) > 0 {
					return "", fmt.Errorf("%v", d)
				}
				return d.String(), nil
			}},
		},
		Deadline: 30 * time.Second,
	}
}

// naiveScript cuts the replication and promotes the replica. Clients of the primary see nothing of
// it.
func naiveScript(pg *pgtest.Pair, replication *proxytest.Link) drtest.Fault {
	cut := replication.Cut()
	return drtest.Fault{Name: "promotion without a fence", Inject: func(ctx context.Context) (drtest.Effect, error) {
		effect, err := cut.Inject(ctx)
		if err != nil {
			return drtest.Effect{}, err
		}
		if err := pg.Replica.Promote().Do(ctx); err != nil {
			return drtest.Effect{}, err
		}
		for _, n := range []*pgtest.Node{pg.Primary, pg.Replica} {
			if err := writable(ctx, n); err != nil {
				return drtest.Effect{}, fmt.Errorf("%s: %w", n.Addr(), err)
			}
		}
		effect.Receipt += "; both nodes take a write"
		return effect, nil
	}}
}

// writable has a node commit a transaction that leaves nothing in any table.
func writable(ctx context.Context, n *pgtest.Node) error {
	conn, err := n.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "SELECT pg_logical_emit_message(true, 'drtest', 'writable')")
	return err
}

// The instruments, not the clients, tell of a split brain: to the clients of the old primary
// nothing happens.
func TestNaivePromotionSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	pg, proxy, replication := startAsynchronousPair(t)
	app := startOrchestrator(t, proxy, pg.Primary, variant{}) // pinned to it
	writers := splitbraintest.StartWriters(t, splitbraintest.Config{Nodes: []*pgtest.Node{pg.Primary, pg.Replica}})
	report := playSabotaged(t, naivePromotion(pg, replication, app, writers))
	log := writers.Stop()
	t.Log(log)
	requireFailed(t, report, "one writable node", `^two nodes accepted writes at once for \d+\.\d{3}s \(\d+\.\d{3}s\.\.\d+\.\d{3}s\)$`)
	require.Positive(t, log.Dual().Lo, "certainly at once")

	lost, err := log.Lost(t.Context(), pg.Replica)
	require.NoError(t, err)
	require.NotEmpty(t, lost)
	for _, w := range lost {
		require.Equal(t, "primary", w.Node)
	}
	acked := log.Acked(pg.Primary)
	require.Equal(t, acked[len(acked)-len(lost):], lost, "the last ones, without a gap")
	requireFailed(t, report, "no divergent write", fmt.Sprintf(
		`^timeline 1 ends for the cluster at \S+; primary committed \d+ transactions after that, of which %d acked to the writer: `, len(lost)))
}
