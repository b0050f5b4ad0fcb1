//go:build linux

package hosttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/secret"
	"github.com/drtest/suite/internal/wait"
)

const (
	// StartTimeout bounds the time from the start of a program until it is ready. Time in which the
	// machine does not keep up does not count, up to five times as much in all.
	StartTimeout = time.Minute

	// newsTimeout bounds the time that the kernel takes to tell of an end.
	newsTimeout = time.Second

	readyInterval  = 50 * time.Millisecond
	cleanupTimeout = 30 * time.Second
)

// A Config describes a program to run.
type Config struct {
	// Name is the role of the program, such as "api". Required.
	Name string
	// Cmd is the program and its arguments. A shell in front of it is to replace itself, by exec, or
	// signals reach both. Required.
	Cmd []string
	// Dir is where it runs. Empty: where the test does.
	Dir string
	// Env is added to the environment of the test.
	Env map[string]string
	// Ready is polled until it returns nil, which ends Start. Nil: the program is ready once it
	// runs.
	Ready func(context.Context) error

	_ struct{} // keyed literals only, so that fields can be added
}

// A Process is a program that runs as long as its test, with all processes that it starts and that
// do not leave its process group. Faults hurt the whole group, and nothing outside of it.
//
// When the test process is killed, the kernel kills the program. What that had started is left
// then, unless it ends by itself, as it does when a pipe to the program is closed.
type Process struct {
	config Config
	log    *os.File

	mu   sync.Mutex
	life *life // the last one
}

// Start runs a program and returns it when it is ready. It fails t when it is not within
// [StartTimeout], and at once when the program ends before. The program ends with t; when t has
// failed, what it has printed is kept among the evidence of t.
func Start(t testing.TB, c Config) *Process {
	t.Helper()
	if c.Name == "" || len(c.Cmd) == 0 {
		t.Fatalf("start process %q: Config needs a Name and a Cmd", c.Name)
	}
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatalf("start %s: %v", c.Name, err)
	}
	p := &Process{config: c, log: log}
	t.Cleanup(func() {
		if err := p.cleanUp(t); err != nil {
			t.Errorf("end %s: %v", c.Name, err)
		}
	})
	if err := p.start(t.Context()); err != nil {
		machine.Fatal(t, fmt.Errorf("start %s: %w", c.Name, err))
	}
	return p
}

// Name returns the role of the program.
func (p *Process) Name() string { return p.config.Name }

// Logs returns what the program has printed on both of its outputs, in all of its lives.
func (p *Process) Logs() (string, error) {
	data, err := os.ReadFile(p.log.Name())
	return secret.Hide(string(data)), err
}

// Resume starts a program that has ended, and is done when it is ready, at most [StartTimeout]
// later. What is left of its process group ends before.
func (p *Process) Resume() drtest.Step {
	return drtest.Step{Name: "start " + p.Name(), Do: func(ctx context.Context) error {
		l := p.current()
		select {
		case <-l.ended:
		case <-time.After(newsTimeout):
			return fmt.Errorf("%s has not ended", p.Name())
		}
		if err := l.finish(ctx); err != nil {
			return err
		}
		return p.start(ctx)
	}}
}

func (p *Process) current() *life {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.life
}

// start begins a life and waits until the program is ready.
func (p *Process) start(ctx context.Context) (err error) {
	ctx, cancel := machine.Allow(ctx, StartTimeout)
	defer cancel()
	defer func() { err = machine.Blame(ctx, err) }()
	l, err := begin(p.config, p.log)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.life = l
	p.mu.Unlock()
	if p.config.Ready == nil {
		return nil
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case <-l.ended:
			stop(errors.New("it has ended"))
		case <-ctx.Done():
		}
	}()
	if err = wait.For(ctx, readyInterval, p.config.Ready); err != nil {
		if l.hasEnded() && l.finish(context.WithoutCancel(ctx)) == nil {
			err = fmt.Errorf("%w: %v", err, l.cmd.ProcessState)
		}
		const most = 4000
		log, _ := p.Logs()
		err = fmt.Errorf("%w\nlog of %s:\n%s", err, p.Name(), strings.TrimSpace(log[max(0, len(log)-most):]))
	}
	return err
}

func (p *Process) cleanUp(t testing.TB) error {
	defer p.log.Close()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), cleanupTimeout)
	defer cancel()
	var err error
	if l := p.current(); l != nil { // or it could not be started
		err = l.finish(ctx)
	}
	if !t.Failed() {
		return err
	}
	dir, kept := drtest.EvidenceDir(t)
	if kept == nil {
		var log string
		log, kept = p.Logs()
		kept = errors.Join(kept, os.WriteFile(filepath.Join(dir, p.Name()+".log"), []byte(log), 0o644))
	}
	return errors.Join(err, kept)
}
