//go:build linux

package hosttest

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/wait"
)

const (
	// injectTimeout bounds the time in which a fault must be seen to have taken effect.
	injectTimeout = 5 * time.Second
	// stopTimeout bounds an orderly end.
	stopTimeout = 10 * time.Second
)

// Kill returns the sudden end of the program with its whole process group, by SIGKILL. The kernel
// closes their connections, and refuses new ones. Files survive, and so does the page cache: what
// was written without fsync is not lost. Nobody starts the program again but [Process.Resume].
// Confirm makes sure of that.
func (p *Process) Kill() drtest.Fault {
	var killed *life
	inject := func(ctx context.Context) (drtest.Effect, error) {
		killed = p.current()
		n, err := p.end(ctx, syscall.SIGKILL, injectTimeout)
		if err != nil {
			return drtest.Effect{}, err
		}
		if status := killed.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
			return drtest.Effect{}, fmt.Errorf("%s ended by %v, not by SIGKILL", p.Name(), killed.cmd.ProcessState)
		}
		return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf("ended by signal 9: %d processes", n))}, nil
	}
	confirm := func(context.Context) (drtest.Receipt, error) {
		if p.current() == killed {
			return "stayed dead", nil
		}
		return "stayed dead until it was started by hand", nil
	}
	return drtest.Fault{Name: "kill " + p.Name(), Inject: inject, Confirm: confirm}
}

// Stop returns the orderly end of the program, as of a deployment: SIGTERM to its whole process
// group, which has ten seconds to finish its work and leave. Inject returns when none of it is left
// and the program has ended with exit code 0. Another code is an error, and so is a process that
// stays. There is nothing to heal: [Process.Resume] starts it again.
func (p *Process) Stop() drtest.Fault {
	inject := func(ctx context.Context) (drtest.Effect, error) {
		l := p.current()
		if _, err := p.end(ctx, syscall.SIGTERM, stopTimeout); err != nil {
			return drtest.Effect{}, err
		}
		if !l.cmd.ProcessState.Success() {
			return drtest.Effect{}, fmt.Errorf("%s ended by %v, not gracefully", p.Name(), l.cmd.ProcessState)
		}
		return drtest.Effect{Receipt: "exit code 0"}, nil
	}
	return drtest.Fault{Name: "stop " + p.Name(), Inject: inject}
}

// end has all processes of the group end by a signal, and returns how many there were.
func (p *Process) end(ctx context.Context, s syscall.Signal, limit time.Duration) (n int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%s was not seen to end within %v", p.Name(), limit))
	defer cancel()
	l := p.current()
	if l.hasEnded() {
		return 0, fmt.Errorf("%s has ended already", p.Name())
	}
	members, err := l.members()
	if err != nil {
		return 0, err
	}
	if err := l.signal(s); err != nil {
		return 0, err
	}
	_, err = l.await(ctx)
	return len(members), err
}

// Pause returns a program that stands still with its whole process group, by SIGSTOP, as one does
// whose machine is suspended. The kernel goes on: connections stay open, what peers send is
// acknowledged and kept, and new connections open until the backlog is full. So no keepalive fires;
// only timeouts of the application notice.
//
// Inject returns when each process has been seen to stand still. Heal has them go on, with leases
// that have expired meanwhile. Confirm tells whether the same process went on.
func (p *Process) Pause() drtest.Fault {
	var paused *life
	inject := func(ctx context.Context) (drtest.Effect, error) {
		ctx, cancel := context.WithTimeout(ctx, injectTimeout)
		defer cancel()
		l := p.current()
		if l.hasEnded() {
			return drtest.Effect{}, fmt.Errorf("%s has ended", p.Name())
		}
		paused = l
		if err := l.signal(syscall.SIGSTOP); err != nil {
			return drtest.Effect{}, err
		}
		n, err := l.awaitStates(ctx, func(state string) bool { return state == "T" })
		if err != nil {
			return drtest.Effect{}, err
		}
		return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf("stands still: %d processes, the first of which is %d", n, l.cmd.Process.Pid))}, nil
	}
	heal := func(ctx context.Context) error {
		if paused == nil || paused.hasEnded() {
			return nil // it never stood still, or it has been killed
		}
		if err := paused.signal(syscall.SIGCONT); err != nil {
			return err
		}
		_, err := paused.awaitStates(ctx, func(state string) bool { return state != "T" })
		return err
	}
	confirm := func(context.Context) (drtest.Receipt, error) {
		if l := p.current(); l != paused {
			return "started again since", nil
		}
		members, err := paused.members()
		if err != nil {
			return "", err
		}
		switch state := members[paused.cmd.Process.Pid]; state {
		case "":
			return "has ended since", nil
		case "T":
			return "still stands still", nil
		}
		return drtest.Receipt(fmt.Sprintf("goes on, the first process is %d", paused.cmd.Process.Pid)), nil
	}
	return drtest.Fault{Name: "pause " + p.Name(), Inject: inject, Heal: heal, Confirm: confirm}
}

// awaitStates waits until each process of the group is in a state, and returns how many there are.
func (l *life) awaitStates(ctx context.Context, right func(state string) bool) (n int, err error) {
	err = wait.For(ctx, pollInterval, func(context.Context) error {
		members, err := l.members()
		if err != nil {
			return err
		}
		if n = len(members); n == 0 {
			return fmt.Errorf("no process of the group is left")
		}
		for pid, state := range members {
			if !right(state) {
				return fmt.Errorf("process %d is in state %s", pid, state)
			}
		}
		return nil
	})
	return n, err
}
