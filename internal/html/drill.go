package html

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// A drill is the part of the page for one result.
type drill struct {
	*report.Result
	Anchor   string
	Mark     mark
	NoData   string // why there is no journal to draw, or what is wrong with it
	Journal  *drtest.Report
	Timeline *timeline
	Budget   *budget
	Verdicts []verdict
	Figures  []figure
	Proofs   []proof
	Failures []failure
	Units    []units
	Events   []string
	Logs     []excerpt
	Again    []command
	Cells    cells
}

// cells are what the table of all drills shows of one.
type cells struct{ Detection, RTO, RPO, Recovered, Machine string }

// A proof is what an examination after the drill found.
type proof struct {
	Mark           mark
	Name, Evidence string
}

// A command is what a reader can do now.
type command struct{ What, Line string }

func newDrill(n int, r *report.Result, run *report.Run, dir string) *drill {
	d := &drill{Result: r, Anchor: fmt.Sprintf("drill-%d", n+1), Mark: markOf(r.Status, r.Untrusted), Again: commands(r, run)}
	d.Cells = cells{"–", "–", "–", "–", "–"}
	journal, wrong := readJournal(dir, r.Journal)
	d.NoData = wrong
	if journal == nil || journal.Ledger.Drill.ID == "" {
		return d
	}
	d.Journal = journal
	l, f := journal.Ledger, journal.Figures
	d.Timeline, d.Budget = newTimeline(journal), newBudget(journal)
	d.Verdicts, d.Figures = verdicts(journal), unjudged(journal)
	d.Failures, d.Units = failures(l, f), unitLists(l, f)
	d.Events = strings.Split(strings.TrimRight(l.Timeline(), "\n"), "\n")
	d.Logs = logs(dir, path.Dir(string(r.Journal)), journal)
	for _, e := range l.Events {
		if e.Kind != drtest.Proved && e.Kind != drtest.Refuted && e.Kind != drtest.NotProved {
			continue
		}
		m := inconclusive
		for _, v := range journal.Verdicts {
			if v.Objective == e.Note {
				m = markOf(v.Status, v.Untrusted)
			}
		}
		d.Proofs = append(d.Proofs, proof{m, e.Note, e.Evidence})
	}
	c := &d.Cells
	c.Detection, c.RTO = cell(f.Detection), cell(f.RTO)
	if f.RPO.Known {
		c.RPO = fmt.Sprintf("lost %d of %d", len(f.Lost), f.Acked)
	}
	if f.WorkKnown {
		c.Recovered = fmt.Sprintf("%d of %d", len(f.Recovered), len(f.Affected))
	}
	doubted := slices.ContainsFunc(journal.Verdicts, func(v drtest.Verdict) bool { return v.Untrusted })
	switch strain := journal.Strain(); {
	case doubted, !strain.KeptUp():
		c.Machine = "did not keep up"
	case len(l.Readings) == 0:
		c.Machine = "–"
	default:
		c.Machine = "kept up"
	}
	return d
}

func cell(f drtest.Figure) string {
	switch {
	case !f.Known:
		return "–"
	case f.Hi == drtest.Forever:
		return "> " + seconds(f.Lo)
	}
	return seconds(f.Hi)
}

// A verdict is the judgement of one objective, with the target of the same name.
type verdict struct {
	Objective   string
	Mark        mark
	Target      *mark
	Why         string
	TargetWhy   string // where the target says something else
	Limit       string
	TargetLimit string
	Bar         *bar
}

// A bar is an interval against its limit and its target.
type bar struct {
	Lo, Wide      string // of the interval, in per cent
	Endless       bool
	Limit, Target string // where they are; empty: there is none
	Label         string
	from          drtest.Interval
	limit, target *time.Duration
}

func verdicts(r *drtest.Report) (all []verdict) {
	for _, v := range r.Verdicts {
		m := markOf(v.Status, v.Untrusted)
		limit := ""
		if v.Limit != nil {
			limit = allowed(*v.Limit)
		}
		i := slices.IndexFunc(all, func(known verdict) bool { return known.Objective == v.Objective && known.Target == nil })
		if v.Target && i >= 0 {
			known := &all[i]
			known.Target, known.TargetLimit = &m, limit
			if m != passes && m != known.Mark {
				known.TargetWhy = v.Why
			}
			if known.Bar != nil {
				known.Bar.target = v.Limit
			}
			continue
		}
		row := verdict{Objective: v.Objective, Mark: m, Why: v.Why, Limit: limit}
		if v.Target {
			row.Objective, row.Limit, row.TargetLimit = "target "+v.Objective, "", limit
		}
		nothing := v.Limit != nil && *v.Limit == 0 && v.Got != nil && v.Got.Hi == 0 // there is nothing to draw
		if v.Got != nil && v.Limit != nil && !nothing {
			row.Bar = &bar{from: *v.Got}
			if row.Bar.limit = v.Limit; v.Target {
				row.Bar.limit, row.Bar.target = nil, v.Limit
			}
		}
		all = append(all, row)
	}
	for _, v := range all {
		if v.Bar != nil {
			v.Bar.draw()
		}
	}
	return all
}

