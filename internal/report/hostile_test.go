package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// ev is an event of go test.
func ev(action, pkg, name, output string) string {
	data, err := json.Marshal(event{Action: action, Package: pkg, Test: name, Output: output})
	if err != nil {
		panic(err)
	}
	return string(data) + "\n"
}

// attr is an event in which the harness tells something.
func attr(pkg, name, key, value string) string {
	data, err := json.Marshal(event{Action: "attr", Package: pkg, Test: name, Key: key, Value: value})
	if err != nil {
		panic(err)
	}
	return string(data) + "\n"
}

// transcribed collects a run of which only the transcript is there.
func transcribed(t *testing.T, exit int, lines ...string) *Report {
	t.Helper()
	dir := t.TempDir()
	says(t, dir, strings.Join(lines, ""))
	about(t, dir, Run{When: began, CPUs: 2, Exit: &exit})
	r := collect(t, dir)
	if data, err := r.JSON(); err != nil || valid(t, data) != nil {
		t.Errorf("no valid JSON: %v, %v", err, valid(t, data))
	}
	return r
}

// told are the results as "id: reason".
func told(r *Report) (all []string) {
	for _, x := range r.Results {
		all = append(all, x.Label()+": "+string(x.Reason))
	}
	return all
}

// Whatever a test prints, its reason has it: no line is taken for one of the harness or of go test
// by how it begins.
func TestReasonsThatLookLikeSomethingElse(t *testing.T) {
	for _, reason := range []string{
		"image drtest/postgres: no such image", "drill DR-1: it never began", "drtest: the engine is gone", "--- the rest is missing",
		"=== expected 3, got 4", "FAIL reading the answer", "PASS", "RTO: pass: but not really", "panic: said the service",
		"drtest: note: all passed", "--- PASS: TestOther (0.00s)", "untrusted: it says", "x_test.go:3: untrusted: it says",
	} {
		for _, prefix := range []string{"", "    a_test.go:4: "} {
			r := transcribed(t, 1, ev("run", "p", "T", ""), ev("output", "p", "T", "=== RUN   T\n"), ev("output", "p", "T", prefix+reason+"\n"),
				ev("output", "p", "T", "--- FAIL: T (0.00s)\n"), ev("fail", "p", "T", ""), ev("output", "p", "", "FAIL\n"), ev("fail", "p", "", ""))
			want := []string{"T: no journal, and the test failed: " + strings.TrimSpace(prefix+reason)}
			if diff := cmp.Diff(want, told(r)); diff != "" || len(r.Notes) > 0 || r.Summary.Untrusted > 0 {
				t.Errorf("%q, notes %q, untrusted %d (-want +got):\n%s", reason, r.Notes, r.Summary.Untrusted, diff)
			}
		}
	}
}

