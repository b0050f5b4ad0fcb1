//go:build unix

package containertest_test

import (
	"bufio"
	"fmt"
	"net"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSilentEngine: wherever an engine hangs, it is said within ten seconds what is waited for, and
// within a minute the test ends with the cause.
func TestSilentEngine(t *testing.T) {
	needsEngine(t)
	for _, c := range []struct{ where, waits, ends string }{
		{"connect", "a connection to the container engine at ENGINE", "no answer to a connection within 20s: start Docker or set DOCKER_HOST"},
		{"/_ping", "the container engine at ENGINE to answer HEAD /_ping", "no answer to HEAD /_ping within 20s: start Docker or set DOCKER_HOST"},
		{"/info", "the container engine at ENGINE to answer GET /info", "no answer to GET /info within 20s: start Docker or set DOCKER_HOST"},
		{"/version", "the container engine at ENGINE to answer GET /version", "has not answered GET /version for 40s: see whether docker ps answers"},
		{"/images/.*/json", "the container engine at ENGINE to answer GET /images/", "has not answered GET /images/"},
		{"/containers/create", "the container engine at ENGINE to answer POST /containers/create", "has not answered POST /containers/create for 40s: see whether docker ps"},
		{"/attach", "the container engine at ENGINE to answer POST /containers/", "/attach for 40s: see whether docker ps answers"},
		{"/containers/.*/start", "the container engine at ENGINE to answer POST /containers/", "/start for 40s: see whether docker ps answers"},
	} {
		t.Run(c.where, func(t *testing.T) {
			t.Parallel()
			addr := ""
			if c.where == "connect" {
				addr = deaf(t)
			} else {
				addr = relayTo(t, regexp.MustCompile("^(/v[0-9.]+)?"+c.where+"$|^/v[0-9.]+/containers/.*"+c.where+"$"), nil).addr
			}
			cmd := child(t.Context(), t.TempDir(), "passes")
			cmd.Env = append(cmd.Env, "DOCKER_HOST="+addr)
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			cmd.Stderr = cmd.Stdout
			begin := time.Now()
			require.NoError(t, cmd.Start())
			var said strings.Builder
			var waits time.Duration
			for lines := bufio.NewScanner(stdout); lines.Scan(); {
				fmt.Fprintln(&said, lines.Text())
				if waits == 0 && strings.Contains(lines.Text(), "drtest: waiting for "+strings.ReplaceAll(c.waits, "ENGINE", addr)) {
					waits = time.Since(begin)
				}
			}
			require.Error(t, cmd.Wait())
			t.Logf("said after %v, ended after %v", waits.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
			require.NotZero(t, waits, said.String())
			require.Less(t, waits, 10*time.Second)
			require.Less(t, time.Since(begin), time.Minute)
			require.Contains(t, said.String(), c.ends)
		})
	}
}

// deaf returns an address at which connections are neither opened nor refused: the queue of those
// that wait is full, and nobody takes one.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	t.Cleanup(func() { syscall.Close(fd) })
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	require.NoError(t, syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	require.NoError(t, err)
	addr := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for {
		c, err := net.DialTimeout("tcp", addr, 500*time.Millisecond)
		if err != nil {
			return "tcp://" + addr
		}
		t.Cleanup(func() { c.Close() })
	}
}