// draw finds a scale on which everything has a place.
func (b *bar) draw() {
	most := max(b.from.Lo, time.Millisecond)
	if b.Endless = b.from.Hi == drtest.Forever; !b.Endless {
		most = max(most, b.from.Hi)
	}
	label := "measured " + b.from.String()
	for _, at := range []*time.Duration{b.limit, b.target} {
		if at != nil && (at == b.limit || b.limit == nil || *at <= 2*most) { // a target far off would leave no room for the rest
			most = max(most, *at)
		}
	}
	all := scale{0, most + most/12}
	if b.limit != nil {
		b.Limit = all.percent(*b.limit)
		label += ", limit " + allowed(*b.limit)
	}
	if b.target != nil {
		if all.holds(*b.target) {
			b.Target = all.percent(*b.target)
		}
		label += ", target " + allowed(*b.target)
	}
	hi := b.from.Hi
	if b.Endless {
		hi = all.to
	}
	b.Lo, b.Wide, b.Label = all.percent(b.from.Lo), number((all.x(hi)-all.x(b.from.Lo))/wide*100), label
}

// A figure is what was measured and not judged.
type figure struct{ Name, Text string }

// timed are those figures of a drill that are times. The name of one is that of its objective.
func timed(f drtest.Figures) (all []drtest.StageFigure) {
	for _, n := range f.Named() {
		if n.IsTime() {
			all = append(all, drtest.StageFigure{Name: n.Name, Figure: n.Figure})
		}
	}
	return append(all, f.Stages...)
}

func unjudged(r *drtest.Report) (all []figure) {
	add := func(name, objective, text string) {
		if objective == "" || !slices.ContainsFunc(r.Verdicts, func(v drtest.Verdict) bool { return v.Objective == objective }) {
			all = append(all, figure{name, text})
		}
	}
	for _, f := range r.Figures.Named() {
		add(f.Name, f.Objective, f.String())
	}
	for _, s := range r.Figures.Stages {
		add(s.Name, s.Name, s.Figure.String())
	}
	return all
}

// A failure is how requests failed, which many do in the same way.
type failure struct {
	What        string
	Requests    int
	First, Last string
	first       time.Duration
}

// mostFailures is how many ways to fail are shown. The last one is all others.
const mostFailures = 12

func failures(l *drtest.Ledger, f drtest.Figures) []failure {
	fault, injected := l.Event(drtest.FaultInjected)
	if !injected || f.Failed == 0 {
		return nil
	}
	known := map[string]*failure{}
	for _, op := range l.Ops {
		tooLate := op.Outcome == drtest.Acked && l.Drill.Timeout > 0 && op.End-op.Start > l.Drill.Timeout
		if op.Outcome == drtest.Acked && !tooLate || op.End < fault.Lo {
			continue
		}
		what := fmt.Sprintf("%s: %s", op.Outcome, strings.TrimPrefix(shorten(op.Err, 200), string(op.Outcome)+": "))
		if tooLate {
			what = "acked, later than a client waits"
		}
		x := known[what]
		if x == nil {
			if len(known) > 100*mostFailures { // each in words of its own
				what = "in other words than the others"
				if x = known[what]; x == nil {
					x = &failure{What: what, first: op.Start}
					known[what] = x
				}
			} else {
				x = &failure{What: what, first: op.Start, First: offset(op.Start - fault.Lo)}
				known[what] = x
			}
		}
		x.Requests++
		x.Last = offset(op.Start - fault.Lo)
	}
	var all []failure
	for _, x := range known {
		all = append(all, *x)
	}
	slices.SortFunc(all, func(a, b failure) int {
		return cmp.Or(cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.first, b.first), cmp.Compare(a.What, b.What))
	})
	if len(all) > mostFailures {
		rest := failure{What: fmt.Sprintf("%d other ways to fail", len(all)-mostFailures+1)}
		for _, x := range all[mostFailures-1:] {
			rest.Requests += x.Requests
		}
		all = append(all[:mostFailures-1:mostFailures-1], rest)
	}
	return all
}

// units are those of which something is wrong, by their ids.
type units struct {
	What string
	Rows []unitRow
	More int
}

// A unitRow is what is known of one unit, or of several in the same words.
type unitRow struct {
	IDs  []string
	Note string
}

// mostUnits is how many ids are listed. The journal has all of them.
const mostUnits = 200

