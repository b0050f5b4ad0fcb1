package docker

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPublished(t *testing.T) {
	const refused = "the container engine tcp://10.0.0.5:2375 is on another machine: drills publish their ports on its loopback address alone, " +
		"which is not reached from here: run the tests on that machine, or set DRTEST_PUBLISH to the IP address of that machine on which " +
		"everybody who reaches it may reach the services of drills"
	for _, c := range []struct{ reason, daemon, wish, want string }{
		{"the usual socket", "unix:///var/run/docker.sock", "", "127.0.0.1 127.0.0.1"},
		{"that of Windows", "npipe:////./pipe/docker_engine", "", "127.0.0.1 127.0.0.1"},
		{"a relay on this machine", "tcp://127.0.0.1:2375", "", "127.0.0.1 127.0.0.1"},
		{"by its name", "tcp://localhost:2375", "", "127.0.0.1 127.0.0.1"},
		{"by IPv6", "tcp://[::1]:2375", "", "127.0.0.1 127.0.0.1"},
		{"another machine", "tcp://10.0.0.5:2375", "", refused},
		{"another machine, with the user's wish", "tcp://10.0.0.5:2375", "10.0.0.5", "10.0.0.5 10.0.0.5"},
		{"by its name", "tcp://engine.example:2376", "0.0.0.0", "0.0.0.0 engine.example"},
		{"all addresses of this machine", "unix:///var/run/docker.sock", "0.0.0.0", "0.0.0.0 127.0.0.1"},
		{"that of a bridge, for tests in a container", "unix:///var/run/docker.sock", "172.17.0.1", "172.17.0.1 172.17.0.1"},
		{"a wish that is none", "unix:///var/run/docker.sock", "everywhere", `DRTEST_PUBLISH is "everywhere": want an IP address of the engine's machine, such as 127.0.0.1`},
	} {
		daemon, err := url.Parse(c.daemon)
		if err != nil {
			t.Fatal(err)
		}
		on, host, err := published(daemon, c.wish)
		got := on.String() + " " + host
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.reason, diff)
		}
	}
}

// The password of an engine behind a proxy is not shown.
func TestPublishedHidesPassword(t *testing.T) {
	_, _, err := published(&url.URL{Scheme: "tcp", Host: "10.0.0.5:2375", User: url.UserPassword("me", "geheim")}, "")
	if err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("got %v", err)
	}
}
