package formats

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"strings"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// A Place is the file and line of a test, relative to the repository. It is empty where it is not
// known.
type Place struct {
	File string
	Line int
}

// mostAnnotations is how many of one kind GitHub shows of a step. mostRows keeps the summary far
// below the 1 MiB from which on GitHub refuses it.
const (
	mostAnnotations = 10
	mostRows        = 200
)

// GitHubAnnotations returns workflow commands, which are for the standard output of a step: an
// error for each result that failed, and a warning for each other one that did not pass, at the
// place of its test. See "Workflow commands for GitHub Actions".
func GitHubAnnotations(r *report.Report, place func(*report.Result) Place) []byte {
	var b bytes.Buffer
	said := map[string]int{}
	say := func(kind string, at Place, title, message string) {
		if said[kind]++; said[kind] > mostAnnotations {
			return
		}
		var properties []string
		if at.File != "" {
			properties = append(properties, "file="+argument.Replace(at.File), fmt.Sprintf("line=%d", max(1, at.Line)))
		}
		properties = append(properties, "title="+argument.Replace(foreign.Text(title)))
		fmt.Fprintf(&b, "::%s %s::%s\n", kind, strings.Join(properties, ","), data.Replace(foreign.Text(message)))
	}
	if !r.Complete {
		say("error", Place{}, "the run is incomplete", string(r.Incomplete))
	}
	for i := range r.Results {
		x := &r.Results[i]
		kind := "warning"
		switch x.Status {
		case drtest.Pass:
			continue
		case drtest.Fail:
			kind = "error"
		}
		say(kind, place(x), fmt.Sprintf("%s: %s", x.Label(), status(x.Status, x.Untrusted)), why(x))
	}
	return b.Bytes()
}

// What a workflow command would take for its own end, or for that of a property.
var (
	data     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	argument = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// why is the first reason for which a result did not pass: the worst one.
func why(r *report.Result) string {
	for _, s := range []drtest.Status{drtest.Fail, drtest.Inconclusive} {
		for _, v := range r.Verdicts {
			if v.Status == s && (s == drtest.Fail || r.Reason == "") {
				return foreign.Text(v.String())
			}
		}
	}
	return cmp.Or(foreign.Text(string(r.Reason)), "no verdict was reached")
}

// summary is a block of HTML without an empty line, so that nothing in it is taken for Markdown.
var summary = template.Must(template.New("summary").Funcs(template.FuncMap{
	"text":   func(v any) string { return foreign.Text(fmt.Sprint(v)) },
	"status": func(r report.Result) string { return status(r.Status, r.Untrusted) },
	"why":    func(r report.Result) string { return why(&r) },
	"strict": func(f drtest.Figure) string {
		switch {
		case !f.Known:
			return "–"
		case f.Hi == drtest.Forever:
			return "> " + report.Seconds(f.Lo).String()
		}
		return report.Seconds(f.Hi).String()
	},
}).Parse(`<h2>Disaster recovery drills: {{.Verdict}}</h2>
<p>{{.Summary.Passed}} of {{.Summary.Results}} passed, {{.Summary.Failed}} failed, {{.Summary.Inconclusive}} inconclusive{{with .Summary.Untrusted}}, {{.}} of them untrusted: the machine did not keep up{{end}}
{{- with .Incomplete}}; the run is incomplete: {{text .}}{{end}}</p>
<table>
<tr><th>drill</th><th>status</th><th>detection</th><th>RTO</th><th>RPO</th><th>why it did not pass</th></tr>
{{- range .Rows}}
<tr><td>{{text .Label}}<br>{{text .Title}}</td><td>{{status .}}</td><td>{{strict .Figures.Detection}}</td><td>{{strict .Figures.RTO}}</td><td>{{strict .Figures.RPO}}</td><td>{{if ne .Status.String "pass"}}{{why .}}{{end}}</td></tr>
{{- end}}
{{- with .More}}
<tr><td colspan="6">… and {{.}} more, which report.html has</td></tr>
{{- end}}
</table>
`))

// GitHubSummary returns what GitHub shows of a step, for the file that GITHUB_STEP_SUMMARY names:
// what did not pass comes first.
func GitHubSummary(r *report.Report) ([]byte, error) {
	rows := make([]report.Result, 0, len(r.Results))
	for _, passed := range []bool{false, true} {
		for _, x := range r.Results {
			if (x.Status == drtest.Pass) == passed {
				rows = append(rows, x)
			}
		}
	}
	verdict := "not passed"
	switch {
	case r.Passed():
		verdict = "passed"
	case r.Untrusted():
		verdict = "untrusted"
	}
	var b bytes.Buffer
	err := summary.Execute(&b, struct {
		*report.Report
		Verdict string
		Rows    []report.Result
		More    int
	}{r, verdict, rows[:min(len(rows), mostRows)], max(0, len(rows)-mostRows)})
	if err != nil {
		return nil, fmt.Errorf("write the summary for GitHub: %w", err)
	}
	return b.Bytes(), nil
}
