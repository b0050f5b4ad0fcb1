// Package reaper makes sure that nothing of a test process is left in the container engine, however
// the process ends. A small container of its own holds one end of a stream whose other end the
// process holds; when the stream ends, it removes everything that carries the process's session
// label, and then itself.
package reaper

import (
	"context"
	"embed"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/images"
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
	helper *docker.Helper
}

// Use returns the container engine, guarded by this process's reaper until t and its cleanups
// registered after this call have ended. It skips t with -short and fails it when there is no
// engine.
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
	r, first, err := acquire(engine)
	if err != nil {
		t.Fatal(err)
	}
	if first { // which is once for all tests that follow one another
		announce.Tell(t, announce.System, engine.Version)
	}
	t.Cleanup(func() {
		if err := release(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// acquire returns the reaper of this process, and whether it was started for that.
func acquire(engine *docker.Engine) (r *Reaper, first bool, err error) {
	shared.Lock()
	defer shared.Unlock()
	first = shared.users == 0
	if first {
		if shared.reaper, err = start(engine); err != nil {
			return nil, false, fmt.Errorf("start the reaper: %w", err)
		}
	}
	shared.users++
	return shared.reaper, first, nil
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

func start(engine *docker.Engine) (*Reaper, error) {
	ref, err := image.Build(context.Background(), images.Progress)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	host := &container.HostConfig{
		AutoRemove:  true,
		NetworkMode: "none",
		PidMode:     "host", // to kill the first process of a container
		UsernsMode:  "host",
		Binds:       []string{engine.Socket + ":/var/run/docker.sock"},
	}
	docker.Confine(host, "KILL") // whoever the process belongs to
	h, err := engine.CreateHelper(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image:  ref,
			Env:    []string{"DRTEST_LABEL=" + docker.LabelSession + "=" + docker.Session()},
			Labels: docker.Labels("reaper"),
		},
		HostConfig: host,
	})
	if err != nil {
		return nil, err
	}
	// The reaper answers when it has seen that it may list the session's things.
	if err := h.Start(ctx); err != nil {
		engine.ContainerRemove(context.Background(), h.ID, client.ContainerRemoveOptions{Force: true})
		return nil, err
	}
	return &Reaper{Engine: engine, helper: h}, nil
}

// Kill sends SIGKILL to the first process of a container from outside, which the engine takes for a
// crash. The process must belong to that container.
func (r *Reaper) Kill(ctx context.Context, pid int, container string) error {
	if _, err := r.helper.Order(ctx, fmt.Sprintf("kill %d %s", pid, container)); err != nil {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return nil
}

// stop ends the reaper, which removes what a cleanup has missed, and waits until the engine has
// removed it.
func (r *Reaper) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	removed := r.ContainerWait(ctx, r.helper.ID, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	if _, err := r.helper.Order(ctx, "done"); err != nil {
		return err
	}
	r.helper.Close()
	select {
	case <-removed.Result:
		return nil
	case err := <-removed.Error:
		return err
	}
}
