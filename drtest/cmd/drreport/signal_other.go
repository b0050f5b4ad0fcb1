//go:build !unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
)

func notifySignals(signals chan<- os.Signal) { signal.Notify(signals, os.Interrupt) }

func leadGroup(*exec.Cmd) {}

// signalAll ends cmd, since there are no signals to send here.
func signalAll(cmd *exec.Cmd, _ os.Signal) { _ = cmd.Process.Kill() }
