package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// A clone is a copy of a repository of drills, on a machine of its own as far as they know.
type clone struct {
	t   *testing.T
	dir string
}

// newClone makes a repository of drills that leave journals without a system.
func newClone(t *testing.T) clone {
	t.Helper()
	c := clone{t, t.TempDir()}
	source, err := os.ReadFile("testdata/drills/drills_test.go.txt")
	if err != nil {
		t.Fatal(err)
	}
	named := func(id string) func(l *drtest.Ledger) { return func(l *drtest.Ledger) { l.Drill.ID = id } }
	busy := drill(named("DR-BUSY"), func(l *drtest.Ledger) {
		for at := time.Duration(0); at <= 3*time.Second; at += time.Second / 4 {
			l.Readings = append(l.Readings, drtest.Reading{At: at, Waited: at * 3 / 4})
		}
	})
	files := map[string][]byte{
		"go.mod": []byte("module drills\n\ngo 1.26\n"), "drills_test.go": source, ".gitignore": []byte("/out/\n"),
		"busy.ndjson": journal(drtest.Judge(busy.Ledger, drtest.RTO(time.Second/2))),
		"more/m.go":   []byte("package more\n"), "more/m_test.go": []byte("package more\n\nimport \"testing\"\n\nfunc TestCalm(*testing.T) {}\n\nfunc TestMore(*testing.T) {}\n"),
	}
	for _, id := range []string{"DR-BUSY", "DR-CALM", "DR-EVEN", "DR-PARTS-a", "DR-PARTS-b", "DR-CONTROL"} {
		files[id+".ndjson"] = journal(drill(named(id)))
	}
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(c.dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.git("init", "-q")
	c.commit("Drills")
	return c
}

func (c clone) git(args ...string) {
	c.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a")
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("git %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (c clone) commit(message string) {
	c.t.Helper()
	c.git("add", "-A")
	c.git("commit", "-q", "-m", message)
}

// another clones the repository.
func (c clone) another() clone {
	c.t.Helper()
	other := clone{c.t, filepath.Join(c.t.TempDir(), "clone")}
	c.git("clone", "-q", c.dir, other.dir)
	return other
}

// drreport calls the program there, with the real go command.
func (c clone) drreport(environ []string, args ...string) (status int, stdout, stderr string) {
	c.t.Helper()
	var out, errs bytes.Buffer
	env := append(append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GITHUB_ACTIONS=", "GITHUB_STEP_SUMMARY="), environ...)
	cmd := command{stdout: &out, stderr: &errs, environ: env, exec: func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = c.dir, env
		return cmd
	}}
	status = cmd.main(args)
	return status, out.String(), errs.String()
}

// run plays drills, and returns the directory of the run, and what was said from the first table on.
func (c clone) run(environ []string, args ...string) (status int, dir, said string) {
	c.t.Helper()
	out := filepath.Join(c.dir, "out")
	status, stdout, stderr := c.drreport(environ, append([]string{"run", "-out", out, "./..."}, args...)...)
	dir, err := filepath.EvalSymlinks(filepath.Join(out, "latest"))
	if err != nil {
		c.t.Fatalf("%v\nexit status %d\n%s%s", err, status, stdout, stderr)
	}
	return status, dir, stdout
}

// table is the last table that was printed, without the time that a test took and the directory.
func table(said string) string {
	at := max(0, strings.LastIndex(said, "ID "))
	return regexp.MustCompile(`(?m)^(report: .*|note: this is shard .*)\n`).ReplaceAllString(said[at:], "")
}

// Two shards on two clones, merged, are one run: the same results, one verdict, one exit status. One
// of the drills is untrusted at first, and played again.
func TestMerge(t *testing.T) {
	t.Parallel()
	one := newClone(t)
	two := one.another()
	for _, c := range []struct {
		reason  string
		environ []string
		args    []string
		status  int
	}{
		{"all pass", nil, []string{"-skip", "Control$|Skipped"}, passed},
		{"parts of tests", nil, []string{"-run", "Parts/b|Calm|Busy"}, passed},
		{"one fails, and a skip does not pass", []string{"DRTEST_FAILING=1"}, nil, notPassed},
	} {
		t.Run(c.reason, func(t *testing.T) {
			wantStatus, whole, want := one.run(c.environ, c.args...)
			if wantStatus != c.status || !strings.Contains(want, "1 played again, alone") {
				t.Fatalf("one run: exit status %d, want %d\n%s", wantStatus, c.status, want)
			}
			_, first, said := one.run(c.environ, append(c.args, "-shard", "1/2", "-durations", whole)...)
			if !strings.HasPrefix(said, "shard 1 of 2, ") || !strings.Contains(said, " drills: divided by the durations in "+whole+" into ") {
				t.Errorf("it does not say how it divided the drills:\n%s", said)
			}
			_, second, _ := two.run(c.environ, append(c.args, "-shard", "2/2", "-durations", whole)...)
			merged := filepath.Join(t.TempDir(), "new", "merged")
			status, got, stderr := one.drreport(c.environ, "merge", "-out", merged, second, first)
			if diff := cmp.Diff(table(want), table(got)); diff != "" || status != wantStatus || stderr != "" {
				t.Errorf("exit status %d, want %d, standard error %q (-one run +two shards):\n%s", status, wantStatus, stderr, diff)
			}
			status, again, stderr := one.drreport(nil, "write", "-out", filepath.Join(merged, "again.json"), merged)
			if diff := cmp.Diff(table(got), table(strings.Replace(again, "wrote ", "report: ", 1))); diff != "" || status != passed {
				t.Errorf("written again: exit status %d, %s (-merged +again):\n%s", status, stderr, diff)
			}
			if a, b := read(t, filepath.Join(merged, "report.json")), read(t, filepath.Join(merged, "again.json")); a != b {
				t.Errorf("written again, the report differs:\n%s", cmp.Diff(a, b))
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What is no whole run is refused, or told by name.
func TestMergeRefuses(t *testing.T) {
	t.Parallel()
	one := newClone(t)
	args := []string{"-skip", "Busy|Control|Skipped"}
	shard := func(c clone, part string, environ ...string) string {
		t.Helper()
		status, dir, said := c.run(environ, append(args, "-shard", part)...)
		if status != passed || !strings.Contains(said, ": divided equally by count, since no -durations were given\n") {
			t.Fatalf("shard %s: exit status %d\n%s", part, status, said)
		}
		return dir
	}
	first, second := shard(one, "1/2"), shard(one.another(), "2/2")
	dirty := one.another() // until its change is committed
	if err := os.WriteFile(filepath.Join(dirty.dir, "more", "m.go"), []byte("package more // changed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dirty.commit("Change")
	commit := func(dir string) string {
		return regexp.MustCompile(`"commit": "(.*)"`).FindStringSubmatch(read(t, filepath.Join(dir, "run.json")))[1]
	}
	elsewhere := shard(dirty, "2/2")
	for _, c := range []struct {
		reason string
		dirs   []string
		status int
		want   string // A and B are the directories
	}{
		{"two commits", []string{first, elsewhere}, trouble, "A and B are not parts of one run: the first is of commit " + commit(first) + ", the second of " + commit(elsewhere)},
		{"no shard", []string{first, one.dir}, trouble, "B is not the directory of a shard: it has no run.json that says which one it was"},
		{"one is missing", []string{first}, incomplete, "incomplete: shard 2 of 2 is missing, with TestCalm, TestFailing, TestParts"},
		{"another one is missing", []string{second}, incomplete, "incomplete: shard 1 of 2 is missing, with Example, TestEven, TestMore"},
		{"none", []string{first, second}, passed, "4 results: 4 passed, 0 failed, 0 inconclusive"},
	} {
		merged := filepath.Join(t.TempDir(), "merged")
		status, stdout, stderr := one.drreport(nil, append([]string{"merge", "-out", merged}, c.dirs...)...)
		want := strings.NewReplacer("A and B are", c.dirs[0]+" and "+c.dirs[len(c.dirs)-1]+" are", "B is", c.dirs[len(c.dirs)-1]+" is").Replace(c.want)
		if c.status == trouble {
			if diff := cmp.Diff("drreport: "+want+"\n", stderr); diff != "" || status != trouble || stdout != "" {
				t.Errorf("%s: exit status %d, standard output %q (-want +got):\n%s", c.reason, status, stdout, diff)
			}
			if _, err := os.Stat(merged); err == nil {
				t.Errorf("%s: %s is there", c.reason, merged)
			}
		} else if status != c.status || !strings.Contains(stdout, want+"\n") {
			t.Errorf("%s: exit status %d, want %d\n%s%s\nwant %s", c.reason, status, c.status, stdout, stderr, want)
		}
	}

	// The evidence is checked where it is now, as it was where it was made.
	for _, c := range []struct{ file, edited, want string }{
		{"_artifacts/*/DR-EVEN.ndjson", "X", "the journal shard-1/_artifacts/N/DR-EVEN.ndjson cannot be read"},
		{"_artifacts/*/DR-EVEN.ndjson", string(journal(drill())), "the journal shard-1/_artifacts/N/DR-EVEN.ndjson is not as its test left it"},
		{"gotest.json", read(t, filepath.Join(first, "gotest.json")) + "\n", "shard-1/gotest.json is not as the run left it"},
	} {
		merged := filepath.Join(t.TempDir(), "merged")
		if status, _, stderr := one.drreport(nil, "merge", "-out", merged, first, second); status != passed {
			t.Fatal(status, stderr)
		}
		files, err := filepath.Glob(filepath.Join(merged, "shard-1", c.file))
		if err != nil || len(files) != 1 {
			t.Fatalf("%s: %q, %v", c.file, files, err)
		}
		if err := os.WriteFile(files[0], []byte(c.edited), 0o644); err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := one.drreport(nil, "write", merged)
		stdout = regexp.MustCompile(`_artifacts/\d+`).ReplaceAllString(stdout, "_artifacts/N")
		if status != incomplete || !strings.Contains(stdout, "incomplete: shard 1: "+c.want+"\n") {
			t.Errorf("exit status %d, want %q in\n%s%s", status, c.want, stdout, stderr)
		}
	}
	merged := filepath.Join(t.TempDir(), "merged")
	if err := os.Symlink("/etc/hostname", filepath.Join(first, "leads-out.ndjson")); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := one.drreport(nil, "merge", "-out", merged, first, second)
	if want := "drreport: copy " + first + ": leads-out.ndjson is no file\n"; status != trouble || stderr != want {
		t.Errorf("a link: exit status %d, standard error %q, want %q", status, stderr, want)
	}
	if _, err := os.Stat(merged); err == nil {
		t.Error("what could not be copied whole is there")
	}
	run := filepath.Join(first, "run.json")
	if err := os.WriteFile(run, []byte(strings.Replace(read(t, run), `"TestEven"`, `"TestOther"`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, _ := one.drreport(nil, "write", "-out", filepath.Join(t.TempDir(), "report.md"), first)
	if want := "incomplete: TestOther was never begun;"; status != incomplete || !strings.Contains(stdout, want) {
		t.Errorf("a drill that was not played: exit status %d, want %q in\n%s", status, want, stdout)
	}
	status, _, stderr = one.drreport(nil, "run", "-out", t.TempDir(), "-shard", "8/8", "./more")
	if want := "drreport: there are 2 drills, too few for 8 shards\n"; status != trouble || stderr != want {
		t.Errorf("too few: exit status %d, standard error %q, want %q", status, stderr, want)
	}
}
