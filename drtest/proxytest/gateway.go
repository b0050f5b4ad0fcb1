package proxytest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
)

// A Gateway is a proxy that has the names and the ports of services on another network, so that
// those who know only the names reach them there: the way over a WAN, for systems whose members
// tell each other their addresses.
type Gateway struct {
	links []*Link // named after their addresses
}

// A Route is a way that a [Gateway] is for.
type Route struct {
	// Network is the network of the clients.
	Network string
	// Of is the network of the services.
	Of string
	// Addrs are the addresses of the services there, such as "node-1:5432". No two have the same
	// port.
	Addrs []string
}

// StartGateways starts a proxy for each route, all at the same time, and returns them in the order
// of routes. The services may start later. The proxies end with t.
func StartGateways(t testing.TB, routes ...Route) []*Gateway {
	t.Helper()
	var configs []containertest.Config
	var ports [][]string // of the services of each route
	for _, r := range routes {
		c := config(t, r.Network, len(r.Addrs))
		c.Networks = []string{r.Of}
		var listened []string
		for _, addr := range r.Addrs {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatalf("gateway to %q: %v", addr, err)
			}
			c.Aliases, listened = append(c.Aliases, host), append(listened, port)
		}
		configs, ports = append(configs, c), append(ports, listened)
	}
	var all []*Gateway
	for i, p := range start(t, configs...) {
		s := &Gateway{}
		for j, addr := range routes[i].Addrs {
			l := &Link{proxy: p, name: addr, index: j}
			err := l.routeTo(t.Context(), net.JoinHostPort(configs[i].Aliases[j]+"."+routes[i].Of, ports[i][j])) // the name alone is the proxy's as well
			if err == nil {
				err = l.listen(t.Context(), ports[i][j])
			}
			if err != nil {
				t.Fatalf("gateway to %s: %v", addr, err)
			}
			s.links = append(s.links, l)
		}
		all = append(all, s)
	}
	return all
}

// Cut returns a cut of all its ways: see [Link.Cut].
func (s *Gateway) Cut() drtest.Fault {
	return drtest.Fault{
		Name: "cut the gateway to " + s.names(),
		Inject: func(ctx context.Context) (drtest.Effect, error) {
			if err := s.enable(ctx, false); err != nil {
				return drtest.Effect{}, err
			}
			return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf("%d listeners closed", len(s.links)))}, nil
		},
		Heal: func(ctx context.Context) error { return s.enable(ctx, true) },
	}
}

func (s *Gateway) enable(ctx context.Context, enabled bool) error {
	for _, l := range s.links {
		if err := l.enable(ctx, enabled); err != nil {
			return err
		}
	}
	return nil
}

// Slow returns ways whose answers come late: see [Link.Slow].
func (s *Gateway) Slow(latency time.Duration) drtest.Fault {
	var all []drtest.Fault
	for _, l := range s.links {
		all = append(all, l.Slow(latency))
	}
	return drtest.Together(all...)
}

func (s *Gateway) names() string {
	var names []string
	for _, l := range s.links {
		names = append(names, l.name)
	}
	return strings.Join(names, ", ")
}
