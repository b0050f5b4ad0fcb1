//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEndOfRun: whatever ends a run, or those who watch it, the report is written and the exit
// status is that of the results.
func TestEndOfRun(t *testing.T) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // or tests that are run with nohup would hand that on
	defer signal.Stop(hangup)
	const cut = "DR-DB-001 did not come to its end; the journal \\_artifacts/1/DR-DB-001.ndjson is damaged; go test did not come to its end: interrupted: "
	for _, c := range []struct {
		reason string
		how    string
		do     func(p *os.Process, stdout *os.File)
		status int
		want   string
	}{
		{"its terminal is gone", "hang", func(p *os.Process, _ *os.File) { _ = p.Signal(syscall.SIGHUP) }, incomplete, "no: " + cut + "hangup"},
		{"its service manager stops it", "hang", func(p *os.Process, _ *os.File) { _ = p.Signal(syscall.SIGTERM) }, incomplete, "no: " + cut + "terminated"},
		{"its reader is gone", "wait", func(_ *os.Process, stdout *os.File) { _ = stdout.Close() }, passed, "yes"},
		{"its reader is gone, and it fails", "wait and fail", func(_ *os.Process, stdout *os.File) { _ = stdout.Close() }, notPassed, "yes"},
		{"its terminal is gone, and it was started with nohup", "wait", func(p *os.Process, _ *os.File) { _ = p.Signal(syscall.SIGHUP) }, passed, "yes"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			dir, proceed := t.TempDir(), filepath.Join(t.TempDir(), "proceed")
			self, err := os.Executable()
			if err == nil {
				err = os.Symlink(self, filepath.Join(dir, "go"))
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(proceed, 0o600); err != nil {
				t.Fatal(err)
			}
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer read.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ignored := map[bool]string{true: "trap '' HUP; "}[strings.Contains(c.reason, "nohup")]
			cmd := exec.CommandContext(ctx, "sh", "-c", ignored+`exec "$0" run -out "$1" ./scenarios_test`, self, dir)
			cmd.Env = append(os.Environ(), "DRREPORT_ITSELF=1", "DRREPORT_FAKE_GO="+c.how, "DRREPORT_PROCEED="+proceed, "PATH="+dir+":"+os.Getenv("PATH"))
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = write, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_ = write.Close()
			if line, err := bufio.NewReader(read).ReadString('\n'); !strings.HasPrefix(line, "drill DR-DB-001: ") {
				t.Errorf("it begins with %q: %v", line, err)
			}
			c.do(cmd.Process, read)
			if strings.HasPrefix(c.how, "wait") {
				if err := os.WriteFile(proceed, []byte("now"), 0); err != nil {
					t.Error(err)
				}
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != c.status {
				t.Errorf("it ended with %v, want exit status %d; standard error: %s", cmd.ProcessState, c.status, stderr.String())
			}
			report, err := os.ReadFile(filepath.Join(dir, "latest", "report.md"))
			_, after, _ := strings.Cut(string(report), "**Complete:** ")
			complete, _, _ := strings.Cut(after, "\n")
			if diff := cmp.Diff(c.want, complete); diff != "" || err != nil {
				t.Errorf("complete: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}
