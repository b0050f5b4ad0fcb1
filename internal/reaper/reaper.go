// Package reaper makes sure that nothing of a test process is left in the container engine, however the
// process ends. A small container of its own holds one end of a stream whose other end the process holds; when
// the stream ends, it removes everything that carries the process's session label, and then itself.
package reaper

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/images"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

//go:embed Dockerfile
var files embed.FS

var image = images.Image{
	Name:  "drtest/reaper",
	Files: files,
	Programs: []images.Program{{
		Name:    "drtest-reaper",
		Package: "github.com/drtest/suite/internal/reaper/program",
	}},
}

// timeout bounds the start and the end of the reaper.
const timeout = 30 * time.Second

// shared is the reaper of this process: there is one while any test uses the engine.
var shared struct {
	sync.Mutex
	users  int
	reaper *Reaper
}

// noEngine lets only one test of this process tell at length that there is no engine.
var noEngine sync.Once

// A Reaper is the container engine, guarded.
type Reaper struct {
	*docker.Engine
	id      string
	stream  client.HijackedResponse
	answers chan string // closed when the stream has ended
	orders  sync.Mutex
}

// Use returns the container engine, guarded by this process's reaper until t and its cleanups registered
// after this call have ended. It skips t with -short and fails it when there is no engine.
func Use(t testing.TB) *Reaper {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a container engine, and -short is set")
	}
	engine, err := docker.Connect()
	if err != nil {
		first := false
		noEngine.Do(func() { first = true })
		if !first {
			t.Fatal("no container engine: another test of this package says why, and what to do")
		}
		t.Fatal(err)
	}
	r, err := acquire(engine)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func acquire(engine *docker.Engine) (*Reaper, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.users == 0 {
		var err error
		if shared.reaper, err = start(engine); err != nil {
			return nil, fmt.Errorf("start the reaper: %w", err)
		}
	}
	shared.users++
	return shared.reaper, nil
}

func release() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.users--; shared.users > 0 {
		return nil
	}
	if err := shared.reaper.stop(); err != nil {
		return fmt.Errorf("stop the reaper: %w", err)
	}
	return nil
}

func start(engine *docker.Engine) (_ *Reaper, err error) {
	ref, err := image.Build(context.Background(), images.Progress)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	created, err := engine.ContainerCreate(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image:     ref,
			Env:       []string{"DRTEST_LABEL=" + docker.LabelSession + "=" + docker.Session()},
			Labels:    docker.Labels("reaper"),
			OpenStdin: true,
			StdinOnce: true, // the process's end of the stream is the only one
		},
		HostConfig: &container.HostConfig{
			AutoRemove:  true,
			NetworkMode: "none",
			PidMode:     "host", // to kill the first process of a container
			UsernsMode:  "host",
			Binds:       []string{engine.Socket + ":/var/run/docker.sock"},
		},
	})
	if err != nil {
		return nil, err
	}
	r := &Reaper{Engine: engine, id: created.ID, answers: make(chan string)}
	defer func() {
		if err != nil {
			engine.ContainerRemove(context.Background(), r.id, client.ContainerRemoveOptions{Force: true})
		}
	}()
	attached, err := engine.ContainerAttach(ctx, r.id, client.ContainerAttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return nil, err
	}
	r.stream = attached.HijackedResponse
	go r.listen()
	if _, err := engine.ContainerStart(ctx, r.id, client.ContainerStartOptions{}); err != nil {
		return nil, err
	}
	// The reaper is ready when it has seen that it may list the session's things.
	if line, err := r.answer(ctx); line != "ready" {
		return nil, errors.Join(errors.New(line), err)
	}
	return r, nil
}

// listen passes on the lines that the reaper prints, until its stream ends.
func (r *Reaper) listen() {
	out, in := io.Pipe()
	go func() {
		stdcopy.StdCopy(in, in, r.stream.Reader)
		in.Close()
	}()
	defer close(r.answers)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		r.answers <- lines.Text()
	}
}

func (r *Reaper) answer(ctx context.Context) (string, error) {
	select {
	case line, ok := <-r.answers:
		if !ok {
			return "", errors.New("the reaper is gone")
		}
		return line, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// Kill sends SIGKILL to the first process of a container from outside, which the engine takes for a crash. The
// process must belong to that container.
func (r *Reaper) Kill(ctx context.Context, pid int, container string) error {
	r.orders.Lock()
	defer r.orders.Unlock()
	order := fmt.Sprintf("kill %d %s", pid, container)
	if _, err := fmt.Fprintln(r.stream.Conn, order); err != nil {
		return err
	}
	for {
		line, err := r.answer(ctx)
		if err != nil {
			return err
		}
		// Another answer belongs to an order whose sender did not wait for it.
		result, mine := strings.CutPrefix(line, order+"\t")
		if mine && result != "ok" {
			return fmt.Errorf("kill process %d: %s", pid, result)
		}
		if mine {
			return nil
		}
	}
}

// stop ends the reaper, which removes what a cleanup has missed, and waits until the engine has removed it.
func (r *Reaper) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	removed := r.ContainerWait(ctx, r.id, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	fmt.Fprintln(r.stream.Conn, "done")
	defer r.stream.Close()
	select {
	case <-removed.Result:
		return nil
	case err := <-removed.Error:
		return err
	}
}
