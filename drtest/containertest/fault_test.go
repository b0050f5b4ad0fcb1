package containertest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/echo"
	"github.com/stretchr/testify/require"
)

func TestCrash(t *testing.T) {
	c := echoService(t, "server", "")
	c.Restart = containertest.RestartOnFailure
	s := containertest.Start(t, c)
	f := s.Crash()
	require.Equal(t, "crash server", f.Name)
	// The second crash is another drill's: the fault keeps no state.
	for n := 1; n <= 2; n++ {
		effect, err := f.Inject(t.Context())
		require.NoError(t, err)
		require.Equal(t, drtest.Receipt("exit code 137"), effect.Receipt)
		eventually(t, func(ctx context.Context) error { return ask(ctx, s) })
		confirmed, err := f.Confirm(t.Context())
		require.NoError(t, err)
		require.Regexp(t, fmt.Sprintf(`^restart count %d, running again [\d.]+m?s after the death$`, n), confirmed)
		require.Nil(t, f.Heal)
	}
}

func TestCrashWithoutSupervisor(t *testing.T) {
	s := containertest.Start(t, echoService(t, "server", ""))
	f := s.Crash()
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("exit code 137"), effect.Receipt)
	confirmed, err := f.Confirm(t.Context())
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
	require.Equal(t, "kill server", f.Name)
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("exit code 137"), effect.Receipt)
	require.Nil(t, f.Heal)
	confirmed, err := f.Confirm(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("stayed dead"), confirmed)
	_, err = s.HostAddr(t.Context())
	require.EqualError(t, err, "address of server: port 7777 is not published, container is exited")
	_, err = f.Inject(t.Context())
	require.ErrorContains(t, err, "is not running")
}

// No request that was sent after the onset is answered, whatever the engine does before it tells of
// a death.
func TestOnset(t *testing.T) {
	c := echoService(t, "server", "")
	c.Restart = containertest.RestartOnFailure
	for name, fault := range map[string]func(*containertest.Service) drtest.Fault{
		"crash": (*containertest.Service).Crash, "kill": (*containertest.Service).Kill, "destroy": (*containertest.Service).Destroy,
	} {
		t.Run(name, func(t *testing.T) {
			s := containertest.Start(t, c)
			addr, err := s.HostAddr(t.Context())
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			var asked time.Time // when the last request was sent that was answered before the first that was not
			answered := make(chan error, 1)
			var clients sync.WaitGroup
			clients.Go(func() {
				for ctx.Err() == nil {
					sent := time.Now()
					_, err := echo.Ask(ctx, addr, "hello")
					select {
					case answered <- err:
					default:
					}
					if err != nil {
						return
					}
					asked = sent
				}
			})
			require.NoError(t, <-answered)
			f := fault(s)
			begin := time.Now()
			effect, err := f.Inject(t.Context())
			returned := time.Now()
			stop()
			clients.Wait()
			require.NoError(t, err)
			require.WithinRange(t, effect.By, begin, returned)
			require.False(t, asked.After(effect.By), "asked at %v, in effect by %v, and answered", asked, effect.By)
			t.Logf("in effect at most %v after Inject began, and told %v later; the last answer is to a request of %v after it",
				effect.By.Sub(begin), returned.Sub(effect.By), asked.Sub(begin))
		})
	}
}

// A fault that could not be seen to take effect has no receipt.
func TestFaultUnseen(t *testing.T) {
	s := containertest.Start(t, echoService(t, "server", ""))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, f := range []drtest.Fault{s.Crash(), s.Kill()} {
		effect, err := f.Inject(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, effect.Receipt)
	}
	require.NoError(t, ask(t.Context(), s))
}
