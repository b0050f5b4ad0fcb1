package proxytest_test

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/stretchr/testify/require"
)

// Who knows only a service's name reaches it on another network, also when it starts after its
// gateway, and only through that: a cut and a delay of the gateway hold for it.
func TestGateway(t *testing.T) {
	client := services(t, "client")[0]
	far, other := containertest.NewNetwork(t), containertest.NewNetwork(t)
	gateways := proxytest.StartGateways(t,
		proxytest.Route{Network: client.Network(), Of: other, Addrs: []string{"elsewhere:7777"}},
		proxytest.Route{Network: client.Network(), Of: far, Addrs: []string{"server:7777"}})
	require.Equal(t, "cut the gateway to elsewhere:7777", gateways[0].Cut().Name)
	s := gateways[1]
	ask := func() error {
		_, err := client.Exec(t.Context(), "/echo", "ask", "server:7777", "hello")
		return err
	}
	require.Error(t, ask(), "there is no server yet")
	server := containertest.Start(t, service(t, "server", far))
	answer, err := client.Exec(t.Context(), "/echo", "ask", "server:7777", "hello")
	require.NoError(t, err)
	require.Equal(t, "server: hello\n", answer)
	_, err = server.Exec(t.Context(), "/echo", "ask", client.Addr(), "hello")
	require.ErrorContains(t, err, "lookup client", "it leads one way")

	cut := s.Cut()
	require.Equal(t, "cut the gateway to server:7777", cut.Name)
	effect, err := cut.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("1 listeners closed"), effect.Receipt)
	require.ErrorContains(t, ask(), "connection refused")
	require.NoError(t, cut.Heal(t.Context()))
	require.NoError(t, ask())

	slow := s.Slow(time.Second) // longer than the client waits
	effect, err = slow.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("in force: latency 1000 ms downstream"), effect.Receipt)
	require.ErrorContains(t, ask(), "i/o timeout")
	require.NoError(t, slow.Heal(t.Context()))
	require.NoError(t, ask())
}
