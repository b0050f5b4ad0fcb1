package scenarios

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/containertest"
)

// PostgreSQL's own backups need no other tool: a full one, and two that have what changed after it.
func TestIncrementalRestore(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	repository, network := backuptest.NewBaseBackupRepository(t), containertest.NewNetwork(t)
	b := startBackedUp(t, selected.backup, repository, network, backuptest.Full, backuptest.Incremental, backuptest.Incremental)
	s := fullRestore(t, b)
	s.ID += "/incremental"
	s.Title += ", PostgreSQL's own incremental backups"
	drtest.Run(t, s)
}

func TestIncrementalRestoreSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Heavy)
	repository := backuptest.NewBaseBackupRepository(t)
	b := startBackedUp(t, selected.backup, repository, containertest.NewNetwork(t), backuptest.Full, backuptest.Incremental)
	inject(t, repository.LoseFile(b.spare.Node, b.backup))
	requireStepFails(t, fullRestore(t, b), "fetch the backup", "is present in the manifest but not on disk")
}
