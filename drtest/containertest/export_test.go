package containertest

import (
	"context"

	"github.com/moby/moby/client"
)

// StartAsStranger starts the container as somebody does who is no part of the drill, and returns
// when the service is ready.
func StartAsStranger(ctx context.Context, s *Service) error {
	if err := s.awaitEnd(ctx, s.id); err != nil {
		return err
	}
	if _, err := s.engine.ContainerStart(ctx, s.id, client.ContainerStartOptions{}); err != nil {
		return err
	}
	return s.awaitReady(ctx)
}

// IDOf returns the id of the service's container.
func IDOf(s *Service) string { return s.id }
