package containertest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/internal/borrowed"
	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/reaper"
	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// An Adoption says what a drill has to know of a container that somebody else has made.
type Adoption struct {
	// Name is the service's role, and one of its names on Network. Empty: the container's name.
	Name string
	// Network is the name of the network on which others reach the service. If the container is not
	// on it, such as one from [NewNetwork], it joins it under Name for the length of the test.
	// Empty: the one that the container is on. No names resolve on the engine's own network,
	// "bridge", so what is to be reached by a link needs another.
	Network string
	// Port is the TCP port that the service serves. Zero: none.
	Port int
	// Ready is polled until it returns nil, which ends Adopt. Nil: the service is ready.
	Ready func(ctx context.Context, s *Service) error

	_ struct{} // keyed literals only, so that fields can be added
}

// Adopt has a drill act on a container that runs and that somebody else has made, such as a module
// of testcontainers-go. The container is known by its id, as GetContainerID returns it, by the
// begin of that, or by its name.
//
// The container is never removed. When t ends, it is put back as it was found: it goes on if it is
// paused, is started if it does not run, and is on the same networks, with the memory that it had.
// The same holds when the test process is killed. Not kept are its processes, connections, and the
// addresses that the engine gives anew with each start: those on its networks, and ports of the
// host that nobody has fixed. What the service has lost with its processes stays lost.
//
// Faults are those of any service. [Service.Partition] and its kin need a container from [Start]:
// [Service.Disconnect] takes their place, or a link. [Service.Destroy] is refused.
//
// Two drills must not adopt one container at the same time: use [NewNetwork] and a container for
// each.
func Adopt(t testing.TB, id string, a Adoption) *Service {
	t.Helper()
	engine := reaper.Use(t)
	s, err := adopt(t.Context(), engine, id, a)
	if err != nil {
		t.Fatalf("adopt container %q: %v", id, err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext(t)
		defer cancel()
		if t.Failed() {
			if err := keepLogs(ctx, t, []*Service{s}); err != nil {
				t.Logf("keep container logs: %v", err)
			}
		}
		if err := engine.GiveBack(ctx, s.lent.Container); err != nil {
			t.Error(err)
		}
	})
	if err := engine.Borrow(t.Context(), s.lent.Container); err != nil {
		t.Fatalf("adopt container %q: %v", id, err)
	}
	if err := s.join(t.Context()); err != nil {
		t.Fatalf("adopt container %q: %v", id, err)
	}
	if a.Ready != nil {
		ctx, cancel := machine.Allow(t.Context(), StartTimeout)
		defer cancel()
		if err := wait.For(ctx, readyInterval, func(ctx context.Context) error { return a.Ready(ctx, s) }); err != nil {
			machine.Fatal(t, machine.Blame(ctx, fmt.Errorf("adopt %s: %w", s.Name(), err)))
		}
	}
	return s
}

// A loan is a container that somebody else has made.
type loan struct {
	borrowed.Container
	since      string // the engine's time of the adoption
	stopSignal string
	endless    error // why it must not be made to end, or nil
}

func adopt(ctx context.Context, engine *reaper.Reaper, id string, a Adoption) (*Service, error) {
	if id == "" {
		return nil, errors.New("name one, by its id or its name")
	}
	found, err := engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return nil, fmt.Errorf("the container engine at %s has none: drills use that engine, and no other that is named", engine.Where)
	}
	if err != nil {
		return nil, err // such as that an id begins like this for several
	}
	c := found.Container
	if c.Config.Labels[docker.LabelSession] != "" {
		return nil, errors.New("it is one of this harness: take what Start has returned")
	}
	lent, err := borrowed.Look(c)
	if err != nil {
		return nil, err
	}
	info, err := engine.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, err
	}
	l := &loan{Container: lent, since: info.Info.SystemTime, stopSignal: c.Config.StopSignal}
	if c.HostConfig.AutoRemove {
		l.endless = fmt.Errorf("the engine removes container %s as soon as it ends, since it was made so: make it without AutoRemove", lent.Name)
	}
	config := Config{Name: cmp.Or(a.Name, lent.Name), Network: a.Network, Port: a.Port, Ready: a.Ready}
	if restarts := c.HostConfig.RestartPolicy.Name; restarts != "" && restarts != container.RestartPolicyDisabled {
		config.Restart = RestartOnFailure
	}
	switch on := lent.Networks.Names(); {
	case config.Network == "" && len(on) > 1:
		return nil, fmt.Errorf("it is on several networks: name one of %s as Adoption.Network", strings.Join(on, ", "))
	case config.Network == "" && len(on) == 1:
		config.Network = on[0]
	}
	if e := c.NetworkSettings.Networks[config.Network]; e != nil && config.Network != "bridge" {
		if names := append(slices.Concat(e.Aliases, e.DNSNames), lent.Name); !slices.Contains(names, config.Name) {
			slices.Sort(names)
			return nil, fmt.Errorf("nobody knows it as %s on network %s, but as %s: set Adoption.Name to one of these, or Adoption.Network to one that it joins",
				config.Name, config.Network, strings.Join(slices.Compact(names), ", "))
		}
	} else if e == nil && config.Network != "" {
		l.Joined = config.Network
	}
	return &Service{engine: engine, config: config, id: c.ID, lent: l}, nil
}

// join has an adopted service join the network that it is to be reached on, unless it is there.
func (s *Service) join(ctx context.Context) error {
	if s.lent.Joined == "" {
		return nil
	}
	_, err := s.engine.NetworkConnect(ctx, s.lent.Joined, client.NetworkConnectOptions{
		Container: s.id, EndpointConfig: &network.EndpointSettings{Aliases: s.config.names()},
	})
	if err != nil {
		return fmt.Errorf("join network %s: %w", s.lent.Joined, err)
	}
	return nil
}

// endless says why the service must not be made to end, if so.
func (s *Service) endless() error {
	if s.lent == nil {
		return nil
	}
	return s.lent.endless
}
