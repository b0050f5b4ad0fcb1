package containertest

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/drtest"
	"github.com/moby/moby/client"
)

// Destroy returns the loss of the service's node with its storage: the container is killed and removed with all its
// files, except those in volumes from [NewVolume]. Peers see what they see after [Service.Kill]. Nothing brings it back;
// Heal does nothing. Only its log is kept, for the evidence.
//
// Inject returns when the engine does not know the container any more. Confirm makes sure that this is still so.
func (s *Service) Destroy() drtest.Fault {
	return confirmed{drtest.NewFault("destroy "+s.Name(), s.destroy, nil), s.gone}
}

func (s *Service) destroy(ctx context.Context) (drtest.Receipt, error) {
	receipt, err := s.kill(ctx)
	if err != nil {
		return "", err
	}
	log, err := s.Logs(ctx)
	if err != nil {
		return "", err
	}
	if err := s.removeContainer(ctx, s.id); err != nil {
		return "", fmt.Errorf("remove %s: %w", s.Name(), err)
	}
	if s.firewall != nil {
		if err := s.removeContainer(ctx, s.firewall.ID); err != nil {
			return "", fmt.Errorf("remove the firewall of %s: %w", s.Name(), err)
		}
	}
	s.mu.Lock()
	s.lastWord = &log
	s.mu.Unlock()
	gone, err := s.gone(ctx)
	return receipt + "; " + gone, err
}

// gone says that the engine does not know the container.
func (s *Service) gone(ctx context.Context) (drtest.Receipt, error) {
	_, err := s.inspect(ctx)
	switch {
	case err == nil:
		return "", errors.New(s.Name() + " is still there")
	case errdefs.IsNotFound(err):
		return "its container and its files are gone", nil
	}
	return "", err
}

func (s *Service) removeContainer(ctx context.Context, id string) error {
	_, err := s.engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	return err
}
