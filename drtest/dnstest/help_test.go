package dnstest_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/echo"
	"github.com/stretchr/testify/require"
)

// services starts services on one network.
func services(t testing.TB, network string, names ...string) []*containertest.Service {
	t.Helper()
	image := containertest.Build(t, containertest.Image{
		Name: "drtest/echo", Files: echo.Files, Programs: []containertest.Program{{Name: "echo", Package: echo.Package}},
	})
	var configs []containertest.Config
	for _, name := range names {
		configs = append(configs, containertest.Config{Name: name, Image: image, Network: network, Port: echo.Port})
	}
	return containertest.StartAll(t, configs...)
}

// client describes a container that can resolve names, with the tools of the servers' own image.
func client(t testing.TB, name, network string, resolver netip.Addr) containertest.Config {
	t.Helper()
	return containertest.Config{
		Name:     name,
		Image:    containertest.Build(t, containertest.Image{Name: "drtest/dns", Files: os.DirFS("image")}),
		Cmd:      []string{"-c", "exec sleep infinity"},
		Network:  network,
		Resolver: resolver,
	}
}

// resolve returns the address that a name has for programs in the client's container.
func resolve(ctx context.Context, client *containertest.Service, name string) (string, error) {
	out, err := client.Exec(ctx, "getent", "ahostsv4", name)
	if err != nil {
		return "", err
	}
	first, _, _ := strings.Cut(out, " ")
	return first, nil
}

// requireResolves requires that a name has an address, and returns it.
func requireResolves(t *testing.T, client *containertest.Service, name string) string {
	t.Helper()
	addr, err := resolve(t.Context(), client, name)
	require.NoError(t, err)
	_, err = netip.ParseAddr(addr)
	require.NoError(t, err)
	return addr
}

// fatal returns the message with which f fails the test that it is given.
func fatal(t *testing.T, f func(testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.message
}

type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Fatal(args ...any) {
	r.message = fmt.Sprint(args...)
	runtime.Goexit()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// An upstream is no more than what a record needs to know.
type upstream struct{ addr, network string }

func (u upstream) Addr() string    { return u.addr }
func (u upstream) Network() string { return u.network }
