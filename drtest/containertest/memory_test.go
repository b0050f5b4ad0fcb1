package containertest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/echo"
	"github.com/stretchr/testify/require"
)

// grow makes the service need 40 MiB for an answer.
func grow(s *containertest.Service) func(context.Context) error {
	return func(ctx context.Context) error {
		addr, err := s.HostAddr(ctx)
		if err != nil {
			return err
		}
		_, err = echo.Ask(ctx, addr, "grow 40")
		return err
	}
}

// A service that needs more than its limit dies, again after each restart, until the limit is
// raised.
func TestOOM(t *testing.T) {
	t.Parallel()
	c := echoService(t, "server", "")
	c.Memory = 32 << 20
	c.Restart = containertest.RestartOnFailure
	s := containertest.Start(t, c)
	f := s.OOM(grow(s))
	require.Equal(t, "out of memory server", f.Name)
	for range 2 {
		effect, err := f.Inject(t.Context())
		require.NoError(t, err)
		require.Equal(t, drtest.Receipt("killed by the kernel at a limit of 32 MiB, exit code 137"), effect.Receipt)
		require.Nil(t, f.Heal)
		eventually(t, func(ctx context.Context) error { return ask(ctx, s) })
		confirmed, err := f.Confirm(t.Context())
		require.NoError(t, err)
		require.Regexp(t, `^restart count \d, running again `, confirmed)
	}
	require.NoError(t, s.SetMemory(64<<20).Do(t.Context()))
	require.NoError(t, grow(s)(t.Context()))
}

// The limit of a dead service can be raised before it starts again.
func TestSetMemoryOfDead(t *testing.T) {
	t.Parallel()
	c := echoService(t, "server", "")
	c.Memory = 32 << 20
	s := containertest.Start(t, c)
	_, err := s.OOM(grow(s)).Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.SetMemory(64<<20).Do(t.Context()))
	require.NoError(t, s.Resume().Do(t.Context()))
	require.NoError(t, grow(s)(t.Context()))
}

// Another death is not taken for one by the kernel, nor is a trigger that does nothing.
func TestOOMUnseen(t *testing.T) {
	t.Parallel()
	c := echoService(t, "server", "")
	c.Memory = 32 << 20
	s := containertest.Start(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	effect, err := s.OOM(func(context.Context) error { cancel(); return errors.New("no such request") }).Inject(ctx)
	require.ErrorContains(t, err, "server was not seen to run out of memory")
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, effect.Receipt)
	_, err = s.OOM(func(ctx context.Context) error { _, err := s.Stop().Inject(ctx); return err }).Inject(t.Context())
	require.EqualError(t, err, "server ended with exit code 0, not by SIGKILL")

	unlimited := containertest.Start(t, echoService(t, "server", ""))
	_, err = unlimited.OOM(grow(unlimited)).Inject(t.Context())
	require.EqualError(t, err, "server has no memory limit: set Config.Memory")
}
