package shards

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/internal/report"
)

// A Record is how long top-level tests took before.
type Record struct {
	// Took is by the name of the test; where several packages have one of that name, it is the sum.
	Took map[string]time.Duration
	// SideBySide is how many of them ran at a time on the average, at least one.
	SideBySide float64
}

// An ended test is one that a transcript tells the end of.
type ended struct {
	pkg, test string
	took      time.Duration
}

// A transcript is what one run of go test left.
type transcript struct {
	path  string
	when  time.Time // when it began
	ended []ended
	lasts time.Duration
}

// ReadRecord reads the transcripts of go test at a path: a file, or all below a directory, such as
// that of a run. Where several tell of a test, the latest run counts.
func ReadRecord(path string) (*Record, error) {
	root, err := filepath.EvalSymlinks(path) // "latest" is one
	if err != nil {
		return nil, fmt.Errorf("read recorded durations: %w", err)
	}
	var all []transcript
	err = filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || file != root && entry.Name() != report.TranscriptFile {
			return err
		}
		t, err := readTranscript(file)
		all = append(all, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read recorded durations: %w", err)
	}
	slices.SortStableFunc(all, func(a, b transcript) int { return cmp.Or(a.when.Compare(b.when), strings.Compare(a.path, b.path)) })
	took := map[[2]string]time.Duration{}
	var sum, lasted time.Duration
	for _, t := range all {
		for _, e := range t.ended {
			took[[2]string{e.pkg, e.test}] = e.took
			sum += e.took
		}
		lasted += t.lasts
	}
	if len(took) == 0 {
		return nil, fmt.Errorf("no durations are recorded in %s: it has no %s in which a test comes to its end", path, report.TranscriptFile)
	}
	r := &Record{Took: map[string]time.Duration{}, SideBySide: 1}
	for of, d := range took {
		r.Took[of[1]] += d
	}
	if lasted > 0 {
		r.SideBySide = max(1, float64(sum)/float64(lasted))
	}
	return r, nil
}

// readTranscript reads when the tests of a transcript began and ended. Lines that are no events are
// those of others.
func readTranscript(path string) (t transcript, err error) {
	file, err := os.Open(path)
	if err != nil {
		return t, err
	}
	defer file.Close()
	t.path = path
	var last time.Time
	for in := bufio.NewReader(file); ; {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return t, err
		}
		var e struct {
			Time                  time.Time
			Action, Package, Test string
			Elapsed               float64
		}
		if !bytes.Contains(line, []byte(`"Action":"output"`)) && json.Unmarshal(line, &e) == nil && !e.Time.IsZero() {
			if t.when.IsZero() {
				t.when = e.Time
			}
			last = e.Time
			if slices.Contains([]string{"pass", "fail", "skip"}, e.Action) && e.Test != "" && !strings.Contains(e.Test, "/") && e.Elapsed >= 0 {
				t.ended = append(t.ended, ended{e.Package, e.Test, time.Duration(e.Elapsed * float64(time.Second))})
			}
		}
		if err != nil { // the end
			t.lasts = last.Sub(t.when)
			return t, nil
		}
	}
}
