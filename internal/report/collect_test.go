package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// recorded lays out the run that testdata/gotest.json was recorded from: drills that pass, fail and
// are killed, and tests and packages that fail in other ways.
func recorded(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	stream, err := os.ReadFile("testdata/gotest.json")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, TranscriptFile), stream, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	journal := func(artifacts, id string, limit time.Duration) {
		r := judge(drill(id, "Connection loss", "Database Failures", 2000, 4000), objectives{drtest.RTO(limit), drtest.RPO(0)}, nil)
		saveJournal(t, filepath.Join(dir, "_artifacts", artifacts, strings.ReplaceAll(id, "/", "-")+".ndjson"), r)
	}
	journal("2", "DR-DB-004/sync", 2*time.Second)
	journal("4", "DR-DB-004/async", 2*time.Second)
	journal("5", "DR-DB-005", 2*time.Second)
	journal("6", "DR-DB-001", 2*time.Second)
	journal("7", "DR-DB-002", 500*ms)
	killed := drill("DR-APP-001", "Application crash", "Application Crashes", 9999, 1000)
	killed.Events, killed.Survivors, killed.Ended = killed.Events[:1], nil, false
	saveJournal(t, filepath.Join(dir, "_artifacts/1/DR-APP-001.ndjson"), &drtest.Report{Ledger: killed})
	about(t, dir, *run())
	return dir
}

