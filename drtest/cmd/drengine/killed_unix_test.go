//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/sessions"
	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

var (
	kills = flag.Int("kills", 0, "SIGKILL the process of a drill `n` times; 0 leaves TestKilled out")
	pairs = flag.Int("pairs", 0, "SIGKILL it together with its reaper `n` times")
)

const (
	// sweepTime is how long a reaper may take to clear up after its process.
	sweepTime = 15 * time.Second
	// drillTime is about as long as a drill takes, its systems included.
	drillTime = 25 * time.Second
)

// victims are four kinds of drill: of a process, of a pair of servers, of a firewall, of a cluster.
var victims = []string{"TestDatabaseCrash", "TestPrimaryFailover", "TestNetworkPartition", "TestCrashFailover"}

// TestKilled ends drills in all ways at random moments: what they leave is a journal that can be
// read and is inconclusive, and nothing in the engine; where their reaper is killed as well, what
// is left is found and removed. A drill of another process that runs meanwhile passes.
func TestKilled(t *testing.T) {
	if *kills == 0 && *pairs == 0 {
		t.Skip("ends drills, for many minutes: make killed")
	}
	b := newBench(t)
	b.bystand()
	for i := range *kills {
		b.kill(victims[i%len(victims)], i/len(victims)%2 == 1, false)
	}
	for i := range *pairs {
		b.kill(victims[i%len(victims)], i/len(victims)%2 == 1, true)
	}
	for _, way := range []string{"hang up", "interrupt", "interrupt twice", "head of the report", "head of the test"} {
		t.Run(way, func(t *testing.T) { b.end(t, way) })
	}
}

// A bench is where drills are ended.
type bench struct {
	t                  *testing.T
	engine             *docker.Engine
	root, bin          string
	ended, early, late int           // ways in which a kill can come
	slowest            time.Duration // to clear up
	left               int           // sessions of which something was found and removed
}

func newBench(t *testing.T) *bench {
	engine, err := docker.Connect()
	require.NoError(t, err)
	root, err := exec.Command("go", "list", "-m", "-f={{.Dir}}").Output()
	require.NoError(t, err)
	b := &bench{t: t, engine: engine, root: strings.TrimSpace(string(root)), bin: t.TempDir()}
	for _, build := range [][]string{
		{"test", "-c", "-o", b.bin + "/scenarios.test", "./scenarios_test"},
		{"build", "-o", b.bin + "/", "./drtest/cmd/drreport", "./drtest/cmd/drengine"},
	} {
		cmd := exec.Command("go", build...)
		cmd.Dir = b.root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	t.Cleanup(func() {
		t.Logf("killed %d drills, %d of them before their journal began; %d had ended before; cleared up within %v at most; "+
			"%d sessions had left something without a reaper, which was removed", b.ended, b.early, b.late, b.slowest.Round(time.Millisecond), b.left)
	})
	return b
}

// bystand plays a drill again and again until the test has ended. It must pass each time; on a
// machine that did not keep up it may be untrusted.
func (b *bench) bystand() {
	ctx, stop := context.WithCancel(b.t.Context())
	var passed, untrusted int
	var ended sync.WaitGroup
	ended.Go(func() {
		for ctx.Err() == nil {
			cmd := b.drill(context.WithoutCancel(ctx), "TestConnectionLoss", b.t.TempDir())
			out, err := cmd.CombinedOutput()
			switch {
			case err == nil:
				passed++
			case bytes.Contains(out, []byte("untrusted")):
				untrusted++
			default:
				b.t.Errorf("the drill of another process failed: %v\n%s", err, out)
			}
		}
	})
	b.t.Cleanup(func() {
		stop()
		ended.Wait()
		b.t.Logf("meanwhile a drill of another process passed %d times, and was untrusted %d times", passed, untrusted)
		if passed == 0 {
			b.t.Error("no drill of another process passed")
		}
	})
}

// drill is the process of a drill, whose evidence lies in dir.
func (b *bench) drill(ctx context.Context, name, dir string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, b.bin+"/scenarios.test", "-test.run=^"+name+"$", "-test.v")
	cmd.Dir = b.root + "/scenarios_test"
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	return cmd
}

var sessionLine = regexp.MustCompile(`, session ([A-Z0-9]+)`)

