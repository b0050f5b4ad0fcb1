package evidence

import (
	"bytes"
	"cmp"
	_ "embed" // for the form of the document
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// notStated stands in the place of what people did not fill in.
const notStated = "not stated"

// A Record is the evidence record of a run, as evidence.json has it and evidence.md shows it.
type Record struct {
	Run       string        `json:"run"`
	Began     time.Time     `json:"began"`
	Verdict   string        `json:"verdict"`
	Command   string        `json:"command"`
	Commit    string        `json:"commit"`
	Machine   string        `json:"machine"`
	Tool      string        `json:"tool"`
	Systems   []report.Text `json:"systems"`
	Ran       []Person      `json:"ran"`
	Watched   []Person      `json:"watched"`
	Approved  []Person      `json:"approved"`
	Scope     string        `json:"scope"`
	Plan      string        `json:"plan"`
	Assumed   []string      `json:"assumptions"`
	Drills    []Drill       `json:"drills"`
	Deviating []Deviation   `json:"deviations"`
	Last      *Comparison   `json:"last_test"` // nil when none was given
	NotStated []string      `json:"not_stated"`
	Demands   []Demand      `json:"demands"`
	Limits    []string      `json:"limits"`
}

// A Drill is the account of one result.
type Drill struct {
	ID         string     `json:"id"`
	Title      string     `json:"title"`
	Status     string     `json:"status"`
	Why        string     `json:"why"`
	Assumed    []string   `json:"assumptions"`
	Fault      string     `json:"fault"`
	Receipt    string     `json:"receipt"`
	Confirmed  string     `json:"confirmed"`
	Began      *time.Time `json:"began"`
	Account    []string   `json:"account"` // counted from the fault
	Objectives []string   `json:"objectives"`
	Figures    []string   `json:"figures"`
	Integrity  []string   `json:"integrity"`
	Journal    string     `json:"journal"` // within the bundle
	Machine    string     `json:"machine"` // what kept the test machine from its work, if anything did
	Again      string     `json:"played_again"`
}

// A Deviation is a result that did not pass.
type Deviation struct {
	Drill  string   `json:"drill"`
	Status string   `json:"status"`
	Why    []string `json:"why"`
	FollowUp
}

// A Comparison is with the last test, without a judgement whether a difference is more than chance.
type Comparison struct {
	Run  string   `json:"run"`
	Rows []Change `json:"rows"`
	Gone []string `json:"gone"` // played then, and not now
}

// A Change is one line of a comparison.
type Change struct {
	Drill string `json:"drill"`
	What  string `json:"what"`
	Then  string `json:"then"`
	Now   string `json:"now"`
}

// newRecord fills in what the report and the statements say. Last is the report of the last test,
// or nil.
func newRecord(m manifest, r *report.Report, s Stated, last *lastTest) Record {
	conduct := s.Runs[m.Run]
	rec := Record{
		Run: m.Run, Began: r.When, Verdict: verdict(r), Command: r.Command, Commit: cmp.Or(string(r.Commit), "git did not tell"),
		Machine: fmt.Sprintf("%s/%s, %d processors", r.OS, r.Arch, r.CPUs), Tool: m.Tool + ", " + m.Go, Systems: append([]report.Text{}, r.Systems...),
		Ran: conduct.Ran, Watched: conduct.Watched, Approved: conduct.Approved, Assumed: s.Assumptions,
		Drills: []Drill{}, Deviating: []Deviation{}, NotStated: []string{}, Demands: demands, Limits: limits,
	}
	lacks := func(what string) string {
		rec.NotStated = append(rec.NotStated, what)
		return notStated
	}
	for _, all := range []struct {
		what   string
		people *[]Person
	}{{"who ran it", &rec.Ran}, {"who watched it", &rec.Watched}, {"who approved it", &rec.Approved}} {
		if len(*all.people) == 0 {
			*all.people = []Person{}
			lacks(all.what)
		}
		for _, p := range *all.people {
			if p.Role == "" {
				lacks("the role of " + p.Name)
			}
		}
	}
	state := func(text, what string) string {
		if text == "" {
			return lacks(what)
		}
		return text
	}
	rec.Scope = state(s.Scope, "the scope: which services and functions")
	rec.Plan = state(s.Plan, "the recovery plan that is tested")
	if len(rec.Assumed) == 0 {
		rec.Assumed = []string{lacks("the assumptions of all drills")}
	}
	for i := range r.Results {
		d := newDrill(&r.Results[i])
		purpose := s.Drills[d.ID]
		d.Why, d.Assumed = state(purpose.Why, "why "+d.ID+" is played"), append([]string{}, purpose.Assumptions...)
		rec.Drills = append(rec.Drills, d)
		if r.Results[i].Status != drtest.Pass {
			up := conduct.Deviations[d.ID]
			up.Owner = state(up.Owner, "the owner of the deviation of "+d.ID)
			up.Action = state(up.Action, "the action on the deviation of "+d.ID)
			up.Retest = state(up.Retest, "the retest of "+d.ID)
			rec.Deviating = append(rec.Deviating, Deviation{d.ID, d.Status, whys(&r.Results[i]), up})
		}
	}
	if last == nil {
		lacks("the last test, to compare with")
	} else {
		rec.Last = last.compare(r)
	}
	return rec
}

// verdict is that of the run, in a word and a reason.
func verdict(r *report.Report) string {
	t := r.Summary
	counts := fmt.Sprintf("%d results: %d passed, %d failed, %d inconclusive (%d of them untrusted)", t.Results, t.Passed, t.Failed, t.Inconclusive, t.Untrusted)
	switch {
	case r.Passed():
		return "passed: " + counts
	case !r.Complete:
		return "not passed, incomplete: " + string(r.Incomplete) + "; " + counts
	}
	return "not passed: " + counts
}

func newDrill(x *report.Result) Drill {
	d := Drill{
		ID: x.Label(), Title: x.Title, Status: status(x), Began: x.Began, Account: []string{}, Objectives: []string{}, Figures: []string{}, Integrity: []string{},
		Fault: cmp.Or(string(x.Fault), "not known"), Receipt: cmp.Or(string(x.Receipt), "none: the fault was not seen to take effect"), Confirmed: string(x.Confirmed),
	}
	if x.Journal != "" {
		d.Journal = runDir + "/" + string(x.Journal)
	}
	if x.FirstRun != nil {
		d.Again = fmt.Sprintf("the first run was untrusted: %s; its journal: %s/%s", x.FirstRun.Why, runDir, x.FirstRun.Journal)
	}
	if x.Machine != nil && x.Machine.Overloaded {
		d.Machine = string(x.Machine.Why)
	}
	for _, m := range x.Recovery {
		line := m.Name
		if m.Since != nil {
			line += ": " + m.Since.String()
		}
		d.Account = append(d.Account, strings.TrimSuffix(line+" ("+string(m.Source)+")", " ()"))
	}
	for _, s := range x.Steps {
		took := "never ended"
		if s.Took != nil {
			took = "took " + s.Took.String()
		}
		d.Account = append(d.Account, fmt.Sprintf("runbook step %q began after %v, %s", s.Name, s.Began, took))
	}
	if x.Held != nil {
		d.Account = append(d.Account, "fault healed: "+x.Held.String())
	}
	if x.GaveUp != "" {
		d.Account = append(d.Account, "gave up at the deadline: "+string(x.GaveUp))
	}
	for _, v := range x.Verdicts {
		d.Objectives = append(d.Objectives, v.String())
	}
	if x.Requests != nil { // a journal was read
		for _, fig := range x.Figures.Named() {
			d.Figures = append(d.Figures, fmt.Sprintf("%s: %v", fig.Name, fig))
		}
		q := x.Requests
		d.Integrity = append(d.Integrity, fmt.Sprintf("%d requests: %d acked, %d rejected, %d unknown", q.Due, q.Acked, q.Rejected, q.Unknown))
		switch lost := len(x.Figures.Lost); {
		case !x.Figures.RPO.Known:
			d.Integrity = append(d.Integrity, "not known whether acked work was lost")
		case lost == 0:
			d.Integrity = append(d.Integrity, "no acked work was lost")
		default:
			d.Integrity = append(d.Integrity, fmt.Sprintf("acked work was lost: %d units, such as %s", lost, strings.Join(x.LostIDs, ", ")))
		}
	}
	if x.Durability != "" {
		d.Integrity = append(d.Integrity, "what the fault can show: "+string(x.Durability))
	}
	return d
}

func status(x *report.Result) string {
	if x.Untrusted {
		return "untrusted"
	}
	return x.Status.String()
}

// whys are the reasons for which a result did not pass.
func whys(x *report.Result) []string {
	why := []string{}
	if x.Reason != "" {
		why = append(why, string(x.Reason))
	}
	for _, v := range x.Verdicts {
		if v.Status != drtest.Pass {
			why = append(why, v.String())
		}
	}
	return why
}

// A lastTest is what is read of report.json of the last test.
type lastTest struct {
	run     string
	results []lastResult
}

type lastResult struct {
	ID        string                     `json:"id"`
	Test      string                     `json:"test"`
	Package   string                     `json:"package"`
	Play      int                        `json:"play"`
	Status    string                     `json:"status"`
	Untrusted bool                       `json:"untrusted"`
	Figures   map[string]json.RawMessage `json:"figures"`
}

func readLast(run string, data []byte) (*lastTest, error) {
	var r struct {
		Version int          `json:"version"`
		Results []lastResult `json:"results"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, err
	}
	if r.Version != report.Version {
		return nil, fmt.Errorf("it has version %d, this program reads version %d", r.Version, report.Version)
	}
	return &lastTest{run, r.Results}, nil
}

func (l *lastTest) compare(r *report.Report) *Comparison {
	c := &Comparison{Run: l.run, Rows: []Change{}, Gone: []string{}}
	seen := map[int]bool{}
	for i := range r.Results {
		x := &r.Results[i]
		found := false
		for j, then := range l.results {
			if seen[j] || then.ID != x.ID || then.Test != string(x.Test) || then.Package != string(x.Package) || then.Play != x.Play {
				continue
			}
			seen[j], found = true, true
			was := then.Status
			if then.Untrusted {
				was = "untrusted"
			}
			c.Rows = append(c.Rows, Change{x.Label(), "status", was, status(x)})
			for _, fig := range x.Figures.Named() {
				if !fig.IsTime() {
					continue
				}
				now := "not measured"
				if fig.Known {
					now = report.Span(fig.Interval).String()
				}
				if before := spanOf(then.Figures[report.Key(fig.Name)]); before != "not measured" || fig.Known {
					c.Rows = append(c.Rows, Change{x.Label(), fig.Name, before, now})
				}
			}
			break
		}
		if !found {
			c.Rows = append(c.Rows, Change{x.Label(), "status", "not played", status(x)})
		}
	}
	for j, then := range l.results {
		if !seen[j] {
			c.Gone = append(c.Gone, then.ID)
		}
	}
	return c
}

// spanOf shows the span of a figure in report.json.
func spanOf(data json.RawMessage) string {
	var s *struct {
		Lo float64  `json:"lo"`
		Hi *float64 `json:"hi"`
	}
	if json.Unmarshal(data, &s) != nil || s == nil {
		return "not measured"
	}
	span := report.Span{Lo: time.Duration(s.Lo * float64(time.Second)), Hi: drtest.Forever}
	if s.Hi != nil {
		span.Hi = time.Duration(*s.Hi * float64(time.Second))
	}
	return span.String()
}

//go:embed record.md.tmpl
var form string

// markdown shows the record.
func (rec Record) markdown() ([]byte, error) {
	t, err := template.New(recordFile).Funcs(template.FuncMap{
		"text": func(v any) string { return report.Escape(fmt.Sprint(v)) },
		"date": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") },
		"person": func(p Person) string {
			text := p.Name + ", " + cmp.Or(p.Role, "role "+notStated)
			if p.On != "" {
				text += ", on " + p.On
			}
			return report.Escape(text)
		},
	}).Parse(form)
	if err != nil {
		return nil, fmt.Errorf("read the form of the record: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, rec); err != nil {
		return nil, fmt.Errorf("fill in the record: %w", err)
	}
	return b.Bytes(), nil
}

// told makes what is wrong harmless to show.
func told(all []string) []string {
	for i := range all {
		all[i] = foreign.Text(all[i])
	}
	return all
}
