//go:build unix

package remotetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/progress"
	"github.com/drtest/suite/internal/wait"
)

const (
	// DefaultLimit bounds each part of an [Action] that sets no limit of its own.
	DefaultLimit = time.Minute

	receiptInterval = 200 * time.Millisecond
)

// An Action is a fault that commands make and undo.
type Action struct {
	// Name says what happens, such as "kill api". Required.
	Name string
	// Inject makes it. Required.
	Inject []string
	// Receipt succeeds and prints the evidence once the fault is in effect. It is asked again and
	// again. Required.
	Receipt []string
	// Heal undoes the fault. It has to do no harm where there is nothing to undo: it is called after
	// an Inject that has failed as well, and perhaps twice. Required.
	Heal []string
	// Healed succeeds once the fault is undone. It is asked again and again. Empty: it is when Heal
	// has succeeded.
	Healed []string
	// Limit bounds the injection with its receipt, and the healing. Zero: [DefaultLimit].
	Limit time.Duration

	_ struct{} // keyed literals only, so that fields can be added
}

// Fault returns the fault that commands make. Just before Inject it is made sure once more that they
// reach this system.
//
// Heal is called at once when the drill stops: by the drill itself, at its deadline and when it
// breaks, by the end of its test, also by a panic, and by a shell that waits for the end of the test
// process, when that is killed, interrupted or timed out. Whoever calls it says so loudly if it
// fails, with the command to run by hand. Only when the machine itself stops is nobody left to heal.
func (s *System) Fault(a Action) drtest.Fault {
	if a.Limit == 0 {
		a.Limit = DefaultLimit
	}
	f := &fault{system: s, Action: a}
	for _, part := range []struct {
		name string
		cmd  []string
	}{{"Inject", a.Inject}, {"Receipt", a.Receipt}, {"Heal", a.Heal}} {
		if len(part.cmd) == 0 {
			err := fmt.Errorf("its Action has no %s: a system elsewhere is hurt with evidence, and put back", part.name)
			return drtest.Fault{Name: a.Name, Err: err, Inject: func(context.Context) (drtest.Effect, error) { return drtest.Effect{}, err }}
		}
	}
	return drtest.Fault{Name: a.Name, Inject: f.inject, Heal: f.heal}
}

type fault struct {
	Action
	system *System

	mu     sync.Mutex
	guard  *guard        // while there may be something to undo
	healed chan struct{} // closed when an attempt to heal is over; nil: there is none
	err    error         // of that
}

func (f *fault) inject(ctx context.Context) (drtest.Effect, error) {
	ctx, cancel := context.WithTimeout(ctx, f.Limit)
	defer cancel()
	if err := f.system.identify(ctx); err != nil {
		return drtest.Effect{}, err
	}
	g, err := startGuard(f.Name, f.Heal)
	if err != nil {
		return drtest.Effect{}, err
	}
	f.mu.Lock()
	f.guard, f.healed = g, nil
	f.mu.Unlock()
	f.system.t.Cleanup(f.cleanUp)
	effect := drtest.Effect{NotBefore: time.Now()}
	if _, err := run(ctx, f.Inject); err != nil {
		return drtest.Effect{}, err
	}
	err = wait.For(ctx, receiptInterval, func(ctx context.Context) error {
		seen, err := run(ctx, f.Receipt)
		if err == nil && seen == "" {
			err = fmt.Errorf("%s has printed no evidence", line(f.Receipt))
		}
		effect.Receipt = drtest.Receipt(seen)
		return err
	})
	return effect, err
}

// heal heals, and waits for that as long as it may. The healing goes on when it may not.
func (f *fault) heal(ctx context.Context) error {
	f.mu.Lock()
	if f.guard == nil { // nothing was done
		f.mu.Unlock()
		return nil
	}
	if f.healed == nil {
		f.healed = make(chan struct{})
		go f.undo(f.healed)
	}
	healed := f.healed
	f.mu.Unlock()
	select {
	case <-healed:
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.err
	case <-ctx.Done():
		return fmt.Errorf("%s goes on: %w", line(f.Heal), context.Cause(ctx))
	}
}

func (f *fault) undo(over chan struct{}) {
	defer close(over)
	ctx, cancel := context.WithTimeout(context.Background(), f.Limit)
	defer cancel()
	_, err := run(ctx, f.Heal)
	if err == nil && len(f.Healed) > 0 {
		err = wait.For(ctx, receiptInterval, func(ctx context.Context) error {
			_, err := run(ctx, f.Healed)
			return err
		})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; err == nil {
		f.err = f.guard.dismiss()
		f.guard = nil
	}
}

// cleanUp heals what nobody has healed, tries once more where that has failed, and then shouts.
func (f *fault) cleanUp() {
	err := f.heal(context.Background()) // which is bounded by its limit
	if err != nil {
		f.mu.Lock()
		f.healed = nil
		f.mu.Unlock()
		err = f.heal(context.Background())
	}
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err = errors.Join(err, f.guard.dismiss())
	f.guard = nil
	said := fmt.Sprintf("HEALING FAILED: %s IS STILL HURT BY %q: run by hand: %s\n%v", f.system.name, f.Name, line(f.Heal), err)
	progress.Say("%s", said)
	f.system.t.Error(said)
}
