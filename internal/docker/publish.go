package docker

import (
	"fmt"
	"net/netip"
	"net/url"
)

// publish is the user's wish for the address of the engine's machine on which ports are published.
const publish = "DRTEST_PUBLISH"

var loopback = netip.MustParseAddr("127.0.0.1")

// published returns the address of the engine's machine on which ports are published, and the host
// at which this process reaches them. Without a wish of the user's nothing outside of that machine
// reaches a container, so an engine on another machine needs one.
func published(daemon *url.URL, wish string) (on netip.Addr, host string, err error) {
	local := daemon.Scheme == "unix" || daemon.Scheme == "npipe" || daemon.Hostname() == "localhost"
	if addr, err := netip.ParseAddr(daemon.Hostname()); err == nil && addr.Unmap().IsLoopback() {
		local = true
	}
	switch {
	case wish != "":
		if on, err = netip.ParseAddr(wish); err != nil {
			return on, "", fmt.Errorf("%s is %q: want an IP address of the engine's machine, such as 127.0.0.1", publish, wish)
		}
		if !on.IsUnspecified() {
			return on, on.String(), nil
		}
	case local:
		on = loopback
	default:
		return on, "", fmt.Errorf("the container engine %s is on another machine: drills publish their ports on its loopback address alone, "+
			"which is not reached from here: run the tests on that machine, or set %s to the IP address of that machine on which "+
			"everybody who reaches it may reach the services of drills", daemon.Redacted(), publish)
	}
	if local {
		return on, loopback.String(), nil
	}
	return on, daemon.Hostname(), nil
}
