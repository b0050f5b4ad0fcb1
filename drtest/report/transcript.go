package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Transcript takes in what go test -json says: see "go doc test2json".
type Transcript struct {
	tests  map[string]*test // by package and name
	order  []*test
	builds map[string]string // what building said, by the id of the build
	owners map[string]*test  // by artifact directory
}

// NewTranscript returns an empty transcript.
func NewTranscript() *Transcript {
	return &Transcript{tests: map[string]*test{}, builds: map[string]string{}, owners: map[string]*test{}}
}

// A test is one test of the transcript, or, without a name, the package around its tests.
type test struct {
	pkg, name string
	state     string   // "pass", "fail" or "skip"; empty while it has not ended
	partial   string   // what stands after the last line break
	notes     []string // what the harness said of the run
	output    []string // the lines that were not shown as they came
}

// id tells a test from all others of a run.
func (t *test) id() string { return t.pkg + " " + t.name }

// passed returns the tests that passed, by their ids.
func (t *Transcript) passed() map[string]bool {
	passed := map[string]bool{}
	for id, x := range t.tests {
		passed[id] = x.state == "pass"
	}
	return passed
}

// progress matches the lines that are shown as they come: the phases of drills, and the work on images.
var progress = regexp.MustCompile(`^(?:\s+[^\s:]+\.go:\d+: )?((?:drill|image) .*)$|^(drtest: .*)$`)

// Add takes in one line and returns what people should see of it at once, if anything: progress, what
// building says, the reason of a skip, and the output of a test that failed.
func (t *Transcript) Add(line []byte) string {
	var e struct{ Action, Package, Test, Output, Path, ImportPath, FailedBuild string }
	if json.Unmarshal(line, &e) != nil {
		return string(bytes.TrimRight(line, "\n")) + "\n" // go test says some things outside its protocol
	}
	if e.ImportPath != "" {
		t.builds[e.ImportPath] += e.Output
		return e.Output
	}
	id := (&test{pkg: e.Package, name: e.Test}).id()
	if t.tests[id] == nil {
		t.tests[id] = &test{pkg: e.Package, name: e.Test}
		t.order = append(t.order, t.tests[id])
	}
	now := t.tests[id]
	switch e.Action {
	case "output":
		return now.say(e.Output)
	case "artifacts":
		t.owners[artifacts(e.Path)] = now
	case "pass":
		now.state, now.output = e.Action, nil
	case "skip":
		now.state = e.Action
		if now.name != "" {
			return "skip " + now.name + ": " + now.why() + "\n"
		}
	case "fail":
		now.state = e.Action
		var shown string
		if now.name == "" { // a package that died takes its running tests with it
			for _, running := range t.order {
				if running.pkg == now.pkg && running.state == "" {
					shown += running.rest()
				}
			}
		}
		shown += now.rest()
		now.output = append(now.output, t.builds[e.FailedBuild]) // as the reason; it has been shown
		return shown
	}
	return ""
}

// say takes in output and returns the lines of it that show progress.
func (t *test) say(output string) (shown string) {
	t.partial += output // long lines come in parts
	for {
		line, after, whole := strings.Cut(t.partial, "\n")
		if !whole {
			return shown
		}
		t.partial = after
		if m := progress.FindStringSubmatch(line); m != nil {
			shown += m[1] + m[2] + "\n"
			if note, is := strings.CutPrefix(m[2], "drtest: note: "); is {
				t.notes = append(t.notes, note)
			}
		} else if !strings.HasPrefix(line, "=== ") {
			t.output = append(t.output, line)
		}
	}
}

// rest is the output that has not been shown.
func (t *test) rest() string {
	if len(t.output) == 0 {
		return ""
	}
	return strings.Join(t.output, "\n") + "\n"
}

// notes are what the harness said of the run, with the package in which it did.
func (t *Transcript) notes() []Text {
	notes := []Text{}
	for _, x := range t.order {
		for _, note := range x.notes {
			notes = append(notes, Text(path.Base(x.pkg)+": "+note))
		}
	}
	return notes
}

// why says in one line what the test said: its panic, or the end of its output.
func (t *test) why() string {
	var said []string
	for _, line := range t.output {
		line = strings.Join(strings.Fields(line), " ")
		switch {
		case strings.HasPrefix(line, "panic: "), strings.HasPrefix(line, "fatal error: "):
			return line
		case line == "PASS", line == "FAIL", strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "FAIL "),
			strings.Contains(line, ": pass: "): // a verdict
		default:
			said = append(said, line)
		}
	}
	return tail(strings.Join(said, " "))
}

// untrusted says whether the test failed since the machine did not keep up, and says so.
func (t *test) untrusted() bool {
	return slices.ContainsFunc(t.output, untrusted.MatchString)
}

// asserted says whether the test failed for an assertion of testify, a panic or a data race, beside the verdicts of a drill: no machine excuses
// that. Other failures cannot be told from what a test logs.
func (t *test) asserted() bool {
	return slices.ContainsFunc(t.output, func(line string) bool {
		line = strings.TrimSpace(line)
		return strings.HasPrefix(line, "Error Trace:") || strings.HasPrefix(line, "panic: ") || strings.Contains(line, "WARNING: DATA RACE")
	})
}

// untrusted matches what a test says that the machine kept from a verdict.
var untrusted = regexp.MustCompile(`^\s+[^\s:]+\.go:\d+: untrusted: `)

// tail returns the end of a text on one line, short enough for a table.
func tail(text string) string {
	const limit = 600
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > limit {
		return "… " + string(runes[len(runes)-limit:])
	}
	return text
}

// rows returns a result for each test that ended otherwise than by passing and has no journal to say why,
// and for each package that failed beside its tests. A parent of such a test says nothing new.
func (t *Transcript) rows(hasJournal map[*test]bool) []Result {
	var rows []Result
	for _, x := range t.order {
		noTests := x.name == "" && x.state == "skip"
		if x.state == "pass" || noTests || hasJournal[x] || t.explained(x) {
			continue
		}
		why := map[string]string{"fail": "failed", "skip": "was skipped", "": "did not end"}[x.state]
		if said := x.why(); said != "" {
			why += ": " + said
		}
		row := newResult(cmp.Or(x.name, x.pkg), cmp.Or(x.name, x.pkg), notMeasured)
		row.Test, row.of, row.Untrusted = Text(x.name), x, x.state == "fail" && x.untrusted()
		row.cut = x.state == ""
		if x.name == "" {
			row.broke("the package " + why)
		} else {
			row.broke("no journal, and the test " + why)
		}
		rows = append(rows, row)
	}
	return rows
}

// explained says whether a part of x, a subtest or any test of a package, has failed or did not end.
func (t *Transcript) explained(x *test) bool {
	if x.name != "" && x.asserted() {
		return false
	}
	return slices.ContainsFunc(t.order, func(part *test) bool {
		within := x.name == "" && part != x || strings.HasPrefix(part.name, x.name+"/")
		return part.pkg == x.pkg && within && (part.state == "fail" || part.state == "")
	})
}

// artifacts returns the part of an artifact path that does not change when the report is moved.
func artifacts(path string) string {
	path = filepath.ToSlash(path)
	if i := strings.LastIndex(path, "/_artifacts/"); i >= 0 {
		return path[i+1:]
	}
	return path
}
