package backuptest_test

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/pgtest"
)

// A server that is lost with its disk, and restored on a spare machine.
func ExampleStartSpare() {
	var t *testing.T // that of the test

	repository := backuptest.NewRepository(t)
	primary := pgtest.StartPrimary(t, pgtest.Config{Archive: repository.Archive()})
	backup, err := repository.Backup(t.Context(), primary, backuptest.Full)
	if err != nil {
		t.Fatal(err)
	}
	spare := backuptest.StartSpare(t, repository, backuptest.SpareConfig{Network: primary.Network()})

	_ = drtest.Scenario{
		Fault: primary.Destroy(),
		Runbook: []drtest.Step{
			spare.Fetch(backup, backuptest.Target{}), spare.Replay(), spare.Promote(), spare.Verify(),
		},
	}
}
