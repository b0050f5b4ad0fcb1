package scenarios

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/pgtest"
)

// pageScrubInterval is the time between two readings of all stored workflows.
const pageScrubInterval = 500 * time.Millisecond

// A page of the workflows' table rots on the leader's disk. A scrub finds it, and the automation leads the service to the
// synchronous standby, whose page is good, and clones the rotten node anew.
func pageCorruption(c *clustered) drtest.Scenario {
	s := c.scenario("Database corruption", c.leader.Rot("workflows"))
	s.ID = "DR-DB-003"
	s.Health = (&pageScrub{c: c}).Health
	s.Runbook = []drtest.Step{
		{Name: "switch over", Do: func(ctx context.Context) error { _, err := c.Switchover(ctx); return err }},
		{Name: "clone the rotten node anew", Do: func(ctx context.Context) error { return c.Clone(ctx, c.leader) }},
	}
	s.Stages = c.FailoverStages(c.leader, "orchestrator")
	s.Proofs = append(c.proofs()[2:], drtest.Proof{Name: "no rotten page", Examine: c.leader.Checksums})
	s.Objectives = []drtest.Objective{
		drtest.Detection(2 * time.Second), // a scrub begins every 500 ms and takes less than another
		// Detection, a planned switchover of 5 s, and a margin for a busy machine.
		drtest.RTO(10 * time.Second),
		drtest.RPO(0),
		drtest.AllRecovered(15),
		drtest.NoDuplicates(),
	}
	return s
}

// A pageScrub reads every stored workflow of the leader.
type pageScrub struct {
	c    *clustered
	mu   sync.Mutex
	last time.Time
	err  error
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
	if _, err := conn.Exec(ctx, "SELECT count(w::text) FROM workflows w"); err != nil {
		return fmt.Errorf("scrub of %s: %w", leader.Name(), err)
	}
	return nil
}

func TestPageCorruption(t *testing.T) {
	t.Parallel()
	s := pageCorruption(startClustered(t, pgtest.Sync))
	s.Targets = targets(t, "DR-DB-003")
	drtest.Run(t, s)
}

func TestPageCorruptionSabotaged(t *testing.T) {
	t.Parallel()
	s := pageCorruption(startClustered(t, pgtest.Sync))
	s.Runbook = s.Runbook[:1] // the rotten node follows as it is
	requireFailure(t, s, "no rotten page", "checksum verification failed")
}
