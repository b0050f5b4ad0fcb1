package containertest

import (
	"context"
	"fmt"

	"github.com/drtest/suite/drtest"
	"github.com/moby/moby/client"
)

// Pause returns a service that stands still, as one does whose machine is suspended or that
// collects garbage for too long: all of its processes are frozen between two instructions and know
// nothing of it. Its kernel lives: connections stay open, what peers send is acknowledged and kept
// until the buffers are full, and new connections open until the backlog is full. So no keepalive
// fires; only timeouts of the application notice.
//
// Heal thaws it: it goes on with what it held, leases and locks that have expired meanwhile among
// it, and executes the requests in its buffers, also those whose clients have given up. Confirm
// tells whether the same process went on.
func (s *Service) Pause() drtest.Fault {
	var started string // at the injection
	inject := func(ctx context.Context) (drtest.Effect, error) {
		// The engine answers when the kernel has frozen the last process.
		if _, err := s.engine.ContainerPause(ctx, s.id, client.ContainerPauseOptions{}); err != nil {
			return drtest.Effect{}, err
		}
		c, err := s.inspect(ctx)
		if err != nil {
			return drtest.Effect{}, err
		}
		if !c.State.Paused {
			return drtest.Effect{}, fmt.Errorf("%s is not paused but %s", s.Name(), c.State.Status)
		}
		started = c.State.StartedAt
		return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf("%s, first process %d", c.State.Status, c.State.Pid))}, nil
	}
	heal := func(ctx context.Context) error {
		c, err := s.inspect(ctx)
		if err != nil || !c.State.Paused { // it never was, or it has been killed
			return err
		}
		_, err = s.engine.ContainerUnpause(ctx, s.id, client.ContainerUnpauseOptions{})
		return err
	}
	confirm := func(ctx context.Context) (drtest.Receipt, error) {
		c, err := s.inspect(ctx)
		switch {
		case err != nil:
			return "", err
		case c.State.StartedAt != started:
			return "started again since", nil
		case c.State.Paused || !c.State.Running:
			return drtest.Receipt("still " + c.State.Status), nil
		}
		return drtest.Receipt(fmt.Sprintf("thawed, first process %d", c.State.Pid)), nil
	}
	return drtest.Fault{Name: "pause " + s.Name(), Inject: inject, Heal: heal, Confirm: confirm}
}
