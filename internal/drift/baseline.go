// Package drift tells a change of what drills measure from noise. A [Baseline] keeps the figures of
// repeated plays in a small file; [Compare] judges two of them by rank tests, as benchstat does, and
// [History] shows many in the order of time. What was measured on a machine that did not keep up is
// left out, and counted.
package drift

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// version is that of the form of the file.
const version = 1

// A Baseline is what the drills of one or more runs measured.
type Baseline struct {
	Version int     `json:"version"`
	Runs    []Run   `json:"runs"`
	Drills  []Drill `json:"drills"`
}

// A Run is where figures come from. What is not known of it is empty.
type Run struct {
	When       string `json:"when,omitempty"`
	Commit     string `json:"commit,omitempty"`
	Incomplete string `json:"incomplete,omitempty"` // what is missing of it
}

// A Class is what must be the same where figures are compared. Profile is empty where the run does
// not know it.
type Class struct {
	Profile string `json:"profile"`
	Machine string `json:"machine"`
}

// String is for a sentence.
func (c Class) String() string {
	if c.Profile == "" {
		return "no profile that is known, on " + c.Machine
	}
	return "profile " + c.Profile + ", on " + c.Machine
}

// A Drill is one scenario as one test plays it, in one class.
type Drill struct {
	ID   string `json:"id"`
	Test string `json:"test,omitempty"` // with its package; empty where journals alone are known
	Class
	Plays int `json:"plays"`
	// Untrusted counts the plays whose times are left out, since the machine did not keep up.
	Untrusted int `json:"untrusted"`
	// Broken counts the plays of which everything is left out, since they did not come to their
	// end or their journals are damaged.
	Broken  int      `json:"broken"`
	Figures []Figure `json:"figures"`
}

// A Figure has what the plays of one drill measured of one thing: samples of a time, counts, or in
// how many plays it happened.
type Figure struct {
	Name    string   `json:"name"`
	Samples []Sample `json:"samples,omitempty"`
	Counts  []int    `json:"counts,omitempty"`
	Rate    *Rate    `json:"rate,omitempty"`
}

// A Rate says in how many of the plays something happened.
type Rate struct {
	Times int `json:"times"`
	Plays int `json:"plays"`
}

// The figures that are no times.
const (
	loss       = "loss"
	duplicates = "duplicates"
)

// timed are the figures of which samples are kept, and whether a slow machine makes them longer.
// The outage and the heal lag are not among them: they end with the RTO.
var timed = map[string]bool{"detection": true, "RTO": true, "work RTO": true, "RPO": false, "lost work": false}

// Gather reads a baseline file, or makes a baseline of the runs in each of the directories.
func Gather(paths ...string) (*Baseline, error) {
	b := &Baseline{Version: version, Runs: []Run{}, Drills: []Drill{}}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if len(paths) > 1 {
				return nil, fmt.Errorf("%s is no directory", path)
			}
			return read(path)
		}
		runs, err := runsBelow(path)
		if err != nil {
			return nil, err
		}
		for _, dir := range runs {
			r, err := report.Collect(dir)
			if err != nil {
				return nil, err
			}
			b.add(r)
		}
	}
	if len(b.Drills) == 0 {
		return nil, fmt.Errorf("no journal of a drill is below %s", strings.Join(paths, ", "))
	}
	b.sort()
	return b, nil
}

// runsBelow finds the directories of runs at dir or below it, or takes dir for one.
func runsBelow(dir string) (runs []string, err error) {
	if dir, err = filepath.EvalSymlinks(dir); err != nil { // "latest" is one
		return nil, err
	}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if isRun(path) {
			runs = append(runs, path)
			return filepath.SkipDir // what is below belongs to it, such as its second run
		}
		return nil
	})
	if len(runs) == 0 {
		runs = []string{dir}
	}
	return runs, err
}

// isRun says whether drreport run wrote that directory: for one play of its drills, or for many.
func isRun(dir string) bool {
	_, once := os.Stat(filepath.Join(dir, report.RunFile))
	_, many := os.Stat(filepath.Join(dir, report.PlaysFile))
	return once == nil || many == nil
}

