package drift

import (
	"cmp"
	_ "embed" // for the page
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// A Trend is how the figures of many runs went, in the order of time.
type Trend struct {
	Runs []Moment
	Rows []Row
}

// A Moment is one run.
type Moment struct {
	Name   string // of its directory, below the one that was asked for
	When   time.Time
	Commit string
}

// A Row is one figure of one drill in one class. Points has one entry for each run, which is empty
// where that run has none.
type Row struct {
	Drill  string
	Class  Class
	Figure string
	Points []Figure
}

// History reads the runs below a directory. Where none of them has what drreport run writes beside
// the journals, each directory in it is a run.
func History(dir string) (*Trend, error) {
	dirs, err := runsBelow(dir)
	if err != nil {
		return nil, err
	}
	if !isRun(dirs[0]) {
		if dirs, err = directories(dirs[0]); err != nil {
			return nil, err
		}
	}
	type gathered struct {
		Moment
		*Baseline
	}
	var all []gathered
	for _, d := range dirs {
		r, err := report.Collect(d)
		if err != nil {
			return nil, err
		}
		b := &Baseline{}
		if b.add(r); len(b.Drills) == 0 {
			continue
		}
		m := Moment{Name: foreign.Text(filepath.Base(d)), Commit: b.Runs[0].Commit}
		if r.Run != nil {
			m.When = r.When.UTC()
		}
		for _, res := range r.Results { // journals know it as well
			if res.Began != nil && (m.When.IsZero() || r.Run == nil && res.Began.Before(m.When)) {
				m.When = res.Began.UTC()
			}
		}
		all = append(all, gathered{m, b})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no run with the journal of a drill is below %s", dir)
	}
	slices.SortStableFunc(all, func(a, b gathered) int { return cmp.Or(a.When.Compare(b.When), cmp.Compare(a.Name, b.Name)) })
	t := &Trend{}
	merged := &Baseline{}
	for _, g := range all {
		t.Runs = append(t.Runs, g.Moment)
		for _, d := range g.Drills {
			m := merged.drill(Drill{ID: d.ID, Test: d.Test, Class: d.Class})
			for _, f := range d.Figures {
				m.figure(f.Name)
			}
		}
	}
	merged.sort()
	for _, d := range merged.Drills {
		label := d.label(merged)
		for _, f := range d.Figures {
			row := Row{Drill: label, Class: d.Class, Figure: f.Name}
			for _, g := range all {
				var point Figure
				if i := slices.IndexFunc(g.Drills, func(o Drill) bool { return o.same(d, Options{}) }); i >= 0 {
					point = g.Drills[i].measured(f.Name)
				}
				row.Points = append(row.Points, point)
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t, nil
}

// directories are those in dir, but for links such as "latest".
func directories(dir string) (all []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() && e.Type()&fs.ModeSymlink == 0 {
			all = append(all, filepath.Join(dir, e.Name()))
		}
	}
	return all, err
}

// Short is the median, or how often it happened: "0.892s", "1/10", and a dash for nothing.
func (f Figure) Short() string {
	switch {
	case f.samples() == 0:
		return "-"
	case f.Rate != nil:
		return fmt.Sprintf("%d/%d", f.Rate.Times, f.Rate.Plays)
	}
	return f.show(f.center(Sample.value))
}

// Table has one line for each figure of each drill, with its medians in the order of time: the last
// ones, as many as asked for.
func (t *Trend) Table(most int) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	from := max(0, len(t.Runs)-most)
	fmt.Fprint(w, "DRILL\tFIGURE")
	for _, r := range t.Runs[from:] {
		fmt.Fprintf(w, "\t%s", r.When.Format("01-02 15:04"))
	}
	fmt.Fprintln(w)
	last := ""
	for _, row := range t.Rows {
		name := row.Drill
		if name == last {
			name = ""
		}
		last = row.Drill
		fmt.Fprintf(w, "%s\t%s", name, row.Figure)
		for _, p := range row.Points[from:] {
			fmt.Fprintf(w, "\t%s", p.Short())
		}
		fmt.Fprintln(w)
	}
	_ = w.Flush() // a strings.Builder takes everything
	fmt.Fprintf(&b, "\n%s, the last %d shown: medians of what a machine measured that kept up, and how many plays lost or doubled work\n", count(len(t.Runs), "run"), len(t.Runs)-from)
	return b.String()
}

//go:embed history.html.tmpl
var page string

// Page is the whole trend as a page of HTML that needs no network.
func (t *Trend) Page() (string, error) {
	tmpl, err := template.New("history").Parse(page)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = tmpl.Execute(&b, t)
	return b.String(), err
}

// The size of a drawing, and the space around what it shows.
const (
	wide, high, space = 600, 80, 8
)

// A Mark is one run in the drawing of a row: its median, between its smallest and largest value.
type Mark struct {
	X, Y, Top, Bottom float64
	Text              string
}

// A Drawing has the marks of a row, and the largest value, which is the height of the drawing.
type Drawing struct {
	Marks []Mark
	Path  string // through the medians
	Most  string
}

// Draw lays a row out. A time that never ended stands at the upper end.
func (t *Trend) Draw(r Row) Drawing {
	var d Drawing
	most := 0.0
	var shown Figure
	for _, p := range r.Points {
		if p.samples() > 0 {
			shown = p
		}
		for _, v := range p.drawn() {
			if v < never/2 {
				most = max(most, v)
			}
		}
	}
	d.Most = shown.show(most)
	if shown.Rate != nil {
		d.Most = percent(most)
	}
	y := func(v float64) float64 {
		if most == 0 && v < never/2 {
			return high - space
		}
		return high - space - (high-2*space)*min(1, v/most)
	}
	var path strings.Builder
	for i, p := range r.Points {
		values := p.drawn()
		if len(values) == 0 {
			continue
		}
		m := Mark{X: wide / 2, Y: y(p.center(Sample.value)), Top: y(values[len(values)-1]), Bottom: y(values[0])}
		if n := len(r.Points); n > 1 {
			m.X = space + float64(wide-2*space)*float64(i)/float64(n-1)
		}
		m.Text = fmt.Sprintf("%s %s: %s", t.Runs[i].When.Format("2006-01-02 15:04"), cmp.Or(t.Runs[i].Commit, t.Runs[i].Name), p)
		fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(1, len(d.Marks))], m.X, m.Y)
		d.Marks = append(d.Marks, m)
	}
	d.Path = path.String()
	return d
}

// drawn are the values between which a mark reaches.
func (f Figure) drawn() []float64 {
	switch {
	case f.samples() == 0:
		return nil
	case f.Rate != nil:
		return []float64{f.center(nil)}
	}
	return f.values(Sample.value)
}
