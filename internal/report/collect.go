package report

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
)

// The files that describe a run of go test, beside the journals of its drills. Where there is
// neither, nothing tells whether a journal is missing.
const (
	RunFile        = "run.json"    // a [Run]
	TranscriptFile = "gotest.json" // what go test -json said
)

// RerunDir is the directory, within that of a run, of the run that played its untrusted results
// again. It has the same files.
const RerunDir = "rerun"

// Collect makes the report of a directory: of every journal below it, and of the run of go test
// that wrote them, or of the runs of several plays. Where some of it was played again, the second
// run decides. A journal that is damaged or missing, or that no test of the run wrote, becomes a
// result that says so. Of merged shards it makes one report. An error means that the directory, or
// what describes the run, cannot be read, or that the shards are not of one run.
func Collect(dir string) (*Report, error) {
	dir, err := filepath.EvalSymlinks(dir) // "latest" is one
	if err != nil {
		return nil, err
	}
	names, runs, err := shardsIn(dir)
	if err != nil {
		return nil, err
	}
	if len(runs) > 0 {
		return collectShards(dir, names, runs)
	}
	n, wrong, err := plays(dir)
	if err != nil {
		return nil, err
	}
	if n > 0 {
		return collectPlays(dir, n, wrong)
	}
	p, err := collectTwice(dir, ".")
	if err != nil {
		return nil, err
	}
	if p.run != nil && p.run.Shard != nil {
		p.notes = append(p.notes, Text(fmt.Sprintf("this is %v: the drills of the others are not in it", p.run.Shard)))
	}
	r := newReport(p.run, p.rerun, p.results, atMost(p.missing), p.notes)
	r.faults = p.faults
	return r, nil
}

// played is what one play of the drills left, and where some of them were played again, what that
// did.
type played struct {
	run, rerun *Run
	results    []Result
	missing    []string
	faults     []string // see [Report.Faults]
	notes      []Text
}

// collectTwice reads what the run in a part of dir left, and the one below it that played its
// untrusted results again.
func collectTwice(dir, part string) (*played, error) {
	first, err := collectRun(dir, part)
	if err != nil {
		return nil, err
	}
	rerun, err := collectRun(dir, path.Join(part, RerunDir))
	if errors.Is(err, fs.ErrNotExist) {
		rerun, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &played{run: first.run, results: first.results, missing: first.missing, faults: first.faults, notes: first.notes}
	if rerun != nil {
		p.missing, p.faults, p.rerun = append(p.missing, rerun.missing...), slices.Concat(p.faults, rerun.faults), rerun.run
		if rerun.run != nil {
			var passed []Text
			p.results, passed = first.preferRerun(rerun)
			p.notes = append(p.notes, passed...)
		}
	}
	return p, nil
}

// atMost joins what is missing, and counts it where it is much.
func atMost(missing []string) string {
	const most = 10
	if n := len(missing) - most; n > 0 {
		missing = append(missing[:most:most], fmt.Sprintf("and %d more", n))
	}
	return strings.Join(missing, "; ")
}

// collected is what one run of go test left.
type collected struct {
	run     *Run
	results []Result
	missing []string // what did not come to its end, or is not there
	faults  []string // what is not there, or not as the run left it
	notes   []Text
	passed  map[id]bool // tests
}

// collectRun reads what the run in a part of dir left.
func collectRun(dir, part string) (*collected, error) {
	in := filepath.Join(dir, part)
	run, err := readRun(filepath.Join(in, RunFile))
	if err != nil {
		return nil, err
	}
	transcript, sum, err := readTranscript(filepath.Join(in, TranscriptFile))
	if err != nil {
		return nil, err
	}
	c := &collected{run: run}
	journals := map[*test]bool{}
	err = filepath.WalkDir(in, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path == in:
			return err
		case err == nil && entry.IsDir() && path == filepath.Join(in, RerunDir) && path != in && filepath.Base(in) != RerunDir:
			return filepath.SkipDir
		case err == nil && (entry.IsDir() || filepath.Ext(path) != ".ndjson"):
			return nil
		}
		name := toSlash(dir, path)
		if err != nil { // what is in it cannot be listed
			c.results = append(c.results, unreadable(name, err))
			return nil
		}
		res, sum := readJournal(path, name)
		if transcript != nil {
			if t := transcript.claim(&res, foreign.Text(toSlash(in, path)), sum); t != nil {
				journals[t] = true
			}
		}
		c.results = append(c.results, res)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("collect journals: %w", err)
	}
	failed := false
	if transcript != nil {
		c.results = slices.Concat(c.results, transcript.missingJournals(part), transcript.rows(journals))
		c.failDoubted()
		c.notes, c.passed = transcript.notes(), transcript.passed()
		if run != nil {
			for _, system := range slices.Sorted(maps.Keys(transcript.systems)) {
				run.Systems = append(run.Systems, Text(system))
			}
		}
		failed = slices.ContainsFunc(transcript.order, (*test).bad)
		if run != nil {
			c.missing = append(c.missing, run.Shard.unplayed(transcript)...)
		}
	}
	c.assemble(part, transcript != nil, sum, failed)
	return c, nil
}

