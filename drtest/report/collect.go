package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/drtest/suite/drtest"
)

// The files that describe a run of go test, beside the journals of its drills. Both may be missing.
const (
	RunFile        = "run.json"    // a [Run]
	TranscriptFile = "gotest.json" // what go test -json said
)

// AgainDir is the directory, within that of a run, of the run that played its untrusted results again. It has the same files.
const AgainDir = "again"

// Collect makes the report of a directory: of every journal below it, and of the run of go test that wrote
// them. Where some of it was played again, the second run decides. Damaged journals become results that say so. An error means that
// the directory cannot be read.
func Collect(dir string) (*Report, error) {
	dir, err := filepath.EvalSymlinks(dir) // "latest" is one
	if err != nil {
		return nil, err
	}
	first, err := collectRun(dir, ".")
	if err != nil {
		return nil, err
	}
	again, err := collectRun(dir, AgainDir)
	if errors.Is(err, fs.ErrNotExist) {
		again, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	results, missing := first.results, first.missing
	if again != nil && again.run != nil {
		var notes []Text
		results, notes = first.decide(again)
		first.notes = append(first.notes, notes...)
		missing = append(missing, again.missing...)
	}
	r := newReport(first.run, results, strings.Join(missing, "; "))
	r.Notes = first.notes
	if again != nil {
		r.Again = again.run
	}
	return r, nil
}

// collected is what one run of go test left.
type collected struct {
	run     *Run
	results []Result
	missing []string // what did not come to its end
	notes   []Text
	passed  map[string]bool // tests, by their ids
}

// collectRun reads what the run in a part of dir left.
func collectRun(dir, part string) (*collected, error) {
	in := filepath.Join(dir, part)
	run, err := readRun(filepath.Join(in, RunFile))
	if err != nil {
		return nil, err
	}
	transcript, err := readTranscript(filepath.Join(in, TranscriptFile))
	if err != nil {
		return nil, err
	}
	var results []Result
	journals := map[*test]bool{}
	err = filepath.WalkDir(in, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path == filepath.Join(dir, AgainDir) && part != AgainDir {
			return filepath.SkipDir
		}
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".ndjson" {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		res, err := readJournal(path, filepath.ToSlash(name))
		if err != nil {
			return err
		}
		if t := transcript.owners[artifacts("/"+filepath.ToSlash(filepath.Dir(name)))]; t != nil {
			journals[t] = true
			res.add(t)
		}
		results = append(results, res)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("collect journals: %w", err)
	}
	c := &collected{run: run, results: append(results, transcript.rows(journals)...), notes: transcript.notes(), passed: transcript.passed()}
	c.assemble()
	return c, nil
}

// decide puts the results of the second run in the place of those of the first one that were untrusted. What the second run says
// beside that is left out where it passed or was skipped, such as a part of a test that had nothing to compare.
func (c *collected) decide(again *collected) (results []Result, notes []Text) {
	played := map[int]bool{}
	for _, r := range c.results {
		if !r.Untrusted {
			results = append(results, r)
			continue
		}
		found := false
		for i, a := range again.results {
			if !played[i] && r.playedAgainAs(a) {
				found, played[i] = true, true
				a.First = &First{Why: Text(r.untrustedWhy()), Journal: r.Journal}
				results = append(results, a)
				if r.Journal != "" {
					break // one drill, one result
				}
			}
		}
		// A test that leaves no journal says by passing alone that it did what it could not do before.
		switch passed := r.Journal == "" && again.passed[r.of.id()]; {
		case !found && passed:
			notes = append(notes, Text(fmt.Sprintf("%s passed as it was played again, alone, since the first run was untrusted: %s", r.Test, r.untrustedWhy())))
		case !found:
			results = append(results, r)
		}
	}
	for i, a := range again.results {
		skipped := a.of != nil && a.of.state == "skip"
		if !played[i] && a.Status != drtest.Pass && !skipped {
			results = append(results, a)
		}
	}
	return results, notes
}

// playedAgainAs says whether a is of a later run of what r is of: the same drill, what its test says in the place of a journal, or, where
// the test of r could not even begin its drills, each of them.
func (r *Result) playedAgainAs(a Result) bool {
	switch {
	case a.pkg() != r.pkg():
		return false
	case r.Journal == "":
		return a.Test == r.Test || strings.HasPrefix(string(a.Test), string(r.Test)+"/")
	}
	return a.Test == r.Test && (a.ID == r.ID || a.Journal == "")
}

// pkg is the package of the test, as far as it is known.
func (r *Result) pkg() string {
	if r.of == nil {
		return ""
	}
	return r.of.pkg
}

// untrustedWhy joins what the machine stood in the way of.
func (r *Result) untrustedWhy() string {
	var why []string
	if r.Reason != "" {
		why = append(why, string(r.Reason))
	}
	for _, v := range r.Verdicts {
		if v.Untrusted {
			why = append(why, v.String())
		}
	}
	return strings.Join(why, "; ")
}

// assemble adds to the results what only the run tells.
func (c *collected) assemble() {
	passed := true
	for _, r := range c.results {
		passed = passed && r.Status == drtest.Pass
		if r.cut {
			c.missing = append(c.missing, r.ID+" did not come to its end")
		}
	}
	switch {
	case c.run == nil:
	case c.run.Exit == nil:
		c.missing = append(c.missing, strings.TrimSuffix("go test did not come to its end: "+string(c.run.Trouble), ": "))
	case *c.run.Exit != 0 && passed:
		r := newResult("go test", "go test", notMeasured)
		r.broke(strings.TrimSuffix(fmt.Sprintf("go test failed with exit status %d: %s", *c.run.Exit, tail(string(c.run.Trouble))), ": "))
		c.results = append(c.results, r)
	}
}

// readRun returns nil when there is no such file.
func readRun(path string) (*Run, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	run := new(Run)
	if err == nil {
		err = json.Unmarshal(data, run)
	}
	if err != nil {
		return nil, fmt.Errorf("read run %s: %w", path, err)
	}
	return run, nil
}

func readTranscript(path string) (*Transcript, error) {
	t := NewTranscript()
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read transcript: %w", err)
	}
	defer file.Close()
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			t.Add(line)
		}
		if err == io.EOF {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read transcript: %w", err)
		}
	}
}

// readJournal makes a result of one journal. Its error is of opening it: a damaged one is a result.
func readJournal(path, name string) (Result, error) {
	file, err := os.Open(path)
	if err != nil {
		return Result{}, err
	}
	defer file.Close()
	r, damage := drtest.ReadReport(file)
	res := resultOf(r, damage)
	if res.ID == "" { // not even its header can be read
		id := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		res.ID, res.Title, res.Category, res.Began = id, id, notMeasured, nil
	}
	res.Journal = Text(name)
	return res, nil
}

// add tells a result how its test ended.
func (r *Result) add(t *test) {
	r.Test, r.of = Text(t.name), t
	switch t.state {
	case "":
		r.cut = true
		r.broke(strings.TrimSuffix("the test did not end: "+t.why(), ": "))
	case "skip":
		r.broke("the test was skipped: " + t.why())
		r.Untrusted = false
	case "fail":
		if r.Untrusted && t.asserted() {
			r.broke("the test failed for something else as well: " + t.why())
			r.Status, r.Untrusted = drtest.Fail, false
		}
		if r.Status == drtest.Pass {
			r.broke("the verdicts pass, but the test failed: " + t.why())
			r.Status, r.Untrusted = drtest.Fail, false
		}
	}
}