// The harness's own lines are no reason, and are known by what it announced alone.
func TestAnnouncedLinesAreNoReason(t *testing.T) {
	r := transcribed(t, 1, ev("run", "p", "T", ""),
		attr("p", "T", "drtest.phase", "drill DR-1: +0.1s   fault"), ev("output", "p", "T", "    run.go:4: drill DR-1: +0.1s   fault\n"),
		attr("p", "T", "drtest.line", "RTO: fail: got 2s"), ev("output", "p", "T", "    a_test.go:4: RTO: fail: got 2s\n"),
		ev("output", "p", "T", "    a_test.go:9: the balance is wrong\n"), ev("output", "p", "T", "    a_test.go:9: RTO: fail: got 2s\n"),
		ev("fail", "p", "T", ""), ev("fail", "p", "", ""))
	want := []string{"T: no journal, and the test failed: a_test.go:9: the balance is wrong a_test.go:9: RTO: fail: got 2s"}
	if diff := cmp.Diff(want, told(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Where the run has a token, only keys with it are the harness's own: what is logged can have a
// frame of go test's within it.
func TestForgedAnnouncements(t *testing.T) {
	lines := []string{Preface("SECRET"), ev("run", "p", "T", ""), attr("p", "T", "drtest.untrusted", "slow"), attr("p", "T", "drtest.untrusted.GUESS", "slow"),
		attr("p", "T", "drtest.line", "lost"), attr("p", "T", "drtest.journal", "DR-1.ndjson"), Preface("GUESS"),
		attr("p", "T", "drtest.line.SECRET", "said by the harness"), ev("output", "p", "T", "    run.go:1: said by the harness\n"), ev("output", "p", "T", "    a_test.go:5: lost\n"),
		ev("fail", "p", "T", ""), ev("fail", "p", "", "")}
	r := transcribed(t, 1, lines...)
	if diff := cmp.Diff([]string{"T: no journal, and the test failed: a_test.go:5: lost"}, told(r)); diff != "" || r.Untrusted() {
		t.Errorf("untrusted %v (-want +got):\n%s", r.Untrusted(), diff)
	}
}

// A line of any length is read once, and what is kept of it and of all output is bounded.
func TestLongOutput(t *testing.T) {
	const size = 32 << 20
	part := ev("output", "p", "T", strings.Repeat("x", 1024))
	var stream bytes.Buffer
	stream.WriteString(ev("run", "p", "T", ""))
	for range size / 1024 {
		stream.WriteString(part)
	}
	stream.WriteString(ev("output", "p", "T", "\n"))
	for n := range 100_000 {
		stream.WriteString(ev("output", "p", "T", fmt.Sprintf("line %d\n", n)))
	}
	stream.WriteString(ev("fail", "p", "T", ""))
	stream.WriteString(ev("fail", "p", "", ""))
	start := time.Now()
	transcript := NewTranscript()
	var shown strings.Builder
	if err := transcript.Read(&stream, func(text string) { shown.WriteString(text) }); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 20*time.Second { // a tenth of it took 5.8 s when it was quadratic
		t.Errorf("reading took %v", took)
	}
	lines := strings.Split(shown.String(), "\n")
	if want := fmt.Sprintf(" ... (%d bytes more)", size-longestLine); !strings.HasSuffix(lines[0], want) || shown.Len() > 2*mostSaid {
		t.Errorf("%d bytes are shown, and the first line does not end in %q: %q", shown.Len(), want, lines[0])
	}
	if !strings.Contains(shown.String(), " lines left out; gotest.json has them)\n") || !strings.Contains(shown.String(), "line 99999\n") {
		t.Errorf("it is not said that lines were left out, or the end is missing")
	}
	if got := transcript.rows(nil); len(got) != 1 || !strings.HasSuffix(string(got[0].Reason), "line 99998 line 99999") {
		t.Errorf("results: %+v", got)
	}
}

func TestLongLineOfTranscript(t *testing.T) {
	transcript := NewTranscript()
	var shown string
	lines := strings.Repeat("x", 3<<20) + "\n" + ev("fail", "p", "T", "") + ev("fail", "p", "", "")
	if err := transcript.Read(strings.NewReader(lines), func(text string) { shown += text }); err != nil {
		t.Fatal(err)
	}
	if len(shown) > 5000 || !strings.Contains(shown, "(2097153 bytes more)") || len(transcript.rows(nil)) != 1 {
		t.Errorf("shown: %q, results: %+v", shown, transcript.rows(nil))
	}
}

// What is no event of go test is no result: it is output of the run.
func TestNoEvents(t *testing.T) {
	for _, line := range []string{
		"{}", "null", "3", `"text"`, "[]", `{"Action":"fail"}`, `{"Action":"fail","Test":"T"}`, `{"Action":"explode","Package":"p","Test":"T"}`,
		`{"Action":"build-fail"}`, `{"Action":3,"Package":"p"}`, `{"Action":"fail","Package":"p","Test":"T"`, "warning: GOPATH is set", `{"Package":"p","Test":"T"}`,
	} {
		r := transcribed(t, 0, line+"\n", ev("run", "p", "T", ""), ev("pass", "p", "T", ""), ev("pass", "p", "", ""))
		want := []Text{Text("go test said beside its protocol: " + line)}
		if diff := cmp.Diff(want, r.Notes); diff != "" || len(r.Results) > 0 {
			t.Errorf("%s: results %q, notes (-want +got):\n%s", line, told(r), diff)
		}
	}
}

// A package whose process ends well before any of its tests has begun shows nothing, unless it has
// none to run.
func TestPackageWithoutTests(t *testing.T) {
	const left = "p: the package ended without running a test, as if it had passed"
	for _, c := range []struct {
		reason string
		lines  []string
		want   []string
	}{
		{"TestMain leaves", []string{ev("start", "p", "", ""), ev("output", "p", "", "ok  \tp\t0.1s\n"), ev("pass", "p", "", "")}, []string{left}},
		{"TestMain leaves, and says why", []string{ev("start", "p", "", ""), ev("output", "p", "", "no engine\n"), ev("output", "p", "", "ok  \tp\t0.1s\n"), ev("pass", "p", "", "")},
			[]string{left + ": no engine"}},
		{"none is asked for", []string{ev("output", "p", "", "testing: warning: no tests to run\n"), ev("output", "p", "", "PASS\n"),
			ev("output", "p", "", "ok  \tp\t0.1s [no tests to run]\n"), ev("pass", "p", "", "")}, nil},
		{"it has no files of tests", []string{ev("output", "p", "", "?   \tp\t[no test files]\n"), ev("skip", "p", "", "")}, nil},
		{"a test passes", []string{ev("run", "p", "T", ""), ev("pass", "p", "T", ""), ev("output", "p", "", "PASS\n"), ev("pass", "p", "", "")}, nil},
	} {
		r := transcribed(t, 0, c.lines...)
		if diff := cmp.Diff(c.want, told(r)); diff != "" || r.Passed() {
			t.Errorf("%s: passed %v (-want +got):\n%s", c.reason, r.Passed(), diff)
		}
	}
}

// Results of the same name are told apart.
func TestSameNames(t *testing.T) {
	r := transcribed(t, 1,
		ev("output", "example.com/a", "TestX", "one\n"), ev("fail", "example.com/a", "TestX", ""), ev("fail", "example.com/a", "", ""),
		ev("output", "example.com/a/b", "TestX", "two\n"), ev("fail", "example.com/a/b", "TestX", ""), ev("fail", "example.com/a/b", "", ""))
	want := []string{"a.TestX: no journal, and the test failed: one", "a/b.TestX: no journal, and the test failed: two"}
	if diff := cmp.Diff(want, told(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	dir := t.TempDir()
	var lines string
	for _, c := range [][4]string{{"example.com/a", "TestX", "1", "DR-1.ndjson"}, {"example.com/b", "TestX", "2", "DR-1.ndjson"}, {"example.com/b", "TestY", "3", "DR-1.ndjson"}, {"example.com/b", "TestZ", "4", "DR-2.ndjson"}} {
		lines += events(c[0], c[1], c[2], c[3], "pass")
		saveJournal(t, filepath.Join(dir, "_artifacts", c[2], c[3]), judge(drill(strings.TrimSuffix(c[3], ".ndjson"), "", "", 2000, 4000), objectives{drtest.RTO(2 * time.Second)}, nil))
	}
	lines = strings.Replace(lines, `"drtest.journal","Value":"DR-2.ndjson","Path":""}`+"\n", `"drtest.journal","Value":"DR-2.ndjson","Path":""}`+"\n"+
		attr("example.com/b", "TestZ", "drtest.journal", "DR-2-2.ndjson"), 1)
	saveJournal(t, filepath.Join(dir, "_artifacts/4/DR-2-2.ndjson"), judge(drill("DR-2", "", "", 2000, 4000), objectives{drtest.RTO(2 * time.Second)}, nil))
	says(t, dir, lines)
	about(t, dir, Run{When: began, CPUs: 2, Exit: new(0)})
	r = collect(t, dir)
	want = []string{"DR-1 (example.com/a.TestX): ", "DR-1 (example.com/b.TestX): ", "DR-1 (TestY): ",
		"DR-2 (_artifacts/4/DR-2-2.ndjson): ", "DR-2 (_artifacts/4/DR-2.ndjson): "}
	if diff := cmp.Diff(want, told(r)); diff != "" || !r.Passed() {
		t.Errorf("passed %v (-want +got):\n%s", r.Passed(), diff)
	}
}

// What a test or a package says itself is shown beside the parts of it that failed.
func TestReasonsAroundFailedParts(t *testing.T) {
	r := transcribed(t, 1, ev("run", "p", "T", ""), ev("run", "p", "T/x", ""), ev("output", "p", "T/x", "    a_test.go:3: lost\n"), ev("fail", "p", "T/x", ""),
		ev("output", "p", "T", "    a_test.go:5: the modes differ\n"), ev("output", "p", "T", "--- FAIL: T (0.00s)\n"), ev("fail", "p", "T", ""),
		ev("run", "p", "U", ""), ev("output", "p", "U/x", "    a_test.go:3: lost\n"), ev("fail", "p", "U/x", ""), ev("output", "p", "U", "--- FAIL: U (0.00s)\n"), ev("fail", "p", "U", ""),
		ev("output", "p", "", "FAIL\n"), ev("output", "p", "", "leak: 1 container\n"), ev("output", "p", "", "FAIL\tp\t0.1s\n"), ev("fail", "p", "", ""))
	want := []string{
		"T: no journal, and the test failed, as a part of it did, and says itself: a_test.go:5: the modes differ",
		"T/x: no journal, and the test failed: a_test.go:3: lost", "U/x: no journal, and the test failed: a_test.go:3: lost",
		"p: the package failed, as a part of it did, and says itself: leak: 1 container",
	}
	if diff := cmp.Diff(want, told(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is said around parts that failed for the machine alone cannot be told from a log: it is
// played again with them.
func TestAroundUntrustedParts(t *testing.T) {
	failing := func(more string) *Report {
		return transcribed(t, 1, ev("run", "p", "T", ""), ev("run", "p", "T/x", ""), attr("p", "T/x", "drtest.untrusted", "slow"), ev("fail", "p", "T/x", ""),
			ev("output", "p", "T", "    a_test.go:5: all modes are compared\n"), more, ev("fail", "p", "T", ""), ev("fail", "p", "", ""))
	}
	if r := failing(""); !r.Untrusted() || r.UntrustedTests() != "^T$|^T$/^x$" {
		t.Errorf("untrusted %v, to be played again: %s", r.Untrusted(), r.UntrustedTests())
	}
	if r := failing(ev("output", "p", "T", "        \tError Trace:\ta_test.go:5\n")); r.Untrusted() {
		t.Errorf("an assertion is untrusted:\n%s", r.Table())
	}
}

// No machine excuses an assertion, a panic or a data race, also of a test that has no journal.
func TestAssertionIsNotUntrusted(t *testing.T) {
	for _, said := range []string{"        \tError Trace:\ta_test.go:5\n", "panic: lost\n", "WARNING: DATA RACE\n"} {
		r := transcribed(t, 1, ev("run", "p", "T", ""), attr("p", "T", "drtest.untrusted", "slow"), ev("output", "p", "T", said), ev("fail", "p", "T", ""), ev("fail", "p", "", ""))
		if r.Untrusted() || r.UntrustedTests() != "" {
			t.Errorf("%q is untrusted:\n%s", said, r.Table())
		}
	}
}

// What a test has announced is its reason where it says nothing else: the lines of the harness are
// no reason by themselves.
func TestUntrustedReason(t *testing.T) {
	r := transcribed(t, 1, ev("run", "p", "T", ""), attr("p", "T", "drtest.untrusted", "start app: the machine did not keep up"),
		attr("p", "T", "drtest.line", "untrusted: start app"), attr("p", "T", "drtest.line", "panic: no database"),
		ev("output", "p", "T", "    start.go:5: untrusted: start app\n"), ev("output", "p", "T", "        panic: no database\n"), ev("fail", "p", "T", ""), ev("fail", "p", "", ""))
	want := []string{"T: no journal, and the test failed: start app: the machine did not keep up"}
	if diff := cmp.Diff(want, told(r)); diff != "" || !r.Untrusted() {
		t.Errorf("untrusted %v (-want +got):\n%s", r.Untrusted(), diff)
	}
}

// A drill that passed keeps its pass where another drill of its test, or of a part of it, is why
// the test failed.
func TestPassBesideAnotherDrill(t *testing.T) {
	const asserts = "        \tError Trace:\ta_test.go:5\n"
	for _, c := range []struct {
		reason, other, said string
		waited              time.Duration // each second, on the machine of the other drill
		want                drtest.Status
	}{
		{"another one is untrusted", "T", "    a_test.go:5: two systems are compared\n", 900 * ms, drtest.Pass},
		{"a part is untrusted", "T/x", "", 900 * ms, drtest.Pass},
		{"another one fails", "T", "", 0, drtest.Pass},
		{"another one fails, and so may the test", "T", "    a_test.go:5: two systems differ\n", 0, drtest.Fail},
		{"another one is untrusted, and the test fails", "T", asserts, 900 * ms, drtest.Fail},
		{"none is", "", "    a_test.go:5: two systems differ\n", 0, drtest.Fail},
	} {
		dir := t.TempDir()
		lines := ev("run", "p", "T", "")
		plays := func(name, id string, back int, waited time.Duration) {
			l := drill(id, id, "Database Failures", back, 4000)
			for s := range 4 {
				l.Readings = append(l.Readings, drtest.Reading{At: time.Duration(s) * time.Second, Waited: time.Duration(s) * waited})
			}
			saveJournal(t, filepath.Join(dir, "_artifacts", id, id+".ndjson"), judge(l, objectives{drtest.RTO(500 * ms)}, nil))
			data, _ := json.Marshal(event{Action: "artifacts", Package: "p", Test: name, Path: filepath.Join(dir, "_artifacts", id)})
			lines += string(data) + "\n" + attr("p", name, "drtest.journal", id+".ndjson")
		}
		plays("T", "DR-1", 1200, 0)
		if c.other != "" {
			plays(c.other, "DR-2", 1700, c.waited)
		}
		if c.other == "T/x" {
			lines += ev("fail", "p", "T/x", "")
		}
		says(t, dir, lines+ev("output", "p", "T", c.said)+ev("fail", "p", "T", "")+ev("fail", "p", "", ""))
		about(t, dir, Run{When: began, CPUs: 2, Exit: new(1)})
		if r := collect(t, dir); r.Results[0].Status != c.want {
			t.Errorf("%s: %v, want %v\n%s", c.reason, r.Results[0].Status, c.want, r.Table())
		}
	}
}

// Played again, what is around such parts decides as they do.
func TestAroundPlayedAgain(t *testing.T) {
	for _, c := range []struct {
		reason, outcome string
		passed          bool
		want            []string
	}{
		{"it passes", "pass", true, []string{}},
		{"it fails again", "fail", false, []string{"T: no journal, and the test failed: a_test.go:5: all modes are compared"}},
	} {
		dir := t.TempDir()
		lines := func(outcome string) string {
			return ev("run", "p", "T", "") + ev("run", "p", "T/y", "") + ev("pass", "p", "T/y", "") +
				ev("output", "p", "T", "    a_test.go:5: all modes are compared\n") + ev(outcome, "p", "T", "") + ev(outcome, "p", "", "")
		}
		says(t, dir, attr("p", "T/x", "drtest.untrusted", "slow")+ev("fail", "p", "T/x", "")+lines("fail"))
		about(t, dir, Run{When: began, CPUs: 2, Exit: new(1)})
		if err := os.Mkdir(filepath.Join(dir, RerunDir), 0o755); err != nil {
			t.Fatal(err)
		}
		says(t, filepath.Join(dir, RerunDir), ev("run", "p", "T/x", "")+ev("pass", "p", "T/x", "")+lines(c.outcome))
		about(t, filepath.Join(dir, RerunDir), Run{When: began, CPUs: 2, Exit: new(map[bool]int{true: 0, false: 1}[c.passed])})
		r := collect(t, dir)
		got := append([]string{}, told(r)...)
		if diff := cmp.Diff(c.want, got); diff != "" || len(r.Notes)+len(got) != 2 || r.Untrusted() || !r.Complete {
			t.Errorf("%s: untrusted %v, incomplete %q, notes %q (-want +got):\n%s", c.reason, r.Untrusted(), r.Incomplete, r.Notes, diff)
		}
	}
}

// A journal that is not there, or that no test wrote, or that is not as its test left it, is a
// result that does not pass.
func TestJournalsOfTheRun(t *testing.T) {
	dir := t.TempDir()
	lay := func() (files []string) {
		if err := os.RemoveAll(filepath.Join(dir, "_artifacts")); err != nil {
			t.Fatal(err)
		}
		var lines string
		for n, id := range []string{"DR-1", "DR-2", "DR-3"} {
			name, artifacts := fmt.Sprintf("Test%d", n), fmt.Sprint(n)
			file := filepath.Join(dir, "_artifacts", artifacts, id+".ndjson")
			saveJournal(t, file, judge(drill(id, "", "", 2000, 4000), objectives{drtest.RTO(2 * time.Second)}, nil))
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			all := events("p", name, artifacts, id+".ndjson", "pass")
			lines += strings.Replace(all, `{"Action":"pass"`, attr("p", name, "drtest.kept", fmt.Sprintf("%x %s.ndjson", sha256.Sum256(data), id))+`{"Action":"pass"`, 1)
			files = append(files, file)
		}
		says(t, dir, lines)
		about(t, dir, Run{When: began, CPUs: 2, Exit: new(0), Transcript: Text(fmt.Sprintf("%x", sha256.Sum256([]byte(lines))))})
		return files
	}
	lay()
	if r := collect(t, dir); !r.Passed() || len(r.Results) != 3 {
		t.Fatalf("the run does not pass as it is:\n%s", r.Table())
	}
	write := func(file string, change func([]byte) []byte) {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(file, change(data), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		reason string
		change func(files []string)
		want   string // the reason of some result
		more   int    // results than three
	}{
		{"deleted", func(f []string) { must(os.Remove(f[1])) }, "the journal cannot be read: its test says that it wrote it, and it is not there", 0},
		{"all deleted", func(f []string) { must(os.RemoveAll(filepath.Join(dir, "_artifacts"))) }, "the journal cannot be read: its test says that it wrote it, and it is not there", 0},
		{"added", func(f []string) {
			saveJournal(t, filepath.Join(dir, "_artifacts", "7", "DR-7.ndjson"), judge(drill("DR-7", "", "", 2000, 4000), objectives{drtest.RTO(2 * time.Second)}, nil))
		}, "no test of the run says that it wrote this journal", 1},
		{"copied", func(f []string) {
			must(os.CopyFS(filepath.Join(dir, "copy", "_artifacts"), os.DirFS(filepath.Join(dir, "_artifacts"))))
		},
			"no test of the run says that it wrote this journal", 3},
		{"moved", func(f []string) {
			must(os.RemoveAll(filepath.Join(dir, "copy")))
			must(os.Rename(f[0], f[0]+".ndjson"))
		}, "no test of the run says that it wrote this journal", 1},
		{"empty", func(f []string) { write(f[0], func([]byte) []byte { return nil }) }, "the journal cannot be read: journal line 1: the journal is empty", 0},
		{"cut off", func(f []string) { write(f[0], func(b []byte) []byte { return b[:len(b)/2] }) }, "cut off in mid-line", 0},
		{"replaced", func(f []string) {
			saveJournal(t, f[0], judge(drill("DR-1", "", "", 1200, 4000), objectives{drtest.RTO(2 * time.Second)}, nil))
		}, "the journal is not as its test left it", 0},
		{"no file", func(f []string) { must(os.Remove(f[0])); must(os.Symlink(dir, f[0])) }, "the journal cannot be read: it is no file", 0},
		{"a link to nothing", func(f []string) { must(os.Remove(f[0])); must(os.Symlink("nosuch", f[0])) }, "the journal cannot be read: no such file or directory", 0},
		{"the transcript is deleted", func([]string) { must(os.Remove(filepath.Join(dir, TranscriptFile))) }, "gotest.json is missing, so nothing tells which results there were", 1},
		{"the transcript is cut", func([]string) {
			write(filepath.Join(dir, TranscriptFile), func(b []byte) []byte { return b[:len(b)/2] })
		},
			"gotest.json is not as the run left it, so nothing tells which results there were", 1},
	} {
		c.change(lay())
		r := collect(t, dir)
		all := strings.Join(told(r), "\n")
		if !strings.Contains(all, c.want) || len(r.Results) < 3+c.more || r.Passed() || r.Complete {
			t.Errorf("%s: passed %v, complete %v, want %q in %d results:\n%s", c.reason, r.Passed(), r.Complete, c.want, 3+c.more, all)
		}
	}
	lay()
	must(os.Remove(filepath.Join(dir, RunFile)))
	if r := collect(t, dir); r.Passed() || r.Incomplete != "run.json is missing, so nothing tells how go test ended" {
		t.Errorf("without run.json: incomplete: %s", r.Incomplete)
	}
}

// A test whose end is told twice ended in the worse way, and benchmarks end with their package.
func TestEnds(t *testing.T) {
	r := transcribed(t, 1, ev("run", "p", "T", ""), ev("pass", "p", "T", ""), ev("fail", "p", "T", ""), ev("pass", "p", "T", ""), ev("run", "p", "BenchmarkX", ""), ev("pass", "p", "", ""))
	if diff := cmp.Diff([]string{"T: no journal, and the test failed"}, told(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r = transcribed(t, 0, ev("run", "p", "T", ""), ev("pass", "p", "T", ""), ev("run", "p", "BenchmarkX", ""), ev("pass", "p", "", ""))
	if !r.Complete || len(r.Results) > 0 {
		t.Errorf("with a benchmark: incomplete: %s", r.Incomplete)
	}
	r = transcribed(t, 0, ev("start", "p", "", ""), ev("run", "p", "T", ""), ev("pass", "p", "T", ""))
	if diff := cmp.Diff([]string{"p: the package did not end"}, told(r)); diff != "" || r.Complete {
		t.Errorf("complete %v (-want +got):\n%s", r.Complete, diff)
	}
	r = transcribed(t, 1, ev("output", "p", "T", "in mid-line"), ev("output", "p", "T", "--- FAIL: T (0.00s)\n"), ev("fail", "p", "T", ""), ev("fail", "p", "", ""))
	if diff := cmp.Diff([]string{"T: no journal, and the test failed: in mid-line"}, told(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The mark of a machine names what it rests on.
func TestMachineMark(t *testing.T) {
	for want, c := range map[string]struct {
		machine  Machine
		verdicts []Verdict
	}{
		"ok":                                {},
		"3 late":                            {machine: Machine{Late: 3}},
		"OVERLOADED: some task waited 50 %": {machine: Machine{Late: 3, WorstLate: 5e6, Overloaded: true, Why: "some task waited 50 %"}},
		"did not keep up: see detection":    {machine: Machine{Late: 3}, verdicts: []Verdict{{Objective: "RTO"}, {Objective: "detection", Untrusted: true}}},
	} {
		if got := c.machine.mark(c.verdicts); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// What tests and systems say can be read in each form of a report, and is no part of its form.
const nasty = "\x1b[2J\x1b[32mPASS\x1b[0m\a\u202e\n| forged | row |\r\n\n## Forged\n- ✅ <script>alert(1)</script> <img src=x> ![i](http://evil/i.png) [l](https://evil) www.evil.example `code` *b* _i_ __b__ ~~s~~ &amp; \\| $x$ \u2028\u0085\xff"

// hostile is a report that has a text from outside wherever there can be one.
func hostile(nasty string) *Report {
	l := drill("DR-1 | "+nasty, "# "+nasty, "1. "+nasty, 2000, 4000)
	l.Drill.Fault, l.Drill.Durability = nasty, nasty
	l.Drill.Stages, l.Drill.Sources, l.Drill.Proofs = []string{nasty}, map[string]string{nasty: nasty}, []string{nasty}
	l.Drill.Model = drtest.Model{{Name: nasty, Worst: 200 * ms, Source: nasty}}
	for i := range l.Events {
		l.Events[i].Note, l.Events[i].Receipt = nasty, drtest.Receipt(nasty)
	}
	l.Events = append(l.Events, drtest.Event{Kind: drtest.StageReached, Interval: at(1700, 1750), Note: nasty},
		drtest.Event{Kind: drtest.StepBegun, Interval: at(1800, 1800), Note: nasty}, drtest.Event{Kind: drtest.Refuted, Interval: at(1900, 1900), Note: nasty, Evidence: nasty},
		drtest.Event{Kind: drtest.DeadlinePassed, Interval: at(3900, 3900), Note: nasty})
	for i := range l.Ops {
		l.Ops[i].ID, l.Ops[i].Err = nasty+l.Ops[i].ID, nasty
	}
	l.Broken = nasty
	res := resultOf(judge(l, objectives{drtest.RTO(time.Second), drtest.Check(nasty, func(*drtest.Ledger, drtest.Figures) error { return fmt.Errorf("%s", nasty) })}, nil), nil)
	res.setTest(&test{id: id{nasty, nasty}})
	res.Journal, res.FirstRun = Text(nasty), &FirstRun{Why: Text(nasty), Journal: Text(nasty)}
	again := run()
	again.Command, again.Trouble = nasty, Text(nasty)
	return newReport(&Run{When: began, Go: nasty, OS: nasty, Arch: nasty, CPUs: 2, Command: "go test -run '" + nasty + "'", Commit: Text(nasty), Systems: []Text{Text(nasty)}, Exit: new(1), Trouble: Text(nasty)}, again,
		[]Result{res}, nasty, []Text{Text(nasty)})
}

func TestHostileText(t *testing.T) {
	r := hostile(nasty)
	goldens(t, "hostile", r)
	markdown, err := r.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	for form, text := range map[string][]byte{"Markdown": markdown, "JSON": data, "table": r.Table()} {
		for _, bad := range []string{"\x1b", "\a", "\r", "\u202e", "\u2028", "\u0085", "\xff"} {
			if bytes.Contains(text, []byte(bad)) {
				t.Errorf("%s has %q", form, bad)
			}
		}
	}
}

// A transcript's own texts are made harmless where they come in, for the terminal as well.
func TestHostileTranscript(t *testing.T) {
	lines := ev("run", nasty, nasty, "") + ev("output", nasty, nasty, nasty+"\n") + attr(nasty, nasty, "drtest.phase", nasty) +
		attr(nasty, nasty, "drtest.journal", nasty) + ev("skip", nasty, nasty, "") + nasty + ev("fail", nasty, nasty, "") + ev("fail", nasty, "", "") +
		`{"Action":"build-output","ImportPath":"x","Output":"` + "\\u001b[31m\\n" + `"}` + "\n"
	transcript := NewTranscript()
	var shown strings.Builder
	if err := transcript.Read(strings.NewReader(lines), func(text string) { shown.WriteString(text) }); err != nil {
		t.Fatal(err)
	}
	golden(t, "hostile-streamed.txt", []byte(shown.String()))
	golden(t, "hostile-transcript.txt", transcribed(t, 1, lines).Table())
}
