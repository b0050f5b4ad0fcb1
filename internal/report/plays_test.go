package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
)

// repeatedRun lays out a run of so many plays of one drill, each with a transcript and a journal
// that edit may change. Where edit returns false, the play is left out.
func repeatedRun(t *testing.T, n int, edit func(play int, l *drtest.Ledger) bool) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, PlaysFile), `{"plays": `+fmt.Sprint(n)+`, "seed": "abc"}`)
	for k := 1; k <= n; k++ {
		served := 2000 + 100*(k%7) // ends between 0.9 s and 1.5 s after the fault
		l := drill("DR-DB-004", "Database primary failover", "Database Failures", served, 9000)
		l.Drill.Phase = &drtest.Phase{Seed: fmt.Sprint("abc.", k), Of: 100 * ms, Wait: time.Duration(k) * 4 * ms}
		if edit != nil && !edit(k, l) {
			continue
		}
		in := filepath.Join(dir, PlayDir(k))
		r := judge(l, objectives{drtest.RTO(2 * time.Second), drtest.RPO(0)}, nil)
		saveJournal(t, filepath.Join(in, "_artifacts/1/DR-DB-004.ndjson"), r)
		action, exit := "pass", 0
		if r.Status() != drtest.Pass {
			action, exit = "fail", 1
		}
		about(t, in, Run{When: began.Add(time.Duration(k) * time.Minute), Go: "go1.26.8", OS: "linux", Arch: "amd64", CPUs: 2,
			Command: fmt.Sprintf("DRTEST_SEED=abc.%d go test -json ./scenarios_test", k), Exit: &exit})
		say := func(action, more string) string {
			return fmt.Sprintf("{\"Action\":%q,\"Package\":\"p\",\"Test\":\"TestFailover\"%s}\n", action, more)
		}
		write(t, filepath.Join(in, TranscriptFile), say("run", "")+say("artifacts", `,"Path":"/x/_artifacts/1"`)+
			say("attr", `,"Key":"drtest.journal","Value":"DR-DB-004.ndjson"`)+say(action, "")+fmt.Sprintf("{\"Action\":%q,\"Package\":\"p\"}\n", action))
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestPlays: a drill that was played twenty times passes as one, and the report says what that
// proves.
func TestPlays(t *testing.T) {
	r := collect(t, repeatedRun(t, 20, nil))
	if !r.Passed() {
		t.Errorf("it does not pass: %s", r.Table())
	}
	goldens(t, "plays", r)
}

// TestPlaysOfAllKinds: one that fails for a loss, one that the machine kept from its verdict, and
// one that broke.
func TestPlaysOfAllKinds(t *testing.T) {
	r := collect(t, repeatedRun(t, 5, func(k int, l *drtest.Ledger) bool {
		switch k {
		case 2:
			l.Survivors = l.Survivors[5:]
		case 3:
			for at := time.Duration(0); at <= 4*time.Second; at += 250 * ms {
				l.Readings = append(l.Readings, drtest.Reading{At: at, Waited: at * 3 / 4})
			}
			for i := range l.Ops {
				if op := &l.Ops[i]; op.Due > 2*time.Second && op.Due < 3500*ms {
					op.Outcome = drtest.Unknown
				}
			}
		case 4:
			l.Broken = "inject kill primary: no such container"
		}
		return true
	}))
	if r.Passed() || r.Untrusted() || r.Summary.Failed != 1 || !r.Complete {
		t.Errorf("one play that fails is not enough: %s", r.Table())
	}
	goldens(t, "plays-of-all-kinds", r)
}

// TestMissingPlays: whatever is missing of a run of several plays, it does not pass.
func TestMissingPlays(t *testing.T) {
	for _, c := range []struct {
		reason string
		do     func(dir string) error
		want   string
	}{
		{"the last plays", func(dir string) error { return os.RemoveAll(filepath.Join(dir, PlayDir(3))) }, "not played: play 3"},
		{"two plays", func(dir string) error {
			_ = os.RemoveAll(filepath.Join(dir, PlayDir(1)))
			return os.RemoveAll(filepath.Join(dir, PlayDir(3)))
		}, "not played: play 1, 3"},
		{"how many there were", func(dir string) error { return os.Remove(filepath.Join(dir, PlaysFile)) }, "plays.json is missing, so nothing tells how many plays there were"},
		{"more than there were", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, PlaysFile), []byte(`{"plays": 2}`), 0o644)
		}, "play-003 is there, of a run of 2 plays"},
		{"how a play ended", func(dir string) error { return os.Remove(filepath.Join(dir, PlayDir(2), RunFile)) }, "play 2: play-002/run.json is missing, so nothing tells how go test ended"},
		{"a journal", func(dir string) error {
			return os.RemoveAll(filepath.Join(dir, PlayDir(2), "_artifacts"))
		}, "play 2: the journal play-002/_artifacts/1/DR-DB-004.ndjson cannot be read"},
		{"a drill that left nothing", func(dir string) error {
			_ = os.RemoveAll(filepath.Join(dir, PlayDir(2), "_artifacts"))
			return os.WriteFile(filepath.Join(dir, PlayDir(2), TranscriptFile), []byte(`{"Action":"pass","Package":"p","Test":"TestFailover"}`+"\n"+`{"Action":"pass","Package":"p"}`+"\n"), 0o644)
		}, "DR-DB-004 has no result in play 2"},
	} {
		dir := repeatedRun(t, 3, nil)
		if whole := collect(t, dir); !whole.Passed() {
			t.Fatalf("%s: the run does not pass before: %s", c.reason, whole.Table())
		}
		if err := c.do(dir); err != nil {
			t.Fatal(err)
		}
		r := collect(t, dir)
		if r.Passed() || r.Complete || !strings.Contains(string(r.Incomplete), c.want) {
			t.Errorf("%s: passed %v, incomplete: %s, want %s", c.reason, r.Passed(), r.Incomplete, c.want)
		}
		data, err := r.JSON()
		if err == nil {
			err = valid(t, data)
		}
		if err != nil {
			t.Errorf("%s: %v", c.reason, err)
		}
	}
}

// TestHostilePlays: what says how many plays there were is no more than a number.
func TestHostilePlays(t *testing.T) {
	for _, text := range []string{"{}", `{"plays": -1}`, `{"plays": "x"}`, "\x1b[2J", ""} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, PlaysFile), text)
		if r, err := Collect(dir); err == nil {
			t.Errorf("%q is taken: %s", text, r.Table())
		}
	}
}

func TestRanges(t *testing.T) {
	for _, c := range []struct {
		numbers []int
		want    string
	}{{[]int{3}, "3"}, {[]int{3, 4}, "3, 4"}, {[]int{1, 3, 4, 5, 9}, "1, 3 to 5, 9"}} {
		if got := ranges(c.numbers); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestPercents(t *testing.T) {
	for p, want := range map[float64][2]string{
		0.139108341: {"13 %", "14 %"}, 0.001265: {"0.12 %", "0.13 %"}, 0.860891: {"86 %", "87 %"}, 1: {"100 %", "100 %"}, 0: {"0 %", "0 %"}, 0.25: {"25 %", "25 %"}, 0.9975: {"99.75 %", "99.75 %"},
	} {
		if got := [2]string{atLeastPercent(p), AtMostPercent(p)}; got != want {
			t.Errorf("%v: got %q, want %q", p, got, want)
		}
	}
	var r Repeated
	data, err := json.Marshal(r)
	if err != nil || !strings.Contains(string(data), `"phase_of":null`) {
		t.Errorf("got %s, %v", data, err)
	}
}