// kill kills a drill at a random moment after it has its session, or after it has its journal, and
// its reaper with it.
func (b *bench) kill(name string, hasJournal, withReaper bool) {
	for {
		dir, err := os.MkdirTemp(b.bin, "drill-")
		require.NoError(b.t, err)
		cmd := b.drill(b.t.Context(), name, dir)
		stderr, err := cmd.StderrPipe()
		require.NoError(b.t, err)
		require.NoError(b.t, cmd.Start())
		lines := bufio.NewScanner(stderr)
		session := ""
		for session == "" && lines.Scan() {
			if found := sessionLine.FindStringSubmatch(lines.Text()); found != nil {
				session = found[1]
			}
		}
		require.NotEmpty(b.t, session, "%s says no session", name)
		after := rand.N(drillTime)
		if hasJournal {
			ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
			// One that has ended before is late.
			_ = wait.For(ctx, 100*time.Millisecond, func(context.Context) error {
				if len(find(b.t, dir, ".ndjson")) == 0 {
					return errors.New("it has no journal yet")
				}
				return nil
			})
			cancel()
			after = rand.N(drillTime / 3)
		}
		<-time.After(after)
		if withReaper && cmd.Process.Signal(syscall.SIGSTOP) == nil { // or it would start another one
			b.killReaper(session)
		}
		require.NoError(b.t, cmd.Process.Signal(syscall.SIGKILL))
		_ = cmd.Wait()
		if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
			b.late++
			continue // it had ended
		}
		b.ended++
		journals := find(b.t, dir, ".ndjson")
		if len(journals) == 0 {
			b.early++
		}
		for _, journal := range journals {
			b.inconclusive(b.t, journal)
		}
		b.cleared(b.t, session, withReaper)
		b.t.Logf("%s, killed after %v: %d journals", name, after.Round(time.Millisecond), len(journals))
		return
	}
}

func (b *bench) killReaper(session string) {
	list, err := b.engine.ContainerList(b.t.Context(), client.ContainerListOptions{Filters: make(client.Filters).
		Add("label", sessions.LabelSession+"="+session).Add("label", sessions.LabelKind+"="+sessions.KindReaper)})
	require.NoError(b.t, err)
	for _, c := range list.Items {
		// The engine may have removed it already.
		_, _ = b.engine.ContainerKill(b.t.Context(), c.ID, client.ContainerKillOptions{Signal: "KILL"})
	}
}

// inconclusive has a journal judged.
func (b *bench) inconclusive(t *testing.T, journal string) {
	t.Helper()
	out, err := exec.Command(b.bin+"/drreport", "check", journal).CombinedOutput()
	require.Error(t, err)
	require.Regexp(t, `(?m)^status: inconclusive$`, string(out))
}

// cleared makes sure that nothing is left of a session: its reaper removes it in time, or, where
// that is gone as well, drengine finds it and removes it.
func (b *bench) cleared(t *testing.T, session string, withReaper bool) {
	t.Helper()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), sweepTime)
	defer cancel()
	err := wait.For(ctx, 100*time.Millisecond, func(ctx context.Context) error { return b.nothing(ctx, session) })
	if !withReaper {
		require.NoError(t, err)
	}
	if err == nil {
		b.slowest = max(b.slowest, time.Since(begin))
		return
	}
	b.left++
	out, err := exec.Command(b.bin+"/drengine", "clean", session).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "removed: ")
	require.NoError(t, b.nothing(t.Context(), session), string(out))
}

// nothing returns an error if the engine has anything of a session.
func (b *bench) nothing(ctx context.Context, session string) error {
	list, err := sessions.List(ctx, b.engine.Client)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(list, func(s sessions.Session) bool { return s.ID == session }); i >= 0 {
		return fmt.Errorf("%v are left", list[i])
	}
	return nil
}

// end ends a run of drreport, or of go test, in one of the ways in which people do.
func (b *bench) end(t *testing.T, way string) {
	dir := t.TempDir()
	shell := `exec "$0" run -out "$1" -run '^TestDatabaseCrash$' ./scenarios_test`
	switch way {
	case "head of the report":
		shell = `"$0" run -out "$1" -run '^TestDatabaseCrash$' ./scenarios_test 2>&1 | tee "$1/said" | head -5`
	case "head of the test":
		shell = `go test -v -count=1 -run '^TestDatabaseCrash$' ./scenarios_test 2>&1 | tee "$1/said" | head -5`
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", shell, b.bin+"/drreport", dir)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	var said strings.Builder
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if !strings.Contains(lines.Text(), "steady state") {
			continue
		}
		switch way {
		case "hang up":
			require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
		case "interrupt twice":
			require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
			<-time.After(100 * time.Millisecond)
			fallthrough
		case "interrupt":
			_ = cmd.Process.Signal(syscall.SIGINT)
		}
	}
	_ = cmd.Wait()
	session := sessionLine.FindStringSubmatch(said.String())
	require.NotNil(t, session, said.String())
	journals := find(t, dir, ".ndjson")
	require.Len(t, journals, 1, said.String())
	if way == "head of the report" { // which ends no run
		require.NoError(t, exec.Command(b.bin+"/drreport", "check", journals[0]).Run())
	} else {
		b.inconclusive(t, journals[0])
	}
	if way != "head of the test" {
		require.Len(t, find(t, dir, "report.md"), 1, said.String())
	}
	b.cleared(t, session[1], false)
}

// find returns the files below a directory whose names end so, without those that a link leads to.
func find(t *testing.T, dir, end string) (files []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, end) {
			files = append(files, path)
		}
		return err
	}))
	return files
}
