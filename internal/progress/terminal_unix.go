//go:build unix

package progress

import (
	"os"

	"golang.org/x/sys/unix"
)

// sayOnTerminal writes a line to the terminal that the process runs in the foreground of, unless
// standard error is one: that was told already. A process in the background is to leave it alone.
func sayOnTerminal(line string) {
	if _, err := unix.IoctlGetInt(int(os.Stderr.Fd()), unix.TIOCGPGRP); err == nil {
		return
	}
	terminal, err := os.OpenFile("/dev/tty", os.O_WRONLY, 0)
	if err != nil {
		return // there is none
	}
	defer terminal.Close()
	if group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP); err == nil && group == unix.Getpgrp() {
		_, _ = terminal.WriteString(line)
	}
}
