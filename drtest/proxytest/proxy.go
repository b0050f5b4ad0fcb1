// Package proxytest puts breakable links between services: TCP proxies, one [Toxiproxy] for all
// links of a test, that can be cut, silenced, slowed and redirected while clients use them.
//
// [Toxiproxy]: https://github.com/Shopify/toxiproxy
package proxytest

import (
	"cmp"
	"context"
	"crypto/rand"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/secret"
)

//go:embed image
var files embed.FS

const (
	// defaultLinks suffice for a way to the system and one within it.
	defaultLinks = 2

	// Inside the container, the ports of the links and those of the relays behind them follow the
	// API's.
	apiPort        = 8474
	firstLinkPort  = 20001
	firstRelayPort = apiPort + 1
)

// A Config describes a proxy.
type Config struct {
	// Network is the network to join, from [containertest.NewNetwork]. Required.
	Network string
	// Links is the room for links. Their ports are published at the start, so that they never
	// change, and each takes some 65 ms of a test. Zero: two.
	Links int
	// Networks are further networks to join, whose services the links can then be routed to: a way
	// from one network to the others, and back, since the links can be used from each.
	Networks []string
	// Resolver is the DNS server that names with a dot are asked of, each time that a link opens a
	// connection: see [containertest.Config]. Zero: the host's.
	Resolver netip.Addr

	_ struct{} // keyed literals only, so that fields can be added
}

// A Proxy is the container that carries the links of one test. It is never restarted.
type Proxy struct {
	service *containertest.Service
	reached []string // networks
	api     string   // address on the host
	client  *toxiproxy.Client
	hosts   []string // addresses of the links on the host
	links   atomic.Int32
}

// Start starts a proxy. It ends with t.
func Start(t testing.TB, of Config) *Proxy {
	t.Helper()
	if of.Network == "" {
		t.Fatal("proxytest: Config.Network is required")
	}
	links := cmp.Or(of.Links, defaultLinks)
	c := config(t, of.Network, links)
	c.Networks, c.Resolver = of.Networks, of.Resolver
	for i := range links {
		c.ExtraPorts = append(c.ExtraPorts, firstLinkPort+i)
	}
	p := start(t, c)[0]
	for _, port := range c.ExtraPorts {
		host, err := p.service.HostAddrOf(t.Context(), port)
		if err != nil {
			t.Fatal(err)
		}
		p.hosts = append(p.hosts, host)
	}
	return p
}

// Image returns the image of a proxy, for [containertest.Build]. The first test that needs it
// builds it otherwise.
func Image(t testing.TB) containertest.Image {
	t.Helper()
	sub, err := fs.Sub(files, "image")
	if err != nil {
		t.Fatal(err)
	}
	return containertest.Image{Name: "drtest/proxy", Files: sub, Programs: []containertest.Program{
		{Name: "drtest-proxy", Package: "github.com/drtest/suite/drtest/proxytest/program"},
	}}
}

// config describes a proxy with a number of relays.
func config(t testing.TB, network string, relays int) containertest.Config {
	t.Helper()
	return containertest.Config{
		// Two proxies of one name on one network would be given each other's connections.
		Name:    "proxy-" + strings.ToLower(rand.Text()[:4]),
		Image:   containertest.Build(t, Image(t)),
		Cmd:     []string{strconv.Itoa(apiPort), strconv.Itoa(relays)},
		Env:     map[string]string{"API_PASSWORD": secret.Password()},
		Network: network,
		Port:    apiPort,
		// A gateway listens where the services do for which it stands.
		Capabilities: []string{"NET_BIND_SERVICE"},
		Ready:        answers,
	}
}

// start starts proxies at the same time.
func start(t testing.TB, cs ...containertest.Config) []*Proxy {
	t.Helper()
	var proxies []*Proxy
	for i, s := range containertest.StartAll(t, cs...) {
		p := &Proxy{service: s, reached: slices.Concat([]string{cs[i].Network}, cs[i].Networks)}
		var err error
		if p.api, err = s.HostAddr(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.client = toxiproxy.NewClient(apiURL(p.api))
		proxies = append(proxies, p)
	}
	return proxies
}

// apiURL is that of the API at an address, with what opens it. An error of net/http leaves the
// password out.
func apiURL(addr string) string { return "http://drtest:" + secret.Password() + "@" + addr }

// answers is ready once the proxy's API answers.
func answers(ctx context.Context, s *containertest.Service) error {
	addr, err := s.HostAddr(ctx)
	if err != nil {
		return err
	}
	return call(ctx, func(context.Context) error {
		_, err := toxiproxy.NewClient(apiURL(addr)).Version()
		return err
	})
}

// Link makes a link that leads to an upstream on a network of the proxy. Its name tells it apart in
// receipts and in the proxy's log.
func (p *Proxy) Link(t testing.TB, name string, to containertest.Upstream) *Link {
	t.Helper()
	n := int(p.links.Add(1)) - 1
	if n >= len(p.hosts) {
		t.Fatalf("link %s: the proxy has room for %d links: raise Links in its Config", name, len(p.hosts))
	}
	l := &Link{proxy: p, name: name, index: n}
	err := l.route(t.Context(), to)
	if err == nil {
		err = l.listen(t.Context(), strconv.Itoa(firstLinkPort+n))
	}
	if err != nil {
		t.Fatalf("link %s: %v", name, err)
	}
	return l
}

// route sends a link's new connections to addr and closes the others.
func (p *Proxy) route(ctx context.Context, link int, addr string) error {
	url := fmt.Sprintf("%s/relays/%d", apiURL(p.api), firstRelayPort+link)
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader(addr))
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the proxy answers %s", res.Status)
	}
	return nil
}

// apiTimeout bounds each exchange with the proxy's API.
const apiTimeout = 5 * time.Second

// call bounds calls of the proxy's API. The client of Toxiproxy knows no context, so f may outlast
// call.
func call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, apiTimeout, fmt.Errorf("the proxy did not answer within %v", apiTimeout))
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
