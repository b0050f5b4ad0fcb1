package proxytest_test

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/stretchr/testify/require"
)

func TestCut(t *testing.T) {
	s := services(t, "a", "b")
	l := proxytest.Start(t, proxytest.Config{Network: s[0].Network()}).Link(t, "db", s[0])
	host := l.HostAddr()
	f := l.Cut()
	require.Equal(t, "cut link db", f.Name)
	for range 2 {
		before := dial(t, l)
		requireAnswer(t, before, "a")
		effect, err := f.Inject(t.Context())
		require.NoError(t, err)
		// The engine's own proxy accepts on the host and closes; without it the kernel refuses.
		require.Regexp(t, `^listener closed, a new connection: (EOF|read: connection reset by peer|connect: connection refused)$`, effect.Receipt)
		requireClosed(t, before)
		require.NoError(t, closed(t.Context(), l))
		require.NoError(t, f.Heal(t.Context()))
		requireAnswer(t, dial(t, l), "a")
	}
	require.NoError(t, f.Heal(t.Context()), "a link that is whole stays so")

	_, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, l.RouteTo(s[1]).Do(t.Context()))
	require.NoError(t, closed(t.Context(), l), "a link that is cut stays cut, wherever it leads")
	_, err = l.Blackhole().Inject(t.Context())
	require.EqualError(t, err, "link db: it is cut")
	require.NoError(t, f.Heal(t.Context()))
	requireAnswer(t, dial(t, l), "b")
	require.Equal(t, host, l.HostAddr())
}

func TestBlackhole(t *testing.T) {
	s := services(t, "a")[0]
	l := proxytest.Start(t, proxytest.Config{Network: s.Network()}).Link(t, "db", s)
	f := l.Blackhole()
	require.Equal(t, "blackhole link db", f.Name)
	for range 2 {
		before := dial(t, l)
		requireAnswer(t, before, "a")
		effect, err := f.Inject(t.Context())
		require.NoError(t, err)
		require.Equal(t, drtest.Receipt("in force: timeout upstream, timeout downstream"), effect.Receipt)
		requireSilence(t, before)
		during := dial(t, l)
		requireSilence(t, during)
		require.NoError(t, f.Heal(t.Context()))
		requireClosed(t, before)
		requireClosed(t, during)
		requireAnswer(t, dial(t, l), "a")
	}
}

func TestSlow(t *testing.T) {
	s := services(t, "a")[0]
	l := proxytest.Start(t, proxytest.Config{Network: s.Network()}).Link(t, "db", s)
	f := l.Slow(silence)
	require.Equal(t, "slow by 200ms link db", f.Name)
	for range 2 {
		c := dial(t, l)
		requireAnswer(t, c, "a")
		effect, err := f.Inject(t.Context())
		require.NoError(t, err)
		require.Equal(t, drtest.Receipt("in force: latency 200 ms downstream"), effect.Receipt)
		start := time.Now()
		requireAnswer(t, c, "a")
		requireAnswer(t, dial(t, l), "a")
		require.GreaterOrEqual(t, time.Since(start), 2*silence)
		require.NoError(t, f.Heal(t.Context()))
		requireAnswer(t, c, "a")
	}
}

// A fault that is in force already, or that the proxy does not confirm, has no receipt. Heal ends
// also what came about by halves.
func TestFaultTwice(t *testing.T) {
	s := services(t, "a")[0]
	l := proxytest.Start(t, proxytest.Config{Network: s.Network()}).Link(t, "db", s)
	f := l.Blackhole()
	require.NoError(t, f.Heal(t.Context()), "nothing to undo")
	_, err := f.Inject(t.Context())
	require.NoError(t, err)
	effect, err := f.Inject(t.Context())
	require.ErrorContains(t, err, "link db: AddToxic: HTTP 409: ")
	require.Empty(t, effect.Receipt)
	require.NoError(t, f.Heal(t.Context()))
	requireAnswer(t, dial(t, l), "a")
}
