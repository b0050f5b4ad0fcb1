// Package report makes reports of drills from the journals that they leave: JSON after a documented
// schema, Markdown for people, and a table for the terminal. A report holds what was measured and
// what follows from it, and nothing else.
package report

import (
	"bytes"
	"cmp"
	_ "embed" // for the schema
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
)

// Version is the version of the form of the JSON report.
const Version = 2

// Schema is the JSON Schema of the JSON report. It explains each field.
//
//go:embed schema.json
var Schema string

// A Report is what a run of drills showed.
type Report struct {
	Version int `json:"version"`
	*Run        // nil when the report is made of journals alone
	// Rerun is the run that played the untrusted results of the first one again, alone. It is nil
	// when there was none.
	Rerun *Run `json:"rerun"`
	// Plays are the runs of a run that played its drills several times: Run is then all of them as
	// one. It is empty when they were played once.
	Plays []PlayedRun `json:"plays,omitempty"`
	// Shards are the parts that were merged, of which Run and Rerun then tell as of one run: the
	// earliest begin, all commands, the worst end. A report of one run has none.
	Shards     []ShardRun `json:"shards,omitempty"`
	Complete   bool       `json:"complete"`
	Incomplete Text       `json:"incomplete"` // why it is not complete
	// Notes are what the harness said of the run, such as that a test passed as it was played again.
	Notes []Text `json:"notes"`
	// Summary is over all results, and each of Categories over its own.
	Summary    Tally      `json:"summary"`
	Categories []Category `json:"categories"`
	Results    []Result   `json:"results"`
	// Repeated is what the plays of each drill showed together.
	Repeated []Repeated `json:"repeated,omitempty"`

	faults []string
}

// Faults are what is wrong with the files that the report was made of: a journal that is damaged,
// missing or no test's, a transcript that is not as the run left it. Unlike a report that is
// incomplete, one without faults may be of a run that was interrupted.
func (r *Report) Faults() []string { return r.faults }

// Run is how a run of go test was made, and how it ended.
type Run struct {
	When    time.Time `json:"when"`
	Go      string    `json:"go"`
	OS      string    `json:"os"`
	Arch    string    `json:"arch"`
	CPUs    int       `json:"cpus"`
	Command string    `json:"command"`
	// Commit is that of the code which was run, and says so when there are changes beside it. It is
	// empty when git does not tell.
	Commit Text `json:"commit,omitempty"`
	// Systems are what was tested and what it ran on, with their versions, as the harness met them.
	Systems []Text `json:"systems,omitempty"`
	// Exit is the exit status of go test. It is nil when go test did not come to its own end.
	Exit *int `json:"exit"`
	// Trouble is what went wrong beside the tests: an interrupt, or what a go test that failed
	// wrote to its standard error.
	Trouble Text `json:"trouble"`
	// Transcript is the SHA-256 of what go test said, which in turn has that of each journal. It is
	// empty as long as go test runs, and for merged shards, each of which has its own.
	Transcript Text `json:"transcript"`
	// Shard is which part of a run this was. It is nil for a whole one.
	Shard *Shard `json:"shard,omitempty"`
}

// A Tally counts results.
type Tally struct {
	Results      int `json:"results"`
	Passed       int `json:"passed"`
	Failed       int `json:"failed"`
	Inconclusive int `json:"inconclusive"`
	Untrusted    int `json:"untrusted"` // of those that are inconclusive
	Rerun        int `json:"rerun"`     // those that were played again, alone
	Overloaded   int `json:"overloaded"`
	// LossKnown counts the results that show whether acked work was lost, and Lossless those in
	// which none was.
	LossKnown int                `json:"loss_known"`
	Lossless  int                `json:"lossless"`
	Averages  map[string]Average `json:"averages"` // by figure
}

// An Average is over the strict ends of the intervals of one figure.
type Average struct {
	Over    int      `json:"over"`    // the results that it is over
	Endless int      `json:"endless"` // results left out: their interval has no end
	Missing int      `json:"missing"` // results left out: not measured
	Mean    *Seconds `json:"mean"`
	Worst   *Seconds `json:"worst"`
}

// A Category is a group of results.
type Category struct {
	Name string `json:"name"`
	Tally
}

// newReport orders the results and counts them. Run may be nil, and rerun is nil unless something
// was played again. This is the one place where text from outside comes into a report, and is made
// harmless.
func newReport(run, rerun *Run, results []Result, incomplete string, notes []Text) *Report {
	r := &Report{Version: Version, Run: run, Rerun: rerun, Complete: incomplete == "", Incomplete: Text(incomplete), Notes: append([]Text{}, notes...)}
	results = slices.SortedStableFunc(slices.Values(results), func(a, b Result) int {
		return cmp.Or(cmp.Compare(natural(a.ID), natural(b.ID)), cmp.Compare(a.Package, b.Package), cmp.Compare(natural(string(a.Test)), natural(string(b.Test))), cmp.Compare(a.Play, b.Play),
			cmp.Compare(a.Journal, b.Journal))
	})
	r.Categories, r.Results = []Category{}, results
	clean(reflect.ValueOf(r).Elem())
	results = r.Results
	tellApart(results)
	r.Summary, r.Results = tally(results), []Result{}
	seen := map[string]bool{}
	for i := range results {
		if name := results[i].Category; !seen[name] {
			seen[name] = true
			members := in(results, name)
			r.Categories = append(r.Categories, Category{name, tally(members)})
			r.Results = append(r.Results, members...)
		}
	}
	return r
}

