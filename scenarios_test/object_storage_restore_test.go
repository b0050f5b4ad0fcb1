package scenarios

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
)

// The repository is in S3-compatible storage, reached over TLS.
func TestFullRestoreFromS3(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	network := containertest.NewNetwork(t)
	s := fullRestore(t, startBackedUp(t, selected.backup, pgtest.StartS3Repository(t, network), network, pgtest.Full, pgtest.Incremental))
	s.ID += "/s3"
	s.Title += ", from S3"
	drtest.Run(t, s)
}
