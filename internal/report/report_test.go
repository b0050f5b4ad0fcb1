package report

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write what the tests got to testdata")

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
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
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// goldens compares all forms of a report, and the JSON with its schema.
func goldens(t *testing.T, name string, r *Report) {
	t.Helper()
	markdown, err := r.Markdown()
	if err != nil {
		t.Fatal(err)
	}
	data, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, name+".md", markdown)
	golden(t, name+".json", data)
	golden(t, name+".txt", r.Table())
	if err := valid(t, data); err != nil {
		t.Errorf("%s does not follow the schema: %v", name, err)
	}
}

// valid checks a JSON report against the schema.
func valid(t *testing.T, data []byte) error {
	t.Helper()
	read := func(text []byte) any {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", read([]byte(Schema))); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(read(data))
}

func run() *Run {
	return &Run{When: began, Go: "go1.26.8", OS: "linux", Arch: "amd64", CPUs: 2, Command: "go test -json ./scenarios_test", Exit: new(1)}
}

func TestGolden(t *testing.T) {
	results := []Result{}
	for _, r := range drills() {
		results = append(results, resultOf(r, nil))
	}
	setup := newResult("TestPanic", "TestPanic", notMeasured)
	setup.Test = "TestPanic"
	setup.markBroken("no journal, and the test failed: start primary: no such image")
	results = append(results, setup)

	t.Run("all outcomes", func(t *testing.T) { goldens(t, "outcomes", newReport(run(), nil, results, "", nil)) })
	t.Run("the order of collecting does not matter", func(t *testing.T) {
		slices.Reverse(results)
		goldens(t, "outcomes", newReport(run(), nil, results, "", nil))
	})
	t.Run("nothing", func(t *testing.T) { goldens(t, "empty", newReport(nil, nil, nil, "", nil)) })
}

func TestSchemaIsStrict(t *testing.T) {
	data, err := newReport(run(), nil, []Result{resultOf(drills()[0], nil)}, "", nil).JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ reason, old, new string }{
		{"unknown field of the report", `"complete":`, `"extra": 1, "complete":`},
		{"unknown field of a result", `"gave_up":`, `"extra": 1, "gave_up":`},
		{"unknown field of the summary", `"lossless":`, `"extra": 1, "lossless":`},
		{"unknown status", `"status": "pass"`, `"status": "partial"`},
		{"interval without an end", `"hi":`, `"high":`},
		{"missing field", `"receipt":`, `"reciept":`},
		{"limit of what has no name", `"limits": {`, `"limits": {"Up Time": 1,`},
		{"half a description of the run", `"go": "go1.26.8",`, ``},
	} {
		damaged := bytes.ReplaceAll(data, []byte(c.old), []byte(c.new))
		if bytes.Equal(damaged, data) {
			t.Fatalf("%s: nothing was replaced", c.reason)
		}
		if valid(t, damaged) == nil {
			t.Errorf("the schema lets pass: %s", c.reason)
		}
	}
}

func TestPassed(t *testing.T) {
	good := resultOf(drills()[0], nil)
	for _, c := range []struct {
		reason  string
		results []Result
		run     *Run
		missing string
		want    bool
	}{
		{"all passed", []Result{good}, &Run{Exit: new(0)}, "", true},
		{"journals alone", []Result{good}, nil, "", true},
		{"no result", nil, &Run{Exit: new(0)}, "", false},
		{"one failed", []Result{good, resultOf(drills()[1], nil)}, &Run{Exit: new(0)}, "", false},
		{"go test failed", []Result{good}, &Run{Exit: new(1)}, "", false},
		{"incomplete", []Result{good}, &Run{Exit: new(0)}, "interrupted", false},
		{"go test did not end", []Result{good}, &Run{}, "interrupted", false},
	} {
		if got := newReport(c.run, nil, c.results, c.missing, nil).Passed(); got != c.want {
			t.Errorf("%s: passed %v, want %v", c.reason, got, c.want)
		}
	}
}

