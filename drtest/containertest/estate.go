package containertest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/drtest"
)

// cleanupTimeout bounds the removal of all that a test has made.
const cleanupTimeout = time.Minute

// An estate is what a test has made in the engine. It goes with the test: the containers, all at the same time, and then what they were
// on, networks and volumes.
type estate struct {
	mu       sync.Mutex
	services []*Service
	grounds  []func(context.Context) error // remove what is left without the containers
}

// estates are those of the tests that run, by their testing.TB.
var estates sync.Map

func estateOf(t testing.TB) *estate {
	known, found := estates.LoadOrStore(t, &estate{})
	e := known.(*estate)
	if !found {
		t.Cleanup(func() {
			estates.Delete(t)
			e.remove(t)
		})
	}
	return e
}

// add adds a ground, unless it is nil, and services.
func (e *estate) add(ground func(context.Context) error, services ...*Service) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.services = append(e.services, services...)
	if ground != nil {
		e.grounds = append(e.grounds, ground)
	}
}

// remove removes all of it, also containers that are dead, and keeps their logs if t has failed. It fails nothing: the reaper removes
// what is left.
func (e *estate) remove(t testing.TB) {
	e.mu.Lock()
	defer e.mu.Unlock()
	ctx, cancel := cleanupContext(t)
	defer cancel()
	if t.Failed() {
		if err := keepLogs(ctx, t, e.services); err != nil {
			t.Logf("keep container logs: %v", err)
		}
	}
	var removals sync.WaitGroup
	for _, s := range e.services {
		removals.Go(func() { s.remove(ctx, t) })
	}
	removals.Wait()
	for _, remove := range e.grounds {
		removals.Go(func() {
			if err := remove(ctx); err != nil {
				t.Log(err)
			}
		})
	}
	removals.Wait()
}

// remove removes the containers of a service, and tells t what stands in the way.
func (s *Service) remove(ctx context.Context, t testing.TB) {
	var removals sync.WaitGroup
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
