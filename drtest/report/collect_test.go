package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// recorded lays out the run that testdata/gotest.json was recorded from: drills that pass, fail and are
// killed, and tests and packages that fail in other ways.
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
		{"a phase", `{"Action":"output","Test":"T","Output":"    a_test.go:4: drill DR-1: +0.1s   fault\n"}`, "drill DR-1: +0.1s   fault\n"},
		{"a phase of a subtest", `{"Action":"output","Test":"T/x","Output":"        a_test.go:4: drill DR-1: fault\n"}`, "drill DR-1: fault\n"},
		{"an image", `{"Action":"output","Output":"image drtest/postgres: building\n"}`, "image drtest/postgres: building\n"},
		{"progress on standard error", `{"Action":"output","Output":"drtest: pulling debian\n"}`, "drtest: pulling debian\n"},
		{"a log that only mentions it", `{"Action":"output","Test":"T","Output":"    a_test.go:4: the drill went well\n"}`, ""},
		{"a line in parts", `{"Action":"output","Test":"T","Output":"drill DR"}
{"Action":"output","Test":"U","Output":"drill DR-2: fault\n"}
{"Action":"output","Test":"T","Output":"-1: fault\n"}`, "drill DR-2: fault\ndrill DR-1: fault\n"},
		{"outside the protocol", "go: downloading a v1.0.0", "go: downloading a v1.0.0\n"},
		{"what a passing test says", `{"Action":"output","Test":"T","Output":"hello\n"}
{"Action":"pass","Test":"T"}`, ""},
		{"what a failing test says", `{"Action":"output","Test":"T","Output":"=== RUN   T\n"}
{"Action":"output","Test":"T","Output":"drill DR-1: fault\n"}
{"Action":"output","Test":"T","Output":"    a_test.go:4: lost\n"}
{"Action":"output","Test":"T","Output":"--- FAIL: T (0.00s)\n"}
{"Action":"fail","Test":"T"}`, "drill DR-1: fault\n    a_test.go:4: lost\n--- FAIL: T (0.00s)\n"},
		{"a process that dies", `{"Action":"output","Test":"T","Output":"signal: killed\n"}
{"Action":"output","Output":"FAIL\n"}
{"Action":"fail"}`, "signal: killed\nFAIL\n"},
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
		{"no journal at all", "journal: inconclusive: journal line 1: no record of a journal", func([]byte) []byte { return []byte("hello\n") }},
		{"empty", "journal: inconclusive: journal line 1: the journal is empty", func([]byte) []byte { return nil }},
		{"cut off before the verdicts", "DR-DB-004: inconclusive: ", func(b []byte) []byte { return b[:bytes.Index(b, []byte(`{"verdicts"`))] }},
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

// A run in which nothing but go test itself fails must not look as if it had passed.
func TestCollectFailureOfGoTest(t *testing.T) {
	dir := t.TempDir()
	saveJournal(t, filepath.Join(dir, "DR-DB-004.ndjson"), drills()[0])
	if !collect(t, dir).Passed() {
		t.Fatal("a journal of a drill that passed does not pass")
	}
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
