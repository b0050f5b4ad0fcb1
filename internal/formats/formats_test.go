package formats

import (
	"bytes"
	"encoding/xml"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

var update = flag.Bool("update", false, "write what the tests got to testdata")

const ms = time.Millisecond

// outcomes is a report with a result of each kind.
func outcomes() *report.Report {
	began := time.Date(2025, 11, 14, 9, 30, 0, 0, time.UTC)
	span := func(lo, hi time.Duration) drtest.Figure {
		return drtest.Figure{Interval: drtest.Interval{Lo: lo, Hi: hi}, Known: true}
	}
	units := make([]string, 25)
	drill := func(id string, s drtest.Status, untrusted bool, verdicts ...report.Verdict) report.Result {
		return report.Result{
			ID: id, Title: "Connection loss", Category: "Database Failures", Status: s, Untrusted: untrusted, Began: &began,
			Test: report.Text("Test" + id + "/sync"), Package: "example.org/scenarios", Journal: report.Text("_artifacts/1/" + id + ".ndjson"),
			Figures: report.Figures{Figures: drtest.Figures{
				Detection: span(0, 130*ms), RTO: span(484*ms, 760*ms), RPO: span(0, 0),
				WorkKnown: true, Affected: units, Recovered: units, Availability: new(0.75),
				Stages: []drtest.StageFigure{{Name: "redundancy restored", Figure: span(2*time.Second, 2100*ms)}, {Name: "promoted", Figure: drtest.Figure{}}},
			}},
			Limits:   map[string]report.Seconds{"rto": report.Seconds(5 * time.Second), "rpo": 0, "detection": report.Seconds(time.Second), "redundancy_restored": report.Seconds(15 * time.Second)},
			Verdicts: verdicts,
			Counters: []report.Counter{{Name: "calls", Unit: "calls", Total: new(342), Repeated: new(0)}, {Name: "cost", Unit: "cents", Why: "it began again"}},
		}
	}
	const want = "got 0.760s (0.484s..0.760s), want at most "
	never := drill("Never", drtest.Fail, false,
		report.Verdict{Objective: "RTO", Status: drtest.Fail, Why: "got more than 27.761s, want at most 5s: never served again"},
		report.Verdict{Objective: "RPO", Status: drtest.Inconclusive, Why: "survivors are not known"},
		report.Verdict{Objective: "RTO", Status: drtest.Fail, Why: "got more than 27.761s, want at most 10s", Target: true})
	never.Figures.RTO, never.Figures.RPO = span(27761*ms, drtest.Forever), drtest.Figure{}
	broken := report.Result{ID: "TestPanic", Title: "TestPanic", Category: "Not Measured", Reason: "no journal, and the test failed: no such image", Test: "TestPanic", Package: "example.org/scenarios"}
	r := &report.Report{
		Run:      &report.Run{When: began, Go: "go1.26.8", OS: "linux", Arch: "amd64", CPUs: 2, Exit: new(1), Commit: "0123456789ab", Systems: []report.Text{"PostgreSQL 17.6"}},
		Complete: true,
		Summary:  report.Tally{Results: 5, Passed: 1, Failed: 1, Inconclusive: 3, Untrusted: 1},
		Results: []report.Result{
			drill("Good", drtest.Pass, false, report.Verdict{Objective: "RTO", Status: drtest.Pass, Why: want + "5s"}),
			never,
			drill("Coarse", drtest.Inconclusive, false, report.Verdict{Objective: "RTO", Status: drtest.Inconclusive, Why: want + "500ms: too coarse to tell"}),
			drill("Busy", drtest.Inconclusive, true, report.Verdict{Objective: "RTO", Status: drtest.Inconclusive, Untrusted: true, Why: want + "500ms: the machine did not keep up"}),
			broken,
		},
	}
	return r
}

// passing is one of which nothing is wrong.
func passing() *report.Report {
	r := outcomes()
	r.Results, r.Exit = r.Results[:1], new(0)
	r.Summary = report.Tally{Results: 1, Passed: 1}
	return r
}

// nasty is what a system under test may say to be taken for something else.
const nasty = "\x1b[2J\a\u202e\r\n::error::forged\n\u2028\xff]]></failure></td></table>\n\n# forged\n<script>alert(1)</script>\" ' , : % \\ } 1\ndrtest_run_passed 1\n"

// hostile has it wherever there can be text from outside.
func hostile() *report.Report {
	r := outcomes()
	r.Complete, r.Incomplete = false, nasty
	r.Go, r.OS, r.Commit, r.Systems = nasty, nasty, nasty, []report.Text{nasty}
	for i := range r.Results {
		x := &r.Results[i]
		x.ID, x.Title, x.Category, x.Test, x.Package = x.ID+nasty, nasty, nasty, nasty, nasty
		if x.Journal != "" {
			x.Journal = nasty
		}
		if x.Reason != "" {
			x.Reason = nasty
		}
		for j := range x.Verdicts {
			x.Verdicts[j].Objective, x.Verdicts[j].Why = nasty, nasty
		}
	}
	return r
}

func place(r *report.Result) Place {
	if r.Test == "TestPanic" {
		return Place{}
	}
	return Place{"scenarios/loss_test.go", 42}
}

var forms = map[string]func(*report.Report) ([]byte, error){
	"report.xml":  JUnit,
	"report.prom": Prometheus,
	"report.otlp": OTLP,
	"summary.md":  GitHubSummary,
	"annotations": func(r *report.Report) ([]byte, error) { return GitHubAnnotations(r, place), nil },
}

func made(t *testing.T, form string, r *report.Report) []byte {
	t.Helper()
	text, err := forms[form](r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGolden(t *testing.T) {
	for form := range forms {
		got := made(t, form, outcomes())
		path := filepath.Join("testdata", form)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
	}
}

// TestHostile: what a system says adds no line, and nothing that is not printable.
func TestHostile(t *testing.T) {
	for form := range forms {
		other := outcomes()
		other.Complete, other.Incomplete = false, "cut off"
		plain, got := string(made(t, form, other)), string(made(t, form, hostile()))
		for _, r := range got {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%s: %q is in %s", form, r, got)
				break
			}
		}
		lines := strings.Count(plain, "\n")
		if n := strings.Count(got, "\n"); n != lines || strings.Contains(got, "<script") && (form == "report.xml" || form == "summary.md") || strings.Contains(got, "\n::error::") {
			t.Errorf("%s: %d lines, want %d:\n%s", form, n, lines, got)
		}
		if !strings.Contains(got, "alert(1)") {
			t.Errorf("%s has no text from outside: the test shows nothing", form)
		}
	}
}

// TestJUnit: a reader that only counts failures and errors comes to the same verdict as the report.
func TestJUnit(t *testing.T) {
	incomplete, empty, doubtful := passing(), passing(), passing()
	incomplete.Complete, incomplete.Incomplete = false, "interrupted"
	empty.Results, empty.Summary = nil, report.Tally{}
	doubtful.Exit = new(1)
	for reason, r := range map[string]*report.Report{
		"passing": passing(), "all outcomes": outcomes(), "incomplete": incomplete, "empty": empty, "hostile": hostile(), "go test failed": doubtful,
	} {
		text := made(t, "report.xml", r)
		var read testSuites
		if err := xml.Unmarshal(text, &read); err != nil {
			t.Fatalf("%s: %v", reason, err)
		}
		tests, failures, errors := 0, 0, 0
		for _, s := range read.Suites {
			if s.Tests != len(s.Cases) || s.Tests == 0 {
				t.Errorf("%s: %s says that it has %d of %d cases", reason, s.Name, s.Tests, len(s.Cases))
			}
			for _, c := range s.Cases {
				tests++
				if c.Failure != nil {
					failures++
				}
				if c.Error != nil {
					errors++
				}
			}
		}
		if read.Tests != tests || read.Failures != failures || read.Errors != errors {
			t.Errorf("%s: it says %d, %d, %d, and has %d, %d, %d", reason, read.Tests, read.Failures, read.Errors, tests, failures, errors)
		}
		if (failures+errors == 0) != r.Passed() {
			t.Errorf("%s: %d failures and %d errors, and passed is %v", reason, failures, errors, r.Passed())
		}
		if cut := strings.Contains(string(text), `type="incomplete"`); cut == (r.Complete && len(r.Results) > 0) {
			t.Errorf("%s: it says incomplete: %v", reason, cut)
		}
		t.Run(reason, func(t *testing.T) { consume(t, text) })
	}
	t.Run("a broken one is refused", func(t *testing.T) {
		xmllint, err := exec.LookPath("xmllint")
		if err != nil {
			t.Skip("xmllint is not installed (Debian's package libxml2-utils has it)")
		}
		broken := bytes.Replace(made(t, "report.xml", passing()), []byte(`errors="0"`), []byte(`errors="none"`), 1)
		if out, err := validate(t, xmllint, broken); err == nil {
			t.Errorf("xmllint takes it: %s", out)
		}
	})
}

// consume has other programs read JUnit XML, as far as they are installed.
func consume(t *testing.T, text []byte) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("xmllint is not installed (Debian's package libxml2-utils has it)")
	}
	if out, err := validate(t, xmllint, text); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func validate(t *testing.T, xmllint string, text []byte) (out []byte, err error) {
	t.Helper()
	cmd := exec.Command(xmllint, "--noout", "--schema", "testdata/junit.xsd", "-")
	cmd.Stdin = bytes.NewReader(text)
	return cmd.CombinedOutput()
}

// TestPrometheus: the parser and the lint of Prometheus, which promtool runs, find nothing.
func TestPrometheus(t *testing.T) {
	twins := outcomes()
	twins.Results = append(twins.Results, twins.Results[0])
	for reason, r := range map[string]*report.Report{"all outcomes": outcomes(), "passing": passing(), "hostile": hostile(), "two of one name": twins} {
		text := made(t, "report.prom", r)
		problems, err := promlint.New(bytes.NewReader(text)).Lint()
		if err != nil || len(problems) > 0 {
			t.Errorf("%s: %v %v\n%s", reason, err, problems, text)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(string(text)) {
			if series := line[:max(0, strings.LastIndexByte(line, ' '))]; seen[series] {
				t.Errorf("%s: twice: %s", reason, series)
			} else {
				seen[series] = true
			}
		}
	}
	if problems, err := promlint.New(strings.NewReader("# TYPE a counter\na 1\n")).Lint(); err != nil || len(problems) == 0 {
		t.Errorf("the lint finds nothing in what is wrong: %v", err)
	}
	if text := string(made(t, "report.prom", outcomes())); strings.Contains(text, `drtest_drill_figure_seconds{drill="Busy"`) {
		t.Error("a figure that is untrusted is told")
	}
}

// TestEveryFigure: whatever is a figure of a drill is told to all tools by its name.
func TestEveryFigure(t *testing.T) {
	r := passing()
	f := &r.Results[0].Figures
	f.Outage, f.HealLag, f.WorkRTO, f.LostWork = f.RTO, f.RTO, f.RTO, f.RTO
	for _, form := range []string{"report.prom", "report.otlp", "report.xml"} {
		text := string(made(t, form, r))
		for _, n := range f.Named() {
			if name := report.Key(n.Name); !n.Known || !strings.Contains(text, `"`+name) {
				t.Errorf("%s does not tell %s", form, name)
			}
		}
	}
}

// TestManyAnnotations: GitHub shows ten of a kind.
func TestManyAnnotations(t *testing.T) {
	r := outcomes()
	for range 40 {
		r.Results = append(r.Results, r.Results[1])
	}
	if n := bytes.Count(made(t, "annotations", r), []byte("::error ")); n != mostAnnotations {
		t.Errorf("got %d errors, want %d", n, mostAnnotations)
	}
	for len(r.Results) < 3000 {
		r.Results = append(r.Results, r.Results...)
	}
	if n := len(made(t, "summary.md", r)); n > 1<<20 {
		t.Errorf("a summary of %d bytes: GitHub takes 1 MiB", n)
	}
}
