// Package reaper makes sure that nothing of a test process is left in the container engine, however
// the process ends. A small container of its own holds one end of a stream whose other end the
// process holds; when the stream ends, it puts back what the process has borrowed, removes
// everything that carries the process's session label, and then itself.
package reaper

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/borrowed"
	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/images"
	"github.com/drtest/suite/internal/progress"
	"github.com/drtest/suite/internal/sessions"
	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
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

// timeout bounds the start and the end of the reaper. It is longer than the engine may be silent, so
// that a silence is told as such.
const timeout = time.Minute

// shared is the reaper of this process: there is one while any test uses the engine.
var shared struct {
	sync.Mutex
	users  int
	reaper *Reaper
	silent error // that the engine did not answer, which the next test need not find out again
}

// noEngine lets only one test of this process tell at length that there is no engine.
var noEngine sync.Once

// A Reaper is the container engine, guarded.
type Reaper struct {
	*docker.Engine
	socket string // on the engine's machine
	image  string

	mu       sync.Mutex
	helper   *docker.Helper
	stopping bool
	borrowed map[string]string // orders for containers of others, by their ids
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
		if shared.silent != nil {
			return nil, false, shared.silent
		}
		if shared.reaper, err = start(engine); err != nil {
			err = fmt.Errorf("start the reaper: %w", err)
			if silence := new(docker.Silence); errors.As(err, &silence) {
				shared.silent = err
			}
			return nil, false, err
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
	ref, err := image.Build(context.Background(), progress.Say)
	if err != nil {
		return nil, err
	}
	r := &Reaper{Engine: engine, image: ref, borrowed: map[string]string{}}
	var errs []error
	for _, r.socket = range engine.Sockets {
		if r.helper, err = r.launch(); err == nil {
			go r.guard(r.helper)
			return r, nil
		}
		errs = append(errs, fmt.Errorf("by %s: %w", r.socket, err))
	}
	return nil, fmt.Errorf("the engine cannot be reached from a container of its own: %w: "+
		"set TESTCONTAINERS_DOCKER_SOCKET_OVERRIDE to the path that the engine's socket has on the engine's machine", errors.Join(errs...))
}

// launch starts the container. It answers when it has seen that it may list the session's things,
// and that it is one of them: behind the socket there may be another engine.
func (r *Reaper) launch() (*docker.Helper, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	host := &container.HostConfig{
		AutoRemove:  true,
		NetworkMode: "none",
		PidMode:     "host", // to kill the first process of a container
		UsernsMode:  "host",
		// A bind of the other form would make a directory where there is no socket.
		Mounts: []mount.Mount{{Type: mount.TypeBind, Source: r.socket, Target: "/var/run/docker.sock"}},
	}
	docker.Confine(host, "KILL")                                 // whoever the process belongs to
	host.SecurityOpt = append(host.SecurityOpt, "label=disable") // or SELinux keeps the socket from it
	h, err := r.CreateHelper(ctx, client.ContainerCreateOptions{
		Config: &container.Config{
			Image:  r.image,
			Env:    []string{"DRTEST_LABEL=" + docker.LabelSession + "=" + docker.Session()},
			Labels: docker.Labels(sessions.KindReaper),
		},
		HostConfig: host,
	})
	if err != nil {
		return nil, err
	}
	if err := h.Start(ctx); err != nil {
		h.Close()
		r.ContainerRemove(context.WithoutCancel(ctx), h.ID, client.ContainerRemoveOptions{Force: true})
		return nil, err
	}
	for _, order := range r.borrowed { // there are some when the reaper before it is gone
		if _, err := h.Order(ctx, order); err != nil {
			h.Close()
			return nil, err
		}
	}
	return h, nil
}

// guard starts another reaper whenever the one that runs ends before it was told to: it is what
// others know by that this process lives, and what clears up after it.
func (r *Reaper) guard(h *docker.Helper) {
	for h != nil {
		<-h.Gone()
		var err error
		if h, err = r.replace(r.launch); err != nil {
			progress.Say("the reaper is gone, and another cannot be started: %v: run drengine clean once this test has ended", err)
		}
	}
}

const (
	replaceEvery = time.Second
	// replaceLimit bounds the attempts to start another reaper. An engine that was restarted, which
	// ends all containers, takes seconds to be back.
	replaceLimit = 2 * time.Minute
)

// replace launches another reaper in the place of one that is gone, unless this one is to stop: then
// there is none, and no error. An engine that does not answer now is asked again.
func (r *Reaper) replace(launch func() (*docker.Helper, error)) (next *docker.Helper, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), replaceLimit)
	defer cancel()
	told := false
	err = wait.For(ctx, replaceEvery, func(context.Context) error {
		r.mu.Lock() // not for longer, so that stop need not wait for all attempts
		defer r.mu.Unlock()
		if r.stopping {
			return nil
		}
		launched, err := launch()
		if err == nil {
			next, r.helper = launched, launched
			progress.Say("the reaper was gone, and another one runs")
		} else if !told {
			told = true
			progress.Say("the reaper is gone, and another cannot be started yet: %v", err)
		}
		return err
	})
	return next, err
}

// current returns the helper that runs.
func (r *Reaper) current() *docker.Helper {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.helper
}

// Kill sends SIGKILL to the first process of a container from outside, which the engine takes for a
// crash. The process must belong to that container.
func (r *Reaper) Kill(ctx context.Context, pid int, container string) error {
	if _, err := r.current().Order(ctx, fmt.Sprintf("kill %d %s", pid, container)); err != nil {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	return nil
}

// longestOrder is what the reaper reads as one line, with room to spare.
const longestOrder = 32 << 10

// Borrow has the reaper put a container of somebody else back as it was found when this process
// ends without doing so: see [Reaper.GiveBack].
func (r *Reaper) Borrow(ctx context.Context, c borrowed.Container) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	order := "borrow " + string(data)
	if len(order) > longestOrder {
		return fmt.Errorf("container %s is on too many networks: %d", c.Name, len(c.Networks))
	}
	r.mu.Lock()
	r.borrowed[c.ID] = order
	h := r.helper
	r.mu.Unlock()
	_, err = h.Order(ctx, order)
	return err
}

// GiveBack puts a container of somebody else back as it was found.
func (r *Reaper) GiveBack(ctx context.Context, c borrowed.Container) error {
	if _, err := c.Restore(ctx, r.Client); err != nil {
		return err // the reaper tries again
	}
	r.mu.Lock()
	delete(r.borrowed, c.ID)
	h := r.helper
	r.mu.Unlock()
	_, err := h.Order(ctx, "return "+c.ID)
	return err
}

// stop ends the reaper, which removes what a cleanup has missed, and waits until the engine has
// removed it.
func (r *Reaper) stop() error {
	r.mu.Lock()
	r.stopping = true
	h := r.helper
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	removed := r.ContainerWait(ctx, h.ID, client.ContainerWaitOptions{Condition: container.WaitConditionRemoved})
	if _, err := h.Order(ctx, "done"); err != nil {
		return err
	}
	h.Close()
	select {
	case <-removed.Result:
		return nil
	case err := <-removed.Error:
		return err
	}
}