// OfDrill makes the report of one drill, without the run that it is a part of.
func OfDrill(r *drtest.Report) *Report {
	return newReport(nil, nil, []Result{resultOf(r, nil)}, "", nil)
}

// tellApart labels the results of which there are others with the same ID: by the test, its
// package, or the journal, whatever does it first.
func tellApart(results []Result) {
	same := func() map[string]int {
		n := map[string]int{}
		for _, r := range results {
			n[r.named()]++
		}
		return n
	}
	for _, label := range []func(Result) string{
		func(r Result) string { return string(r.Test) },
		func(r Result) string { return strings.Trim(string(r.Package+"."+r.Test), ".") },
		func(r Result) string { return string(r.Journal) },
	} {
		n := same()
		for i := range results {
			if more := label(results[i]); n[results[i].named()] > 1 && more != "" {
				results[i].label = results[i].ID + " (" + more + ")"
			}
		}
	}
}

// clean makes each text harmless that can be reached from v.
func clean(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if v.CanSet() {
			v.SetString(foreign.Text(v.String()))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			clean(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			clean(v.Index(i))
		}
	case reflect.Struct:
		if run, is := v.Interface().(Run); is && v.CanSet() { // a command is repeated whole, or not at all
			words := strings.Split(run.Command, " ")
			for i := range words {
				words[i] = foreign.Text(words[i])
			}
			defer v.FieldByName("Command").SetString(strings.Join(words, " "))
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				clean(v.Field(i))
			}
		}
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return
		}
		for _, key := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(key))
			clean(value)
			v.SetMapIndex(key, reflect.Value{})
			name := reflect.New(key.Type()).Elem()
			name.SetString(foreign.Text(key.String()))
			v.SetMapIndex(name, value)
		}
	}
}

// in returns the results of one category.
func in(results []Result, category string) []Result {
	return slices.DeleteFunc(slices.Clone(results), func(r Result) bool { return r.Category != category })
}

// times are the figures that are times, which come first, without what was measured.
func times() []drtest.NamedFigure {
	return slices.DeleteFunc((drtest.Figures{}).Named(), func(f drtest.NamedFigure) bool { return !f.IsTime() })
}

func tally(results []Result) Tally {
	t := Tally{Results: len(results), Averages: map[string]Average{}}
	for _, r := range results {
		switch r.Status {
		case drtest.Pass:
			t.Passed++
		case drtest.Fail:
			t.Failed++
		default:
			t.Inconclusive++
		}
		if r.Untrusted {
			t.Untrusted++
		}
		if r.FirstRun != nil {
			t.Rerun++
		}
		if r.Machine != nil && r.Machine.Overloaded {
			t.Overloaded++
		}
		if r.Figures.RPO.Known {
			t.LossKnown++
			if len(r.Figures.Lost) == 0 {
				t.Lossless++
			}
		}
	}
	for i, fig := range times() {
		var a Average
		var sum, worst Seconds
		for _, r := range results {
			switch got := r.Figures.Named()[i]; {
			case !got.Known:
				a.Missing++
			case got.Hi == drtest.Forever:
				a.Endless++
			default:
				a.Over++
				sum, worst = sum+Seconds(got.Hi), max(worst, Seconds(got.Hi))
			}
		}
		if a.Over > 0 {
			a.Mean, a.Worst = new(sum/Seconds(a.Over)), &worst
		}
		t.Averages[Key(fig.Name)] = a
	}
	return t
}

// Passed says whether there are results, all of them passed, and nothing else went wrong in the
// run.
func (r *Report) Passed() bool {
	return r.Complete && r.Summary.Results > 0 && r.Summary.Passed == r.Summary.Results && endedWell(r.Run, r.Rerun)
}

// Untrusted says whether nothing but the machine stands between the report and a pass.
func (r *Report) Untrusted() bool {
	return r.Complete && r.Summary.Untrusted > 0 && r.Summary.Passed+r.Summary.Untrusted == r.Summary.Results
}

// UntrustedTests returns the tests whose results are untrusted, in the form that go test -run
// takes.
func (r *Report) UntrustedTests() (pattern string) {
	var tests []string
	for _, x := range r.Results {
		if x.Untrusted && x.Test != "" {
			parts := strings.Split(string(x.Test), "/")
			for i := range parts {
				parts[i] = "^" + regexp.QuoteMeta(parts[i]) + "$"
			}
			tests = append(tests, strings.Join(parts, "/"))
		}
	}
	slices.Sort(tests)
	return strings.Join(slices.Compact(tests), "|")
}

// JSON returns the report after [Schema].
func (r *Report) JSON() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	return b.Bytes(), nil
}

var number = regexp.MustCompile(`[0-9]+`)

// natural returns a key that orders text as people do: numbers in it by their value.
func natural(text string) string {
	return number.ReplaceAllStringFunc(text, func(n string) string { return strings.Repeat("0", max(0, 20-len(n))) + n })
}
