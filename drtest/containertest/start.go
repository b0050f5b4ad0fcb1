package containertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/firewall"
	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/measured"
	"github.com/drtest/suite/internal/progress"
	"github.com/drtest/suite/internal/reaper"
	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

const (
	readyInterval = 100 * time.Millisecond
	// sayEvery is the time between two lines that say what a start waits for.
	sayEvery = 10 * time.Second
	// yieldFor is how long a start waits for the drills of the process that are being measured.
	// What they hold for longer, such as a network that is cut for half a minute, is not waited
	// for, and what is started beside them has less of the processors.
	yieldFor = 10 * time.Second
	// lighter is by how much containers weigh less that are started beside a drill that is being
	// measured, until they are ready.
	lighter        = 8
	cleanupTimeout = 30 * time.Second
)

// NewNetwork makes a network for one test, which removes it. It returns its name, for [Config].
func NewNetwork(t testing.TB) string {
	t.Helper()
	engine := reaper.Use(t)
	name := "drtest-" + strings.ToLower(rand.Text()[:12])
	n, err := engine.NetworkCreate(t.Context(), name, client.NetworkCreateOptions{Driver: "bridge", Labels: docker.Labels("network")})
	if err != nil {
		t.Fatalf("network: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext(t)
		defer cancel()
		if _, err := engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil {
			t.Logf("remove network: %v", err)
		}
	})
	return name
}

// NewVolume makes a volume for one test, which removes it: files that outlive the services that
// have it. It returns its name, for [Config]. The first service to mount it gives it what its image
// has at the path, with owner and mode.
func NewVolume(t testing.TB) string {
	t.Helper()
	engine := reaper.Use(t)
	v, err := engine.VolumeCreate(t.Context(), client.VolumeCreateOptions{Labels: docker.Labels("volume")})
	if err != nil {
		t.Fatalf("volume: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleanupContext(t)
		defer cancel()
		if _, err := engine.VolumeRemove(ctx, v.Volume.Name, client.VolumeRemoveOptions{}); err != nil {
			t.Logf("remove volume: %v", err)
		}
	})
	return v.Volume.Name
}

// Start starts a service and returns it when it is ready. It waits first, for up to ten seconds,
// until no drill of this process is being measured, from its wait for a steady state until the
// return of service, which it would disturb. It fails t when the service is not ready within
// [StartTimeout], and at once when its container ends before; that is untrusted on a machine that
// did not keep up, and the report of a run has t played again, alone. The container is removed with
// t; when t has failed, its log is kept among the evidence of t.
func Start(t testing.TB, c Config) *Service {
	t.Helper()
	return StartAll(t, c)[0]
}

// StartAll starts services at the same time, each as Start does, and returns them in the order of
// cs when all are ready. It is the way to start several at once, since Start must not be called
// from goroutines: it may fail t.
func StartAll(t testing.TB, cs ...Config) []*Service {
	t.Helper()
	engine := reaper.Use(t)
	services := make([]*Service, len(cs))
	var firewallImage string
	for i := range cs {
		if cs[i].Name == "" || cs[i].Image == "" {
			t.Fatalf("start service %q of image %q: Config needs a Name and an Image", cs[i].Name, cs[i].Image)
		}
		if cs[i].Firewall && len(cs[i].Networks) > 0 {
			t.Fatalf("start service %q: a service with a Firewall has no further Networks", cs[i].Name)
		}
		if cs[i].Network == "" {
			cs[i].Network = NewNetwork(t)
		}
		if cs[i].Firewall && firewallImage == "" {
			firewallImage = Build(t, FirewallImage())
		}
		services[i] = &Service{engine: engine, config: cs[i]}
	}
	t.Cleanup(func() { cleanUp(t, services) })
	measured.Drills.Wait(t.Context(), yieldFor)
	defer measured.Starts.Begin()()
	errs := make([]error, len(cs))
	var starts sync.WaitGroup
	for i, s := range services {
		starts.Go(func() {
			if err := s.start(t.Context(), firewallImage); err != nil {
				errs[i] = fmt.Errorf("start %s: %w", s.Name(), err)
			}
		})
	}
	starts.Wait()
	if err := errors.Join(errs...); err != nil {
		machine.Fatal(t, err)
	}
	for _, s := range services {
		if err := s.announceImage(t); err != nil {
			machine.Fatal(t, err)
		}
	}
	return services
}

// announceImage tells the report of the run which image a service has: a name can be given to
// another image later, an ID cannot.
func (s *Service) announceImage(t testing.TB) error {
	ctx, cancel := machine.Allow(t.Context(), StartTimeout)
	defer cancel()
	c, err := s.inspect(ctx)
	if err != nil {
		return machine.Blame(ctx, fmt.Errorf("look up the image of %s: %w", s.Name(), err))
	}
	announce.Tell(t, announce.System, fmt.Sprintf("image %s, %s", s.config.Image, c.Image))
	return nil
}