func TestOrder(t *testing.T) {
	var results []Result
	for _, c := range [][2]string{{"DR-10", "b"}, {"DR-9/z", "a"}, {"DR-9", "b"}, {"DR-009", "b"}, {"DR-11", "a"}, {"DR-9/a", "a"}} {
		results = append(results, newResult(c[0], "", c[1]))
	}
	var got []string
	for _, r := range newReport(nil, nil, results, "", nil).Results {
		got = append(got, r.Category+" "+r.ID)
	}
	want := []string{"b DR-9", "b DR-009", "b DR-10", "a DR-9/a", "a DR-9/z", "a DR-11"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("numbers go by their value, categories by their first result (-want +got):\n%s", diff)
	}
}

func TestBound(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0", 0.25: "≤ 250ms", 45: "≤ 45s", 60: "≤ 1m", 600: "≤ 10m", 90: "≤ 1m30s", 3600: "≤ 1h", 4200: "≤ 1h10m"} {
		limits := map[string]Seconds{"work_rto": Seconds(seconds * 1e9)}
		if got := bound(limits, "work RTO", ""); got != want {
			t.Errorf("%v s: got %q, want %q", seconds, got, want)
		}
	}
	if got := bound(nil, "all recovered", "all"); got != "all" {
		t.Errorf("without a limit: got %q", got)
	}
}

func TestLostIDsAreLimited(t *testing.T) {
	l := drill("DR-1", "", "", 2000, 4000)
	l.Survivors = []string{}
	r := resultOf(judge(l, objectives{drtest.RPO(0)}, nil), nil)
	if len(r.LostIDs) != 10 || len(r.Figures.Lost) != 30 {
		t.Errorf("%d ids of %d lost units, want 10 of 30", len(r.LostIDs), len(r.Figures.Lost))
	}
}

// Where several verdicts have one name, the table and the overall compliance show the worst of
// them, and the strictest limit.
func TestVerdictsOfOneName(t *testing.T) {
	says := func(err error) drtest.Objective {
		return drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return err })
	}
	unknown := fmt.Errorf("%w: nobody looked", drtest.ErrInconclusive)
	for _, c := range []struct {
		asserted objectives
		row      row
		verdicts verdicts
	}{
		{objectives{says(nil), says(errors.New("it is not"))}, row{"sane", "–", "holds", "it is not", "❌ FAIL"}, verdicts{Objective: "sane", Status: drtest.Fail, Of: 1, Not: "DR-1"}},
		{objectives{says(errors.New("it is not")), says(unknown), says(nil)}, row{"sane", "–", "holds", "it is not", "❌ FAIL"}, verdicts{Objective: "sane", Status: drtest.Fail, Of: 1, Not: "DR-1"}},
		{objectives{says(nil), says(unknown), says(nil)}, row{"sane", "–", "holds", "inconclusive: nobody looked", "⚠️ INCONCLUSIVE"}, verdicts{Objective: "sane", Of: 1, Not: "DR-1"}},
		{objectives{drtest.RTO(500 * ms), drtest.RTO(10 * time.Second)}, row{"Recovery Time (RTO)", "–", "≤ 500ms", "1.010s (0.881s..1.010s)", "❌ FAIL"},
			verdicts{Objective: "RTO", Status: drtest.Fail, Of: 1, Not: "DR-1"}},
		{objectives{drtest.RTO(10 * time.Second), drtest.RTO(500 * ms)}, row{"Recovery Time (RTO)", "–", "≤ 500ms", "1.010s (0.881s..1.010s)", "❌ FAIL"},
			verdicts{Objective: "RTO", Status: drtest.Fail, Of: 1, Not: "DR-1"}},
	} {
		res := resultOf(judge(drill("DR-1", "late", "Database Failures", 2000, 4000), c.asserted, nil), nil)
		of := func(r row) bool { return r.Metric == c.row.Metric }
		all := rows(res)
		if diff := cmp.Diff(c.row, all[slices.IndexFunc(all, of)]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(c.verdicts, meet([]Result{res}, c.verdicts.Objective, false)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
