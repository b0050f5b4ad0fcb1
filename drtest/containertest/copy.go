package containertest

import (
	"context"
	"fmt"

	"github.com/moby/moby/client"
)

// CopyTo copies a file, or a directory with all that is in it, into a directory of another service.
// The service may have ended, the other must run. Owners and modes stay. A path that does not exist
// is an error for which errdefs.IsNotFound holds. Files that change meanwhile are copied in some
// state between.
func (s *Service) CopyTo(ctx context.Context, path string, to *Service, dir string) error {
	if err := s.copyTo(ctx, path, to, dir); err != nil {
		return fmt.Errorf("copy %s of %s to %s: %w", path, s.Name(), to.Name(), err)
	}
	return nil
}

func (s *Service) copyTo(ctx context.Context, path string, to *Service, dir string) error {
	from, err := s.engine.CopyFromContainer(ctx, s.id, client.CopyFromContainerOptions{SourcePath: path})
	if err != nil {
		return err
	}
	defer from.Content.Close()
	_, err = to.engine.CopyToContainer(ctx, to.id, client.CopyToContainerOptions{DestinationPath: dir, Content: from.Content})
	return err
}
