// Package html makes the report that people look at: one file of HTML that needs no network, no
// script and no font. It shows what [report.Collect] found, and draws the journals that it names.
package html

import (
	"bytes"
	_ "embed" // for the form of the page
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

//go:embed report.html.tmpl
var form string

//go:embed style.css
var style string

// A page is what the form is filled with.
type page struct {
	*report.Report
	Style    template.CSS
	Mark     mark
	Headline string
	Whys     []why
	Worst    []worst
	Repeats  []repeated
	Drills   []*drill
	Legend   []kind
}

// A mark is how something ended: by a word and a sign, and by a colour for those who see it.
type mark struct{ Word, Sign, Class string }

var (
	passes       = mark{"pass", "✓", "pass"}
	fails        = mark{"fail", "✗", "fail"}
	inconclusive = mark{"inconclusive", "?", "unsure"}
	untrusted    = mark{"untrusted", "!", "unsure"}
)

func markOf(s drtest.Status, distrusted bool) mark {
	switch {
	case distrusted:
		return untrusted
	case s == drtest.Pass:
		return passes
	case s == drtest.Fail:
		return fails
	}
	return inconclusive
}

// Render returns the page of a report whose journals lie below dir.
func Render(r *report.Report, dir string) ([]byte, error) {
	p := page{Report: r, Style: template.CSS(style), Legend: kinds[:]} // the style is ours
	for i := range r.Results {
		p.Drills = append(p.Drills, newDrill(i, &r.Results[i], runOf(r, &r.Results[i]), dir))
	}
	p.Mark, p.Headline = headline(r)
	p.Whys, p.Worst, p.Repeats = whys(p.Drills), worsts(p.Drills), repeatedDrills(r)
	t, err := template.New("report.html").Funcs(template.FuncMap{
		"text": clean,
		"date": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") },
	}).Parse(form)
	if err != nil {
		return nil, fmt.Errorf("read the form of the page: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, p); err != nil {
		return nil, fmt.Errorf("fill in the page: %w", err)
	}
	return b.Bytes(), nil
}

// clean makes any text harmless to show. That it is no HTML is the template's work.
func clean(v any) string { return foreign.Text(fmt.Sprint(v)) }

// headline says in a few words how the run ended.
func headline(r *report.Report) (mark, string) {
	s := r.Summary
	drills := fmt.Sprintf("%d %s", s.Results, plural(s.Results, "drill"))
	if n := len(r.Repeated); n > 0 {
		drills = fmt.Sprintf("%d plays of %d %s", s.Results, n, plural(n, "drill"))
	}
	var parts []string
	for _, p := range []struct {
		n    int
		what string
	}{{s.Failed, "failed"}, {s.Inconclusive - s.Untrusted, "inconclusive"}, {s.Untrusted, "untrusted"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %s %s", p.n, drills, p.what))
			drills = "them"
		}
	}
	bad := strings.Join(parts, ", ")
	switch {
	case r.Passed():
		return passes, fmt.Sprintf("Passed: all of %s", drills)
	case s.Failed > 0:
		return fails, "Not passed: " + bad
	case r.Untrusted():
		return untrusted, "Untrusted: " + bad + ", since the machine did not keep up"
	case len(parts) > 0:
		return inconclusive, "Not passed: " + bad
	case s.Results == 0:
		return inconclusive, "Not passed: no drill ran"
	case !r.Complete:
		return inconclusive, fmt.Sprintf("Not passed: the run is incomplete, though all of its %s passed", drills)
	}
	return fails, "Not passed: go test failed, though every drill passed"
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// A why is why one drill did not pass.
type why struct {
	*drill
	Reasons []reason
	More    string // what is left out
}

// A reason is one of it: an objective, which may be empty, and a sentence.
type reason struct{ Objective, Why string }

// mostReasons is how many of one drill the first screen has room for.
const mostReasons = 3

// whys says of each drill why it did not pass. Where something failed, what is merely inconclusive
// is only counted.
func whys(drills []*drill) (all []why) {
	for _, d := range drills {
		if d.Mark == passes {
			continue
		}
		w := why{drill: d}
		if d.Reason != "" {
			w.Reasons = append(w.Reasons, reason{"", shorten(string(d.Reason), 240)})
		}
		told := map[string]bool{}
		left := map[drtest.Status]int{}
		for _, bad := range []drtest.Status{drtest.Fail, drtest.Inconclusive} {
			for _, v := range d.Result.Verdicts {
				switch {
				case v.Status != bad:
				case told[v.Objective]: // a target beside the objective of its name
				case bad == drtest.Inconclusive && len(w.Reasons) > 0, len(w.Reasons) == mostReasons:
					left[bad]++
				default:
					told[v.Objective] = true
					w.Reasons = append(w.Reasons, reason{v.Objective, shorten(withoutIDs(v.Why), 240)})
				}
			}
		}
		w.More = countLeft(left)
		all = append(all, w)
	}
	return all
}

func countLeft(left map[drtest.Status]int) string {
	var parts []string
	for _, s := range []drtest.Status{drtest.Fail, drtest.Inconclusive} {
		if n := left[s]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d more %s %s", n, plural(n, "verdict"), map[drtest.Status]string{drtest.Fail: "failed", drtest.Inconclusive: "inconclusive"}[s]))
		}
	}
	return strings.Join(parts, ", ")
}

// listed matches the ids that a verdict lists. The drill's own part of the page has them.
var listed = regexp.MustCompile(` \((\S+ )+and \d+ more\)`)

func withoutIDs(why string) string { return listed.ReplaceAllString(why, "") }

// shorten cuts a text between words.
func shorten(text string, limit int) string {
	runes := []rune(foreign.Text(text))
	if len(runes) <= limit {
		return string(runes)
	}
	kept := string(runes[:limit])
	if i := strings.LastIndexByte(kept, ' '); i > limit/2 {
		kept = kept[:i]
	}
	return strings.TrimRight(kept, " ,;:") + " …"
}

// readJournal reads what a result names, and says what is wrong with it.
func readJournal(dir string, name report.Text) (r *drtest.Report, wrong string) {
	if name == "" {
		return nil, "It left no journal, so nothing is drawn."
	}
	path := filepath.FromSlash(string(name))
	if !filepath.IsLocal(path) {
		return nil, "Its journal does not lie below the directory of the report, so nothing is drawn."
	}
	file, err := os.Open(filepath.Join(dir, path))
	if err != nil {
		return nil, "Its journal cannot be opened, so nothing is drawn."
	}
	defer file.Close()
	r, err = drtest.ReadReport(file)
	if err != nil {
		return r, "Its journal is damaged, and what is drawn is what stands before that: " + err.Error()
	}
	return r, ""
}
