package containertest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/stretchr/testify/require"
)

func TestCrash(t *testing.T) {
	c := echoService(t, "server", "")
	c.Restart = containertest.RestartOnFailure
	s := containertest.Start(t, c)
	f := s.Crash()
	require.Equal(t, "crash server", f.String())
	// The second crash is another drill's: the fault keeps no state.
	for n := 1; n <= 2; n++ {
		receipt, err := f.Inject(t.Context())
		require.NoError(t, err)
		require.Equal(t, drtest.Receipt("exit code 137"), receipt)
		eventually(t, func(ctx context.Context) error { return ask(ctx, s) })
		confirmed, err := f.(drtest.Confirmer).Confirm(t.Context())
		require.NoError(t, err)
		require.Regexp(t, fmt.Sprintf(`^restart count %d, running again \d+ms after the death$`, n), confirmed)
		require.NoError(t, f.Heal(t.Context()))
	}
}

func TestCrashWithoutSupervisor(t *testing.T) {
	s := containertest.Start(t, echoService(t, "server", ""))
	f := s.Crash()
	receipt, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("exit code 137"), receipt)
	confirmed, err := f.(drtest.Confirmer).Confirm(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("not restarted: exited"), confirmed)
	_, err = f.Inject(t.Context())
	require.EqualError(t, err, "server is not running but exited")
}

func TestKill(t *testing.T) {
	c := echoService(t, "server", "")
	c.Restart = containertest.RestartOnFailure
	s := containertest.Start(t, c)
	f := s.Kill()
	require.Equal(t, "kill server", f.String())
	receipt, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("exit code 137"), receipt)
	require.NoError(t, f.Heal(t.Context()))
	confirmed, err := f.(drtest.Confirmer).Confirm(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("stayed dead"), confirmed)
	_, err = s.HostAddr(t.Context())
	require.EqualError(t, err, "address of server: port 7777 is not published, container is exited")
	_, err = f.Inject(t.Context())
	require.ErrorContains(t, err, "is not running")
}

// A fault that could not be seen to take effect has no receipt.
func TestFaultUnseen(t *testing.T) {
	s := containertest.Start(t, echoService(t, "server", ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, f := range []drtest.Fault{s.Crash(), s.Kill()} {
		receipt, err := f.Inject(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, receipt)
	}
	require.NoError(t, ask(t.Context(), s))
}
