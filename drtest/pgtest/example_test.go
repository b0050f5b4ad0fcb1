package pgtest_test

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/pgtest"
)

// A primary with a synchronous replica, which the operator promotes when the primary has died.
func ExampleStartPair() {
	var t *testing.T // that of the test

	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})

	_ = drtest.Scenario{
		Fault:   pg.Primary.Kill(),
		Runbook: []drtest.Step{pg.Replica.Promote()},
		Proofs:  []drtest.Proof{pgtest.CommitsWait(pg.Primary, "app")},
	}
}
