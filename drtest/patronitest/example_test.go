package patronitest_test

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/patronitest"
)

// A cluster that elects its primary by itself.
func ExampleStartCluster() {
	var t *testing.T // that of the test

	c := patronitest.StartCluster(t, patronitest.Config{Replication: patronitest.SyncQuorum})
	leader, err := c.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	_ = drtest.Scenario{Fault: leader.Crash(), Stages: c.FailoverStages(leader, "app")}
}
