package scenarios

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/stretchr/testify/require"
)

// pageScrubInterval is the time between two readings of all stored workflows.
const pageScrubInterval = 500 * time.Millisecond

// A page of a table is damaged on the leader's disk. A scrub finds it, and the automation switches
// over to a standby, whose page is good, and clones the damaged node from it. The orchestrator
// serves again within 15 seconds and loses nothing.
func TestPageCorruption(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.SyncQuorum})
	s := pageCorruption(c, "workflows")
	s.Targets = targets(t, "DR-DB-003")
	drtest.Run(t, s)
}

func pageCorruption(c *clustered, table string) drtest.Scenario {
	s := c.scenario("Database corruption", c.leader.CorruptPage(table))
	s.ID = "DR-DB-003"
	s.Health = (&pageScrub{c: c, table: table}).Health
	s.Runbook = []drtest.Step{
		c.Fence(c.leader),
		c.Switchover(),
		c.Clone(c.leader),
	}
	s.Stages = c.FailoverStages(c.leader, "orchestrator")
	s.Proofs = []drtest.Proof{c.sameRows(), c.commitsWait(), {Name: "no damaged page", Examine: c.leader.Checksums}}
	s.Objectives = []drtest.Objective{
		drtest.Detection(2 * time.Second), // a scrub begins every 500 ms and takes less than that
		// Detection, a round until the fence is known, a planned switchover of 7.4 s at worst as in
		// DR-DB-008, and a margin for a busy machine.
		drtest.RTO(15 * time.Second),
		drtest.RPO(0),
		drtest.AllRecovered(15),
		drtest.NoDuplicates(),
	}
	return s
}

// A pageScrub reads every row of a table of the leader.
type pageScrub struct {
	c     *clustered
	table string
	mu    sync.Mutex
	last  time.Time
	err   error
}

// Health is the worst of what the service and the scrub say.
func (s *pageScrub) Health(ctx context.Context) error {
	if err := s.c.app.Ready(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) >= pageScrubInterval {
		s.last, s.err = time.Now(), s.read(ctx)
	}
	return s.err
}

func (s *pageScrub) read(ctx context.Context) error {
	leader, err := s.c.Leader(ctx)
	if err != nil {
		return err
	}
	conn, err := leader.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "SELECT count(t::text) FROM "+s.table+" t"); err != nil {
		return fmt.Errorf("scrub of %s: %w", leader.Name(), err)
	}
	return nil
}

// A page that is written again heals on a replica, by the full image of it in the WAL. One that
// nobody writes any more stays damaged until it is read.
func TestPageCorruptionSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Heavy)
	c := startClustered(t, patronitest.Config{Replication: patronitest.Sync})
	// Its rows are frozen from the start, or the first to read them would write the page again.
	for _, sql := range []string{
		"CREATE TABLE history (id text); COPY history FROM PROGRAM 'seq 100000 110000' (FREEZE)", "CHECKPOINT",
	} {
		require.NoError(t, c.leader.Exec(t.Context(), sql))
	}
	s := pageCorruption(c, "history")
	s.Runbook = s.Runbook[:2] // without the clone: the damaged node follows as it is
	s.Proofs = s.Proofs[1:]   // its rows cannot be compared, since they cannot be read
	requireFailure(t, s, "no damaged page", "checksum verification failed")
}
