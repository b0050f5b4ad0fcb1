package scenarios

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/containertest"
)

// The repository is in S3-compatible storage, reached over TLS.
func TestFullRestoreFromS3(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	network := containertest.NewNetwork(t)
	repository := backuptest.StartS3Repository(t, network)
	s := fullRestore(t, startBackedUp(t, selected.backup, repository, network, backuptest.Full, backuptest.Incremental))
	s.ID += "/s3"
	s.Title += ", from S3"
	drtest.Run(t, s)
}

func TestFullRestoreFromS3Sabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Heavy)
	network := containertest.NewNetwork(t)
	repository := backuptest.StartS3Repository(t, network)
	b := startBackedUp(t, selected.backup, repository, network, backuptest.Full)
	inject(t, repository.LoseFile(b.spare.Node, b.backup))
	requireStepFails(t, fullRestore(t, b), "fetch the backup", "missing|No such file")
}
