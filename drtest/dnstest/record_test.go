package dnstest_test

import (
	"context"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/dnstest"
	"github.com/stretchr/testify/require"
)

// A change of a record reaches clients when what the resolver keeps has expired: after the TTL, or
// up to a second before, since the resolver counts in whole seconds.
func TestRecordTo(t *testing.T) {
	const ttl = 4 * time.Second // so long that a change and some questions fit into it on a busy machine
	network := containertest.NewNetwork(t)
	s := services(t, network, "a", "b")
	zone := dnstest.Start(t, dnstest.Config{Network: network, TTL: ttl})
	record := zone.Record(t, "db", s[0])
	c := containertest.Start(t, client(t, "client", network, zone.Resolver()))
	before, after := requireResolves(t, c, "a"), requireResolves(t, c, "b")
	require.NotEqual(t, before, after)

	// Nothing is kept yet, so the resolver asks between these two instants.
	notBefore := time.Now()
	require.Equal(t, before, requireResolves(t, c, "db.dr.test"))
	notAfter := time.Now()
	require.NoError(t, record.PointTo(s[1]).Do(t.Context()))

	kept := 0
	for {
		asked := time.Now()
		addr := requireResolves(t, c, "db.dr.test")
		answered := time.Now()
		if addr == after {
			require.GreaterOrEqual(t, answered.Sub(notBefore), ttl-time.Second, "the answer was not kept for its TTL")
			t.Logf("followed between %v and %v after the first question", asked.Sub(notAfter), answered.Sub(notBefore))
			break
		}
		require.Equal(t, before, addr)
		require.LessOrEqual(t, asked.Sub(notAfter), ttl, "the answer was kept for longer than its TTL")
		kept++
	}
	require.NotZero(t, kept, "the change took longer than the TTL")
}

// A resolver that ignores the TTL keeps the old address, although the zone has the new one.
func TestIgnoreTTL(t *testing.T) {
	const ttl = time.Second
	network := containertest.NewNetwork(t)
	s := services(t, network, "a", "b")
	zone := dnstest.Start(t, dnstest.Config{Network: network, TTL: ttl, IgnoreTTL: true})
	record := zone.Record(t, "db", s[0])
	c := containertest.Start(t, client(t, "client", network, zone.Resolver()))
	before := requireResolves(t, c, "a")
	require.Equal(t, before, requireResolves(t, c, "db.dr.test"))
	require.NoError(t, record.PointTo(s[1]).Do(t.Context()))
	for changed := time.Now(); time.Since(changed) < 3*ttl; {
		require.Equal(t, before, requireResolves(t, c, "db.dr.test"))
	}
}

func TestRecordMisuse(t *testing.T) {
	network := containertest.NewNetwork(t)
	s := services(t, network, "a")[0]
	zone := dnstest.Start(t, dnstest.Config{Network: network, TTL: time.Second})
	for _, name := range []string{"", "db.main", "DB", "db main", "-db", "db\nsend"} {
		require.Contains(t, fatal(t, func(t testing.TB) { zone.Record(t, name, s) }),
			" is not one label of lower-case letters, digits and hyphens", "%q", name)
	}
	record := zone.Record(t, "db", s)
	tests := []struct {
		reason string
		to     containertest.Upstream
		want   string
	}{
		{"a container is reached on its own network alone", upstream{"a:7777", "elsewhere"},
			"record db.dr.test: point to a:7777: it is on another network"},
		{"a record is an address without a port", upstream{"a:7778", network},
			"record db.dr.test: point to a:7778: it serves another port, and clients of the record ask for 7777"},
		{"what is down has no address", upstream{"nobody:7777", network},
			"record db.dr.test: point to nobody:7777: look up nobody on the network: "},
		{"it has to be an address", upstream{"a", network},
			"record db.dr.test: point to a: address a: missing port in address"},
	}
	for _, tt := range tests {
		require.ErrorContains(t, record.PointTo(tt.to).Do(t.Context()), tt.want, tt.reason)
	}
	require.Equal(t, tests[0].want, fatal(t, func(t testing.TB) { zone.Record(t, "db", tests[0].to) }))
	require.Contains(t, fatal(t, func(t testing.TB) { zone.Record(t, "db", s) }), "YXDOMAIN")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, record.PointTo(s).Do(ctx), context.Canceled)
}
