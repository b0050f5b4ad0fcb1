//go:build linux

package hosttest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/hosttest"
	"github.com/drtest/suite/internal/wait"
	"github.com/stretchr/testify/require"
)

// sh starts a shell script, which says "ready" when it is.
func sh(t *testing.T, name, script string) *hosttest.Process {
	t.Helper()
	var p *hosttest.Process
	dir := t.TempDir()
	p = hosttest.Start(t, hosttest.Config{
		Name: name, Cmd: []string{"/bin/sh", "-c", script}, Dir: dir,
		Ready: func(context.Context) error {
			_, err := os.Stat(filepath.Join(dir, "ready"))
			return err
		},
	})
	return p
}

// family is a process with two children, which it waits for.
const family = "sleep 600 & echo child $!; sleep 600 & echo child $!; touch ready; wait"

// children returns the numbers of those that a script has printed.
func children(t *testing.T, p *hosttest.Process) (pids []int) {
	t.Helper()
	log, err := p.Logs()
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`child (\d+)`).FindAllStringSubmatch(log, -1) {
		pid, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	require.Len(t, pids, 2)
	return pids
}

// state returns that of a process as the kernel tells it; "gone" is one that it does not know.
func state(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "gone"
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return rest[:1]
}

// requireDead fails t if one of these processes runs. Who has to reap them may not have done so yet.
func requireDead(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		require.Contains(t, []string{"gone", "Z"}, state(pid))
	}
}

// requireRunning fails t if one of these processes is dead or stands still.
func requireRunning(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		require.Contains(t, []string{"S", "R", "D"}, state(pid))
	}
}

// until waits for what has to come within ten seconds.
func until(t *testing.T, probe func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, wait.For(ctx, 10*time.Millisecond, func(context.Context) error { return probe() }))
}

// The whole process group is killed, and nobody else.
func TestKill(t *testing.T) {
	p, other := sh(t, "family", family), sh(t, "other", family)
	f := p.Kill()
	require.Equal(t, "kill family", f.Name)
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("ended by signal 9: 3 processes"), effect.Receipt)
	requireDead(t, children(t, p))
	requireRunning(t, children(t, other))
	confirmed, err := f.Confirm(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("stayed dead"), confirmed)
	_, err = f.Inject(t.Context())
	require.EqualError(t, err, "family has ended already")

	require.EqualError(t, other.Resume().Do(t.Context()), "other has not ended")
	require.NoError(t, p.Resume().Do(t.Context()))
	confirmed, err = f.Confirm(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("stayed dead until it was started by hand"), confirmed)
}

func TestPause(t *testing.T) {
	p, other := sh(t, "family", family), sh(t, "other", family)
	f := p.Pause()
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^stands still: 3 processes, the first of which is \d+$`, effect.Receipt)
	for _, pid := range children(t, p) {
		require.Equal(t, "T", state(pid))
	}
	requireRunning(t, children(t, other))
	confirmed, err := f.Confirm(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("still stands still"), confirmed)
	require.NoError(t, f.Heal(t.Context()))
	requireRunning(t, children(t, p))
	confirmed, err = f.Confirm(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^goes on, the first process is \d+$`, confirmed)

	_, err = f.Inject(t.Context()) // one that stands still can be killed, and needs no healing then
	require.NoError(t, err)
	_, err = p.Kill().Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, f.Heal(t.Context()))
	_, err = f.Inject(t.Context())
	require.EqualError(t, err, "family has ended")
}

func TestStop(t *testing.T) {
	for _, c := range []struct{ reason, script, want string }{
		{"it leaves", "trap 'kill $!; exit 0' TERM; sleep 600 & touch ready; wait", ""},
		{"it fails", "trap 'kill $!; exit 4' TERM; sleep 600 & touch ready; wait", "app ended by exit status 4, not gracefully"},
		{"it has no handler", "sleep 600 & touch ready; wait", "app ended by signal: terminated, not gracefully"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			p := sh(t, "app", c.script)
			effect, err := p.Stop().Inject(t.Context())
			if c.want != "" {
				require.EqualError(t, err, c.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, drtest.Receipt("exit code 0"), effect.Receipt)
			require.NoError(t, p.Resume().Do(t.Context()))
		})
	}
}

// What is left of a group whose first process has ended is ended before it is started again, and
// with the test.
func TestLeftovers(t *testing.T) {
	for _, again := range []bool{true, false} {
		var left []int
		t.Run(fmt.Sprint("started again: ", again), func(t *testing.T) {
			p := hosttest.Start(t, hosttest.Config{
				Name: "careless", Cmd: []string{"/bin/sh", "-c", "sleep 600 & echo child $!; sleep 600 & echo child $!; exit 3"},
			})
			until(t, func() error {
				if log, err := p.Logs(); err != nil || strings.Count(log, "\n") < 2 {
					return fmt.Errorf("it has only said %q, %v", log, err)
				}
				return nil
			})
			left = children(t, p)
			requireRunning(t, left)
			if again {
				require.NoError(t, p.Resume().Do(t.Context()))
				requireDead(t, left)
			}
		})
		requireDead(t, left)
	}
}

// A program that ends before it is ready fails its test at once, with its last words, which are
// kept. The program ends with the test process, however that does.
func TestChildren(t *testing.T) {
	tmp := t.TempDir()
	run := func(role string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
		cmd.Env = append(os.Environ(), "DRTEST_TEST_ROLE="+role, "TMPDIR="+tmp)
		return cmd
	}
	out, err := run("ends").CombinedOutput()
	require.Error(t, err)
	require.Regexp(t, `start app: not within \S+: not yet \(it has ended\): exit status 3\n\s+log of app:\n\s+last words\n`, string(out))
	kept, err := filepath.Glob(filepath.Join(tmp, "drtest-*-TestChild", "app.log"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
	log, err := os.ReadFile(kept[0])
	require.NoError(t, err)
	require.Equal(t, "last words\n", string(log))

	killed := run("hangs")
	said, err := killed.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, killed.Start())
	pid := 0
	for lines := bufio.NewScanner(said); pid == 0 && lines.Scan(); {
		fmt.Sscanf(lines.Text(), "first %d", &pid)
	}
	require.NotZero(t, pid)
	requireRunning(t, []int{pid})
	require.NoError(t, killed.Process.Signal(syscall.SIGKILL))
	require.Error(t, killed.Wait())
	until(t, func() error { // the kernel sends the signal once the process is gone
		if s := state(pid); s != "gone" && s != "Z" {
			return fmt.Errorf("process %d is in state %s", pid, s)
		}
		return nil
	})
}

// TestChild is what TestChildren runs in processes of its own.
func TestChild(t *testing.T) {
	c := hosttest.Config{Name: "app", Cmd: []string{"/bin/sh", "-c", "echo last words; exit 3"}}
	switch os.Getenv("DRTEST_TEST_ROLE") {
	case "":
		t.Skip("is run by TestChildren")
	case "ends":
		c.Ready = func(context.Context) error { return errors.New("not yet") }
		hosttest.Start(t, c)
	case "hangs":
		c.Cmd[2] = "echo first $$; exec sleep 600"
		p := hosttest.Start(t, c)
		until(t, func() error {
			log, err := p.Logs()
			if err == nil && !strings.HasSuffix(log, "\n") {
				err = errors.New("it has not begun")
			}
			fmt.Print(log)
			return err
		})
		<-t.Context().Done()
	}
}
