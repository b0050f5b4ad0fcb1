package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/stretchr/testify/require"
)

// archiveLoss is how old acknowledged work is at most that is in no archive yet: the server counts
// whole seconds, so that up to two pass, and it takes less than half a second to compress and store
// a file of WAL.
const archiveLoss = 2*backuptest.ArchiveInterval + 500*time.Millisecond

// The database is destroyed with all of its storage, while at least fifty workflows are in flight.
// The operator restores the last full backup and all WAL of the archive on a spare machine,
// verifies it and leads the orchestrator to it. At most what was acknowledged within an archive
// interval is lost, and the restored server is backed up in its turn.
func TestFullRestore(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	repository, network := newVolumeRepository(t)
	b := startBackedUp(t, selected.measured, repository, network, backuptest.Full)
	s := fullRestore(t, b)
	// Only what has changed since is worth a backup of so much. The ratio is reported, and not
	// judged: it is one of the machine's disk, too.
	throughput := func(ctx context.Context) (string, error) {
		measured, err := b.spare.Benchmark(ctx)
		if err != nil {
			return "", fmt.Errorf("%w: %w", drtest.ErrInconclusive, err)
		}
		return measured.String(), nil
	}
	s.Proofs = append(b.proofs(backuptest.Incremental), drtest.Proof{Name: "throughput of the restore", Examine: throughput})
	drtest.Run(t, s)
}

func fullRestore(t testing.TB, b *backedUp) drtest.Scenario {
	load := steadyLoad
	load.Every, load.Steady = 40*time.Millisecond, 3*time.Second // longer than what can be lost
	b.askForLongWorkflows(15, load)                              // 4.5 s
	return drtest.Scenario{
		ID:         "DR-BACKUP-001",
		Title:      "Full backup restore",
		Category:   backups,
		Durability: "the database's storage is gone for good, so what the repository has is what there is",
		Workload:   b.app,
		Load:       load,
		Health:     b.app.Ready,
		Fault:      b.primary.Destroy(),
		Runbook:    b.runbook(),
		Proofs:     b.proofs(backuptest.Full),
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // as with a cut connection
			// Detection, the steps of the restore, and a breaker that is half open every 300 ms,
			// whose trial may run into the connect timeout of 1 s.
			drtest.RTO(time.Second + selected.restore + 2*time.Second),
			drtest.RPO(archiveLoss),
			inFlightAtLeast(50),
			survivorsRecovered(),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-BACKUP-001"),
		Deadline: selected.deadline,
	}
}

func TestFullRestoreSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("backup without its last file", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		repository, network := newVolumeRepository(t)
		b := startBackedUp(t, selected.backup, repository, network, backuptest.Full)
		inject(t, repository.LoseFile(b.spare.Node, b.backup))
		requireStepFails(t, fullRestore(t, b), "fetch the backup", "missing|No such file")
	})
	t.Run("archiving off", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		repository, network := newVolumeRepository(t)
		b := startBackedUp(t, selected.backup, repository, network, backuptest.Full)
		for _, sql := range []string{"ALTER SYSTEM SET archive_command = 'true'", "SELECT pg_reload_conf()"} {
			require.NoError(t, b.primary.Exec(t.Context(), sql))
		}
		requireFailure(t, fullRestore(t, b), "RPO", `lost \d+ of \d+ acked`)
	})
}
