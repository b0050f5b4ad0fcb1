package proxytest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
)

// A StandIn is a proxy that has the names and the ports of services on another network, so that those who know only the
// names reach them there: the way over a WAN, for systems whose members tell each other their addresses.
type StandIn struct {
	links []*Link // named after their addresses
}

// StartStandIn starts a proxy on a network that stands in for the services at addrs, such as "node-1:5432", on another. The
// services may start later. No two of addrs have the same port. It ends with t.
func StartStandIn(t testing.TB, network, of string, addrs ...string) *StandIn {
	t.Helper()
	c := config(t, network, len(addrs))
	c.Networks = []string{of}
	var ports []string
	for _, addr := range addrs {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatalf("stand in for %q: %v", addr, err)
		}
		c.Aliases, ports = append(c.Aliases, host), append(ports, port)
	}
	p := start(t, c)
	s := &StandIn{}
	for i, addr := range addrs {
		l := &Link{proxy: p, name: addr, index: i}
		err := l.leadTo(t.Context(), net.JoinHostPort(c.Aliases[i]+"."+of, ports[i])) // the name alone is the proxy's as well
		if err == nil {
			err = l.listen(t.Context(), ports[i])
		}
		if err != nil {
			t.Fatalf("stand in for %s: %v", addr, err)
		}
		s.links = append(s.links, l)
	}
	return s
}

// Cut returns a cut of all its ways: see [Link.Cut].
func (s *StandIn) Cut() drtest.Fault {
	return drtest.NewFault("cut the stand-in for "+s.names(),
		func(ctx context.Context) (drtest.Receipt, error) {
			if err := s.enable(ctx, false); err != nil {
				return "", err
			}
			return drtest.Receipt(fmt.Sprintf("%d listeners closed", len(s.links))), nil
		},
		func(ctx context.Context) error { return s.enable(ctx, true) })
}

func (s *StandIn) enable(ctx context.Context, enabled bool) error {
	for _, l := range s.links {
		if err := l.enable(ctx, enabled); err != nil {
			return err
		}
	}
	return nil
}

// Slow returns ways whose answers come late: see [Link.Slow].
func (s *StandIn) Slow(latency time.Duration) drtest.Fault {
	var all []drtest.Fault
	for _, l := range s.links {
		all = append(all, l.Slow(latency))
	}
	return drtest.Together(all...)
}

func (s *StandIn) names() string {
	var names []string
	for _, l := range s.links {
		names = append(names, l.name)
	}
	return strings.Join(names, ", ")
}
