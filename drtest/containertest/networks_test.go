package containertest_test

import (
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/stretchr/testify/require"
)

// A service on several networks is known on each, and its further names and the one with the
// network's on the first. It leads from none of them to another.
func TestNetworks(t *testing.T) {
	near, far := containertest.NewNetwork(t), containertest.NewNetwork(t)
	c := echoService(t, "server", near)
	c.Networks, c.Aliases = []string{far}, []string{"alias"}
	s := containertest.StartAll(t, c, echoService(t, "here", near), echoService(t, "there", far))
	here, there := s[1], s[2]
	require.NoError(t, ask(t.Context(), s[0]), "its port is published")
	asks := func(from *containertest.Service, host string) error {
		_, err := from.Exec(t.Context(), "/echo", "ask", host+":7777", "hello")
		return err
	}
	for _, name := range []string{"server", "server." + near, "alias"} {
		require.NoError(t, asks(here, name), name)
	}
	require.NoError(t, asks(there, "server"))
	require.ErrorContains(t, asks(there, "alias"), "lookup alias", "a further name is of the first network")
	require.ErrorContains(t, asks(here, "there"), "lookup there", "nobody leads to the other network")

	same := echoService(t, "there", near) // of one name with the service on the other network
	containertest.Start(t, same)
	require.NoError(t, asks(s[0], "there."+near))
	require.NoError(t, asks(s[0], "there."+far))
}
