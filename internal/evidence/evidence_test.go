package evidence

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the tests got to testdata")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	got = bytes.ReplaceAll(got, []byte(runtime.Version()), []byte("GO"))
	path := filepath.Join("testdata", name)
	if *update {
		write(t, path, got)
	}
	if diff := cmp.Diff(string(read(t, path)), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestRecord: the whole record of a run with a failure, with and without what people state.
func TestRecord(t *testing.T) {
	last := bundle(t, play(t, drill("DR-DB-004", "Failover", 1500, false), drill("DR-DB-009", "Gone", 1500, false)), "", "")
	dir := play(t, drill("DR-DB-004", "Failover", 2000, true), drill("DR-DB-001", "| a <b>`title`", 1500, false))
	for name, path := range map[string]string{"stated": bundle(t, dir, stated, last), "bare": bundle(t, dir, "", "")} {
		root := t.TempDir()
		if wrong := unpack(path, root); len(wrong) > 0 {
			t.Fatal(wrong)
		}
		golden(t, name+".md", read(t, filepath.Join(root, recordFile)))
		golden(t, name+".json", read(t, filepath.Join(root, dataFile)))
		c, err := maker.Verify(path)
		if err != nil || c.Run != runName || len(c.Notes) > 0 {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
		if _, err := maker.Verify(root); err != nil {
			t.Errorf("%s, unpacked: %v", name, err)
		}
		text, err := c.Statement(path)
		if err != nil {
			t.Fatal(err)
		}
		sum := fmt.Sprintf("%x", sha256.Sum256(read(t, path)))
		if !bytes.Contains(text, []byte(sum)) {
			t.Errorf("the statement is not about the bundle:\n%s", text)
		}
		golden(t, name+"-statement.json", bytes.ReplaceAll(text, []byte(sum), []byte("SUM")))
	}
	if _, err := maker.Verify(dir); err != nil {
		t.Errorf("the directory of the run: %v", err)
	}
}

// TestDeterministic: the same run makes the same bytes, wherever it lies.
func TestDeterministic(t *testing.T) {
	d := drill("DR-DB-004", "Failover", 2000, true)
	a, b := read(t, bundle(t, play(t, d), stated, "")), read(t, bundle(t, play(t, d), stated, ""))
	if !bytes.Equal(a, b) {
		t.Error("two bundles of the same run differ")
	}
}

// TestStated: what people state has to fit the run.
func TestStated(t *testing.T) {
	dir := play(t, drill("DR-DB-004", "Failover", 2000, true), drill("DR-DB-001", "Loss", 1500, false))
	run := func(conduct string) string { return `{"runs":{"` + runName + `":` + conduct + `}}` }
	const at = "stated.json: run " + runName + ": "
	for _, c := range []struct{ reason, stated, want string }{
		{"a person for a result that does not exist", run(`{"deviations":{"DR-DB-044":{"owner":"A"}}}`), at + `A follows up "DR-DB-044", of which the run has no result`},
		{"a person for a deviation that does not exist", run(`{"deviations":{"DR-DB-001":{"owner":"A"}}}`), at + `A follows up "DR-DB-001", which passed`},
		{"no day", run(`{"deviations":{"DR-DB-004":{"retest":"soon"}}}`), at + `the retest of "DR-DB-004": "soon" is no day such as 2026-11-30`},
		{"no name", run(`{"watched":[{"role":"auditor"}]}`), at + "watched: a person without a name"},
		{"approved too early", run(`{"approved":[{"name":"A","on":"2025-11-13"}]}`), at + "approved: A on 2025-11-13, before the run"},
		{"approved on the day", run(`{"approved":[{"name":"A","on":"2025-11-14"}]}`), ""},
		{"of another run", `{"runs":{"20240101T000000.000Z":{"deviations":{"DR-1":{"owner":"A"}}}}}`, ""},
		{"a field that nobody reads", `{"approvedBy":"A"}`, `stated.json: json: unknown field "approvedBy"`},
		{"two values", `{}{}`, "stated.json: something stands after its end"},
	} {
		_, err := maker.Bundle(new(bytes.Buffer), dir, []byte(c.stated), "")
		if got := fmt.Sprint(err); got != c.want && (c.want != "" || err != nil) {
			t.Errorf("%s: got %q, want %q", c.reason, got, c.want)
		}
	}
}

// TestReadme: the file that the README of drreport shows is one.
func TestReadme(t *testing.T) {
	_, after, found := strings.Cut(string(read(t, "../../drtest/cmd/drreport/README.md")), "```json\n")
	text, _, _ := strings.Cut(after, "```")
	var s Stated
	if err := strict([]byte(text), &s); err != nil || !found || len(s.Runs) == 0 {
		t.Errorf("%v\n%s", err, text)
	}
}

// manifestAnew makes the manifest fit the files, as whoever covers up an edit does.
func manifestAnew(t *testing.T, root string) {
	t.Helper()
	path := filepath.Join(root, manifestFile)
	was, err := readManifest(read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	entries, err := walk(root, "")
	if err != nil {
		t.Fatal(err)
	}
	m, err := newManifest(was.Run, was.Tool, entries)
	if err != nil {
		t.Fatal(err)
	}
	data, err := encode(m)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, data)
}

// zipAnew packs the files of a bundle again.
func zipAnew(t *testing.T, root string) string {
	t.Helper()
	entries, err := walk(root, "")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := pack(&b, entries); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "run.zip")
	write(t, path, b.Bytes())
	return path
}

// refusals returns why a bundle is refused.
func refusals(t *testing.T, path string) []string {
	t.Helper()
	_, err := maker.Verify(path)
	refusal := new(Refusal)
	if !errors.As(err, &refusal) {
		t.Fatalf("no refusal: %v", err)
	}
	return refusal.Wrong
}

// TestTampering: each edit is refused by the name of a file, whatever the manifest says.
func TestTampering(t *testing.T) {
	last := bundle(t, play(t, drill("DR-DB-004", "Failover", 1500, false)), "", "")
	whole := bundle(t, play(t, drill("DR-DB-004", "Failover", 2000, true), drill("DR-DB-001", "Loss", 1500, false)), stated, last)
	const journal = "run/_artifacts/0/drill.ndjson"
	replace := func(name, old, new string) func(*testing.T, string) {
		return func(t *testing.T, root string) {
			data := read(t, filepath.Join(root, name))
			if !bytes.Contains(data, []byte(old)) {
				t.Fatalf("%s has no %q", name, old)
			}
			write(t, filepath.Join(root, name), bytes.Replace(data, []byte(old), []byte(new), 1))
		}
	}
	chainedAnew := func(t *testing.T, root string) {
		write(t, filepath.Join(root, journal), bytesOf(t, drill("DR-DB-004", "Failover", 1500, false)))
	}
	for _, c := range []struct {
		reason string
		edit   func(t *testing.T, root string)
		plain  string // the first refusal
		anew   string // likewise, with a manifest that was made anew
	}{
		{"a figure in report.json", replace("run/report.json", `"failed": 1`, `"failed": 0`),
			"run/report.json was changed", "run/: report.json is not what the journals say, judged again: line "},
		{"a word in report.md", replace("run/report.md", "Failover", "Fallover"),
			"run/report.md was changed", "run/: report.md is not what the journals say, judged again: line "},
		{"a name in the record", replace(recordFile, "A. Turing", "A. Church"), "evidence.md was changed", "evidence.md is not the record of this run: line "},
		{"the record's data", replace(dataFile, "fail", "pass"), "evidence.json was changed", "evidence.json is not the record of this run: line "},
		{"a statement", replace(statedFile, "B. Liskov", "B. Nobody"), "stated.json was changed", "evidence.json is not the record of this run: line "},
		{"a line of a journal", replace(journal, `"op-03"`, `"op-93"`), journal + " was changed", "run/: the journal _artifacts/0/drill.ndjson is damaged"},
		{"a journal that was chained anew", chainedAnew, journal + " was changed", "run/: the journal _artifacts/0/drill.ndjson is not as its test left it"},
		{"the transcript", replace("run/gotest.json", `"fail"`, `"pass"`), "run/gotest.json was changed", "run/: gotest.json is not as the run left it"},
		{"how the run was made", replace("run/run.json", "0123456789ab", "ba9876543210"), "run/run.json was changed", "run/: report.json is not what the journals say, judged again: line "},
		{"the last test", replace(lastReport, `"passed": 1`, `"passed": 9`), "last/report.json was changed", "the record cannot be made again: last/report.json is not the report that last/manifest.json lists"},
		{"a run of another name", replace(manifestFile, runName, "20251114T092959.111Z"), "evidence.json is not the record of this run: line 2", "evidence.json is not the record of this run: line 2"},
		{"another tool", replace(manifestFile, "v0.1.0", "v0.2.0"), "evidence.json is not the record of this run: line ", "evidence.json is not the record of this run: line "},
		{"a file that is added", func(t *testing.T, root string) {
			write(t, filepath.Join(root, "run/_artifacts/9/drill.ndjson"), bytesOf(t, drill("DR-9", "x", 1500, false)))
		},
			"run/_artifacts/9/drill.ndjson was added", "run/: the journal _artifacts/9/drill.ndjson is no test's of the run"},
	} {
		for _, anew := range []bool{false, true} {
			root := t.TempDir()
			if wrong := unpack(whole, root); len(wrong) > 0 {
				t.Fatal(wrong)
			}
			c.edit(t, root)
			want := c.plain
			if anew {
				manifestAnew(t, root)
				want = c.anew
			}
			for _, path := range []string{root, zipAnew(t, root)} {
				if got := refusals(t, path); !strings.HasPrefix(got[0], want) {
					t.Errorf("%s, manifest made anew %v: got %q, want %q...", c.reason, anew, got, want)
				}
			}
		}
	}
	root := t.TempDir()
	unpack(whole, root)
	entries, err := walk(root, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries { // a byte of each file, and each file
		edited := t.TempDir()
		unpack(whole, edited)
		path := filepath.Join(edited, e.name)
		data := read(t, path)
		data[len(data)/2] ^= 1
		write(t, path, data)
		if got := refusals(t, zipAnew(t, edited)); !strings.Contains(strings.Join(got, "\n"), e.name) {
			t.Errorf("a byte of %s: got %q", e.name, got)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if got := refusals(t, zipAnew(t, edited)); !strings.HasPrefix(got[0], e.name+" is missing") && !strings.Contains(strings.Join(got, "\n"), e.name+" was removed") {
			t.Errorf("without %s: got %q", e.name, got)
		}
	}
}

// TestFlippedBytes: no byte of the zip file itself can be another.
func TestFlippedBytes(t *testing.T) {
	data := read(t, bundle(t, play(t, drill("DR-DB-004", "Failover", 2000, true)), "", ""))
	path := filepath.Join(t.TempDir(), "run.zip")
	directory := bytes.Index(data, []byte("PK\x01\x02"))
	for at := 0; at < len(data); at++ {
		header := at < 60 || at >= directory && at < directory+60 || at >= len(data)-22 // each kind once
		if !header && at%max(1, len(data)/25) != 0 {
			continue
		}
		flipped := bytes.Clone(data)
		flipped[at] ^= 1
		write(t, path, flipped)
		if _, err := maker.Verify(path); err == nil {
			t.Errorf("byte %d of %d can be another", at, len(data))
		}
	}
	for name, other := range map[string][]byte{"something before": append([]byte("x"), data...), "something after": append(bytes.Clone(data), 'x'), "half": data[:len(data)/2], "nothing": nil} {
		write(t, path, other)
		if got := refusals(t, path); !strings.HasPrefix(got[0], "the bundle is ") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestNoEvidence: a run is packed only as it was left.
func TestNoEvidence(t *testing.T) {
	d := drill("DR-DB-004", "Failover", 2000, true)
	for _, c := range []struct {
		reason, want string
		edit         func(dir string)
	}{
		{"a journal is missing", "the journal _artifacts/0/drill.ndjson cannot be read", func(dir string) { _ = os.Remove(filepath.Join(dir, "_artifacts/0/drill.ndjson")) }},
		{"journals alone", "run.json is missing", func(dir string) {
			_ = errors.Join(os.Remove(filepath.Join(dir, report.RunFile)), os.Remove(filepath.Join(dir, report.TranscriptFile)))
		}},
		{"another report", "report.json is not what the journals say, judged again: line 1 is \"{}\", not \"{\"", func(dir string) { write(t, filepath.Join(dir, reportFile), []byte("{}")) }},
		{"another journal", "the journal _artifacts/0/drill.ndjson is not as its test left it", func(dir string) {
			write(t, filepath.Join(dir, "_artifacts/0/drill.ndjson"), bytesOf(t, drill("DR-DB-004", "Failover", 1500, false)))
		}},
		{"a link", "away is no regular file, and a bundle holds nothing else", func(dir string) { _ = os.Symlink("/", filepath.Join(dir, "away")) }},
	} {
		dir := play(t, d)
		c.edit(dir)
		_, err := maker.Bundle(new(bytes.Buffer), dir, nil, "")
		if got := fmt.Sprint(err); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: got %q, want %q", c.reason, got, c.want)
		}
	}
}

// TestInterrupted: a run that was interrupted is evidence of that, and says what vouches for less.
func TestInterrupted(t *testing.T) {
	dir := play(t, drill("DR-DB-004", "Failover", 1500, false))
	write(t, filepath.Join(dir, report.RunFile), []byte(`{"when":"2025-11-14T09:30:00Z","exit":null,"trouble":"interrupted: terminated"}`))
	c, err := maker.Verify(bundle(t, dir, "", ""))
	if err != nil || c.Report.Passed() || len(c.Notes) != 1 {
		t.Errorf("got %+v, %v", c, err)
	}
	if text := verdict(c.Report); !strings.HasPrefix(text, "not passed, incomplete: go test did not come to its end: interrupted: terminated") {
		t.Error(text)
	}
	if c.Report.Results[0].Status != drtest.Pass {
		t.Error("the drill that came to its end does not pass")
	}
}
