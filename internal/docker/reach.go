package docker

import (
	"context"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// hostsFile is the mount of a file that the engine makes for each container.
var hostsFile = regexp.MustCompile(`containers/([0-9a-f]{64})/\S+ /etc/(?:hosts|hostname|resolv\.conf) `)

// ownContainer returns the engine's container that this process runs in, or nil. What a machine has
// of containers, such as a /.dockerenv, does not tell: it may be another engine's.
func (e *Engine) ownContainer(ctx context.Context) (*container.InspectResponse, error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, nil // no Linux, so no container
	}
	id := hostsFile.FindSubmatch(mounts)
	if id == nil {
		return nil, nil
	}
	found, err := e.ContainerInspect(ctx, string(id[1]), client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	return &found.Container, err
}

// gateway returns the address of the engine's machine as this process sees it from its container us,
// if that has a network of its own.
func gateway(us *container.InspectResponse) (addr netip.Addr, ok bool) {
	if us == nil || us.HostConfig.NetworkMode.IsHost() {
		return addr, false
	}
	for _, name := range slices.Sorted(maps.Keys(us.NetworkSettings.Networks)) {
		if addr := us.NetworkSettings.Networks[name].Gateway; addr.IsValid() {
			return addr, true
		}
	}
	return addr, false
}

// sockets returns the paths that the engine's socket may have on the engine's machine.
func (e endpoint) sockets(us *container.InspectResponse, desktop bool) []string {
	if path := os.Getenv("TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE"); path != "" {
		return []string{strings.TrimPrefix(path, "unix://")}
	}
	var paths []string
	path, local := strings.CutPrefix(e.address, "unix://")
	if us != nil {
		for _, m := range us.Mounts {
			if within, below := strings.CutPrefix(path, m.Destination); local && below && (within == "" || within[0] == '/') {
				paths = append(paths, m.Source+within)
			}
		}
	}
	if local && us == nil && !desktop {
		// In a virtual machine it has the usual path, whatever it has here.
		paths = append(paths, path)
	}
	if !slices.Contains(paths, defaultSocket) {
		paths = append(paths, defaultSocket)
	}
	return paths
}