// add takes in the drills of a report.
func (b *Baseline) add(r *report.Report) {
	class := classOf(r)
	run := Run{Incomplete: string(r.Incomplete)}
	if r.Run != nil {
		run.When, run.Commit = r.When.UTC().Format(time.RFC3339), string(r.Commit)
	}
	b.Runs = append(b.Runs, run)
	for _, res := range r.Results {
		if res.Journal == "" || res.Began == nil { // it measured nothing
			continue
		}
		d := b.drill(Drill{ID: res.ID, Test: strings.Trim(string(res.Package+"."+res.Test), "."), Class: class, Figures: []Figure{}})
		d.take(res)
	}
}

// drill returns the one of that name and class, which it adds where there is none.
func (b *Baseline) drill(like Drill) *Drill {
	for i := range b.Drills {
		if d := &b.Drills[i]; d.ID == like.ID && d.Test == like.Test && d.Class == like.Class {
			return d
		}
	}
	b.Drills = append(b.Drills, like)
	return &b.Drills[len(b.Drills)-1]
}

// take takes in one play.
func (d *Drill) take(res report.Result) {
	d.Plays++
	if res.FirstRun != nil { // the play before this one
		d.Plays, d.Untrusted = d.Plays+1, d.Untrusted+1
	}
	strained := res.Untrusted || res.Machine != nil && res.Machine.Overloaded
	switch {
	case strained: // also where it broke for that
		d.Untrusted++
	case res.Reason != "":
		d.Broken++
	}
	if res.Reason != "" {
		return
	}
	if f := res.Figures; f.RPO.Known { // it does not depend on the clock, so it counts on any machine
		d.figure(loss).happened(len(f.Lost) > 0)
		d.figure(duplicates).happened(len(f.Duplicates) > 0)
	}
	part := 0.0
	if m := res.Machine; m != nil && m.Share != nil && m.Share.Over > 0 {
		part = float64(m.Share.Machine) / float64(m.Share.Over)
	}
	for _, f := range res.Figures.Named() {
		if grows, kept := timed[f.Name]; kept && f.IsTime() && f.Known {
			s := newSample(f.Interval)
			if grows {
				s.Machine = math.Round(part*1e4) / 1e4 // as a file shows it
			}
			if fig := d.figure(f.Name); !strained { // one of which nothing is left stays there to be missed
				fig.add(s)
			}
		}
	}
	for _, c := range res.Counters {
		if c.Repeated != nil {
			if f := d.figure("repeated " + c.Name); !strained {
				f.Counts = append(f.Counts, *c.Repeated)
			}
		}
	}
}

// figure returns the one of that name.
func (d *Drill) figure(name string) *Figure {
	i := slices.IndexFunc(d.Figures, func(f Figure) bool { return f.Name == name })
	if i < 0 {
		i = len(d.Figures)
		d.Figures = append(d.Figures, Figure{Name: name})
	}
	return &d.Figures[i]
}

func (f *Figure) add(s Sample) { f.Samples = append(f.Samples, s) }

func (f *Figure) happened(did bool) {
	if f.Rate == nil {
		f.Rate = new(Rate)
	}
	f.Rate.Plays++
	if did {
		f.Rate.Times++
	}
}

// classOf says what the figures of a run may be compared with.
func classOf(r *report.Report) Class {
	var c Class
	var machine []string
	cpus := 0
	for _, res := range r.Results {
		if m := res.Machine; m != nil && m.CPUs != nil {
			cpus = *m.CPUs
		}
	}
	if r.Run != nil {
		cpus = cmp.Or(r.CPUs, cpus)
	}
	switch cpus {
	case 0:
		machine = append(machine, "processors not known")
	case 1:
		machine = append(machine, "1 processor")
	default:
		machine = append(machine, fmt.Sprintf("%d processors", cpus))
	}
	if r.Run == nil {
		c.Machine = machine[0] + ", system not known"
		return c
	}
	for _, word := range strings.Fields(r.Command) {
		if value, is := strings.CutPrefix(word, "DRTEST_PROFILE="); is {
			c.Profile = strings.Trim(value, "'")
		}
	}
	machine = append(machine, r.OS+"/"+r.Arch)
	for _, s := range r.Systems {
		if strings.HasPrefix(string(s), "container engine ") {
			machine = append(machine, string(s))
		}
	}
	c.Machine = strings.Join(machine, ", ")
	return c
}

