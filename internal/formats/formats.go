// Package formats writes reports for tools: JUnit XML, which Jenkins, GitLab and others read, the
// text format of Prometheus, and what GitHub shows of a step. In all of them only pass passes: what
// is inconclusive or untrusted is an error there, and never skipped.
package formats

import (
	"fmt"
	"strconv"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// A figure is one of a result that is known, by its name in report.json.
type figure struct {
	name string
	drtest.NamedFigure
}

// times are the figures of a result that are measured times, and counts those that are numbers of
// units.
func times(r *report.Result) []figure { return figures(r, drtest.NamedFigure.IsTime) }
func counts(r *report.Result) []figure {
	return figures(r, func(f drtest.NamedFigure) bool { return f.Unit == "units" })
}

func figures(r *report.Result, such func(drtest.NamedFigure) bool) (all []figure) {
	for _, f := range r.Figures.Named() {
		if f.Known && such(f) {
			all = append(all, figure{report.Key(f.Name), f})
		}
	}
	return all
}

// status is how a result ended, in one word.
func status(s drtest.Status, untrusted bool) string {
	if untrusted {
		return "untrusted"
	}
	return s.String()
}

// labels tells all results apart, also those that nothing but their order does.
func labels(r *report.Report) (all []string) {
	seen := map[string]int{}
	for i := range r.Results {
		name := foreign.Text(r.Results[i].Label())
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%s (%d)", name, seen[name])
		}
		all = append(all, name)
	}
	return all
}

// number prints seconds, with the infinity of a time that never ended.
func number(d time.Duration) string {
	if d == drtest.Forever {
		return "+Inf"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}
