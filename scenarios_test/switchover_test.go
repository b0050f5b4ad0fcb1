package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
)

// The leader hands over in good order, under load, as for maintenance: it stops, and a standby that has all that it
// wrote takes over at once.
func plannedSwitchover(_ *testing.T, c *clustered) drtest.Scenario {
	s := c.scenario("Planned switchover under load", &handover{c: c, answered: make(chan error, 1)})
	s.ID = "DR-DB-008"
	s.Stages = c.FailoverStages(c.leader, "orchestrator")
	s.Proofs = c.proofs()
	s.Model = drtest.Model{
		{Name: "leader asked", Worst: c.Timing.LoopWait, Source: "loop_wait"},
		{Name: "leader stops", Worst: 2 * time.Second, Source: "primary_stop_timeout 2s"},
		promotion(c),
		standbyFollows(c),
		reconnect(c),
	}
	s.Objectives = failoverObjectives(s.Model.RTO().Hi)
	return s
}

// A handover is in effect when the leader takes no more writes. The agent's answer comes at its end.
type handover struct {
	c        *clustered
	answered chan error
	answer   string
}

func (h *handover) String() string { return "switchover from " + h.c.leader.Name() }

func (h *handover) Inject(ctx context.Context) (drtest.Receipt, error) {
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		var err error
		h.answer, err = h.c.Switchover(ctx)
		h.answered <- err
	}()
	for ctx.Err() == nil {
		if err := writable(ctx, h.c.leader.Node); err != nil {
			return drtest.Receipt(h.c.leader.Name() + " takes no write: " + err.Error()), nil
		}
	}
	return "", ctx.Err()
}

func (h *handover) Heal(context.Context) error { return nil }

func (h *handover) Confirm(ctx context.Context) (drtest.Receipt, error) {
	select {
	case err := <-h.answered:
		return drtest.Receipt(h.answer), err
	case <-ctx.Done():
		return "", fmt.Errorf("the agent has not answered: %w", ctx.Err())
	}
}
