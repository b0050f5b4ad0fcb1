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

// Collect makes the report of a directory: of every journal below it, and of the run of go test that wrote
// them. Damaged journals become results that say so. An error means that the directory cannot be read.
func Collect(dir string) (*Report, error) {
	dir, err := filepath.EvalSymlinks(dir) // "latest" is one
	if err != nil {
		return nil, err
	}
	run, err := readRun(filepath.Join(dir, RunFile))
	if err != nil {
		return nil, err
	}
	transcript, err := readTranscript(filepath.Join(dir, TranscriptFile))
	if err != nil {
		return nil, err
	}
	var results []Result
	journals := map[*test]bool{}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
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
	r := assemble(run, append(results, transcript.rows(journals)...))
	r.Notes = transcript.notes()
	return r, nil
}

// assemble adds to the results what only the run tells.
func assemble(run *Run, results []Result) *Report {
	var missing []string
	passed := true
	for _, r := range results {
		passed = passed && r.Status == drtest.Pass
		if r.cut {
			missing = append(missing, r.ID+" did not come to its end")
		}
	}
	switch {
	case run == nil:
	case run.Exit == nil:
		missing = append(missing, strings.TrimSuffix("go test did not come to its end: "+string(run.Trouble), ": "))
	case *run.Exit != 0 && passed:
		r := newResult("go test", "go test", notMeasured)
		r.broke(strings.TrimSuffix(fmt.Sprintf("go test failed with exit status %d: %s", *run.Exit, tail(string(run.Trouble))), ": "))
		results = append(results, r)
	}
	return newReport(run, results, strings.Join(missing, "; "))
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
	r.Test = Text(t.name)
	switch t.state {
	case "":
		r.cut = true
		r.broke(strings.TrimSuffix("the test did not end: "+t.why(), ": "))
	case "skip":
		r.broke("the test was skipped: " + t.why())
	case "fail":
		if r.Status == drtest.Pass {
			r.broke("the verdicts pass, but the test failed: " + t.why())
			r.Status = drtest.Fail
		}
	}
}
