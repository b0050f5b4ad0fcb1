package report

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/drtest/suite/internal/foreign"
)

// A Shard is the part of a run that one of several machines played.
type Shard struct {
	Index   int  `json:"index"` // from 1
	Of      int  `json:"of"`
	Profile Text `json:"profile"` // the value of DRTEST_PROFILE
	// By says how the drills were divided.
	By Text `json:"by"`
	// Drills are those of all shards, in the order of these, so that a part that is missing can be
	// named.
	Drills [][]Drill `json:"drills"`
}

// A Drill is a top-level test that a shard was to play.
type Drill struct {
	Package string `json:"package"`
	Test    string `json:"test"`
}

// String reads "shard 1 of 2".
func (s *Shard) String() string { return fmt.Sprintf("shard %d of %d", s.Index, s.Of) }

// A ShardRun is how one shard of a merged report was made: see [Report].
type ShardRun struct {
	Run   *Run `json:"run"`
	Rerun *Run `json:"rerun"`
}

// ShardDir is the directory, within that of merged shards, of the evidence of one of them.
func ShardDir(index int) string { return "shard-" + strconv.Itoa(index) }

// ReadShard reads how the shard in a directory was run.
func ReadShard(dir string) (*Run, error) {
	run, err := readRun(filepath.Join(dir, RunFile))
	if err != nil {
		return nil, err
	}
	if run == nil || run.Shard == nil {
		return nil, fmt.Errorf("%s is not the directory of a shard: it has no %s that says which one it was", dir, RunFile)
	}
	s := run.Shard
	if s.Of < 1 || s.Index < 1 || s.Index > s.Of || len(s.Drills) != s.Of {
		return nil, fmt.Errorf("%s says that it is shard %d of %d, and lists the drills of %d", filepath.Join(dir, RunFile), s.Index, s.Of, len(s.Drills))
	}
	return run, nil
}

// CheckShards refuses runs that are not parts of one. The names are those of their directories.
func CheckShards(names []string, runs []*Run) error {
	for i, b := range runs {
		for j, a := range runs[:i] {
			if why := mismatch(a, b); why != "" {
				return fmt.Errorf("%s and %s are not parts of one run: %s", names[j], names[i], foreign.Text(why))
			}
		}
	}
	return nil
}

// mismatch says why two runs are not shards of one run, or nothing.
func mismatch(a, b *Run) string {
	named := func(t Text) string { return cmp.Or(string(t), "none") }
	switch {
	case a.Commit != b.Commit:
		return fmt.Sprintf("the first is of commit %s, the second of %s", named(a.Commit), named(b.Commit))
	case a.Commit == "":
		return "git does not tell the commit of either, so nothing tells whether they ran the same code"
	case strings.Contains(string(a.Commit), Uncommitted):
		return fmt.Sprintf("both are of commit %s, so nothing tells whether they ran the same code", a.Commit)
	case a.Shard.Profile != b.Shard.Profile:
		return fmt.Sprintf("the first is of profile %s, the second of %s", named(a.Shard.Profile), named(b.Shard.Profile))
	case a.Shard.Of != b.Shard.Of:
		return fmt.Sprintf("the first is %v, the second %v", a.Shard, b.Shard)
	case a.Shard.Index == b.Shard.Index:
		return fmt.Sprintf("both are %v", a.Shard)
	case !reflect.DeepEqual(a.Shard.Drills, b.Shard.Drills):
		return fmt.Sprintf("they divide the drills differently; the first %s, the second %s", a.Shard.By, b.Shard.By)
	}
	return ""
}

// Uncommitted is what a commit ends with when there are changes beside it.
const Uncommitted = ", and changes that are not committed"

// shardsIn returns the directories of merged shards in a directory, if it has any.
func shardsIn(dir string) (names []string, runs []*Run, err error) {
	if _, err := os.Stat(filepath.Join(dir, RunFile)); !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil // it is of one run
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		number, is := strings.CutPrefix(e.Name(), "shard-")
		if _, err := strconv.Atoi(number); !is || err != nil || !e.IsDir() {
			continue
		}
		run, err := ReadShard(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, nil, err
		}
		names, runs = append(names, e.Name()), append(runs, run)
	}
	return names, runs, CheckShards(names, runs)
}

