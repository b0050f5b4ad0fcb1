package drtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/foreign"
)

// TB is the part of testing.TB that drtest needs, so that drtest can test itself.
type TB interface {
	Helper()
	Name() string
	Context() context.Context
	ArtifactDir() string
	Attr(key, value string)
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Run plays s and fails t for every objective that is not met. While it plays, it logs one line for
// each phase of the drill and appends to a journal, which stays as evidence when the test fails:
// see [EvidenceDir] and [ReadReport].
//
// A drill that the machine kept from its verdict fails t, too, and says how to play it again,
// alone; "drreport run" does so by itself.
func Run(t TB, s Scenario) *Report {
	t.Helper()
	if err := s.validate(); err != nil {
		t.Fatalf("drtest: %v", err)
	}
	phase, err := seededPhase(t.Name(), s)
	if err != nil {
		t.Fatalf("drtest: %v", err)
	}
	longest, again := s.longestUntilSteady()+s.Deadline, ""
	if phase != nil {
		longest += phase.Wait
		again = seedSetting + "=" + foreign.Word(phase.Seed) + " "
	}
	if end, bounded := testDeadline(t); bounded && time.Until(end) < longest {
		if end.Sub(processStart) >= longest {
			Untrusted(t, "others took the time that it would have had alone")
		}
		t.Fatalf("drtest: scenario %s has a Deadline of %v after up to %v until it is steady, and go test ends all tests in %v, without a verdict: give it a longer -timeout, or play fewer drills",
			s.ID, s.Deadline, s.longestUntilSteady(), time.Until(end).Round(time.Second))
	}
	j, err := openJournal(t, s)
	if err != nil {
		t.Fatalf("drtest: keep the journal of %s: %v", s.ID, err)
	}
	t.Cleanup(func() { j.close(t) })
	ledger, broken := play(t.Context(), s, phase, func(rec record) {
		j.write(rec)
		if rec.Event != nil && rec.Event.Kind != HealthKept && rec.Event.Kind != ContainerStarted && rec.Event.Kind != Stalled {
			line := foreign.Text(phaseLine(s.ID, *rec.Event))
			announce.Tell(t, announce.Phase, line)
			t.Logf("%s", line)
		}
	})
	r := judge(ledger, Measure(ledger), s.Objectives, s.Targets)
	j.write(record{Closing: &closing{r.Verdicts}})
	if j.err != nil {
		t.Errorf("drtest: write the journal of %s: %v", s.ID, j.err)
	}
	setAttributes(t, r, broken != nil)
	logVerdicts(t, r)
	if r.Status() != Pass {
		shown := failureReport(r, j.path)
		announce.Lines(t, shown)
		t.Logf("%s", shown)
	}
	if r.Untrusted() {
		again = fmt.Sprintf("the machine did not keep up, so this drill shows nothing either way; play it again, alone: %sgo test -count=1 -parallel 1 -run %s", again, foreign.Word(runPattern(t.Name())))
		announce.Lines(t, again)
		t.Logf("%s", again)
	}
	if broken != nil {
		t.Fatalf("drtest: the drill broke, so its figures show nothing: %s", ledger.Broken)
	}
	return r
}

// processStart is when this process did, by about.
var processStart = time.Now()

// testDeadline returns when go test ends all tests, if it does. A test in virtual time does not
// know.
func testDeadline(t TB) (end time.Time, bounded bool) {
	defer func() {
		if recover() != nil {
			bounded = false
		}
	}()
	if d, ok := t.(interface{ Deadline() (time.Time, bool) }); ok {
		return d.Deadline()
	}
	return time.Time{}, false
}

// logVerdicts tells t what was concluded: what failed first, and what merely held for as long as
// the drill went in one line.
func logVerdicts(t TB, r *Report) {
	t.Helper()
	var held []string
	for _, v := range r.Verdicts {
		announce.Lines(t, v.String())
		if v.Status == Fail {
			t.Errorf("%v", v)
		}
	}
	for _, v := range r.Verdicts {
		switch {
		case v.Status == Pass:
			t.Logf("%v", v)
		case v.Held && !v.Untrusted:
			held = append(held, v.name())
		case v.Status == Inconclusive:
			t.Errorf("%v", v)
		}
	}
	if len(held) > 0 {
		line := fmt.Sprintf("inconclusive, since %s: %s, which held until then", r.Ledger.unfinished(), strings.Join(held, ", "))
		announce.Lines(t, line)
		t.Errorf("%s", line)
	}
}

// Untrusted tells the report of a run that t, if it fails, does so since the machine did not keep
// up: "drreport run" plays it again, alone. A drill says so by itself: this is for what a test does
// beside it.
func Untrusted(t TB, why string) {
	t.Helper()
	announce.Tell(t, announce.Untrusted, why)
	t.Logf("untrusted: %s", why)
}

// runPattern is what go test -run takes for one test.
func runPattern(name string) string {
	return "^" + strings.ReplaceAll(regexp.QuoteMeta(name), "/", "$/^") + "$"
}

// phaseLine is the line that Run logs for an event as it happens.
func phaseLine(id string, e Event) string {
	return fmt.Sprintf("drill %s: +%-8s %v", id, seconds(e.Hi), e)
}

// failureReport is what is shown beside the verdicts of a failed drill.
func failureReport(r *Report, path string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "what happened, counted from the fault:\n%s", r.Ledger.Timeline())
	if path != "" {
		var by []string
		for _, a := range r.Asserted {
			by = append(by, a.String())
		}
		fmt.Fprintf(&b, "    evidence, with the logs of containers: %s\n    judge it again, by %s: go tool drreport check %s",
			filepath.Dir(path), strings.Join(by, ", "), foreign.Word(path))
	}
	return b.String()
}

// A journal is the file that a drill is written to while it runs.
type journal struct {
	path string
	file *os.File
	line chain
	sum  hash.Hash // of all that was written
	err  error     // the first one
}

func openJournal(t TB, s Scenario) (*journal, error) {
	dir, err := EvidenceDir(t)
	if err != nil {
		return nil, err
	}
	// A test may play a scenario again, and go test -count may run the test again.
	for n := 1; ; n++ {
		name := strings.ReplaceAll(s.ID, "/", "-")
		if n > 1 {
			name += fmt.Sprintf("-%d", n)
		}
		path := filepath.Join(dir, name+".ndjson")
		file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			if keepsArtifacts() { // a report can look for it
				announce.Tell(t, announce.Journal, filepath.Base(path))
			}
			return &journal{path: path, file: file, sum: sha256.New()}, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

// write appends one line with one call, so that no line is lost or mixed when the process dies.
func (j *journal) write(rec record) {
	line, err := j.line.seal(rec)
	if err == nil {
		_, err = j.file.Write(line)
		j.sum.Write(line)
	}
	if j.err == nil {
		j.err = err
	}
}

// close ends the journal. Nothing is left of a test that passed.
func (j *journal) close(t TB) {
	_ = j.file.Close() // every line has been written already
	if keepsArtifacts() {
		announce.Tell(t, announce.Kept, fmt.Sprintf("%x %s", j.sum.Sum(nil), filepath.Base(j.path)))
		return
	}
	if t.Failed() {
		return
	}
	_ = os.Remove(j.path)
	_ = os.Remove(filepath.Dir(j.path)) // only if it is empty: other evidence stays
}
