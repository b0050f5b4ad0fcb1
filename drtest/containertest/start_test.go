package containertest_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/stretchr/testify/require"
)

func TestStart(t *testing.T) {
	s := containertest.Start(t, echoService(t, "server", ""))
	require.Equal(t, "server", s.Name())
	require.Equal(t, "server:7777", s.Addr())
	require.NotEmpty(t, s.Network())
	addr, err := s.HostAddr(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^127\.0\.0\.1:\d+$`, addr)
	require.NoError(t, ask(t.Context(), s))
	log, err := s.Logs(t.Context())
	require.NoError(t, err)
	require.Equal(t, "echo starts\n", log)
	_, err = s.HostAddrOf(t.Context(), 1)
	require.ErrorContains(t, err, "address of server: port 1 is not published, container is running")
}

func TestStartAll(t *testing.T) {
	network := containertest.NewNetwork(t)
	services := containertest.StartAll(t, echoService(t, "a", network), echoService(t, "b", network), echoService(t, "c", network))
	require.Len(t, services, 3)
	for i, name := range []string{"a", "b", "c"} {
		require.Equal(t, name, services[i].Name())
		require.NoError(t, ask(t.Context(), services[i]))
	}
}

// box describes a container that does nothing by itself.
func box(t *testing.T, name string) containertest.Config {
	t.Helper()
	return containertest.Config{Name: name, Image: containertest.Build(t, containertest.Image{
		Name:  "drtest/test-box",
		Files: fstest.MapFS{"Dockerfile": {Data: []byte("ARG BASE=debian:trixie-slim\nFROM ${BASE}\nCMD [\"sleep\", \"infinity\"]\n")}},
	})}
}

func TestExec(t *testing.T) {
	s := containertest.Start(t, box(t, "box"))
	out, err := s.Exec(t.Context(), "sh", "-c", "echo out; echo err >&2")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"out", "err"}, strings.Fields(out))
	_, err = s.Exec(t.Context(), "sh", "-c", "echo reason >&2; exit 3")
	require.EqualError(t, err, `exec ["sh" "-c" "echo reason >&2; exit 3"] in box: exit code 3: reason`)
	_, err = s.Exec(t.Context(), "no-such-command")
	require.ErrorContains(t, err, `exec ["no-such-command"] in box: `)
}

// All containers of one group would share what a single process outside gets.
func TestControlGroup(t *testing.T) {
	s := containertest.Start(t, box(t, "box"))
	out, err := s.Exec(t.Context(), "cat", "/proc/self/cgroup")
	require.NoError(t, err)
	require.NotContains(t, out, "/docker/")
}