// collectShards makes one report of merged shards.
func collectShards(dir string, names []string, runs []*Run) (*Report, error) {
	byIndex := map[int]*played{}
	for i, name := range names {
		w, err := collectTwice(dir, name)
		if err != nil {
			return nil, err
		}
		byIndex[runs[i].Shard.Index] = w
	}
	var all played
	var shards []ShardRun
	for _, index := range slices.Sorted(maps.Keys(byIndex)) {
		w := byIndex[index]
		for _, m := range w.missing {
			all.missing = append(all.missing, fmt.Sprintf("shard %d: %s", index, m))
		}
		for _, f := range w.faults {
			all.faults = append(all.faults, fmt.Sprintf("shard %d: %s", index, f))
		}
		all.results = append(all.results, w.results...)
		for _, note := range w.notes {
			if !slices.Contains(all.notes, note) { // of one run, it would be there once
				all.notes = append(all.notes, note)
			}
		}
		shards = append(shards, ShardRun{w.run, w.rerun})
	}
	plan := runs[0].Shard
	for index := 1; index <= plan.Of; index++ {
		if byIndex[index] == nil {
			all.missing = append(all.missing, fmt.Sprintf("shard %d of %d is missing, with %s", index, plan.Of, drillNames(plan.Drills[index-1])))
		}
	}
	all.run, all.rerun = oneRun(shards)
	r := newReport(all.run, all.rerun, all.results, atMost(all.missing), append(all.notes, otherMachines(shards)...))
	r.Shards, r.faults = shards, all.faults
	return r, nil
}

// drillNames lists drills, as far as that can be read.
func drillNames(drills []Drill) string {
	const most = 10
	var names []string
	for _, d := range drills {
		names = append(names, d.Test)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if n := len(names) - most; n > 0 {
		names = append(names[:most:most], fmt.Sprintf("%d more drills", n))
	}
	return strings.Join(names, ", ")
}

// oneRun tells of the runs of all shards as of one.
func oneRun(shards []ShardRun) (run, rerun *Run) {
	var firsts, seconds, last []*Run
	for _, s := range shards {
		firsts, last = append(firsts, s.Run), append(last, cmp.Or(s.Rerun, s.Run))
		if s.Rerun != nil {
			seconds = append(seconds, s.Rerun)
		}
	}
	if len(seconds) == 0 {
		return joinRuns(firsts), nil
	}
	rerun = joinRuns(seconds)
	rerun.Exit = joinRuns(last).Exit // that a shard had nothing to play again does not make it pass
	return joinRuns(firsts), rerun
}

// joinRuns joins runs: the earliest begin, all of their commands, and the worst end.
func joinRuns(runs []*Run) *Run {
	one := *runs[0]
	one.Shard, one.Transcript, one.Trouble, one.Exit, one.Systems = nil, "", "", new(int), nil
	var commands, trouble []string
	for _, r := range runs {
		if r.When.Before(one.When) {
			one.When = r.When
		}
		commands = append(commands, r.Command)
		one.Systems = append(one.Systems, r.Systems...)
		if r.Trouble != "" {
			trouble = append(trouble, string(r.Trouble))
		}
		switch {
		case r.Exit == nil:
			one.Exit = nil
		case one.Exit != nil && *r.Exit > *one.Exit:
			one.Exit = r.Exit
		}
	}
	slices.Sort(one.Systems)
	one.Systems = slices.Compact(one.Systems)
	one.Command, one.Trouble = strings.Join(commands, "; "), Text(strings.Join(trouble, "; "))
	return &one
}

// otherMachines notes the shards whose machine was not like that of the first one, which a report
// shows as that of the run.
func otherMachines(shards []ShardRun) (notes []Text) {
	like := func(r *Run) string { return fmt.Sprintf("%s/%s, %d processors, %s", r.OS, r.Arch, r.CPUs, r.Go) }
	for _, s := range shards {
		if like(s.Run) != like(shards[0].Run) {
			notes = append(notes, Text(fmt.Sprintf("%v ran on another kind of machine: %s", s.Run.Shard, like(s.Run))))
		}
	}
	return notes
}

// unplayed are the drills of the shard that no test of the transcript is of.
func (s *Shard) unplayed(t *Transcript) (missing []string) {
	if s == nil || s.Index < 1 || s.Index > len(s.Drills) {
		return nil
	}
	for _, d := range s.Drills[s.Index-1] {
		if t.tests[id{foreign.Text(d.Package), foreign.Text(d.Test)}] == nil {
			missing = append(missing, d.Test+" was never begun")
		}
	}
	return missing
}
