// Package dnstest runs a real DNS zone for the length of a test: an authoritative server, whose
// records have a TTL and can be changed, and the caching resolver that clients really have in front
// of it. Clients that find a service by a record follow a change of the record only when what the
// resolver keeps has expired.
//
// The resolver counts in whole seconds: it keeps an answer for its TTL or up to a second less. It
// answers for the zone alone, and nothing here asks the outside world. The servers are Knot DNS and
// Unbound.
package dnstest

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
)

//go:embed image
var files embed.FS

// Domain is the name of the zone.
const Domain = "dr.test"

// maxTTL is the longest time that the resolver keeps an answer, whatever its TTL.
const maxTTL = 24 * time.Hour

// port53 is what it takes to listen there.
var port53 = []string{"NET_BIND_SERVICE"}

// A Zone is the domain [Domain] on one network: its authoritative server and a resolver.
type Zone struct {
	authority *containertest.Service
	resolver  *containertest.Service
	address   netip.Addr // of the resolver
	ttl       time.Duration
}

// A Config describes a zone.
type Config struct {
	// Network is the network to join, from [containertest.NewNetwork]. Required.
	Network string
	// TTL is how long each record lives in the caches of resolvers: whole seconds, from one second
	// to a day. Required.
	TTL time.Duration
	// IgnoreTTL has the resolver keep each answer for a day, whatever its TTL, as resolvers with a
	// lower bound of their own and clients that ask only once do.
	IgnoreTTL bool

	_ struct{} // keyed literals only, so that fields can be added
}

// Image returns the image of the zone's servers, for [containertest.Build]. The first test that
// needs it builds it otherwise.
func Image(t testing.TB) containertest.Image {
	t.Helper()
	sub, err := fs.Sub(files, "image")
	if err != nil {
		t.Fatal(err)
	}
	return containertest.Image{Name: "drtest/dns", Files: sub}
}

// Start starts a zone and returns when its resolver answers from it. The zone ends with t.
func Start(t testing.TB, c Config) *Zone {
	t.Helper()
	if c.Network == "" {
		t.Fatal("dnstest: Config.Network is required")
	}
	ttl, minTTL := c.TTL, time.Duration(0)
	if ttl < time.Second || ttl > maxTTL || ttl%time.Second != 0 {
		t.Fatalf("zone %s: a TTL of %v: want whole seconds, from 1s to %v", Domain, ttl, maxTTL)
	}
	if c.IgnoreTTL {
		minTTL = maxTTL
	}
	image := containertest.Build(t, Image(t))
	// Two zones may share a network, and their servers must not share a name.
	suffix := "-" + strings.ToLower(rand.Text()[:4])
	authority := "authority" + suffix
	services := containertest.StartAll(t,
		containertest.Config{
			Name:         authority,
			Image:        image,
			Cmd:          []string{"/etc/drtest/authority.sh"},
			Network:      c.Network,
			Capabilities: port53,
			Env:          map[string]string{"DOMAIN": Domain, "TTL": seconds(ttl)},
			Ready:        answers,
		},
		containertest.Config{
			Name:         "resolver" + suffix,
			Image:        image,
			Cmd:          []string{"/etc/drtest/resolver.sh"},
			Network:      c.Network,
			Capabilities: port53,
			Env:          map[string]string{"DOMAIN": Domain, "AUTHORITY": authority, "MIN_TTL": seconds(minTTL)},
			Ready:        answers,
		},
	)
	z := &Zone{authority: services[0], resolver: services[1], ttl: ttl}
	var err error
	if z.address, err = z.lookUp(t.Context(), z.resolver.Name()); err != nil {
		t.Fatalf("zone %s: %v", Domain, err)
	}
	return z
}

// Resolver returns the address of the resolver, for [containertest.Config].
func (z *Zone) Resolver() netip.Addr { return z.address }

// answers is ready once the DNS server in the container answers from the zone. It asks for no
// record of a service, which a resolver would keep.
func answers(ctx context.Context, s *containertest.Service) error {
	answer, err := dig(ctx, s, Domain, "SOA")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "ns."+Domain+". ") {
		return fmt.Errorf("the zone's SOA is %q", answer)
	}
	return nil
}

// dig asks the DNS server in a container and returns its short answer: empty when it has none.
func dig(ctx context.Context, s *containertest.Service, name, kind string) (string, error) {
	answer, err := s.Exec(ctx, "kdig", "+short", "+time=1", "+retry=1", "@127.0.0.1", name, kind)
	return strings.TrimSpace(answer), err
}

// lookUp returns the address that a container of the network has now.
func (z *Zone) lookUp(ctx context.Context, host string) (netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr, nil
	}
	out, err := z.authority.Exec(ctx, "getent", "ahostsv4", host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("look up %s on the network: %w", host, err)
	}
	fields := strings.Fields(out)
	if len(fields) == 0 {
		return netip.Addr{}, errors.New("look up " + host + " on the network: no address")
	}
	return netip.ParseAddr(fields[0])
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }
