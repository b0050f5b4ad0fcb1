package proxytest_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/drtest/suite/internal/echo"
	"github.com/stretchr/testify/require"
)

// services starts services that answer each line with their name, on one network.
func services(t testing.TB, names ...string) []*containertest.Service {
	t.Helper()
	network := containertest.NewNetwork(t)
	var configs []containertest.Config
	for _, name := range names {
		configs = append(configs, service(t, name, network))
	}
	return containertest.StartAll(t, configs...)
}

func service(t testing.TB, name, network string) containertest.Config {
	t.Helper()
	return containertest.Config{
		Name: name,
		Image: containertest.Build(t, containertest.Image{
			Name: "drtest/echo", Files: echo.Files, Programs: []containertest.Program{{Name: "echo", Package: echo.Package}},
		}),
		Network: network,
		Env:     map[string]string{"NAME": name},
		Port:    echo.Port,
		Ready: func(ctx context.Context, s *containertest.Service) error {
			addr, err := s.HostAddr(ctx)
			if err != nil {
				return err
			}
			_, err = echo.Ask(ctx, addr, "hello")
			return err
		},
	}
}

// bound limits what must come; silence is how long a test listens for what must not come.
const (
	bound   = 5 * time.Second
	silence = 200 * time.Millisecond
)

func dial(t *testing.T, l *proxytest.Link) *echo.Client {
	t.Helper()
	c, err := echo.Dial(t.Context(), l.HostAddr())
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// requireAnswer requires that the service of that name answers.
func requireAnswer(t *testing.T, c *echo.Client, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	answer, err := c.Ask(ctx, "hello")
	require.NoError(t, err)
	require.Equal(t, name+": hello", answer)
}

// requireClosed requires that the other side closes the connection.
func requireClosed(t *testing.T, c *echo.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	_, err := c.Ask(ctx, "hello")
	require.Error(t, err)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
}

// requireSilence requires that a connection stays open and gives no answer.
func requireSilence(t *testing.T, c *echo.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), silence)
	defer cancel()
	_, err := c.Ask(ctx, "hello")
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// closed returns nil if a new connection through the link is closed.
func closed(ctx context.Context, l *proxytest.Link) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	answer, err := echo.Ask(ctx, l.HostAddr(), "hello")
	if err == nil {
		return errors.New("answer " + answer)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return nil
}
