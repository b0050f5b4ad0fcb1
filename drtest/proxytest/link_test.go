package proxytest_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/stretchr/testify/require"
)

func TestLink(t *testing.T) {
	s := services(t, "a", "b")
	p := proxytest.Start(t, proxytest.Config{Network: s[0].Network()})
	l := p.Link(t, "db", s[0])
	require.Equal(t, s[0].Network(), l.Network())
	require.Regexp(t, `^proxy-[a-z0-9]+:20001$`, l.Addr())
	requireAnswer(t, dial(t, l), "a")

	// A link leads to a link as well.
	outer := p.Link(t, "outer", l)
	requireAnswer(t, dial(t, outer), "a")

	host := l.HostAddr()
	before := dial(t, l)
	requireAnswer(t, before, "a")
	require.NoError(t, l.RouteTo(s[1]).Do(t.Context()))
	requireClosed(t, before)
	requireAnswer(t, dial(t, l), "b")
	requireAnswer(t, dial(t, outer), "b")
	require.Equal(t, host, l.HostAddr())
}

// A proxy that reaches another network leads from either to both; one that does not refuses to.
func TestLinkAcrossNetworks(t *testing.T) {
	here, there := services(t, "here")[0], services(t, "there")[0]
	p := proxytest.Start(t, proxytest.Config{Network: here.Network(), Networks: []string{there.Network()}})
	l := p.Link(t, "out", there)
	require.Equal(t, here.Network(), l.Network())
	requireAnswer(t, dial(t, l), "there")
	require.NoError(t, l.RouteTo(here).Do(t.Context()))
	requireAnswer(t, dial(t, l), "here")
	alone := proxytest.Start(t, proxytest.Config{Network: here.Network()}).Link(t, "in", here)
	require.EqualError(t, alone.RouteTo(there).Do(t.Context()), "link in: route to there:7777: it is on another network")
}

// While a node vanishes, nobody who connects through a link waits for long, and the link can be led
// elsewhere.
func TestLinkToVanishingNode(t *testing.T) {
	s := services(t, "a", "b")
	l := proxytest.Start(t, proxytest.Config{Network: s[0].Network()}).Link(t, "db", s[0])
	ctx, stop := context.WithCancel(t.Context())
	errs := make(chan error, 4)
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for ctx.Err() == nil {
				// Answered or closed are both fine, open and silent is not.
				if err := closed(t.Context(), l); err != nil && err.Error() != "answer a: hello" {
					errs <- err
					return
				}
			}
		})
	}
	_, err := s[0].Kill().Inject(t.Context())
	require.NoError(t, err)
	dead(t, s[0]) // returns once the engine has taken the node apart
	stop()
	clients.Wait()
	close(errs)
	require.NoError(t, <-errs)
	require.NoError(t, closed(t.Context(), l))
	require.NoError(t, l.RouteTo(s[1]).Do(t.Context()))
	requireAnswer(t, dial(t, l), "b")
}

func dead(t *testing.T, s *containertest.Service) {
	t.Helper()
	_, err := s.HostAddr(t.Context())
	require.ErrorContains(t, err, "exited")
}

func TestLinkMisuse(t *testing.T) {
	s := services(t, "a")[0]
	elsewhere := services(t, "b")[0]
	p := proxytest.Start(t, proxytest.Config{Network: s.Network(), Links: 4})
	require.Equal(t, "link db: route to b:7777: it is on another network", fatal(t, func(t testing.TB) { p.Link(t, "db", elsewhere) }))
	l := p.Link(t, "db", s)
	require.EqualError(t, l.RouteTo(elsewhere).Do(t.Context()), "link db: route to b:7777: it is on another network")
	require.Contains(t, fatal(t, func(t testing.TB) { p.Link(t, "db", s) }), "link db: Create: HTTP 409: ")
	p.Link(t, "last", s)
	require.Equal(t, "proxytest: Config.Network is required", fatal(t, func(t testing.TB) { proxytest.Start(t, proxytest.Config{}) }))
	require.Equal(t, "link more: the proxy has room for 4 links: raise Links in its Config", fatal(t, func(t testing.TB) { p.Link(t, "more", s) }))
}

// fatal returns the message with which f fails the test that it is given.
func fatal(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.message
}

type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Fatal(args ...any) {
	r.message = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