func about(t *testing.T, dir string, r Run) {
	t.Helper()
	data, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, RunFile), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func collect(t *testing.T, dir string) *Report {
	t.Helper()
	r, err := Collect(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCollectRecordedRun(t *testing.T) {
	dir := recorded(t)
	goldens(t, "recorded", collect(t, dir))

	link := filepath.Join(t.TempDir(), "latest")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	goldens(t, "recorded", collect(t, link))
}

func TestStream(t *testing.T) {
	stream, err := os.ReadFile("testdata/gotest.json")
	if err != nil {
		t.Fatal(err)
	}
	transcript := NewTranscript()
	var shown bytes.Buffer
	for line := range bytes.Lines(stream) {
		shown.WriteString(transcript.Add(line))
	}
	golden(t, "streamed.txt", shown.Bytes())
}

func TestStreamLines(t *testing.T) {
	for _, c := range []struct{ reason, lines, want string }{
		{"a phase", `{"Action":"attr","Package":"p","Test":"T","Key":"drtest.phase","Value":"drill DR-1: +0.1s   fault"}
{"Action":"output","Package":"p","Test":"T","Output":"    a_test.go:4: drill DR-1: +0.1s   fault\n"}`, "drill DR-1: +0.1s   fault\n"},
		{"what only looks like a phase", `{"Action":"output","Package":"p","Test":"T","Output":"    a_test.go:4: drill DR-1: +0.1s   fault\n"}`, ""},
		{"progress on standard error", `{"Action":"output","Package":"p","Output":"drtest: pulling debian\n"}`, "drtest: pulling debian\n"},
		{"a line in parts", `{"Action":"output","Package":"p","Test":"T","Output":"drtest: pul"}
{"Action":"output","Package":"p","Test":"U","Output":"drtest: building a\n"}
{"Action":"output","Package":"p","Test":"T","Output":"ling debian\n"}`, "drtest: building a\ndrtest: pulling debian\n"},
		{"outside the protocol", "go: downloading a v1.0.0", "go: downloading a v1.0.0\n"},
		{"what a passing test says", `{"Action":"output","Package":"p","Test":"T","Output":"hello\n"}
{"Action":"pass","Package":"p","Test":"T"}`, ""},
		{"what a failing test says", `{"Action":"run","Package":"p","Test":"T"}
{"Action":"output","Package":"p","Test":"T","Output":"=== RUN   T\n"}
{"Action":"attr","Package":"p","Test":"T","Key":"drtest.phase","Value":"drill DR-1: fault"}
{"Action":"output","Package":"p","Test":"T","Output":"=== ATTR  T drtest.phase drill DR-1: fault\n"}
{"Action":"output","Package":"p","Test":"T","Output":"    run.go:4: drill DR-1: fault\n"}
{"Action":"output","Package":"p","Test":"T","Output":"    a_test.go:4: lost\n"}
{"Action":"output","Package":"p","Test":"T","Output":"=== a line of its own\n"}
{"Action":"output","Package":"p","Test":"T","Output":"--- FAIL: T (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"T"}`, "drill DR-1: fault\n    a_test.go:4: lost\n=== a line of its own\n--- FAIL: T (0.00s)\n"},
		{"a process that dies", `{"Action":"output","Package":"p","Test":"T","Output":"signal: killed\n"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"fail","Package":"p"}`, "signal: killed\nFAIL\n"},
	} {
		transcript := NewTranscript()
		var got string
		for line := range strings.Lines(c.lines) {
			got += transcript.Add([]byte(line))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

func TestCollectDamage(t *testing.T) {
	good := drills()[0]
	for _, c := range []struct {
		reason, want string
		damage       func([]byte) []byte
	}{
		{"cut off in mid-line", "DR-DB-004: inconclusive: journal line 82: cut off in mid-line",
			func(b []byte) []byte {
				return append(bytes.Join(bytes.SplitAfter(b, []byte("\n"))[:81], nil), `{"op`...)
			}},
		{"no journal at all", "journal: inconclusive: the journal cannot be read: journal line 1: no line of a journal", func([]byte) []byte { return []byte("hello\n") }},
		{"empty", "journal: inconclusive: the journal cannot be read: journal line 1: the journal is empty", func([]byte) []byte { return nil }},
		{"cut off before the verdicts", "DR-DB-004: inconclusive: the drill was cut off before its end", func(b []byte) []byte { return b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1] }},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "journal.ndjson")
		saveJournal(t, path, good)
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, c.damage(data), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		r := collect(t, dir)
		res := r.Results[0]
		if got := res.ID + ": " + res.Status.String() + ": " + string(res.Reason); !strings.HasPrefix(got, c.want) || r.Passed() {
			t.Errorf("%s: got %q, want %q", c.reason, got, c.want)
		}
		if data, err := r.JSON(); err != nil || valid(t, data) != nil {
			t.Errorf("%s: no valid JSON: %v, %v", c.reason, err, valid(t, data))
		}
	}
}

// A verdict that the journal itself does not bear counts for nothing, however whole the journal is.
func TestCollectDisputedVerdicts(t *testing.T) {
	late := func() *drtest.Report {
		return judge(drill("DR-1", "late", "Database Failures", 2000, 4000), objectives{drtest.RTO(500 * ms), drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return nil })}, nil)
	}
	const claim = "its journal does not bear the verdict that it records "
	for _, c := range []struct {
		reason string
		edit   func(*drtest.Report)
		status drtest.Status
		want   string
	}{
		{"as it was given", func(*drtest.Report) {}, drtest.Fail, ""},
		{"a failure that was made a pass", func(r *drtest.Report) { r.Verdicts[0].Status = drtest.Pass }, drtest.Inconclusive,
			claim + "(RTO: pass: got 1.010s (0.881s..1.010s), want at most 500ms; 20 requests acked since exclude a failure rate above 13.9 %)"},
		{"a failure that was blamed on the machine", func(r *drtest.Report) { r.Verdicts[0].Status, r.Verdicts[0].Untrusted = drtest.Inconclusive, true }, drtest.Inconclusive,
			claim + "(RTO: untrusted: got 1.010s (0.881s..1.010s), want at most 500ms; 20 requests acked since exclude a failure rate above 13.9 %)"},
		{"a pass that was made a failure", func(r *drtest.Report) { r.Verdicts[2].Status = drtest.Fail }, drtest.Fail,
			claim + "(rejected stays rejected: fail: none of 0 rejected units is held)"},
		{"figures that were made others", func(r *drtest.Report) {
			for i := range r.Ledger.Ops {
				r.Ledger.Ops[i].Outcome, r.Ledger.Ops[i].Err = drtest.Acked, ""
				r.Ledger.Survivors = append(r.Ledger.Survivors, r.Ledger.Ops[i].ID)
			}
		}, drtest.Fail, claim + "(RTO: fail: got 1.010s (0.881s..1.010s), want at most 500ms; 20 requests acked since exclude a failure rate above 13.9 %)"},
	} {
		dir, r := t.TempDir(), late()
		c.edit(r)
		saveJournal(t, filepath.Join(dir, "DR-1.ndjson"), r)
		got := collect(t, dir)
		if x := got.Results[0]; x.Status != c.status || x.Untrusted {
			t.Errorf("%s: got %v, untrusted %v, want %v", c.reason, x.Status, x.Untrusted, c.status)
		}
		if diff := cmp.Diff([]string{"DR-1: " + c.want}, told(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}

// A run in which nothing but go test itself fails must not look as if it had passed.
func TestCollectFailureOfGoTest(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "_artifacts", "1", "DR-DB-004.ndjson")
	saveJournal(t, name, drills()[0])
	if r := collect(t, dir); !r.Passed() || len(r.Notes) != 1 {
		t.Fatalf("a journal of a drill that passed does not pass, or nothing is said of what is not known:\n%s", r.Table())
	}
	says(t, dir, events("p", "TestFailover", "1", "DR-DB-004.ndjson", "pass"))
	about(t, dir, Run{When: began, Exit: new(2), Trouble: "go: no such tool"})
	r := collect(t, dir)
	want := "go test failed with exit status 2: go: no such tool"
	if got := string(r.Results[1].Reason); got != want || r.Passed() {
		t.Errorf("got %q, want %q", got, want)
	}
	about(t, dir, Run{When: began, Trouble: "interrupted: terminated"})
	r = collect(t, dir)
	want = "go test did not come to its end: interrupted: terminated"
	if got := string(r.Incomplete); got != want || r.Passed() || r.Complete {
		t.Errorf("got %q, want %q", got, want)
	}
}

// events are what go test -json says of a test that leaves a journal.
func events(pkg, name, artifacts, journal, outcome string) string {
	var b strings.Builder
	say := func(action, key, value, path string) {
		fmt.Fprintf(&b, `{"Action":%q,"Package":%q,"Test":%q,"Key":%q,"Value":%q,"Path":%q}`+"\n", action, pkg, name, key, value, path)
	}
	say("run", "", "", "")
	say("artifacts", "", "", "/elsewhere/_artifacts/"+artifacts)
	say("attr", "drtest.journal", journal, "")
	say(outcome, "", "", "")
	name = ""
	say(outcome, "", "", "")
	return b.String()
}

// says writes down what go test said.
func says(t *testing.T, dir, lines string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, TranscriptFile), []byte(lines), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCollectNothing(t *testing.T) {
	if _, err := Collect(filepath.Join(t.TempDir(), "nosuch")); err == nil {
		t.Error("a directory that does not exist is no error")
	}
	dir := t.TempDir()
	if r := collect(t, dir); r.Passed() || len(r.Results) > 0 {
		t.Error("an empty directory shows something")
	}
	if err := os.WriteFile(filepath.Join(dir, RunFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Collect(dir); err == nil || !strings.Contains(err.Error(), "read run") {
		t.Errorf("damaged description of the run: %v", err)
	}
}

// What is untrusted is played again, and then the second run decides; what failed in the first one
// stays failed.
func TestCollectPlayedAgain(t *testing.T) {
	const line = `{"Action":%q,"Package":"p","Test":%q,"Output":%q,"Path":%q}` + "\n"
	const slow = "    start.go:80: untrusted: start primary: the machine did not keep up\n"
	dir := t.TempDir()
	// plays writes down a test of a run, and the journal of its drill, if it has one.
	plays := func(part, name, outcome, said string, r *drtest.Report) {
		t.Helper()
		artifacts := filepath.Join(dir, part, "_artifacts", strings.ReplaceAll(name, "/", "-"))
		lines := fmt.Sprintf(line, "run", name, "", "") + fmt.Sprintf(line, "artifacts", name, "", artifacts)
		if r != nil {
			lines += fmt.Sprintf(`{"Action":"attr","Package":"p","Test":%q,"Key":"drtest.journal","Value":"drill.ndjson"}`+"\n", name)
		}
		if said == slow {
			lines += fmt.Sprintf(`{"Action":"attr","Package":"p","Test":%q,"Key":"drtest.untrusted","Value":"slow"}`+"\n", name)
		}
		if said != "" {
			lines += fmt.Sprintf(line, "output", name, said, "")
		}
		lines += fmt.Sprintf(line, outcome, name, "", "")
		if r != nil {
			saveJournal(t, filepath.Join(artifacts, "drill.ndjson"), r)
		} else if err := os.MkdirAll(filepath.Join(dir, part), 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(filepath.Join(dir, part, TranscriptFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err == nil {
			_, err = f.WriteString(lines)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	rto := objectives{drtest.RTO(500 * ms)}
	busy := func(id string, back int) *drtest.Report {
		l := drill(id, id, "Database Failures", back, 4000)
		for at := 0; at < 4000; at += 250 {
			l.Readings = append(l.Readings, drtest.Reading{At: time.Duration(at) * ms, Waited: time.Duration(at) * ms * 3 / 4})
		}
		return judge(l, rto, nil)
	}
	quiet := func(id string, back int) *drtest.Report {
		return judge(drill(id, id, "Database Failures", back, 4000), rto, nil)
	}
	plays("", "TestPasses", "pass", "", quiet("DR-1", 1200))
	plays("", "TestFails", "fail", "", quiet("DR-2", 2000))
	plays("", "TestSlow/one", "fail", "", busy("DR-3", 1700))
	plays("", "TestSlow/two", "fail", "", busy("DR-4", 1700))
	plays("", "TestSlow/three", "fail", "", busy("DR-5", 1700))
	plays("", "TestSlow", "fail", "", nil)
	plays("", "TestGroup", "fail", slow, nil)
	plays("", "TestSetUp", "fail", slow, nil)
	about(t, dir, Run{When: began, CPUs: 2, Exit: new(1)})
	r := collect(t, dir)
	want := "^TestGroup$|^TestSetUp$|^TestSlow$/^one$|^TestSlow$/^three$|^TestSlow$/^two$"
	if got := r.UntrustedTests(); got != want || r.Untrusted() || r.Passed() || r.Summary.Untrusted != 5 {
		t.Fatalf("to be played again: %s, want %s\n%s", got, want, r.Table())
	}

	plays(RerunDir, "TestSlow/one", "pass", "", quiet("DR-3", 1200))
	plays(RerunDir, "TestSlow/two", "fail", "", quiet("DR-4", 2000))
	plays(RerunDir, "TestSlow/three", "fail", "", busy("DR-5", 1700))
	plays(RerunDir, "TestSlow", "fail", "", nil)
	plays(RerunDir, "TestGroup/one", "pass", "", quiet("DR-6", 1200))
	plays(RerunDir, "TestGroup/two", "skip", "", nil)
	plays(RerunDir, "TestGroup", "pass", "", nil)
	plays(RerunDir, "TestSetUp", "pass", "", nil)
	about(t, filepath.Join(dir, RerunDir), Run{When: began, CPUs: 2, Exit: new(1)})
	r = collect(t, dir)
	golden(t, "again.txt", r.Table())
	wantNotes := []Text{"TestSetUp passed as it was played again, alone, since the first run was untrusted: no journal, and the test failed: start.go:80: untrusted: start primary: the machine did not keep up"}
	if diff := cmp.Diff(wantNotes, r.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	if r.Untrusted() || r.Passed() || r.Summary.Failed != 2 || r.Summary.Untrusted != 1 {
		t.Errorf("untrusted %v, passed %v, summary %+v", r.Untrusted(), r.Passed(), r.Summary)
	}
	if data, err := r.JSON(); err != nil || valid(t, data) != nil {
		t.Errorf("no valid JSON: %v, %v", err, valid(t, data))
	}
}

// Where a test plays a scenario more than once, each time decides for itself: another one that
// passes again says nothing of it.
func TestSecondTimePlayedAgain(t *testing.T) {
	busy := func(back int) *drtest.Report {
		l := drill("DR-1", "DR-1", "Database Failures", back, 4000)
		for at := 0; at < 4000; at += 250 {
			l.Readings = append(l.Readings, drtest.Reading{At: time.Duration(at) * ms, Waited: time.Duration(at) * ms * 3 / 4})
		}
		return judge(l, objectives{drtest.RTO(500 * ms)}, nil)
	}
	quiet := func(back int) *drtest.Report {
		return judge(drill("DR-1", "DR-1", "Database Failures", back, 4000), objectives{drtest.RTO(500 * ms)}, nil)
	}
	for _, c := range []struct {
		reason string
		again  []*drtest.Report
		want   []drtest.Status
	}{
		{"it vanishes", []*drtest.Report{quiet(1200)}, []drtest.Status{drtest.Pass, drtest.Inconclusive}},
		{"it passes", []*drtest.Report{quiet(1200), quiet(1200)}, []drtest.Status{drtest.Pass, drtest.Pass}},
		{"it fails", []*drtest.Report{quiet(1200), quiet(2000)}, []drtest.Status{drtest.Pass, drtest.Fail}},
		{"another time fails", []*drtest.Report{quiet(2000), quiet(1200)}, []drtest.Status{drtest.Pass, drtest.Pass, drtest.Fail}},
	} {
		dir := t.TempDir()
		plays := func(part, outcome string, times []*drtest.Report) {
			lines := ev("run", "p", "T", "") + `{"Action":"artifacts","Package":"p","Test":"T","Path":"/elsewhere/_artifacts/T"}` + "\n"
			for n, r := range times {
				name := []string{"DR-1.ndjson", "DR-1-2.ndjson"}[n]
				lines += attr("p", "T", "drtest.journal", name)
				saveJournal(t, filepath.Join(dir, part, "_artifacts/T", name), r)
			}
			says(t, filepath.Join(dir, part), lines+ev(outcome, "p", "T", "")+ev(outcome, "p", "", ""))
			about(t, filepath.Join(dir, part), Run{When: began, CPUs: 2, Exit: new(map[string]int{"pass": 0, "fail": 1}[outcome])})
		}
		plays("", "fail", []*drtest.Report{quiet(1200), busy(1700)})
		outcome := "pass"
		if c.want[len(c.want)-1] == drtest.Fail {
			outcome = "fail"
		}
		plays(RerunDir, outcome, c.again)
		r := collect(t, dir)
		var got []drtest.Status
		for _, x := range r.Results {
			got = append(got, x.Status)
		}
		slices.SortFunc(got, func(a, b drtest.Status) int { return strings.Compare(b.String(), a.String()) }) // pass, inconclusive, fail
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", c.reason, diff, r.Table())
		}
	}
}
