package containertest_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/stretchr/testify/require"
)

// dnsServer answers every question with the address 192.0.2.1.
const dnsServer = `use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalPort => 53, Proto => "udp") or die $!;
while (defined(my $from = $s->recv(my $q, 512))) {
	my $question = substr($q, 12, index($q, "\0", 12) + 5 - 12);
	$s->send(substr($q, 0, 2) . pack("n5", 0x8180, 1, 1, 0, 0) . $question . pack("n3Nn", 0xc00c, 1, 1, 0, 4) . "\xc0\0\2\1", 0, $from);
}
`

// Names with a dot are asked of the resolver, those without one still of the engine, which knows
// the containers; also when a container of its own holds the network.
func TestResolver(t *testing.T) {
	plain := box(t, "plain")
	plain.Network = containertest.NewNetwork(t)
	server := plain
	server.Name, server.Cmd = "server", []string{"perl", "-e", dnsServer}
	out, err := containertest.Start(t, server).Exec(t.Context(), "hostname", "-i")
	require.NoError(t, err)
	address := strings.TrimSpace(out)
	plain.Resolver = netip.MustParseAddr(address)
	walled := plain
	walled.Name, walled.Firewall = "walled", true
	for _, s := range containertest.StartAll(t, plain, walled) {
		out, err := s.Exec(t.Context(), "getent", "ahostsv4", "some.name.invalid")
		require.NoError(t, err, s.Name())
		require.Equal(t, "192.0.2.1", strings.Fields(out)[0], s.Name())
		out, err = s.Exec(t.Context(), "getent", "ahostsv4", "server")
		require.NoError(t, err, s.Name())
		require.Equal(t, address, strings.Fields(out)[0], s.Name())
	}
}