func (s *Service) start(ctx context.Context, firewallImage string) (err error) {
	ctx, cancel := machine.Allow(ctx, StartTimeout)
	defer cancel()
	started, took := drills.start(), time.Duration(0)
	defer func() {
		started(took, err)
		err = machine.Blame(ctx, err)
	}()
	if s.config.Firewall {
		if s.firewall, err = firewall.Create(ctx, s.engine.Engine, s.config.node(s.engine.Engine, firewallImage)); err != nil {
			return fmt.Errorf("make the firewall: %w", err)
		}
		if err := s.firewall.Start(ctx); err != nil {
			return fmt.Errorf("start the firewall: %w", err)
		}
	}
	o := s.config.container(s.engine.Engine, s.firewall)
	yields := measured.Drills.Any() && s.engine.UsualShares > 0
	if yields {
		o.HostConfig.CPUShares = s.engine.UsualShares / lighter
	}
	begin := time.Now()
	if s.id, err = s.engine.Create(ctx, o); err != nil {
		return err
	}
	if _, err := s.engine.ContainerStart(ctx, s.id, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("start container: %w", err)
	}
	took = time.Since(begin)
	if s.config.Ready != nil {
		if err := s.awaitReady(ctx); err != nil {
			return err
		}
	}
	if yields {
		o := client.ContainerUpdateOptions{Resources: &container.Resources{CPUShares: s.engine.UsualShares}}
		if _, err := s.engine.ContainerUpdate(ctx, s.id, o); err != nil {
			return fmt.Errorf("give it the usual weight: %w", err)
		}
	}
	return nil
}

// denied is what a service says that lacks a capability.
var denied = regexp.MustCompile(`(?i)operation not permitted|permission denied`)

// awaitReady returns when the service is ready or never will be. Its error holds the end of the
// service's log.
func (s *Service) awaitReady(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		if err := s.ended(ctx); err != nil {
			stop(err)
		}
	}()
	begin, told, known := time.Now(), time.Now(), false
	err := wait.For(ctx, readyInterval, func(ctx context.Context) (err error) {
		if !known { // a container that has ended already has none
			if err := s.learnPorts(ctx); err != nil {
				return err
			}
			known = true
		}
		if err = s.config.Ready(ctx, s); err != nil && time.Since(told) > sayEvery {
			told = time.Now()
			progress.Say("%s is not ready after %v: %v", s.Name(), time.Since(begin).Round(time.Second), err)
		}
		return err
	})
	if s.firewall == nil && s.config.Restart != NeverRestart {
		s.forgetPorts() // a supervisor may start it again
	}
	if err == nil {
		return nil
	}
	const most = 4000
	log, logErr := s.Logs(context.WithoutCancel(ctx))
	if logErr != nil {
		return errors.Join(err, logErr)
	}
	log = strings.TrimSpace(log[max(0, len(log)-most):])
	if denied.MatchString(log) {
		log += "\n(a service has the capabilities of root that Config.Capabilities names, and no others)"
	}
	return fmt.Errorf("%w\nlog of %s:\n%s", err, s.Name(), log)
}

// ended returns nil when ctx ends, and before that, as an error, that the container has ended since
// it was started.
func (s *Service) ended(ctx context.Context) error {
	seen := s.events(ctx, s.id, events.ActionDie)
	c, err := s.inspect(ctx) // it may have ended before
	switch {
	case err != nil:
	case !c.State.Running:
		return fmt.Errorf("its container has ended, exit code %d", c.State.ExitCode)
	case c.RestartCount > 0:
		return errors.New("its container has ended and was started again")
	default:
		select {
		case e := <-seen.Messages:
			return fmt.Errorf("its container has ended, exit code %s", e.Actor.Attributes["exitCode"])
		case err = <-seen.Err:
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// cleanUp removes containers, also those that are dead, and keeps their logs if t has failed. It
// fails nothing: the reaper removes what is left.
func cleanUp(t testing.TB, services []*Service) {
	ctx, cancel := cleanupContext(t)
	defer cancel()
	if t.Failed() {
		if err := keepLogs(ctx, t, services); err != nil {
			t.Logf("keep container logs: %v", err)
		}
	}
	var removals sync.WaitGroup
	for _, s := range services {
		remove := func(what, id string) {
			removals.Go(func() {
				err := s.removeContainer(ctx, id)
				if err != nil && !errdefs.IsNotFound(err) { // it may have been destroyed
					t.Logf("remove %s: %v", what, err)
				}
			})
		}
		s.mu.Lock()
		destroyed := s.removal
		s.mu.Unlock()
		if destroyed != nil {
			if err := destroyed.wait(ctx); err != nil {
				t.Logf("remove %s: %v", s.Name(), err)
			}
		}
		if s.id != "" {
			remove(s.Name(), s.id)
		}
		if s.firewall != nil {
			remove("firewall of "+s.Name(), s.firewall.ID)
			s.firewall.Close()
		}
	}
	removals.Wait()
}

// cleanupContext outlives the context of t, which ends before its cleanups run.
func cleanupContext(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
}

// keepLogs saves what services have printed among the evidence of t.
func keepLogs(ctx context.Context, t testing.TB, services []*Service) error {
	dir, err := drtest.EvidenceDir(t)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range services {
		if s.id == "" {
			continue
		}
		log, err := s.Logs(ctx)
		errs = append(errs, err, os.WriteFile(filepath.Join(dir, s.Name()+".log"), []byte(log), 0o644))
	}
	return errors.Join(errs...)
}
