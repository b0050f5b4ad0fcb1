package containertest

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/testcontainers/testcontainers-go"
)

// StartTimeout bounds the time from the start of a service until it is ready.
const StartTimeout = time.Minute

// A Config describes a service to start.
type Config struct {
	// Name is the service's role and its DNS name on the network, such as "primary". Required.
	Name string
	// Image is the reference of a local image, from [Build]. Required.
	Image string
	// Network is the name of the network to join, from [NewNetwork]. Empty: a new one.
	Network string
	// Env is added to the image's environment.
	Env map[string]string
	// Cmd replaces the image's command.
	Cmd []string
	// Port is the TCP port that the service serves. It is published on the loopback address of the host.
	// Zero: none.
	Port int
	// ExtraPorts are further TCP ports to publish. Each adds some 15 ms to the start and 50 ms to the removal.
	ExtraPorts []int
	// Ready is polled until it returns nil, which ends Start. Nil: the service is ready when its container
	// runs.
	Ready func(ctx context.Context, s *Service) error
	// Restart is the restart policy of the container.
	Restart Restart

	_ struct{} // keyed literals only, so that fields can be added
}

// Restart says what the engine does when the first process of a container ends.
type Restart int

const (
	// NeverRestart leaves the container dead, whatever ended it.
	NeverRestart Restart = iota
	// RestartOnFailure starts the container again when its first process ended with a non-zero code. It is
	// Docker's policy "on-failure": the back-off begins at 100 ms and doubles with each restart, until the
	// container has run for 10 s.
	RestartOnFailure
)

// request translates c for testcontainers.
func (c Config) request(publishIP netip.Addr) testcontainers.ContainerRequest {
	r := testcontainers.ContainerRequest{
		Image:          c.Image,
		Env:            c.Env,
		Cmd:            c.Cmd,
		Labels:         docker.Labels(c.Name),
		Networks:       []string{c.Network},
		NetworkAliases: map[string][]string{c.Network: {c.Name}},
	}
	bindings := network.PortMap{}
	for _, p := range c.ports() {
		r.ExposedPorts = append(r.ExposedPorts, strconv.Itoa(p))
		bindings[tcp(p)] = []network.PortBinding{{HostIP: publishIP}}
	}
	r.HostConfigModifier = func(h *container.HostConfig) {
		init := true // reaps orphans
		h.Init = &init
		h.PortBindings = bindings
		if c.Restart == RestartOnFailure {
			h.RestartPolicy.Name = container.RestartPolicyOnFailure
		}
		// The engine's DNS would ask the outside world for the name of a container that is dead, and its
		// clients would wait for the answer. With this it asks only for names that have a dot.
		h.DNSOptions, h.DNSSearch = []string{"ndots:1"}, []string{"."}
	}
	return r
}

func (c Config) ports() []int {
	if c.Port == 0 {
		return c.ExtraPorts
	}
	return append([]int{c.Port}, c.ExtraPorts...)
}

func tcp(port int) network.Port {
	p, _ := network.PortFrom(uint16(port), network.TCP)
	return p
}
