package pgtest_test

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/pgtest"
)

// A primary with a synchronous replica, which the operator promotes when the primary has died.
func ExampleStartPair() {
	var t *testing.T // that of the test

	pg := pgtest.StartPair(t, pgtest.Sync)

	_ = drtest.Scenario{
		Fault:   pg.Primary.Kill(),
		Runbook: []drtest.Step{pg.Promote()},
		Proofs:  []drtest.Proof{pgtest.CommitsWait(pg.Primary, "app")},
	}
}

// A cluster that elects its primary by itself.
func ExampleStartCluster() {
	var t *testing.T // that of the test

	c := pgtest.StartCluster(t, pgtest.SyncQuorum)
	leader, err := c.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	_ = drtest.Scenario{Fault: leader.Crash(), Stages: c.FailoverStages(leader, "app")}
}
