//go:build unix

package containertest_test

import (
	"os"
	"syscall"
)

// halt stops a process, which does nothing until it is killed.
func halt(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
