package report

import (
	"bytes"
	_ "embed" // for the form of the document
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"
	"unicode"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
)

//go:embed report.md.tmpl
var form string

// Markdown returns the report as a document for people. Every sentence of it follows from a
// measured fact.
func (r *Report) Markdown() ([]byte, error) {
	t, err := template.New("report.md").Funcs(template.FuncMap{
		"text":       func(v any) string { return escape(fmt.Sprint(v)) },
		"code":       func(v any) string { return code(fmt.Sprint(v)) },
		"date":       func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") },
		"inc":        func(i int) int { return i + 1 },
		"sub":        func(a, b int) int { return a - b },
		"percent":    func(f *float64) string { return fmt.Sprintf("%.0f%%", 100**f) },
		"bold":       func(s drtest.Status) string { return strings.Replace(mark(s), " ", " **", 1) + "**" },
		"average":    func(c Category, objective string) string { return c.Averages[Key(objective)].mean() },
		"worst":      func(c Category, objective string) string { return orNone(c.Averages[Key(objective)].Worst) },
		"met":        func(r []Result, objective string, target bool) string { return meet(r, objective, target).String() },
		"statistics": statistics,
		"lo":         func(i drtest.Interval) Seconds { return Seconds(i.Lo) },
		"hi":         end,
		"share":      share, "mark": mark, "in": in, "rows": rows, "averages": averages, "compliance": compliance,
		"metByAll": metByAll, "markOf": mark, "sources": func() string { return escape(Sources) },
	}).Parse(form)
	if err != nil {
		return nil, fmt.Errorf("read the form of the report: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r); err != nil {
		return nil, fmt.Errorf("fill in the report: %w", err)
	}
	return b.Bytes(), nil
}

// statistics are the figures that have statistics by category.
func statistics() []string { return []string{"RTO", "RPO"} }

// Escape is what this document does to text from outside, for other documents.
func Escape(text string) string { return escape(text) }

// escape keeps text from being taken for Markdown or HTML, wherever it stands in a line: in a cell,
// an item or a heading.
func escape(text string) string {
	runes := []rune(foreign.Text(text))
	var b strings.Builder
	for i, r := range runes {
		switch {
		case r == '<':
			b.WriteString("&lt;")
			continue
		case r == '&':
			b.WriteString("&amp;")
			continue
		case strings.ContainsRune("\\|`*[~$", r),
			r == '_' && !(within(runes, i-1) && within(runes, i+1)), // in a word it is only itself
			r == ':' && strings.HasPrefix(string(runes[i:min(i+3, len(runes))]), "://"),
			r == '.' && i >= 3 && strings.EqualFold(string(runes[i-3:i]), "www"),
			i == 0 && strings.ContainsRune("#>", r), // they begin a block, and so do these before a space
			i == 0 && strings.ContainsRune("+-", r) && (len(runes) == 1 || runes[1] == ' ' || runes[1] == r),
			(r == '.' || r == ')') && i > 0 && digits(runes[:i]) && (i+1 == len(runes) || runes[i+1] == ' '):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// within says whether the character at i is one of a word.
func within(runes []rune, i int) bool {
	return i >= 0 && i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]))
}

// digits says whether text is a number.
func digits(text []rune) bool {
	return !slices.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// code returns text between as many backticks as it takes to keep it in one piece.
func code(text string) string {
	longest, now := 0, 0
	for _, r := range text {
		now++
		if r != '`' {
			now = 0
		}
		longest = max(longest, now)
	}
	ticks := strings.Repeat("`", longest+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") || text == "" {
		text = " " + text + " "
	}
	return ticks + text + ticks
}

// A row is one line of the table of a result.
type row struct{ Metric, Target, Limit, Measured, Status string }

// rows returns the table of a result.
func rows(r Result) []row {
	var rows []row
	told := map[string]bool{} // by objective
	add := func(metric, objective, measured string) {
		told[objective] = true
		demand := objective // of one without a limit in seconds
		if metric == objective {
			demand = "holds"
		}
		row := row{metric, "–", "–", measured, "–"}
		limit, target := r.verdict(objective, false), r.verdict(objective, true)
		if target != nil {
			row.Target, row.Status = bound(r.Targets, objective, demand), target.mark()
		}
		if limit != nil {
			row.Limit, row.Status = bound(r.Limits, objective, demand), limit.mark()
			if target != nil && target.Status != limit.Status {
				row.Status += ", target: " + target.mark()
			}
		}
		rows = append(rows, row)
	}
	for _, fig := range r.Figures.Named() {
		add(fig.Title, fig.Objective, fig.String())
	}
	for _, s := range r.Stages {
		reached := "not measured"
		if s.Reached != nil {
			reached = s.Reached.String()
		}
		add("Stage: "+s.Name, s.Name, reached)
	}
	for _, c := range r.Counters {
		add("Counter: "+c.Name, "repeated "+c.Name, c.shown)
	}
	for _, v := range r.Verdicts {
		if !told[v.Objective] {
			add(v.Objective, v.Objective, r.verdict(v.Objective, v.Target).Why)
		}
	}
	return rows
}

// bound prints what was allowed: the limit of a figure, or what an objective without one demands.
func bound(limits map[string]Seconds, objective, demand string) string {
	limit, ok := limits[Key(objective)]
	switch {
	case !ok:
		return demand
	case limit == 0:
		return "0"
	}
	text := time.Duration(limit).String() // "1h0m0s" is "1h" to people
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return "≤ " + text
}

// verdicts is how the results that assert an objective or a target meet it.
type verdicts struct {
	Objective string
	Target    bool
	Status    drtest.Status
	Met, Of   int
	Not       string
}

func meet(results []Result, objective string, target bool) verdicts {
	m := verdicts{Objective: objective, Target: target, Status: drtest.Pass}
	var not []string
	for i := range results {
		v := results[i].verdict(objective, target)
		if v == nil {
			continue
		}
		m.Of++
		if v.Status == drtest.Pass {
			m.Met++
			continue
		}
		not = append(not, results[i].Label())
		if m.Status != drtest.Fail {
			m.Status = v.Status
		}
	}
	m.Not = strings.Join(not, ", ")
	return m
}

func (m verdicts) String() string {
	if m.Of == 0 {
		return "–"
	}
	return mark(m.Status) + " " + share(m.Met, m.Of)
}

// compliance has one entry for each objective and each target that some result asserts.
func compliance(results []Result) (all []verdicts) {
	var objectives []string
	for _, fig := range times() {
		objectives = append(objectives, fig.Name)
	}
	for _, r := range results {
		for _, v := range r.Verdicts {
			if !slices.Contains(objectives, v.Objective) {
				objectives = append(objectives, v.Objective)
			}
		}
	}
	for _, o := range objectives {
		for _, target := range []bool{false, true} {
			if m := meet(results, o, target); m.Of > 0 {
				all = append(all, m)
			}
		}
	}
	return all
}

// metByAll counts those that every result meets that asserts them.
func metByAll(all []verdicts) (n int) {
	for _, v := range all {
		if v.Status == drtest.Pass {
			n++
		}
	}
	return n
}

// averages lists the average of each figure under its label.
func averages(t Tally) (all []struct{ Label, Average string }) {
	for _, fig := range times() {
		all = append(all, struct{ Label, Average string }{fig.Title, t.Averages[Key(fig.Name)].mean()})
	}
	return all
}

// mean prints the average and what it is over.
func (a Average) mean() string {
	text := fmt.Sprintf("%s (over %d of %d results", orNone(a.Mean), a.Over, a.Over+a.Endless+a.Missing)
	if a.Endless > 0 {
		text += fmt.Sprintf("; %d without an end", a.Endless)
	}
	if a.Missing > 0 {
		text += fmt.Sprintf("; %d not measured", a.Missing)
	}
	return text + ")"
}

func orNone(s *Seconds) string {
	if s == nil {
		return "none"
	}
	return s.String()
}

// end prints the strict end of an interval.
func end(s drtest.Interval) string {
	if s.Hi == drtest.Forever {
		return "never seen"
	}
	return Seconds(s.Hi).String()
}

// share prints a part of a whole: "3 of 4 (75.0%)".
func share(part, whole int) string {
	if whole == 0 {
		return "0 of 0"
	}
	return fmt.Sprintf("%d of %d (%.1f%%)", part, whole, 100*float64(part)/float64(whole))
}

// mark marks a verdict.
func (v Verdict) mark() string {
	if v.Untrusted {
		return untrustedMark
	}
	return mark(v.Status)
}

// Mark marks a result.
func (r Result) Mark() string {
	if r.Untrusted {
		return untrustedMark
	}
	return mark(r.Status)
}

const untrustedMark = "⚠️ UNTRUSTED"

func mark(s drtest.Status) string {
	switch s {
	case drtest.Pass:
		return "✅ PASS"
	case drtest.Fail:
		return "❌ FAIL"
	}
	return "⚠️ INCONCLUSIVE"
}
