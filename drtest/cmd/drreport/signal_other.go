//go:build !unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
)

func listen(signals chan<- os.Signal) { signal.Notify(signals, os.Interrupt) }

func lead(*exec.Cmd) {}

// signalAll ends cmd, since there are no signals to send here.
func signalAll(cmd *exec.Cmd, _ os.Signal) { _ = cmd.Process.Kill() }
