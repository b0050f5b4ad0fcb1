//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

// notifySignals takes what asks a run to end: an interrupt, a service manager, a terminal that is
// gone. What was ignored from the start, as nohup does, stays ignored. A reader of the output that
// is gone, such as head, ends no run: the report has all of it.
func notifySignals(signals chan<- os.Signal) {
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a write fails then, and nothing more
}

// leadGroup makes cmd the leader of a process group: go test does not pass signals on to the tests
// that it runs.
func leadGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalAll sends a signal to cmd and all that it runs.
func signalAll(cmd *exec.Cmd, s os.Signal) {
	if s, ok := s.(syscall.Signal); ok {
		_ = syscall.Kill(-cmd.Process.Pid, s) // it may just have ended
	}
}
