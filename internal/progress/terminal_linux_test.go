package progress

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const placeVariable = "DRTEST_TEST_PLACE"

// TestChild is run by TestSay in processes of its own.
func TestChild(t *testing.T) {
	switch os.Getenv(placeVariable) {
	case "":
		t.Skip("is run by TestSay")
	case "background": // a shell does this to what is started with &
		cmd := exec.CommandContext(t.Context(), os.Args[0], os.Args[1:]...)
		cmd.Env = append(os.Environ(), placeVariable+"=there")
		cmd.Stderr, cmd.SysProcAttr = os.Stderr, &syscall.SysProcAttr{Setpgid: true}
		require.NoError(t, cmd.Run())
		return
	}
	Say("building %s", "it")
}

// Go test without -v keeps what tests say: who looks at a terminal is told there, once.
func TestSay(t *testing.T) {
	const line = "drtest: building it\n"
	for _, c := range []struct {
		reason, verbose, place string
		stderr, onTerminal     string
	}{
		{"go test keeps it", "false", "terminal", line, line},
		{"go test -v shows it", "true", "terminal", line, ""},
		{"standard error is the terminal", "false", "stderr is terminal", "", line},
		{"a process in the background", "false", "background", line, ""},
		{"no terminal", "false", "none", line, ""},
	} {
		t.Run(c.reason, func(t *testing.T) {
			terminal, end := openTerminal(t)
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v="+c.verbose)
			cmd.Env = append(os.Environ(), placeVariable+"="+c.place)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			if c.place != "none" {
				cmd.Stdin, cmd.SysProcAttr.Setctty = end, true
			}
			if c.place == "stderr is terminal" {
				cmd.Stderr = end
			}
			require.NoError(t, cmd.Run())
			require.NoError(t, end.Close())
			said, _ := io.ReadAll(terminal) // it ends in an error: nobody has the other end any more
			if diff := cmp.Diff([]string{c.stderr, c.onTerminal}, []string{stderr.String(), strings.ReplaceAll(string(said), "\r\n", "\n")}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// openTerminal returns what a person sees of a terminal, and the end that programs have.
func openTerminal(t *testing.T) (person, programs *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { person.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	programs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return person, programs
}