// toSlash is the way from a directory to a path, in the form of reports.
func toSlash(dir, path string) string {
	name, err := filepath.Rel(dir, path)
	if err != nil {
		name = path // it lies in dir, so this does not happen
	}
	return filepath.ToSlash(name)
}

// claim finds the test that wrote a journal, and tells the result how it ended. It says so when no
// test says that it wrote the journal, and when the journal is not as its test left it.
func (t *Transcript) claim(res *Result, name, sum string) *test {
	j, owner := t.journals[name], t.owners[path.Dir(name)]
	if j != nil {
		j.seen, owner = true, j.of
	}
	if owner != nil {
		res.addTest(owner)
	}
	switch {
	case j == nil:
		res.markBroken("no test of the run says that it wrote this journal")
		res.Untrusted, res.journalFault = false, "is no test's of the run"
	case j.sum != "" && j.sum != sum && res.journalFault == "":
		res.markBroken("the journal is not as its test left it")
		res.Untrusted, res.journalFault = false, "is not as its test left it"
	}
	return owner
}

// missingJournals returns a result for each journal that a test says that it wrote, and that is not
// there.
func (t *Transcript) missingJournals(part string) (lost []Result) {
	for _, name := range slices.Sorted(maps.Keys(t.journals)) {
		j := t.journals[name]
		if j.seen {
			continue
		}
		r := unreadable(path.Join(part, name), errors.New("its test says that it wrote it, and it is not there"))
		r.setTest(j.of)
		lost = append(lost, r)
	}
	return lost
}

// unreadable is the result of a journal of which nothing can be read.
func unreadable(name string, why error) Result {
	id := cmp.Or(strings.TrimSuffix(path.Base(name), path.Ext(name)), "a journal without a name")
	r := newResult(id, id, notMeasured)
	r.Journal, r.journalFault = Text(name), "cannot be read"
	if pathError := new(fs.PathError); errors.As(why, &pathError) {
		why = pathError.Err // the path is that of this machine
	}
	r.markBroken("the journal cannot be read: " + why.Error())
	return r
}

// preferRerun puts the results of the second run in the place of those of the first one that were
// untrusted. What the second run says beside that is left out where it passed or was skipped, such
// as a part of a test that had nothing to compare.
func (c *collected) preferRerun(rerun *collected) (results []Result, notes []Text) {
	matched := map[int]bool{}
	for _, r := range c.results {
		if !r.Untrusted {
			results = append(results, r)
			continue
		}
		found := false
		for i, a := range rerun.results {
			if !matched[i] && r.isRerunAs(a) {
				found, matched[i] = true, true
				a.FirstRun = &FirstRun{Why: Text(r.untrustedWhy()), Journal: r.Journal}
				results = append(results, a)
				if r.Journal != "" {
					break // one drill, one result
				}
			}
		}
		// A test that leaves no journal says by passing alone that it did what it could not do
		// before.
		switch passed := r.Journal == "" && rerun.passed[r.of.id]; {
		case !found && passed:
			notes = append(notes, Text(fmt.Sprintf("%s passed as it was played again, alone, since the first run was untrusted: %s", r.ID, r.untrustedWhy())))
		case !found:
			results = append(results, r)
		}
	}
	for i, a := range rerun.results {
		skipped := a.of != nil && a.of.state == "skip"
		if !matched[i] && a.Status != drtest.Pass && !skipped {
			results = append(results, a)
		}
	}
	return results, notes
}

