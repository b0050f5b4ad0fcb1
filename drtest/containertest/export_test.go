package containertest

import (
	"context"

	"github.com/moby/moby/client"
)

// StartAsStranger starts the container as somebody does who is no part of the drill.
func StartAsStranger(ctx context.Context, s *Service) error {
	if err := s.awaitEnd(ctx, s.id); err != nil {
		return err
	}
	_, err := s.engine.ContainerStart(ctx, s.id, client.ContainerStartOptions{})
	return err
}
