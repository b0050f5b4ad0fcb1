package containertest

import (
	"context"
	"net/netip"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/firewall"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// StartTimeout bounds the time from the start of a service until it is ready. Starting is no drill:
// time in which the machine does not keep up, as far as its kernel tells, does not count, up to
// five times as much in all.
const StartTimeout = time.Minute

// A Config describes a service to start.
type Config struct {
	// Name is the service's role and its DNS name on the network, such as "primary". Required.
	Name string
	// Image is the reference of a local image, from [Build]. Required.
	Image string
	// Network is the name of the network to join, from [NewNetwork]. Empty: a new one.
	Network string
	// Aliases are further names on Network. There the service also has, always, its name with that
	// of the network behind a dot, which tells services of one name on several networks apart.
	Aliases []string
	// Networks are further networks to join, on which the service has the same name. A service with
	// a firewall has none.
	Networks []string
	// Env is added to the image's environment.
	Env map[string]string
	// Volumes are the volumes to mount, from [NewVolume], by the absolute path at which the service
	// has each. An empty name is a new one that goes with the service: files there are on the
	// host's file system, not in the layers of the container.
	Volumes map[string]string
	// Cmd replaces the image's command.
	Cmd []string
	// Port is the TCP port that the service serves. It is published on the loopback address of the
	// host. Zero: none.
	Port int
	// ExtraPorts are further TCP ports to publish. Each adds some 15 ms to the start and 50 ms to
	// the removal.
	ExtraPorts []int
	// Ready is polled until it returns nil, which ends Start. Nil: the service is ready when its
	// container runs.
	Ready func(ctx context.Context, s *Service) error
	// Restart is the restart policy of the container.
	Restart Restart
	// Memory limits the memory of all processes of the service together, in bytes. There is no swap
	// beside it. Zero: no limit.
	Memory int64
	// Capabilities are those of root that the service needs, by their names, such as "CHOWN". It
	// has no others, whoever its processes run as. The entrypoints of many public images begin as
	// root and need some: CHOWN, DAC_OVERRIDE, FOWNER, SETGID and SETUID to prepare a folder and
	// become another user.
	Capabilities []string
	// NewPrivileges lets processes gain privileges by programs with the set-user-ID bit, such as
	// sudo.
	NewPrivileges bool
	// MaxProcesses limits the processes and threads of the service together. Zero: 4096.
	MaxProcesses int64
	// Firewall makes [Service.Partition] and its kin possible. The service then lives in the
	// network namespace of a small container of its own, which costs some 200 ms at the start.
	// Rules stay in force while the service is down and when it starts again, since the namespace
	// stays: its name resolves, its addresses, that on the host among them, stay the same, and
	// connections to it are refused while it is down.
	Firewall bool
	// Resolver is the DNS server that the service's names with a dot are asked of, instead of the
	// host's. Names without one are those of the network's containers, as ever. Zero: the host's.
	Resolver netip.Addr

	_ struct{} // keyed literals only, so that fields can be added
}

// Restart says what the engine does when the first process of a container ends.
type Restart int

const (
	// NeverRestart leaves the container dead, whatever ended it.
	NeverRestart Restart = iota
	// RestartOnFailure starts the container again when its first process ended with a non-zero
	// code. It is Docker's policy "on-failure": the back-off begins at 100 ms and doubles with each
	// restart, until the container has run for 10 s.
	RestartOnFailure
)

// container describes the container of the service, which lives in the namespace of f unless that is
// nil.
func (c Config) container(engine *docker.Engine, f *firewall.Firewall) client.ContainerCreateOptions {
	init := true // reaps orphans
	h := &container.HostConfig{Init: &init, Resources: container.Resources{CgroupParent: engine.CgroupParent}}
	o := client.ContainerCreateOptions{
		Config:     &container.Config{Image: c.Image, Cmd: c.Cmd, Labels: docker.Labels(c.Name)},
		HostConfig: h,
	}
	c.confine(h)
	for name, value := range c.Env {
		o.Config.Env = append(o.Config.Env, name+"="+value)
	}
	for path, volume := range c.Volumes {
		h.Mounts = append(h.Mounts, mount.Mount{
			Type: mount.TypeVolume, Source: volume, Target: path,
			VolumeOptions: &mount.VolumeOptions{Labels: docker.Labels(c.Name)},
		})
	}
	if c.Restart == RestartOnFailure {
		h.RestartPolicy.Name = container.RestartPolicyOnFailure
	}
	if c.Memory != 0 {
		swappiness := int64(0)
		h.Memory, h.MemorySwap, h.MemorySwappiness = c.Memory, c.Memory, &swappiness
	}
	if f != nil {
		h.NetworkMode = container.NetworkMode("container:" + f.ID)
		return o
	}
	c.connect(&o, engine)
	for _, n := range c.Networks {
		o.NetworkingConfig.EndpointsConfig[n] = &network.EndpointSettings{Aliases: []string{c.Name}}
	}
	return o
}

// confine gives the container what c asks for, and nothing else.
func (c Config) confine(h *container.HostConfig) {
	docker.Confine(h, c.Capabilities...)
	if c.NewPrivileges {
		h.SecurityOpt = nil
	}
	if c.MaxProcesses != 0 {
		h.PidsLimit = &c.MaxProcesses
	}
}

// node describes the container whose namespace the service joins: it takes the service's place on
// the network.
func (c Config) node(engine *docker.Engine, image string) client.ContainerCreateOptions {
	o := client.ContainerCreateOptions{
		Config:     &container.Config{Image: image, Labels: docker.Labels(c.Name + "-firewall")},
		HostConfig: &container.HostConfig{},
	}
	c.connect(&o, engine)
	return o
}

// names are those that the service has on its network.
func (c Config) names() []string {
	return append([]string{c.Name, c.Name + "." + c.Network}, c.Aliases...)
}

// connect joins the container that holds the service's network to it, publishes the ports and sets
// up the DNS.
func (c Config) connect(o *client.ContainerCreateOptions, engine *docker.Engine) {
	h := o.HostConfig
	h.NetworkMode = container.NetworkMode(c.Network)
	o.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
		c.Network: {Aliases: c.names()},
	}}
	o.Config.ExposedPorts, h.PortBindings = network.PortSet{}, network.PortMap{}
	for _, p := range c.ports() {
		o.Config.ExposedPorts[tcp(p)] = struct{}{}
		h.PortBindings[tcp(p)] = []network.PortBinding{{HostIP: engine.PublishIP}}
	}
	// The engine's DNS would ask the outside world for the name of a container that is dead, and
	// its clients would wait for the answer. With this it asks only for names that have a dot.
	h.DNSOptions, h.DNSSearch = []string{"ndots:1"}, []string{"."}
	if c.Resolver.IsValid() {
		h.DNS = []netip.Addr{c.Resolver}
	}
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
