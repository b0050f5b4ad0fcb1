package containertest_test

import (
	"context"
	"os/exec"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// A service has what it asks for, and nothing else.
func TestConfined(t *testing.T) {
	const status = `grep -E '^(CapBnd|NoNewPrivs)' /proc/self/status`
	asking := box(t, "asking")
	asking.Capabilities, asking.NewPrivileges, asking.MaxProcesses = []string{"CHOWN"}, true, 20
	services := containertest.StartAll(t, box(t, "plain"), asking)
	plain, asked := services[0], services[1]

	out, err := plain.Exec(t.Context(), "sh", "-c", status)
	require.NoError(t, err)
	require.Equal(t, "CapBnd:\t0000000000000000\nNoNewPrivs:\t1\n", out)
	_, err = plain.Exec(t.Context(), "chown", "nobody", "/tmp")
	require.ErrorContains(t, err, "Operation not permitted")
	_, err = plain.Exec(t.Context(), "sh", "-c", "for i in $(seq 40); do sleep 1 & done; wait")
	require.NoError(t, err)

	out, err = asked.Exec(t.Context(), "sh", "-c", status)
	require.NoError(t, err)
	require.Equal(t, "CapBnd:\t0000000000000001\nNoNewPrivs:\t0\n", out)
	_, err = asked.Exec(t.Context(), "chown", "nobody", "/tmp")
	require.NoError(t, err)
	_, err = asked.Exec(t.Context(), "sh", "-c", "for i in $(seq 40); do sleep 1 & done; wait")
	require.ErrorContains(t, err, "Cannot fork")
}

// A service that lacks a capability is told of with the way to get it.
func TestLackingCapability(t *testing.T) {
	needsEngine(t)
	out, err := child(t.Context(), t.TempDir(), "lacks").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "Operation not permitted\n")
	require.Contains(t, string(out), "(a service has the capabilities of root that Config.Capabilities names, and no others)")
}

// An engine that is reached over TCP publishes ports on its loopback address alone, as one with a
// socket does.
func TestTCPEngine(t *testing.T) {
	needsEngine(t)
	engine, err := docker.Connect()
	require.NoError(t, err)
	cmd, id := startChild(t, "hangs", "DOCKER_HOST="+relayTo(t, nil, nil).addr)
	of := make(client.Filters).Add("label", docker.LabelSession+"="+id)
	list, err := engine.ContainerList(t.Context(), client.ContainerListOptions{Filters: of})
	require.NoError(t, err)
	var published []string
	for _, c := range list.Items {
		for _, p := range c.Ports {
			published = append(published, p.IP.String())
		}
	}
	require.Equal(t, []string{"127.0.0.1"}, published)
	require.NoError(t, cmd.Process.Kill())
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	eventually(t, func(ctx context.Context) error { return nothingLeft(ctx, id) })
}
