//go:build linux

package hosttest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/wait"
	"golang.org/x/sys/unix"
)

// pollInterval is the time between two looks at the processes of a group.
const pollInterval = 2 * time.Millisecond

// A life is that of a program from one start to its end. The number of its process group is nobody
// else's until it is finished: the kernel keeps that for the first process, which is not reaped
// before.
type life struct {
	cmd    *exec.Cmd
	ended  chan struct{} // closed when the first process has ended
	reap   func()        // has it reaped
	reaped chan struct{} // closed when it is: signals would reach others then

	mu sync.Mutex // held while signals are sent
}

// begin starts the program as the first process of a group of its own.
func begin(c Config, log *os.File) (*life, error) {
	last := make(chan struct{})
	l := &life{
		cmd:   exec.Command(c.Cmd[0], c.Cmd[1:]...),
		ended: make(chan struct{}), reap: sync.OnceFunc(func() { close(last) }), reaped: make(chan struct{}),
	}
	l.cmd.Dir, l.cmd.Env, l.cmd.Stdout, l.cmd.Stderr = c.Dir, announce.Environ(), log, log
	for name, value := range c.Env {
		l.cmd.Env = append(l.cmd.Env, name+"="+value)
	}
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		// The kernel kills the program as soon as the thread ends that has started it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := l.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		for errors.Is(unix.Waitid(unix.P_PID, l.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		}
		close(l.ended)
		<-last
		_ = l.cmd.Wait() // its status is kept
		close(l.reaped)
	}()
	return l, <-started
}

// hasEnded says whether the first process has.
func (l *life) hasEnded() bool { return isClosed(l.ended) }

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// signal sends a signal to all processes of the group, and to no others.
func (l *life) signal(s syscall.Signal) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if isClosed(l.reaped) {
		return errors.New("it has ended")
	}
	return syscall.Kill(-l.cmd.Process.Pid, s)
}

// await waits until the first process has ended and the group has no other, and returns how the
// first one has.
func (l *life) await(ctx context.Context) (*os.ProcessState, error) {
	err := wait.For(ctx, pollInterval, func(context.Context) error {
		left, err := l.members()
		if err == nil && (len(left) > 0 || !l.hasEnded()) {
			err = fmt.Errorf("%d processes of its group have not ended", len(left))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reap()
	<-l.reaped
	return l.cmd.ProcessState, nil
}

// finish ends what there is of the group. It may be called again.
func (l *life) finish(ctx context.Context) error {
	if isClosed(l.reaped) {
		return nil
	}
	if err := l.signal(syscall.SIGKILL); err != nil {
		return err
	}
	_, err := l.await(ctx)
	return err
}

// members returns the states of the processes of the group that have not ended, by their numbers:
// "T" is one that stands still.
func (l *life) members() (map[int]string, error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	states := map[int]string{}
	for _, path := range all {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it is gone
		}
		// The name of the program, in brackets, may hold anything.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 3 || fields[2] != strconv.Itoa(l.cmd.Process.Pid) || fields[0] == "Z" || fields[0] == "X" {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			return nil, err
		}
		states[pid] = fields[0]
	}
	return states, nil
}
