package containertest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// growTimeout bounds the time in which a service must reach its limit.
const growTimeout = 30 * time.Second

// OOM returns the end of the service by the kernel, because its processes together need more memory
// than [Config.Memory] allows. The caller's trigger makes it grow: a request, a flood of work. It
// may return before the service dies, and it may fail because the service dies. The kernel sends
// SIGKILL to the process that it finds guiltiest; where that is the first one, all die and a
// supervisor acts. Peers see what they see after [Service.Crash], and before it, perhaps, a service
// that slows down.
//
// Inject returns when the engine has seen the kernel act and the service end with exit code 137; it
// takes as long as the growth, at most half a minute. A service that goes on, since only a child of
// its first process was killed, is an error. The engine's flag OOMKilled is no evidence: it
// outlasts a restart, and it may miss a process that is not the first. There is nothing to heal:
// [Service.SetMemory] gives it more. Confirm tells what the supervisor did.
func (s *Service) OOM(trigger func(context.Context) error) drtest.Fault {
	inject := func(ctx context.Context) (drtest.Effect, error) { return s.oom(ctx, trigger) }
	return unless(s.endless(), drtest.Fault{Name: "out of memory " + s.Name(), Inject: inject, Confirm: s.restarted})
}

func (s *Service) oom(ctx context.Context, trigger func(context.Context) error) (drtest.Effect, error) {
	c, err := s.inspect(ctx)
	if err != nil {
		return drtest.Effect{}, err
	}
	limit := c.HostConfig.Memory
	if limit == 0 {
		return drtest.Effect{}, fmt.Errorf("%s has no memory limit: set Config.Memory", s.Name())
	}
	ctx, cancel := context.WithTimeout(ctx, growTimeout)
	defer cancel()
	begin := time.Now()
	seen := s.events(ctx, s.id, events.ActionOOM, events.ActionDie)
	triggered := make(chan error, 1)
	go func() { triggered <- trigger(ctx) }()
	var failed error // of the trigger, which may be an effect of the fault
	var patience <-chan time.Time
	var killed, died bool
	var by time.Time
	for !killed || !died {
		select {
		case e := <-seen.Messages:
			if e.Action == events.ActionOOM {
				killed = true // the event may come before or after the death
			} else if code := e.Actor.Attributes["exitCode"]; code != "137" {
				return drtest.Effect{}, fmt.Errorf("%s ended with exit code %s, not by SIGKILL", s.Name(), code)
			} else {
				died, by = true, s.deadBy(ctx, e, begin)
				patience = time.After(injectTimeout)
			}
		case err := <-seen.Err:
			return drtest.Effect{}, errors.Join(s.lacks(killed, died), failed, context.Cause(ctx), err)
		case failed = <-triggered:
			if failed != nil {
				failed = fmt.Errorf("trigger: %w", failed)
				patience = time.After(injectTimeout)
			}
		case <-patience:
			return drtest.Effect{}, errors.Join(s.lacks(killed, died), failed)
		}
	}
	return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf("killed by the kernel at a limit of %d MiB, exit code 137", limit>>20)), By: by}, nil
}

// lacks says what was not seen of an end for lack of memory.
func (s *Service) lacks(killed, died bool) error {
	switch {
	case killed && !died:
		return fmt.Errorf("the kernel killed a process of %s, which goes on", s.Name())
	case died:
		return fmt.Errorf("%s ended by SIGKILL, but not for lack of memory", s.Name())
	}
	return fmt.Errorf("%s was not seen to run out of memory", s.Name())
}

// SetMemory gives the service another memory limit, in bytes, without swap as before. The service
// may be running or dead. With a limit below what it uses, the kernel either refuses the limit,
// which is an error, or ends the service.
func (s *Service) SetMemory(bytes int64) drtest.Step {
	return drtest.Step{Name: fmt.Sprintf("set the memory limit of %s to %d MiB", s.Name(), bytes>>20), Do: func(ctx context.Context) error {
		if s.lent != nil && s.lent.Memory == 0 {
			return fmt.Errorf("%s was adopted without a memory limit, and the engine takes none away again", s.Name())
		}
		_, err := s.engine.ContainerUpdate(ctx, s.id, client.ContainerUpdateOptions{
			Resources: &container.Resources{Memory: bytes, MemorySwap: bytes},
		})
		return err
	}}
}
