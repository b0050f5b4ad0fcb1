package formats

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// Prometheus returns the report in the text format of Prometheus, version 0.0.4, for a file that
// node_exporter's textfile collector reads, or for a Pushgateway. The figures of what is untrusted
// are left out: they say as much of the machine as of the system.
func Prometheus(r *report.Report) ([]byte, error) {
	var m metrics
	m.family("drtest_run_passed", "Whether all drills of the last run passed and nothing else went wrong.")
	m.sample(truth(r.Passed()))
	m.family("drtest_run_complete", "Whether no part of the last run is missing.")
	m.sample(truth(r.Complete))
	if r.Run != nil {
		m.family("drtest_run_start_time_seconds", "When the last run began, in seconds since 1970.")
		m.sample(fmt.Sprintf("%.3f", float64(r.When.UnixMilli())/1000))
	}
	m.drills = labels(r)
	m.family("drtest_drill_status", "How a drill ended: 1 for its status, 0 for the others.")
	for i := range r.Results {
		for _, s := range []string{"pass", "fail", "inconclusive", "untrusted"} {
			x := &r.Results[i]
			m.sample(truth(status(x.Status, x.Untrusted) == s), "drill", m.drills[i], "status", s)
		}
	}
	m.family("drtest_drill_figure_seconds", "A measured time, which lies between its two ends.")
	m.each(r, func(drill string, x *report.Result) {
		for _, f := range times(x) {
			m.sample(number(f.Interval.Lo), "drill", drill, "figure", f.name, "end", "lo")
			m.sample(number(f.Interval.Hi), "drill", drill, "figure", f.name, "end", "hi")
		}
	})
	m.family("drtest_drill_limit_seconds", "The limit of a figure or of a stage.")
	m.each(r, func(drill string, x *report.Result) {
		for _, name := range slices.Sorted(maps.Keys(x.Limits)) {
			m.sample(number(time.Duration(x.Limits[name])), "drill", drill, "figure", name)
		}
	})
	m.family("drtest_drill_units", "Units of work: affected by the fault, recovered, lost, or there more than once.")
	m.each(r, func(drill string, x *report.Result) {
		for _, c := range counts(x) {
			m.sample(fmt.Sprint(c.Number), "drill", drill, "kind", c.name)
		}
	})
	m.family("drtest_drill_counted", "What a counter of the workload counted in the drill, and how much of it had been counted before.")
	m.each(r, func(drill string, x *report.Result) {
		for _, c := range x.Counters {
			if c.Total != nil && c.Repeated != nil {
				m.sample(fmt.Sprint(*c.Total), "drill", drill, "counter", c.Name, "unit", string(c.Unit), "kind", "total")
				m.sample(fmt.Sprint(*c.Repeated), "drill", drill, "counter", c.Name, "unit", string(c.Unit), "kind", "repeated")
			}
		}
	})
	return m.Bytes(), nil
}

type metrics struct {
	bytes.Buffer
	drills []string // the labels of the results
	name   string
	help   string
}

// family begins the samples of one name. It is written with the first of them.
func (m *metrics) family(name, help string) { m.name, m.help = name, help }

// each calls f for the results that can be trusted, and whose drills came to their end.
func (m *metrics) each(r *report.Report, f func(drill string, x *report.Result)) {
	for i := range r.Results {
		if x := &r.Results[i]; x.Reason == "" && (x.Status != drtest.Inconclusive || !x.Untrusted) {
			f(m.drills[i], x)
		}
	}
}

// sample writes a value with pairs of labels.
func (m *metrics) sample(value string, labels ...string) {
	if m.help != "" {
		fmt.Fprintf(m, "# HELP %s %s\n# TYPE %s gauge\n", m.name, m.help, m.name)
		m.help = ""
	}
	m.WriteString(m.name)
	if len(labels) > 0 {
		var pairs []string
		for i := 0; i < len(labels); i += 2 {
			pairs = append(pairs, labels[i]+`="`+escaped.Replace(foreign.Text(labels[i+1]))+`"`)
		}
		m.WriteString("{" + strings.Join(pairs, ",") + "}")
	}
	m.WriteString(" " + value + "\n")
}

// escaped writes the value of a label as the format wants it.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func truth(is bool) string {
	if is {
		return "1"
	}
	return "0"
}
