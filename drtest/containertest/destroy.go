package containertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"
)

const removalPoll = 5 * time.Millisecond

// Destroy returns the loss of the service's node with its storage: the container is killed and
// removed with all its files, except those in volumes from [NewVolume]. Peers see what they see
// after [Service.Kill]. Nothing brings it back; Heal does nothing. Only its log is kept, for the
// evidence.
//
// Inject returns when the engine does not know the container any more, so that nobody reaches its
// files; how long the host's disk takes to free those in its volumes, up to seconds for gigabytes,
// is no part of the disaster. Confirm returns once the engine does not know these volumes either.
func (s *Service) Destroy() drtest.Fault {
	var refused error
	if s.lent != nil {
		refused = fmt.Errorf("%s was adopted, so its container is never removed: kill it", s.Name())
	}
	return unless(refused, drtest.Fault{Name: "destroy " + s.Name(), Inject: s.destroy, Confirm: s.gone})
}

func (s *Service) destroy(ctx context.Context) (drtest.Effect, error) {
	d, err := s.kill(ctx)
	if err != nil {
		return drtest.Effect{}, err
	}
	log, err := s.Logs(ctx)
	if err != nil {
		return drtest.Effect{}, err
	}
	if s.firewall != nil {
		if err := s.removeContainer(ctx, s.firewall.ID); err != nil {
			return drtest.Effect{}, fmt.Errorf("remove the firewall of %s: %w", s.Name(), err)
		}
	}
	c, err := s.inspect(ctx)
	if err != nil {
		return drtest.Effect{}, err
	}
	removal := &removal{ended: make(chan struct{})}
	kept := slices.Collect(maps.Values(s.config.Volumes))
	for _, m := range c.Mounts {
		if m.Type == mount.TypeVolume && !slices.Contains(kept, m.Name) {
			removal.volumes = append(removal.volumes, m.Name)
		}
	}
	// The engine forgets a container before it removes its volumes.
	s.mu.Lock()
	s.lastWord, s.removal = &log, removal
	s.mu.Unlock()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	go func() {
		defer close(removal.ended)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if removal.err = s.removeContainer(ctx, s.id); removal.err != nil {
			fail(removal.err)
		}
	}()
	err = wait.For(ctx, removalPoll, func(ctx context.Context) error {
		if _, err := s.inspect(ctx); !errdefs.IsNotFound(err) {
			return cmp.Or(err, errors.New(s.Name()+" is still there"))
		}
		return nil
	})
	if err != nil {
		return drtest.Effect{}, err
	}
	d.Receipt += "; its container is gone"
	return d, nil
}

// gone waits until the engine has removed the container and its volumes, and makes sure of these:
// it would only log a failure.
func (s *Service) gone(ctx context.Context) (drtest.Receipt, error) {
	s.mu.Lock()
	removal := s.removal
	s.mu.Unlock()
	if removal == nil {
		return "", fmt.Errorf("%s was not destroyed", s.Name())
	}
	if err := removal.wait(ctx); err != nil {
		return "", fmt.Errorf("remove %s: %w", s.Name(), err)
	}
	for _, name := range removal.volumes {
		if _, err := s.engine.VolumeInspect(ctx, name, client.VolumeInspectOptions{}); !errdefs.IsNotFound(err) {
			return "", cmp.Or(err, fmt.Errorf("volume %s of %s is still there", name, s.Name()))
		}
	}
	return "its files are gone", nil
}

// A removal is that of a container with all of its volumes, as it is going on.
type removal struct {
	volumes []string // those that go with it
	ended   chan struct{}
	err     error // once it has ended
}

func (r *removal) wait(ctx context.Context) error {
	select {
	case <-r.ended:
		return r.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Service) removeContainer(ctx context.Context, id string) error {
	_, err := s.engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	return err
}
