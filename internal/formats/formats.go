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

// A figure is a measured time of a result, by its name in report.json.
type figure struct {
	name string
	*report.Span
}

// figures are those of a result that were measured.
func figures(r *report.Result) (all []figure) {
	for _, f := range []figure{
		{"detection", r.Detection}, {"rto", r.RTO}, {"outage", r.Outage}, {"heal_lag", r.HealLag},
		{"rpo", r.RPO}, {"work_rto", r.WorkRTO}, {"lost_work", r.LostWork},
	} {
		if f.Span != nil {
			all = append(all, f)
		}
	}
	return all
}

// A count is a number of units of a result, likewise.
type count struct {
	name string
	n    *int
}

func counts(r *report.Result) (all []count) {
	for _, c := range []count{{"affected", r.Affected}, {"recovered", r.Recovered}, {"duplicates", r.Duplicates}, {"lost", r.Lost}} {
		if c.n != nil {
			all = append(all, c)
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
