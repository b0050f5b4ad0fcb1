//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// lead makes cmd the leader of a process group: go test does not pass signals on to the tests that it runs.
func lead(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalAll sends a signal to cmd and all that it runs.
func signalAll(cmd *exec.Cmd, s os.Signal) {
	if s, ok := s.(syscall.Signal); ok {
		_ = syscall.Kill(-cmd.Process.Pid, s) // it may just have ended
	}
}
