package containertest_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/docker"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
)

// TestNeighbour: the user's own testcontainers, in the same process, work beside a drill as they do
// without one.
func TestNeighbour(t *testing.T) {
	needsEngine(t)
	// Their prefix leads to an image of theirs.
	engine, err := docker.Connect()
	require.NoError(t, err)
	image := echoService(t, "", "").Image
	_, err = engine.ImageTag(t.Context(), client.ImageTagOptions{Source: image, Target: "registry.example/" + image})
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := engine.ImageRemove(context.WithoutCancel(t.Context()), "registry.example/"+image, client.ImageRemoveOptions{})
		require.NoError(t, err)
	})
	for _, c := range []struct {
		reason string
		env    []string
		want   string
	}{
		{"settings that are made before", []string{"TESTCONTAINERS_RYUK_DISABLED=true", "TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX=registry.example"},
			"ryuk disabled: true, prefix: registry.example, their container ran\n"},
		{"settings that are made once a drill is over", []string{"DRTEST_TEST_LATE=true"},
			"ryuk disabled: true, prefix: registry.example, their container ran\n"},
		{"no settings: their reaper guards their containers", nil, "ryuk disabled: false, prefix: , "},
	} {
		t.Run(c.reason, func(t *testing.T) {
			cmd := child(t.Context(), t.TempDir(), "neighbour")
			cmd.Env = append(slices.DeleteFunc(cmd.Env, func(e string) bool { return strings.HasPrefix(e, "TESTCONTAINERS_") }), c.env...)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), c.want)
		})
	}
}

// recorder is a logger of the user's.
type recorder struct{ said []string }

func (r *recorder) Printf(format string, v ...any) {
	r.said = append(r.said, fmt.Sprintf(format, v...))
}

// besideOthers plays a fault, and compares what belongs to the user before and after. Then it runs a
// container of the user's beside the service.
func besideOthers(t *testing.T) {
	theirs := &recorder{}
	log.SetDefault(theirs)
	late := os.Getenv("DRTEST_TEST_LATE") != ""
	var before testcontainers.TestcontainersConfig
	if !late { // or it would not be read again
		before = testcontainers.ReadConfig()
	}
	environment := os.Environ()

	config := echoService(t, "server", "")
	config.Firewall = true
	s := containertest.Start(t, config)
	_, err := s.Pause().Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, s.Pause().Heal(t.Context()))

	require.Empty(t, cmp.Diff(environment, os.Environ()))
	require.Same(t, theirs, log.Default())
	require.Empty(t, theirs.said)
	if late {
		t.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
		t.Setenv("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX", "registry.example")
	} else {
		require.Empty(t, cmp.Diff(before, testcontainers.ReadConfig()))
	}
	after := testcontainers.ReadConfig().Config
	fmt.Printf("ryuk disabled: %v, prefix: %s, ", after.RyukDisabled, after.HubImageNamePrefix)
	if !after.RyukDisabled {
		return // its image may not be there
	}
	c, err := testcontainers.Run(t.Context(), config.Image, testcontainers.WithEnv(map[string]string{"NAME": "theirs"}))
	testcontainers.CleanupContainer(t, c)
	require.NoError(t, err)
	state, err := c.State(t.Context())
	require.NoError(t, err)
	require.True(t, state.Running)
	inspected, err := c.Inspect(t.Context())
	require.NoError(t, err)
	require.Equal(t, "registry.example/"+config.Image, inspected.Config.Image)
	require.NotEmpty(t, theirs.said, "their logger hears nothing of their container")
	require.NoError(t, ask(t.Context(), s))
	fmt.Println("their container ran")
}
