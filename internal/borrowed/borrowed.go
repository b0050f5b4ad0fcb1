// Package borrowed remembers how containers were found that somebody else has made, and puts them
// back like that: a drill may do to them what it likes as long as it lasts.
package borrowed

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// A Container is one that ran when it was found, as it was then.
type Container struct {
	ID, Name           string
	Networks           Networks
	Joined             string // a network that it joins for the length of a test, if any
	Memory, MemorySwap int64
}

// Networks are those that a container is on, with what it is called there.
type Networks map[string]*network.EndpointSettings

// Look returns a container as it is. It refuses one that does not run: it could not be put back.
func Look(c container.InspectResponse) (Container, error) {
	switch {
	case c.State.Paused, c.State.Restarting, !c.State.Running:
		return Container{}, fmt.Errorf("it is %s: a container has to run when it is adopted", c.State.Status)
	}
	return Container{
		ID: c.ID, Name: strings.TrimPrefix(c.Name, "/"), Networks: NetworksOf(c),
		Memory: c.HostConfig.Memory, MemorySwap: c.HostConfig.MemorySwap,
	}, nil
}

// NetworksOf returns the networks that a container is on, and can be taken off.
func NetworksOf(c container.InspectResponse) Networks {
	n := Networks{}
	if mode := c.HostConfig.NetworkMode; mode.IsNone() || mode.IsHost() {
		return n // the engine lists a network of that name
	}
	for name, e := range c.NetworkSettings.Networks {
		n[name] = &network.EndpointSettings{IPAMConfig: e.IPAMConfig, Links: e.Links, DriverOpts: e.DriverOpts, GwPriority: e.GwPriority}
		for _, alias := range e.Aliases {
			if !strings.HasPrefix(c.ID, alias) { // the engine adds a part of its id by itself
				n[name].Aliases = append(n[name].Aliases, alias)
			}
		}
	}
	return n
}

// Names returns the names of the networks, in their order.
func (n Networks) Names() []string { return slices.Sorted(maps.Keys(n)) }

// Leave takes a container off the networks.
func (n Networks) Leave(ctx context.Context, engine *client.Client, id string) error {
	for _, name := range n.Names() {
		if _, err := engine.NetworkDisconnect(ctx, name, client.NetworkDisconnectOptions{Container: id}); err != nil {
			return fmt.Errorf("leave network %s: %w", name, err)
		}
	}
	return nil
}

// Rejoin puts a container on those of the networks that it is not on, and says whether there were
// any.
func (n Networks) Rejoin(ctx context.Context, engine *client.Client, c container.InspectResponse) (changed bool, err error) {
	for _, name := range n.Names() {
		if c.NetworkSettings.Networks[name] != nil {
			continue
		}
		if _, err := engine.NetworkConnect(ctx, name, client.NetworkConnectOptions{Container: c.ID, EndpointConfig: n[name]}); err != nil {
			return changed, fmt.Errorf("rejoin network %s: %w", name, err)
		}
		changed = true
	}
	return changed, nil
}

// Restore puts the container back as it was found, and says whether it was not like that: it runs,
// on its networks, with its memory. One that is gone was its owner's to remove.
func (c Container) Restore(ctx context.Context, engine *client.Client) (changed bool, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("leave container %s as it was found: %w", c.Name, err)
		}
	}()
	found, err := engine.ContainerInspect(ctx, c.ID, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	now := found.Container
	if now.State.Paused {
		changed = true
		if _, err := engine.ContainerUnpause(ctx, c.ID, client.ContainerUnpauseOptions{}); err != nil {
			return changed, err
		}
	}
	// Each is tried whatever comes of the others: most of it is better than none.
	var errs []error
	if c.Joined != "" && now.NetworkSettings.Networks[c.Joined] != nil {
		changed = true
		_, err := engine.NetworkDisconnect(ctx, c.Joined, client.NetworkDisconnectOptions{Container: c.ID, Force: true})
		errs = append(errs, err)
	}
	rejoined, err := c.Networks.Rejoin(ctx, engine, now)
	errs = append(errs, err)
	if now.HostConfig.Memory != c.Memory || now.HostConfig.MemorySwap != c.MemorySwap {
		changed = true
		_, err := engine.ContainerUpdate(ctx, c.ID, client.ContainerUpdateOptions{
			Resources: &container.Resources{Memory: c.Memory, MemorySwap: c.MemorySwap},
		})
		errs = append(errs, err)
	}
	if !now.State.Running {
		changed = true
		// The engine tells of a death before it has cleared up after it.
		ended := engine.ContainerWait(ctx, c.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		select {
		case <-ended.Result:
			_, err := engine.ContainerStart(ctx, c.ID, client.ContainerStartOptions{})
			errs = append(errs, err)
		case err := <-ended.Error:
			errs = append(errs, err)
		}
	}
	return changed || rejoined, errors.Join(errs...)
}
