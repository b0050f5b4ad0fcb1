package proxytest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
)

// A Link is a way to a service that can be broken. It is itself a [containertest.Upstream].
//
// A link accepts a connection before it dials its upstream, which may take up to 250 ms: clients of
// an upstream that is away see a connection that opens and is then closed.
type Link struct {
	proxy *Proxy
	name  string
	index int // from 0, among the links of the proxy
}

// Addr returns the link's address inside its network.
func (l *Link) Addr() string {
	return net.JoinHostPort(l.proxy.service.Name(), strconv.Itoa(firstLinkPort+l.index))
}

// Network returns the name of the network that the proxy was started on.
func (l *Link) Network() string { return l.proxy.service.Network() }

// HostAddr returns the address at which the test process reaches the link, such as
// "127.0.0.1:49153". It stays for the life of the proxy.
func (l *Link) HostAddr() string { return l.proxy.hosts[l.index] }

// RouteTo routes the link to another upstream. Connections through the link are closed. A link that
// is cut stays cut.
func (l *Link) RouteTo(to containertest.Upstream) drtest.Step {
	return drtest.Step{Name: "route link " + l.name + " to " + to.Addr(), Do: func(ctx context.Context) error {
		if err := l.route(ctx, to); err != nil {
			return fmt.Errorf("link %s: %w", l.name, err)
		}
		return nil
	}}
}

func (l *Link) route(ctx context.Context, to containertest.Upstream) error {
	if !slices.Contains(l.proxy.reached, to.Network()) {
		return fmt.Errorf("route to %s: it is on another network", to.Addr())
	}
	return l.routeTo(ctx, to.Addr())
}

func (l *Link) routeTo(ctx context.Context, addr string) error {
	err := call(ctx, func(ctx context.Context) error { return l.proxy.route(ctx, l.index, addr) })
	if err != nil {
		return fmt.Errorf("route to %s: %w", addr, err)
	}
	return nil
}

// listen makes the link in the proxy, once it has been routed somewhere.
func (l *Link) listen(ctx context.Context, port string) error {
	listen := net.JoinHostPort("0.0.0.0", port)
	relay := fmt.Sprintf("127.0.0.1:%d", firstRelayPort+l.index)
	return call(ctx, func(context.Context) error {
		_, err := l.proxy.client.CreateProxy(l.name, listen, relay)
		return err
	})
}

// enable lets connections through, or none.
func (l *Link) enable(ctx context.Context, enabled bool) error {
	return l.change(ctx, func(p *toxiproxy.Proxy) error {
		p.Enabled = enabled
		return p.Save()
	})
}

// change hands the state of the link in the proxy to f.
func (l *Link) change(ctx context.Context, f func(*toxiproxy.Proxy) error) error {
	err := call(ctx, func(context.Context) error {
		p, err := l.proxy.client.Proxy(l.name)
		if err != nil {
			return err
		}
		return f(p)
	})
	if err != nil {
		return fmt.Errorf("link %s: %w", l.name, err)
	}
	return nil
}
