//go:build unix

package remotetest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/drtest/suite/internal/announce"
)

// watch is what the guard does: its standard input gives it a line when it is not needed any more,
// and ends without one when the test process is gone. Its arguments are the name of the fault, the
// command as people type it, and the command.
const watch = `trap '' HUP INT TERM PIPE
read -r word && exit 0
name=$1 typed=$2
shift 2
echo "drtest: the test process is gone: healing $name" >&2
"$@"
code=$?
if [ $code = 0 ]; then
	echo "drtest: healed $name" >&2
else
	echo "drtest: HEALING FAILED, exit code $code: THE SYSTEM IS STILL HURT BY $name: run by hand: $typed" >&2
fi
exit $code`

// A guard is a shell in a session of its own, which heals when the test process is gone.
type guard struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

func startGuard(name string, heal []string) (*guard, error) {
	g := &guard{cmd: exec.Command("/bin/sh", append([]string{"-c", watch, "drtest-guard", name, line(heal)}, heal...)...)}
	g.cmd.Env, g.cmd.Stderr = announce.Environ(), os.Stderr
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // what interrupts the test process is not to reach it
	var err error
	if g.in, err = g.cmd.StdinPipe(); err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("start the guard of %s: %w", name, err)
	}
	return g, nil
}

// dismiss ends the guard, which does nothing then.
func (g *guard) dismiss() error {
	if _, err := fmt.Fprintln(g.in, "dismissed"); err != nil {
		return fmt.Errorf("dismiss the guard: %w", err)
	}
	return g.cmd.Wait()
}
