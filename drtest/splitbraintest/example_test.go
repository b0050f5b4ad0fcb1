package splitbraintest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/splitbraintest"
)

// A replica that is promoted while its primary lives: the drill must find that both took writes.
func ExampleStartWriters() {
	var t *testing.T // that of the test

	pg := pgtest.StartPair(t, pgtest.PairConfig{})
	writers := splitbraintest.StartWriters(t, splitbraintest.Config{Nodes: []*pgtest.Node{pg.Primary, pg.Replica}})

	_ = drtest.Scenario{
		Fault:   drtest.NoFault(),
		Runbook: []drtest.Step{pg.Replica.Promote()},
		Proofs: []drtest.Proof{{Name: "one writable node", Examine: func(context.Context) (string, error) {
			log := writers.Stop()
			if log.Dual().Hi > 0 {
				return "", errors.New(log.String())
			}
			return log.String(), nil
		}}},
	}
}
