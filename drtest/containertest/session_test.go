package containertest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// TestChild is what other tests run in processes of their own.
func TestChild(t *testing.T) {
	role := os.Getenv(roleVariable)
	if role == "" {
		t.Skip("is run by other tests")
	}
	fmt.Println("session", docker.Session())
	switch role {
	case "partitions":
		partitionForEver(t)
		return
	case "neighbour":
		besideOthers(t)
		return
	case "adopts":
		adoptForEver(t)
		return
	case "adopts from testcontainers":
		adoptFromTestcontainers(t)
		return
	}
	c := echoService(t, "server", "")
	c.Volumes = map[string]string{"/kept": containertest.NewVolume(t)}
	switch role {
	case "ends":
		c.Cmd = []string{"exit"}
	case "lacks":
		c = box(t, "box")
		c.Cmd = []string{"chown", "nobody", "/tmp"}
		c.Ready = func(context.Context, *containertest.Service) error { return errors.New("not yet") }
	}
	s := containertest.Start(t, c)
	switch role {
	case "hangs":
		_, err := s.Pause().Inject(t.Context()) // which is to be removed all the same
		require.NoError(t, err)
		fmt.Println("ready")
		<-t.Context().Done()
	case "dies":
		_, err := s.Kill().Inject(t.Context())
		require.NoError(t, err)
	case "pauses":
		_, err := s.Pause().Inject(t.Context())
		require.NoError(t, err)
	case "fails":
		t.Error("on purpose")
	}
}

func TestNothingIsLeft(t *testing.T) {
	needsEngine(t)
	for _, role := range []string{"passes", "dies", "pauses", "fails"} {
		t.Run(role, func(t *testing.T) {
			out, err := child(t.Context(), t.TempDir(), role).CombinedOutput()
			require.Equal(t, role == "fails", err != nil, string(out))
			require.NoError(t, nothingLeft(t.Context(), session(t, string(out))))
		})
	}
}

func TestNothingIsLeftAfterSIGKILL(t *testing.T) {
	needsEngine(t)
	cmd, id := startChild(t, "hangs")
	require.Error(t, nothingLeft(t.Context(), id), "the child runs")
	require.NoError(t, cmd.Process.Kill())
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)

	eventually(t, func(ctx context.Context) error { return nothingLeft(ctx, id) })
}

// startChild starts a child and returns when it is ready, with the id of its session.
func startChild(t *testing.T, role string, env ...string) (cmd *exec.Cmd, id string) {
	t.Helper()
	cmd = child(t.Context(), t.TempDir(), role)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan() && lines.Text() != "ready"; {
		fmt.Fprintln(&text, lines.Text())
	}
	return cmd, session(t, text.String())
}

// A service that ends while it starts fails its test at once, with its last words, which are kept.
func TestStartOfServiceThatEnds(t *testing.T) {
	needsEngine(t)
	tmp := t.TempDir()
	cmd := child(t.Context(), tmp, "ends")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "start server: not within ")
	require.Contains(t, string(out), "(its container has ended, exit code 3)")
	require.Regexp(t, `log of server:\n {8}echo starts\n {8}echo was told to exit(\n|: the machine did not keep up)`, string(out))
	logs, err := filepath.Glob(filepath.Join(tmp, "drtest-*-TestChild", "server.log"))
	require.NoError(t, err)
	require.Len(t, logs, 1)
	log, err := os.ReadFile(logs[0])
	require.NoError(t, err)
	require.Equal(t, "echo starts\necho was told to exit\n", string(log))
}

// Without an engine there is an error at once, and with one that is silent half a minute later,
// after a line that says what is waited for. It says what to do.
func TestNoEngine(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // opens connections, answers nothing
	require.NoError(t, err)
	t.Cleanup(func() { silent.Close() })
	for _, c := range []struct {
		host  string
		most  time.Duration
		waits string
	}{
		{"unix:///nonexistent.sock", 5 * time.Second, ""},
		{"tcp://127.0.0.1:1", 5 * time.Second, ""},
		{"tcp://" + silent.Addr().String(), 30 * time.Second, "drtest: waiting for the container engine at tcp://" + silent.Addr().String() + " to answer HEAD /_ping, 5s so far\n"},
	} {
		t.Run(c.host, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), c.most)
			defer cancel()
			cmd := child(ctx, t.TempDir(), "passes")
			cmd.Env = append(cmd.Env, "DOCKER_HOST="+c.host)
			out, err := cmd.CombinedOutput()
			require.Error(t, err)
			require.NoError(t, ctx.Err())
			require.Contains(t, string(out), c.waits)
			require.Contains(t, string(out), "no container engine (DOCKER_HOST="+c.host+"): ")
			require.Contains(t, string(out), "start Docker or set DOCKER_HOST to an engine that answers; go test -short ./... runs everything that needs none\n")
		})
	}
}

func TestShort(t *testing.T) {
	out, err := child(t.Context(), t.TempDir(), "passes", "-test.short").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "needs a container engine, and -short is set")
}

func needsEngine(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a container engine, and -short is set")
	}
}

// session returns the id that a child has printed.
func session(t *testing.T, out string) string {
	t.Helper()
	_, rest, found := strings.Cut(out, "session ")
	require.True(t, found, out)
	id, _, _ := strings.Cut(rest, "\n")
	return id
}

// execIn runs a command in a container of another session.
func execIn(ctx context.Context, engine *docker.Engine, container string, cmd ...string) error {
	created, err := engine.ExecCreate(ctx, container, client.ExecCreateOptions{Cmd: cmd, AttachStdout: true})
	if err != nil {
		return err
	}
	attached, err := engine.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return err
	}
	defer attached.Close()
	if _, err := io.Copy(io.Discard, attached.Reader); err != nil {
		return err
	}
	result, err := engine.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
	if err == nil && result.ExitCode != 0 {
		err = fmt.Errorf("exit code %d", result.ExitCode)
	}
	return err
}

// nothingLeft returns an error that names what an engine still has of a session.
func nothingLeft(ctx context.Context, session string) error {
	engine, err := docker.Connect()
	if err != nil {
		return err
	}
	of := make(client.Filters).Add("label", docker.LabelSession+"="+session)
	var left []error
	containers, err := engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: of})
	left = append(left, err)
	for _, c := range containers.Items {
		left = append(left, fmt.Errorf("container %s is left", c.Labels[docker.LabelKind]))
	}
	networks, err := engine.NetworkList(ctx, client.NetworkListOptions{Filters: of})
	left = append(left, err)
	for _, n := range networks.Items {
		left = append(left, fmt.Errorf("network %s is left", n.Name))
	}
	volumes, err := engine.VolumeList(ctx, client.VolumeListOptions{Filters: of})
	left = append(left, err)
	for _, v := range volumes.Items {
		left = append(left, fmt.Errorf("volume %s is left", v.Name))
	}
	return errors.Join(left...)
}
