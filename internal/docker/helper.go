package docker

import (
	"context"
	"fmt"
	"io"

	"github.com/drtest/suite/internal/orders"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
)

// A Helper is a container with a program of this module that takes orders. The test process holds
// the program's standard input, so the program notices when the process is gone, however it ended.
type Helper struct {
	*orders.Client
	ID     string
	engine *Engine
	stream client.HijackedResponse
}

// CreateHelper makes the container of a helper, which is not running yet.
func (e *Engine) CreateHelper(ctx context.Context, o client.ContainerCreateOptions) (*Helper, error) {
	o.Config.OpenStdin = true
	o.Config.StdinOnce = true // the process's end of the stream is the only one
	id, err := e.Create(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Helper{ID: id, engine: e}, nil
}

// Start starts the helper, for the first time or again, and returns when it is ready for orders.
func (h *Helper) Start(ctx context.Context) error {
	h.Close()
	attached, err := h.engine.ContainerAttach(ctx, h.ID, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	h.stream = attached.HijackedResponse
	printed, in := io.Pipe()
	go func() {
		stdcopy.StdCopy(in, in, attached.Reader)
		in.Close()
	}()
	h.Client = orders.NewClient(printed, h.stream.Conn)
	if _, err := h.engine.ContainerStart(ctx, h.ID, client.ContainerStartOptions{}); err != nil {
		return err
	}
	_, err = h.Order(ctx, orders.Hello)
	return err
}

// Close ends the stream of orders.
func (h *Helper) Close() {
	if h.stream.Conn != nil {
		h.stream.Close()
	}
}