func unitLists(l *drtest.Ledger, f drtest.Figures) (all []units) {
	fault, _ := l.Event(drtest.FaultInjected)
	lists := []struct {
		what string
		ids  []string
	}{
		{"acked, and lost", f.Lost}, {"held more than once", f.Duplicates}, {"rejected, and held", f.Resurrected},
		{"held in one reading, and not in a later one", f.Vanished},
	}
	wanted := map[string]string{}
	for _, list := range lists {
		for _, id := range list.ids[:min(len(list.ids), mostUnits)] {
			wanted[id] = ""
		}
	}
	if len(wanted) > 0 {
		for _, op := range l.Ops {
			if _, is := wanted[op.ID]; is && op.End != drtest.Forever {
				wanted[op.ID] = fmt.Sprintf("asked for at %s, %s at %s", offset(op.Start-fault.Lo), op.Outcome, offset(op.End-fault.Lo))
			}
		}
	}
	add := func(what string, n int, row func(i int) (id, note string)) {
		if n == 0 {
			return
		}
		u := units{What: fmt.Sprintf("%d %s", n, what), More: max(0, n-mostUnits)}
		for i := range min(n, mostUnits) {
			id, note := row(i)
			if last := len(u.Rows) - 1; last >= 0 && u.Rows[last].Note == note {
				u.Rows[last].IDs = append(u.Rows[last].IDs, id)
			} else {
				u.Rows = append(u.Rows, unitRow{[]string{id}, note})
			}
		}
		all = append(all, u)
	}
	for _, list := range lists {
		add(list.what, len(list.ids), func(i int) (id, note string) { return list.ids[i], wanted[list.ids[i]] })
	}
	add("in flight at the fault, and not recovered", len(f.Unrecovered), func(i int) (id, note string) { return f.Unrecovered[i].ID, f.Unrecovered[i].Why })
	add("with a wrong result", len(f.Wrong), func(i int) (id, note string) { return f.Wrong[i].ID, f.Wrong[i].Why })
	return all
}

// settings are those of the environment in which a run was made, as its command begins.
var settings = regexp.MustCompile(`^((?:[A-Za-z_][A-Za-z0-9_]*=(?:[A-Za-z0-9_@%+=:,./-]*|'(?:[^']|'\\'')*') )*)go test `)

// commands are how the drill is played again, and judged again.
func commands(r *report.Result, run *report.Run) (all []command) {
	if r.Test != "" && r.Package != "" {
		parts := strings.Split(string(r.Test), "/")
		for i := range parts {
			parts[i] = "^" + regexp.QuoteMeta(parts[i]) + "$"
		}
		set := ""
		if run != nil {
			if found := settings.FindStringSubmatch(run.Command); found != nil {
				set = found[1]
			}
		}
		all = append(all, command{"play it again", set + "go test -count=1 -v -run " + foreign.Word(strings.Join(parts, "/")) + " " + foreign.Word(string(r.Package))})
	}
	if r.Journal != "" {
		all = append(all, command{"judge it again, beside this report", "go tool drreport check " + foreign.Word(string(r.Journal))})
	}
	// A command that cannot be shown as it is would do something else.
	return slices.DeleteFunc(all, func(c command) bool { return foreign.Text(c.Line) != c.Line })
}

// A worst is the measured figure that comes closest to its limit, or misses it most, of all drills.
type worst struct {
	Name    string
	Verdict verdict
	Drill   *drill
	Part    string // of the limit, in per cent
	used    float64
}

// worsts has one for each figure of which there is a limit, and one for all stages. What is
// untrusted is left out: it says as much of the machine.
func worsts(drills []*drill) (all []worst) {
	for _, d := range drills {
		if d.Journal == nil {
			continue
		}
		figures := timed(drtest.Figures{})
		for _, v := range d.Verdicts {
			if v.Bar == nil || v.Bar.limit == nil || v.Mark == untrusted {
				continue
			}
			w := worst{Name: v.Objective, Verdict: v, Drill: d, used: used(v.Bar)}
			if !slices.ContainsFunc(figures, func(f drtest.StageFigure) bool { return f.Name == v.Objective }) {
				w.Name = "stage"
			}
			if *v.Bar.limit > 0 && w.used < 1000 {
				w.Part = fmt.Sprintf("%.0f %%", 100*w.used)
			}
			i := slices.IndexFunc(all, func(known worst) bool { return known.Name == w.Name })
			if i < 0 {
				all = append(all, w)
			} else if w.used > all[i].used {
				all[i] = w
			}
		}
	}
	slices.SortStableFunc(all, func(a, b worst) int { return cmp.Compare(b.used, a.used) })
	return all
}

// used is the share of its limit that a figure uses up.
func used(b *bar) float64 {
	const endless = 1e9
	switch {
	case b.from.Hi == drtest.Forever:
		return endless
	case *b.limit > 0:
		return float64(b.from.Hi) / float64(*b.limit)
	case b.from.Hi == 0:
		return 0
	}
	return endless
}

// Strict is the end of the interval that counts.
func (b *bar) Strict() string { return strict(b.from) }
