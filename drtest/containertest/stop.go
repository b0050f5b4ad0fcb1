package containertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Stop returns the orderly end of the service, as of a deployment or a node that is drained:
// SIGTERM to its first process, or the signal that the image of one from [Adopt] names, after which
// it has ten seconds to finish its work and leave. What peers
// observe until then is the service's own doing; afterwards their connections are closed and the
// service's name does not resolve, or, with [Config.Firewall], connections are refused. The restart
// policy does not act.
//
// Inject returns when the service has ended with exit code 0, so it takes as long as the service
// does. Another code is an error, and so is a service that stays. There is nothing to heal:
// [Service.Resume] starts it again.
func (s *Service) Stop() drtest.Fault {
	return unless(s.endless(), drtest.Fault{Name: "stop " + s.Name(), Inject: s.stop})
}

func (s *Service) stop(ctx context.Context) (drtest.Effect, error) {
	signal := "TERM"
	if s.lent != nil && s.lent.stopSignal != "" {
		signal = s.lent.stopSignal // another one would not suspend its restart policy
	}
	return s.die(ctx, s.id, graceful, func(ctx context.Context) error {
		_, err := s.engine.ContainerKill(ctx, s.id, client.ContainerKillOptions{Signal: signal})
		return err
	})
}

// Resume starts a service that has ended, after [Service.Stop] or [Service.Kill], and is done when
// it is ready, at most [StartTimeout] later. Its files are those that it left. It is no healing of
// [Service.Pause].
func (s *Service) Resume() drtest.Step {
	return drtest.Step{Name: "start " + s.Name(), Do: s.resume}
}

func (s *Service) resume(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, StartTimeout)
	defer cancel()
	// The engine tells of a death before it has cleared up after it.
	if err := s.awaitEnd(ctx, s.id); err != nil {
		return err
	}
	if s.firewall != nil {
		node, err := s.inspectNode(ctx)
		if err != nil {
			return err
		}
		if !node.State.Running {
			if err := s.firewall.Start(ctx); err != nil {
				return fmt.Errorf("start the firewall: %w", err)
			}
		}
	}
	if err := s.noteLife(ctx, false); err != nil {
		return err
	}
	begin := time.Now()
	if _, err := s.engine.ContainerStart(ctx, s.id, client.ContainerStartOptions{}); err != nil {
		return err
	}
	drtest.NoteStart(ctx, s.Name(), begin, time.Now())
	if err := s.noteLife(ctx, true); err != nil {
		return err
	}
	if s.config.Ready == nil {
		return nil
	}
	return s.awaitReady(ctx)
}

// noteLife takes note of when the service's present or last life began, and of whether Resume has
// just begun it. One that began after the life that a kill had ended, and that Resume did not
// begin, is a stranger's.
func (s *Service) noteLife(ctx context.Context, resumed bool) error {
	c, err := s.inspect(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if resumed {
		s.begun, s.resumed = c.State.StartedAt, c.State.StartedAt
	} else if s.begun != "" && s.begun != c.State.StartedAt {
		s.stranger = c.State.StartedAt
	}
	return nil
}

func (s *Service) awaitEnd(ctx context.Context, id string) error {
	ended := s.engine.ContainerWait(ctx, id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-ended.Result:
		return nil
	case err := <-ended.Error:
		if ctx.Err() != nil {
			err = errors.Join(errors.New("it has not ended"), err)
		}
		return err
	}
}
