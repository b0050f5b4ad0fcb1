package containertest_test

import (
	"context"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// What a test has made is there for its own cleanups, and gone after it. A network or a volume goes only if no container has it
// any more.
func TestEstate(t *testing.T) {
	needsEngine(t)
	containertest.NewNetwork(t) // or the reaper would end with the test within, and remove what is left
	var network, volume string
	t.Run("test", func(t *testing.T) {
		network, volume = containertest.NewNetwork(t), containertest.NewVolume(t)
		start := func(name string) *containertest.Service {
			c := echoService(t, name, network)
			c.Volumes = map[string]string{"/kept": volume}
			return containertest.Start(t, c)
		}
		first := start("first")
		t.Cleanup(func() { require.NoError(t, ask(context.WithoutCancel(t.Context()), first)) })
		start("second")
	})
	engine, err := docker.Connect()
	require.NoError(t, err)
	_, err = engine.NetworkInspect(t.Context(), network, client.NetworkInspectOptions{})
	require.True(t, errdefs.IsNotFound(err), "%v", err)
	_, err = engine.VolumeInspect(t.Context(), volume, client.VolumeInspectOptions{})
	require.True(t, errdefs.IsNotFound(err), "%v", err)
}
