package dnstest_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/dnstest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// With the zone's resolver a container finds the records of the zone and, as without it, the other
// containers by their names, but nothing else; also when a container of its own holds its network.
func TestResolver(t *testing.T) {
	network := containertest.NewNetwork(t)
	s := services(t, network, "a", "b")
	zone := dnstest.Start(t, dnstest.Config{Network: network, TTL: time.Second})
	record := zone.Record(t, "db", s[0])
	require.Equal(t, network, record.Network())
	require.Equal(t, "db.dr.test:7777", record.Addr())

	walled := client(t, "walled", network, zone.Resolver())
	walled.Firewall = true
	clients := containertest.StartAll(t, client(t, "client", network, zone.Resolver()), walled)
	for _, c := range clients {
		require.Equal(t, requireResolves(t, c, "a"), requireResolves(t, c, "db.dr.test"), c.Name())
		for _, unknown := range []string{"other.dr.test", "example.org", "nobody"} {
			_, err := resolve(t.Context(), c, unknown)
			require.ErrorContains(t, err, "exit code 2", unknown)
		}
	}

	_, err := s[0].Kill().Inject(t.Context())
	require.NoError(t, err)
	// The record outlives the container, whose own name does not.
	require.NotEmpty(t, requireResolves(t, clients[0], "db.dr.test"))
	// The engine tells of a death before it has withdrawn the name.
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		_, err := resolve(context.Background(), clients[0], "a")
		assert.ErrorContains(t, err, "exit code 2")
	}, 10*time.Second, 50*time.Millisecond)
}

// The resolver tells its clients the TTL that was asked for, of which at most a second has passed.
func TestTTL(t *testing.T) {
	network := containertest.NewNetwork(t)
	s := services(t, network, "a")[0]
	for _, ttl := range []time.Duration{time.Second, 30 * time.Second, time.Minute, 24 * time.Hour} {
		zone := dnstest.Start(t, dnstest.Config{Network: network, TTL: ttl}) // beside the others
		zone.Record(t, "db", s)
		c := containertest.Start(t, client(t, "client"+strconv.Itoa(int(ttl.Seconds())), network, zone.Resolver()))
		out, err := c.Exec(t.Context(), "kdig", "+noall", "+answer", "db.dr.test", "A")
		require.NoError(t, err)
		fields := strings.Fields(out)
		require.Len(t, fields, 5, out)
		left, err := strconv.Atoi(fields[1])
		require.NoError(t, err)
		require.InDelta(t, ttl.Seconds()-0.5, float64(left), 0.5, out)
		require.Equal(t, requireResolves(t, c, "a"), fields[4])
	}
}

func TestStartMisuse(t *testing.T) {
	for _, ttl := range []time.Duration{0, -time.Second, 500 * time.Millisecond, 1500 * time.Millisecond, 25 * time.Hour} {
		require.Equal(t, "zone dr.test: a TTL of "+ttl.String()+": want whole seconds, from 1s to 24h0m0s",
			fatal(t, func(t testing.TB) { dnstest.Start(t, dnstest.Config{Network: "any", TTL: ttl}) }))
	}
	require.Equal(t, "dnstest: Config.Network is required", fatal(t, func(t testing.TB) { dnstest.Start(t, dnstest.Config{TTL: time.Second}) }))
}
