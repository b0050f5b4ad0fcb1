package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// lines are what a listener says.
type lines struct {
	mu   sync.Mutex
	said []string
}

func (l *lines) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, fmt.Sprintf(format, args...))
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.said, "\n")
}

// How long the engine may be silent.
const limit, longer = time.Second, 2500 * time.Millisecond

// silentAt starts an engine that does not answer requests whose path ends in one of these, and
// returns an impatient client of it, and what is said meanwhile.
func silentAt(t *testing.T, ends ...string) (*client.Client, *lines) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "engine.sock")
	in, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		for _, end := range ends {
			if strings.HasSuffix(r.URL.Path, end) {
				<-r.Context().Done()
				return
			}
		}
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/json") { // a list
			fmt.Fprint(w, "[]")
			return
		}
		fmt.Fprint(w, "{}")
	})}
	go server.Serve(in)
	t.Cleanup(func() { server.Close() })
	said := &lines{}
	l := &listener{engine: "unix://SOCKET", network: "unix", addr: socket, limit: limit, long: longer, every: limit / 5, say: said.say}
	cli, err := client.New(client.WithHost("unix://"+socket), client.WithDialContext(l.dial))
	require.NoError(t, err)
	t.Cleanup(func() { cli.Close() })
	return cli, said
}

// TestSilence: a request that is not answered is told of, and then given up with its cause, once.
func TestSilence(t *testing.T) {
	for _, c := range []struct {
		path, request string
		ask           func(context.Context, *client.Client) error
		limit         time.Duration
	}{
		{"/version", "GET /version", func(ctx context.Context, cli *client.Client) error {
			_, err := cli.ServerVersion(ctx, client.ServerVersionOptions{})
			return err
		}, limit},
		{"/info", "GET /info", func(ctx context.Context, cli *client.Client) error {
			_, err := cli.Info(ctx, client.InfoOptions{})
			return err
		}, limit},
		{"/images/x/json", "GET /images/x/json", func(ctx context.Context, cli *client.Client) error {
			_, err := cli.ImageInspect(ctx, "x")
			return err
		}, limit},
		{"/containers/create", "POST /containers/create", func(ctx context.Context, cli *client.Client) error {
			_, err := cli.ContainerCreate(ctx, client.ContainerCreateOptions{Config: &container.Config{Image: "x"}})
			return err
		}, limit},
		{"/attach", "POST /containers/x/attach", func(ctx context.Context, cli *client.Client) error {
			_, err := cli.ContainerAttach(ctx, "x", client.ContainerAttachOptions{Stream: true})
			return err
		}, limit},
		{"/build", "POST /build", func(ctx context.Context, cli *client.Client) error {
			_, err := cli.ImageBuild(ctx, strings.NewReader("a context"), client.ImageBuildOptions{})
			return err
		}, longer},
	} {
		t.Run(c.request, func(t *testing.T) {
			cli, said := silentAt(t, c.path)
			// On a connection that is used again, net/http would try again by itself.
			_, err := cli.ContainerList(t.Context(), client.ContainerListOptions{})
			require.NoError(t, err)
			begin := time.Now()
			err = c.ask(t.Context(), cli)
			require.ErrorContains(t, err, fmt.Sprintf("the container engine at unix://SOCKET has not answered %s for %v: see whether docker ps answers, "+
				"and restart the engine if it does not", c.request, c.limit))
			require.Less(t, time.Since(begin), c.limit*7/4, "it was tried again")
			require.Contains(t, said.String(), "waiting for the container engine at unix://SOCKET to answer "+c.request+", ")
			silence := new(Silence)
			require.True(t, errors.As(err, &silence), "%#v", err)
		})
	}
}

// TestPatience: whatever is answered is not hurried: an answer that goes on and on, and an upload
// that does.
func TestPatience(t *testing.T) {
	cli, said := silentAt(t)
	for range 3 { // connections are used again
		_, err := cli.ContainerList(t.Context(), client.ContainerListOptions{})
		require.NoError(t, err)
		<-time.After(limit * 5 / 4) // longer than the patience: nothing is asked
	}
	require.Empty(t, said.String())
	slow, w := io.Pipe()
	go func() {
		for range 8 {
			<-time.After(limit * 2 / 5)
			fmt.Fprint(w, "a part")
		}
		w.Close()
	}()
	_, err := cli.ImageBuild(t.Context(), slow, client.ImageBuildOptions{})
	require.NoError(t, err)
}
