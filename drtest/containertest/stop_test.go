package containertest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/stretchr/testify/require"
)

func TestStop(t *testing.T) {
	t.Parallel()
	c := echoService(t, "server", "")
	c.Restart = containertest.RestartOnFailure
	s := containertest.Start(t, c)
	f := s.Stop()
	require.Equal(t, "stop server", f.Name)
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("exit code 0"), effect.Receipt)
	require.NoError(t, hasLogged(t.Context(), s, "echo leaves\n"))
	require.Nil(t, f.Heal)
	_, err = f.Inject(t.Context())
	require.ErrorContains(t, err, "is not running")

	require.NoError(t, s.Resume().Do(t.Context()))
	require.NoError(t, ask(t.Context(), s))
}

// A service that does not leave as it should has not been stopped.
func TestStopOfServiceThatFails(t *testing.T) {
	t.Parallel()
	c := echoService(t, "server", "")
	c.Cmd = []string{"rude"}
	s := containertest.Start(t, c)
	effect, err := s.Stop().Inject(t.Context())
	require.EqualError(t, err, "server ended with exit code 4, not gracefully")
	require.Empty(t, effect.Receipt)
}

// A service that ends by itself is started again by its supervisor. The trigger here fails since
// the service ends.
func TestExit(t *testing.T) {
	t.Parallel()
	c := echoService(t, "server", "")
	c.Cmd = []string{"rude"}
	s := containertest.Start(t, c)
	provoke := func(ctx context.Context) error {
		_, err := s.Stop().Inject(ctx)
		return err
	}
	f := s.Exit(4, provoke)
	require.Equal(t, "exit server", f.Name)
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("exit code 4"), effect.Receipt)
	_, err = f.Inject(t.Context())
	require.ErrorContains(t, err, "trigger: ")

	require.NoError(t, s.Resume().Do(t.Context()))
	_, err = s.Exit(2, provoke).Inject(t.Context())
	require.EqualError(t, err, "server ended with exit code 4, not by its own doing with 2")
}

// A node that was killed comes back, with the network that went with it.
func TestResumeAfterKill(t *testing.T) {
	t.Parallel()
	target, peer := startTwo(t)
	f := target.Kill()
	_, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, target.Resume().Do(t.Context()))
	confirmed, err := f.Confirm(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("stayed dead until it was started by hand"), confirmed)
	requireThrough(t, peer, target)
	partition := target.Partition(peer)
	injectAmid(t, partition, peer, target)
	requireCutOff(t, target, peer)
	heal(t, partition)
}

// Who starts a dead node beside the runbook is found out: also where the runbook starts it after
// that, and where it has ended again.
func TestKillOfWhatAStrangerStarts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		reason string
		after  func(*containertest.Service) error
	}{
		{"it runs", func(*containertest.Service) error { return nil }},
		{"it has ended again", func(s *containertest.Service) error { _, err := s.Stop().Inject(t.Context()); return err }},
		{"the runbook starts it after that", func(s *containertest.Service) error {
			if _, err := s.Stop().Inject(t.Context()); err != nil {
				return err
			}
			return s.Resume().Do(t.Context())
		}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			s := containertest.Start(t, echoService(t, "server", ""))
			f := s.Kill()
			_, err := f.Inject(t.Context())
			require.NoError(t, err)
			require.NoError(t, containertest.StartAsStranger(t.Context(), s))
			require.NoError(t, c.after(s))
			_, err = f.Confirm(t.Context())
			require.ErrorContains(t, err, "server did not stay dead: somebody else than the runbook started it at 2")
		})
	}
}

func TestResumeOfServiceThatRuns(t *testing.T) {
	t.Parallel()
	s := containertest.Start(t, echoService(t, "server", ""))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorContains(t, s.Resume().Do(ctx), "it has not ended")
	require.NoError(t, ask(t.Context(), s))
}

// What is sent to a paused service is executed when it thaws, by the same process.
func TestPause(t *testing.T) {
	t.Parallel()
	network := containertest.NewNetwork(t)
	both := containertest.StartAll(t, echoService(t, "server", network), echoService(t, "client", network))
	server, peer := both[0], both[1]
	f := server.Pause()
	require.Equal(t, "pause server", f.Name)
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^paused, first process \d+$`, effect.Receipt)
	require.ErrorContains(t, request(t.Context(), "ask", peer, server, "hello"), "i/o timeout", "it connects, nobody answers")
	require.NoError(t, request(t.Context(), "tell", peer, server, "wake up"))
	confirm := f.Confirm
	confirmed, err := confirm(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("still paused"), confirmed)

	heal(t, f)
	eventually(t, func(ctx context.Context) error { return hasLogged(ctx, server, "echo heard wake up\n") })
	require.NoError(t, ask(t.Context(), server))
	confirmed, err = confirm(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^thawed, first process \d+$`, confirmed)
	heal(t, f) // it is healed already
}

func TestPauseOfDead(t *testing.T) {
	t.Parallel()
	s := containertest.Start(t, echoService(t, "server", ""))
	_, err := s.Kill().Inject(t.Context())
	require.NoError(t, err)
	eventually(t, func(ctx context.Context) error {
		if _, err := s.HostAddr(ctx); err == nil {
			return errors.New("it still has an address")
		}
		return nil
	})
	f := s.Pause()
	_, err = f.Inject(t.Context())
	require.ErrorContains(t, err, "is not running")
	heal(t, f)
}
