package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// On a terminal the latest phase stands in a view that is gone at the end; elsewhere, and on a
// terminal that is dumb, there are no escape codes.
func TestScreen(t *testing.T) {
	t.Setenv("GITHUB_WORKSPACE", "testdata") // where the fake go command has its package
	const phase = "drill DR-DB-001: +1.020s   fault: cut link (receipt: a dial is refused)"
	for _, c := range []struct {
		reason, term, flag string
		view, scrolls      bool
	}{
		{"a terminal", "xterm", "-v=false", true, false},
		{"all phases", "xterm", "-v", true, true},
		{"a dumb terminal", "dumb", "-v=false", false, true},
		{"no name of the terminal", "", "-v=false", false, true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			person, programs := openTerminal(t)
			said := make(chan string)
			go func() {
				data, _ := io.ReadAll(person) // it ends in an error: nobody has the other end any more
				said <- string(data)
			}()
			cmd := command{stdout: programs, stderr: new(bytes.Buffer), environ: []string{"TERM=" + c.term, "DRREPORT_FAKE_GO=pass", "GITHUB_WORKSPACE=testdata"}}
			cmd.exec = func(name string, args ...string) *exec.Cmd {
				cmd := exec.Command(os.Args[0], args...)
				cmd.Env = append(os.Environ(), "DRREPORT_FAKE_GO=pass")
				return cmd
			}
			status := cmd.main([]string{"run", "-out", t.TempDir(), c.flag, "./scenarios_test"})
			if err := programs.Close(); err != nil || status != passed {
				t.Fatalf("exit status %d, %v", status, err)
			}
			got := strings.ReplaceAll(<-said, "\r\n", "\n")
			if view := strings.Contains(got, "\x1b["); view != c.view {
				t.Errorf("escape codes: %v, want %v:\n%q", view, c.view, got)
			}
			if scrolls := strings.Contains(got, "\n"+phase+"\n") || strings.HasPrefix(got, phase+"\n") || strings.Contains(got, "J"+phase+"\n"); scrolls != c.scrolls {
				t.Errorf("phases scroll by: %v, want %v:\n%q", scrolls, c.scrolls, got)
			}
			if shown := strings.Contains(got, "0 of 1 done, 1 running, 0s\n  TestLoss 0s  "+strings.TrimPrefix(phase, "drill ")); shown != c.view {
				t.Errorf("the view is shown: %v, want %v:\n%q", shown, c.view, got)
			}
			at := strings.LastIndex(got, "\x1b[")
			if rest := got[max(0, at):]; !strings.Contains(rest, "\nID  ") || strings.Contains(rest, "running") {
				t.Errorf("the view is still there at the end:\n%q", got)
			}
		})
	}
}

// openTerminal returns what a person sees of a terminal of 100 columns, and the end that programs
// have.
func openTerminal(t *testing.T) (person, programs *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100})
	}
	if err == nil {
		programs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return person, programs
}
