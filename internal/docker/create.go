package docker

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// Create makes a container, which is not running yet, of an image that the engine has. It is the
// one way to make any. Beside an error, id is that of a container that was made all the same.
func (e *Engine) Create(ctx context.Context, o client.ContainerCreateOptions) (id string, err error) {
	further := map[string]*network.EndpointSettings{}
	if o.NetworkingConfig != nil {
		// An engine before 25 joins a container to one network as it makes it.
		further = maps.Clone(o.NetworkingConfig.EndpointsConfig)
		first := string(o.HostConfig.NetworkMode)
		o.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{first: further[first]}}
		delete(further, first)
	}
	created, err := e.ContainerCreate(ctx, o)
	if err != nil {
		return "", fmt.Errorf("create container: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(further)) {
		_, err := e.NetworkConnect(ctx, name, client.NetworkConnectOptions{Container: created.ID, EndpointConfig: further[name]})
		if err != nil {
			return created.ID, fmt.Errorf("join network %s: %w", name, err)
		}
	}
	return created.ID, nil
}
