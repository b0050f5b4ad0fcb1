package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// PlaysFile says of the directory of a run how many times its drills are played. Each play is a run
// of go test of its own, in a directory of its own: see [PlayDir].
const PlaysFile = "plays.json"

// Plays is what [PlaysFile] holds.
type Plays struct {
	Plays int  `json:"plays"`
	Seed  Text `json:"seed"` // from which that of each play is made
}

// PlayDir is the directory of one play, counted from 1, within that of the run. It has all that a
// run has that is played once, also when other plays were interrupted or died.
func PlayDir(play int) string { return fmt.Sprintf("%s%03d", playPrefix, play) }

const playPrefix = "play-"

// A PlayedRun is the run of go test of one play.
type PlayedRun struct {
	Play int `json:"play"`
	Run
	// Rerun is the run that played the untrusted results of this play again. It is nil when there
	// was none.
	Rerun *Run `json:"rerun"`
}

// endedWell says whether nothing went wrong beside the results.
func endedWell(run, rerun *Run) bool {
	return run == nil || run.Exit != nil && *run.Exit == 0 || rerun != nil && rerun.Exit != nil && *rerun.Exit == 0
}

// plays finds out how many plays a directory holds: none, when its drills were played once.
func plays(dir string) (n int, wrong string, err error) {
	said := Plays{}
	data, err := os.ReadFile(filepath.Join(dir, PlaysFile))
	known := err == nil
	if known {
		err = json.Unmarshal(data, &said)
	}
	switch {
	case known && (err != nil || said.Plays < 1):
		return 0, "", fmt.Errorf("read %s: it says of %d plays: %w", PlaysFile, said.Plays, err)
	case !known && !errors.Is(err, fs.ErrNotExist):
		return 0, "", fmt.Errorf("read %s: %w", PlaysFile, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, "", err
	}
	last := 0
	for _, e := range entries {
		number, is := strings.CutPrefix(e.Name(), playPrefix)
		k, err := strconv.Atoi(number)
		if !is || err != nil || e.Name() != PlayDir(k) {
			continue
		}
		if _, err := os.Stat(filepath.Join(dir, e.Name(), RunFile)); err == nil || known {
			last = max(last, k)
		}
	}
	switch {
	case !known && last > 0:
		wrong = PlaysFile + " is missing, so nothing tells how many plays there were"
	case last > said.Plays:
		wrong = fmt.Sprintf("%s is there, of a run of %d plays", PlayDir(last), said.Plays)
	}
	return max(said.Plays, last), wrong, nil
}

// collectPlays makes the report of a run that played its drills so many times.
func collectPlays(dir string, n int, wrong string) (*Report, error) {
	var all played
	if wrong != "" {
		all.missing, all.faults = append(all.missing, wrong), append(all.faults, wrong)
	}
	var unplayed []int
	var runs []PlayedRun
	notes := map[Text][]int{}
	var said []Text
	for k := 1; k <= n; k++ {
		p, err := collectTwice(dir, PlayDir(k))
		if errors.Is(err, fs.ErrNotExist) {
			unplayed = append(unplayed, k)
			continue
		}
		if err != nil {
			return nil, err
		}
		for i := range p.results {
			p.results[i].Play, p.results[i].plays = k, n
		}
		all.results = append(all.results, p.results...)
		for _, m := range p.missing {
			all.missing = append(all.missing, fmt.Sprintf("play %d: %s", k, m))
		}
		for _, f := range p.faults {
			all.faults = append(all.faults, fmt.Sprintf("play %d: %s", k, f))
		}
		for _, note := range p.notes {
			if notes[note] == nil {
				said = append(said, note)
			}
			notes[note] = append(notes[note], k)
		}
		if p.run != nil {
			runs = append(runs, PlayedRun{k, *p.run, p.rerun})
		}
	}
	for _, note := range said {
		if of := notes[note]; len(of) < n {
			note = Text(fmt.Sprintf("play %s: %s", ranges(of), note))
		}
		all.notes = append(all.notes, note)
	}
	if len(unplayed) > 0 {
		all.missing = append([]string{"not played: play " + ranges(unplayed)}, all.missing...)
	}
	all.missing = append(all.missing, absent(all.results, n, unplayed)...)
	r := newReport(whole(runs), nil, all.results, atMost(all.missing), all.notes)
	r.faults = all.faults
	r.addPlays(runs, n)
	return r, nil
}

// addPlays notes how the plays were run, and sums up what those of each drill showed.
func (r *Report) addPlays(runs []PlayedRun, n int) {
	r.Plays, r.Repeated = runs, repeated(r.Results, n)
	clean(reflect.ValueOf(&r.Plays))
	clean(reflect.ValueOf(&r.Repeated))
}

// whole is a run of several plays as one: when and how it began, and the first thing that went
// wrong in one of them.
func whole(runs []PlayedRun) *Run {
	if len(runs) == 0 {
		return nil
	}
	all := runs[0].Run
	all.Exit, all.Trouble, all.Transcript, all.Systems = new(0), "", "", nil
	for _, r := range runs {
		for _, system := range r.Systems {
			if !slices.Contains(all.Systems, system) {
				all.Systems = append(all.Systems, system)
			}
		}
		if endedWell(&r.Run, r.Rerun) || all.Exit == nil {
			continue
		}
		if all.Exit = r.Exit; all.Trouble == "" && r.Trouble != "" {
			all.Trouble = Text(fmt.Sprintf("play %d: %s", r.Play, r.Trouble))
		}
	}
	return &all
}

// ranges lists numbers in order: "3, 8 to 20".
func ranges(numbers []int) string {
	var parts []string
	for i := 0; i < len(numbers); {
		j := i
		for j+1 < len(numbers) && numbers[j+1] == numbers[j]+1 {
			j++
		}
		part := strconv.Itoa(numbers[i])
		if j > i {
			part += map[bool]string{true: ", ", false: " to "}[j == i+1] + strconv.Itoa(numbers[j])
		}
		parts, i = append(parts, part), j+1
	}
	return strings.Join(parts, ", ")
}

// A drillKey tells a drill from the others of a run, whatever the play. A test may play a scenario
// again: only the name of the journal tells which time it was.
type drillKey struct{ pkg, test, id, journal string }

func (r *Result) key() drillKey {
	return drillKey{r.pkg(), string(r.Test), r.ID, path.Base(string(r.Journal))}
}

// grouped returns the results of each drill that left a journal, in the order of results.
func grouped(results []Result) (keys []drillKey, drills map[drillKey][]*Result) {
	drills = map[drillKey][]*Result{}
	for i := range results {
		r := &results[i]
		if r.Play == 0 || r.Journal == "" {
			continue
		}
		k := r.key()
		if drills[k] == nil {
			keys = append(keys, k)
		}
		drills[k] = append(drills[k], r)
	}
	return keys, drills
}

// absent names the plays that have no result of a drill that others have one of, and no test or
// package that says why.
func absent(results []Result, n int, unplayed []int) (missing []string) {
	keys, drills := grouped(results)
	for _, key := range keys {
		without := map[int]bool{}
		for k := 1; k <= n; k++ {
			without[k] = !slices.Contains(unplayed, k)
		}
		for _, r := range drills[key] {
			delete(without, r.Play)
		}
		for i := range results {
			r := &results[i]
			test := string(r.Test)
			if r.Journal == "" && r.pkg() == key.pkg && (test == "" || test == key.test || strings.HasPrefix(key.test, test+"/")) {
				delete(without, r.Play)
			}
		}
		var of []int
		for k := 1; k <= n; k++ {
			if without[k] {
				of = append(of, k)
			}
		}
		if len(of) > 0 {
			missing = append(missing, fmt.Sprintf("%s has no result in play %s", key.id, ranges(of)))
		}
	}
	return missing
}
