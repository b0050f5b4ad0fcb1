package containertest_test

import (
	"net/netip"
	"testing"
	"testing/fstest"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/stretchr/testify/require"
)

// The engine's own DNS stays in front, which knows the containers, and asks the resolver for the rest. That names
// are really asked of it is a test of package dnstest, which has one.
func TestResolver(t *testing.T) {
	box := containertest.Config{
		Name:     "box",
		Resolver: netip.MustParseAddr("192.0.2.53"),
		Image: containertest.Build(t, containertest.Image{
			Name:  "drtest/test-box",
			Files: fstest.MapFS{"Dockerfile": {Data: []byte("ARG BASE=debian:trixie-slim\nFROM ${BASE}\nCMD [\"sleep\", \"infinity\"]\n")}},
		}),
	}
	walled, plain := box, box
	walled.Name, walled.Firewall = "walled", true
	plain.Name, plain.Resolver = "plain", netip.Addr{}
	for _, s := range containertest.StartAll(t, box, walled, plain) {
		conf, err := s.Exec(t.Context(), "cat", "/etc/resolv.conf")
		require.NoError(t, err)
		require.Contains(t, conf, "nameserver 127.0.0.11\n", s.Name())
		if s.Name() == "plain" {
			require.NotContains(t, conf, "192.0.2.53")
		} else {
			require.Contains(t, conf, "ExtServers: [192.0.2.53]", s.Name())
		}
	}
}