// isRerunAs says whether a is of a later run of what r is of: the same drill, what its test
// says in the place of a journal, or, where the test of r could not even begin its drills, each of
// them.
func (r *Result) isRerunAs(a Result) bool {
	switch {
	case a.pkg() != r.pkg():
		return false
	case r.aroundFailures: // its parts have results of their own
		return a.Journal == "" && a.Test == r.Test
	case r.Journal == "":
		return a.Test == r.Test || strings.HasPrefix(string(a.Test), string(r.Test)+"/")
	}
	// A test may play a scenario again: only the name of the journal tells which time it was.
	return a.Test == r.Test && (a.Journal == "" || a.ID == r.ID && path.Base(string(a.Journal)) == path.Base(string(r.Journal)))
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
func (c *collected) assemble(part string, transcript bool, sum string, failed bool) {
	c.trustAround()
	for _, r := range c.results {
		if r.cutOff {
			c.missing = append(c.missing, r.ID+" did not come to its end")
		}
		if r.journalFault != "" {
			c.lack(fmt.Sprintf("the journal %s %s", r.Journal, r.journalFault))
		}
	}
	broke := func(format string, args ...any) {
		r := newResult("go test", "go test", notMeasured)
		r.markBroken(fmt.Sprintf(format, args...))
		c.results = append(c.results, r)
	}
	file := func(name string) string { return path.Join(part, name) }
	switch {
	case c.run == nil && !transcript && part == ".":
		if len(c.results) > 0 {
			c.notes = append(c.notes, "this report is made of journals alone: nothing tells whether there were more")
		}
	case c.run == nil:
		c.lack(file(RunFile) + " is missing, so nothing tells how go test ended")
	case c.run.Exit == nil:
		c.missing = append(c.missing, strings.TrimSuffix("go test did not come to its end: "+string(c.run.Trouble), ": "))
	case *c.run.Exit != 0 && !failed:
		broke("%s", strings.TrimSuffix(fmt.Sprintf("go test failed with exit status %d: %s", *c.run.Exit, tail(string(c.run.Trouble))), ": "))
	}
	switch {
	case c.run == nil:
	case !transcript:
		c.lack(file(TranscriptFile) + " is missing, so nothing tells which results there were")
		broke("%s is missing, so nothing tells which results there were", file(TranscriptFile))
	case c.run.Transcript != "" && string(c.run.Transcript) != sum:
		c.lack(file(TranscriptFile) + " is not as the run left it")
		broke("%s is not as the run left it, so nothing tells which results there were", file(TranscriptFile))
	}
}

// lack notes what is not there, or not as the run left it.
func (c *collected) lack(what string) {
	c.missing, c.faults = append(c.missing, what), append(c.faults, what)
}

// failDoubted takes the pass from a drill whose test failed, unless another drill or a part of the
// test says why. What the test says itself may be no more than a log where all of those are
// untrusted: they are played again with it.
func (c *collected) failDoubted() {
	for i := range c.results {
		x := &c.results[i]
		if !x.passesInFailedTest {
			continue
		}
		others := slices.DeleteFunc(slices.Clone(c.results), func(r Result) bool {
			return r.passesInFailedTest || r.of == nil || r.of != x.of && !r.of.within(x.of) || r.of.state != "fail" || r.Status == drtest.Pass
		})
		trusted := slices.ContainsFunc(others, func(r Result) bool { return !r.Untrusted })
		if len(others) == 0 || x.of.asserted || trusted && x.of.hasOutput() {
			x.markBroken("the verdicts pass, but the test failed: " + x.of.why())
			x.Status, x.Untrusted = drtest.Fail, false
		}
	}
}

// trustAround makes untrusted what stands around parts that failed for the machine alone: what it
// says may be no more than a log. It is played again with them.
func (c *collected) trustAround() {
	for i := range c.results {
		x := &c.results[i]
		if !x.aroundFailures || x.of.state != "fail" {
			continue
		}
		parts := slices.DeleteFunc(slices.Clone(c.results), func(r Result) bool {
			return r.of == nil || r.aroundFailures || !r.of.within(x.of) || r.of.state == "pass"
		})
		x.Untrusted = len(parts) > 0 && !slices.ContainsFunc(parts, func(r Result) bool { return !r.Untrusted })
	}
}

// within says whether a test is a part of another one, or of a package.
func (t *test) within(whole *test) bool {
	return t.pkg == whole.pkg && t != whole && (whole.name == "" || strings.HasPrefix(t.name, whole.name+"/"))
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

// readTranscript returns nil when there is no such file. The sum is that of the whole file.
func readTranscript(path string) (t *Transcript, sum string, err error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read transcript: %w", err)
	}
	defer file.Close()
	all := sha256.New()
	t = NewTranscript()
	if err := t.Read(io.TeeReader(file, all), func(string) {}); err != nil {
		return nil, "", fmt.Errorf("read transcript: %w", err)
	}
	return t, fmt.Sprintf("%x", all.Sum(nil)), nil
}

// readJournal makes a result of one journal, whatever it holds, and sums it up.
func readJournal(path, name string) (res Result, sum string) {
	if info, err := os.Stat(path); err != nil {
		return unreadable(name, err), ""
	} else if !info.Mode().IsRegular() {
		return unreadable(name, errors.New("it is no file")), ""
	}
	file, err := os.Open(path)
	if err != nil {
		return unreadable(name, err), ""
	}
	defer file.Close()
	all := sha256.New()
	in := io.TeeReader(file, all)
	r, damage := drtest.ReadReport(in)
	if _, err := io.Copy(io.Discard, in); damage == nil {
		damage = err
	}
	res = resultOf(r, damage)
	if res.ID == "" { // not even its header can be read
		res = unreadable(name, damage)
	}
	res.Journal = Text(name)
	return res, fmt.Sprintf("%x", all.Sum(nil))
}

// addTest tells a result how its test ended.
func (r *Result) addTest(t *test) {
	r.setTest(t)
	switch {
	case !t.ended():
		r.cutOff = true
		r.markBroken(strings.TrimSuffix("the test did not end: "+t.why(), ": "))
	case t.state == "skip":
		r.markBroken("the test was skipped: " + t.why())
		r.Untrusted = false
	case t.state == "fail":
		if t.asserted && r.Status != drtest.Pass {
			r.markBroken("the test failed for something else as well: " + t.why())
			if r.Untrusted {
				r.Status, r.Untrusted = drtest.Fail, false
			}
		}
		r.passesInFailedTest = r.Status == drtest.Pass // see failDoubted
	}
}