// sort makes the same file of the same runs, whatever their order.
func (b *Baseline) sort() {
	slices.SortFunc(b.Runs, func(x, y Run) int {
		return cmp.Or(cmp.Compare(x.When, y.When), cmp.Compare(x.Commit, y.Commit), cmp.Compare(x.Incomplete, y.Incomplete))
	})
	slices.SortFunc(b.Drills, func(x, y Drill) int {
		return cmp.Or(cmp.Compare(x.ID, y.ID), cmp.Compare(x.Test, y.Test), cmp.Compare(x.Profile, y.Profile), cmp.Compare(x.Machine, y.Machine))
	})
	for _, d := range b.Drills {
		slices.SortFunc(d.Figures, func(x, y Figure) int { return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.Name, y.Name)) })
		for _, f := range d.Figures {
			slices.SortFunc(f.Samples, func(x, y Sample) int {
				return cmp.Or(cmp.Compare(x.Lo, y.Lo), cmp.Compare(x.Hi, y.Hi), cmp.Compare(x.Machine, y.Machine))
			})
			slices.Sort(f.Counts)
		}
	}
}

// rank orders figures as reports do, and those that are no times after those that are.
func rank(f Figure) int {
	for i, named := range (drtest.Figures{}).Named() {
		if named.Name == f.Name && named.IsTime() {
			return i
		}
	}
	return 100
}

// Encode writes the file, one sample a line.
func (b *Baseline) Encode() ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(b); err != nil {
		return nil, fmt.Errorf("encode baseline: %w", err)
	}
	return out.Bytes(), nil
}

// read reads the file, and refuses what Encode would not have written.
func read(path string) (*Baseline, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	b, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("read baseline %s: %w", path, err)
	}
	return b, nil
}

func decode(data []byte) (*Baseline, error) {
	var form struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &form); err != nil {
		return nil, err
	}
	if form.Version != version {
		return nil, fmt.Errorf("its form has version %d, and this program reads %d", form.Version, version)
	}
	b := new(Baseline)
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil {
		return nil, err
	}
	if len(b.Drills) == 0 {
		return nil, errors.New("it has no drill")
	}
	seen := map[[4]string]bool{}
	for i := range b.Drills {
		d := &b.Drills[i]
		for _, text := range []*string{&d.ID, &d.Test, &d.Profile, &d.Machine} {
			*text = foreign.Text(*text)
		}
		key := [4]string{d.ID, d.Test, d.Profile, d.Machine}
		if err := d.validate(); err != nil {
			return nil, fmt.Errorf("drill %s: %w", d.ID, err)
		}
		if seen[key] {
			return nil, fmt.Errorf("drill %s: it is there twice", d.ID)
		}
		seen[key] = true
	}
	for i := range b.Runs {
		r := &b.Runs[i]
		r.When, r.Commit, r.Incomplete = foreign.Text(r.When), foreign.Text(r.Commit), foreign.Text(r.Incomplete)
	}
	return b, nil
}

// validate refuses what no plays can have measured, and makes the names of figures harmless.
func (d *Drill) validate() error {
	if d.Untrusted < 0 || d.Broken < 0 || d.Plays < 1 || d.Untrusted+d.Broken > d.Plays {
		return fmt.Errorf("%d untrusted and %d broken ones of %d plays cannot be", d.Untrusted, d.Broken, d.Plays)
	}
	names := map[string]bool{}
	for i := range d.Figures {
		f := &d.Figures[i]
		f.Name = foreign.Text(f.Name)
		_, isTime := timed[f.Name]
		isRate := f.Name == loss || f.Name == duplicates
		n := max(len(f.Samples), len(f.Counts))
		if f.Rate != nil {
			n = f.Rate.Plays
		}
		switch {
		case names[f.Name]:
			return fmt.Errorf("figure %s: it is there twice", f.Name)
		case !isTime && len(f.Samples) > 0, isRate != (f.Rate != nil), len(f.Counts) > 0 && (isTime || isRate):
			return fmt.Errorf("figure %s: it has not what such a figure has", f.Name)
		case n > d.Plays, f.Rate != nil && (f.Rate.Times < 0 || f.Rate.Times > n), slices.ContainsFunc(f.Counts, func(c int) bool { return c < 0 }):
			return fmt.Errorf("figure %s: %d plays cannot have measured that", f.Name, d.Plays)
		}
		names[f.Name] = true
	}
	return nil
}
