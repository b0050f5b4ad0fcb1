package formats

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// A family is all samples of one metric, which is a gauge. Prometheus and OpenTelemetry are told
// the same, each in its form.
type family struct {
	name    string // as OpenTelemetry writes it: "drtest.drill.figure"
	unit    string // as UCUM has it: "s" of seconds, "1" of a share, and empty of what has none
	help    string
	samples []sample
	play    int // of the result that is told of, where there are several of its drill
}

type sample struct {
	value  float64
	labels []label
}

type label struct{ name, value string }

// add adds a sample with pairs of labels, whose values may be foreign.
func (f *family) add(value float64, labels ...string) {
	s := sample{value: value}
	for i := 0; i < len(labels); i += 2 {
		s.labels = append(s.labels, label{labels[i], foreign.Text(labels[i+1])})
	}
	if f.play > 0 {
		s.labels = append(s.labels, label{"play", strconv.Itoa(f.play)})
	}
	f.samples = append(f.samples, s)
}

// A teller collects metrics.
type teller struct{ all []family }

// tell adds a metric, if it has samples.
func (t *teller) tell(name, unit, help string, fill func(*family)) {
	f := family{name: name, unit: unit, help: help}
	if fill(&f); len(f.samples) > 0 {
		t.all = append(t.all, f)
	}
}

// families are the metrics of a report.
func families(r *report.Report) []family {
	var t teller
	t.tell("drtest.run.passed", "", "Whether all drills of the last run passed and nothing else went wrong.", func(f *family) { f.add(truth(r.Passed())) })
	t.tell("drtest.run.complete", "", "Whether no part of the last run is missing.", func(f *family) { f.add(truth(r.Complete)) })
	t.tell("drtest.run.start_time", "s", "When the last run began, in seconds since 1970.", func(f *family) {
		if r.Run != nil {
			f.add(float64(r.When.UnixMilli()) / 1000)
		}
	})
	t.drills(r)
	t.plays(r)
	return t.all
}

// drills adds what the drills of a report showed. The figures of what is untrusted are left out:
// they say as much of the machine as of the system.
func (t *teller) drills(r *report.Report) {
	drills := labels(r)
	// each calls do for the results that can be trusted, and whose drills came to their end.
	each := func(f *family, do func(drill string, x *report.Result)) {
		for i := range r.Results {
			if x := &r.Results[i]; x.Reason == "" && !x.Untrusted {
				f.play = x.Play
				do(drills[i], x)
			}
		}
	}
	t.tell("drtest.drill.status", "", "How a drill ended: 1 for its status, 0 for the others.", func(f *family) {
		for i, x := range r.Results {
			f.play = x.Play
			for _, s := range []string{"pass", "fail", "inconclusive", "untrusted"} {
				f.add(truth(status(x.Status, x.Untrusted) == s), "drill", drills[i], "status", s)
			}
		}
	})
	t.tell("drtest.drill.figure", "s", "A measured time, of a figure or until a stage was reached, which lies between its two ends.", func(f *family) {
		each(f, func(drill string, x *report.Result) {
			for _, took := range times(x) {
				f.add(seconds(took.Interval.Lo), "drill", drill, "figure", took.name, "end", "lo")
				f.add(seconds(took.Interval.Hi), "drill", drill, "figure", took.name, "end", "hi")
			}
		})
	})
	t.tell("drtest.drill.limit", "s", "The limit of a figure or of a stage.", func(f *family) {
		each(f, func(drill string, x *report.Result) {
			for _, name := range slices.Sorted(maps.Keys(x.Limits)) {
				f.add(seconds(time.Duration(x.Limits[name])), "drill", drill, "figure", name)
			}
		})
	})
	t.tell("drtest.drill.share", "1", "A measured share, from 0 to 1.", func(f *family) {
		each(f, func(drill string, x *report.Result) {
			for _, s := range shares(x) {
				f.add(s.Number, "drill", drill, "figure", s.name)
			}
		})
	})
	t.tell("drtest.drill.units", "", "Units of work: affected by the fault, recovered, lost, or there more than once.", func(f *family) {
		each(f, func(drill string, x *report.Result) {
			for _, c := range counts(x) {
				f.add(c.Number, "drill", drill, "kind", c.name)
			}
		})
	})
	t.tell("drtest.drill.counted", "", "What a counter of the workload counted in the drill, and how much of it had been counted before.", func(f *family) {
		each(f, func(drill string, x *report.Result) {
			for _, c := range x.Counters {
				if c.Total != nil && c.Repeated != nil {
					f.add(float64(*c.Total), "drill", drill, "counter", c.Name, "unit", string(c.Unit), "kind", "total")
					f.add(float64(*c.Repeated), "drill", drill, "counter", c.Name, "unit", string(c.Unit), "kind", "repeated")
				}
			}
		})
	})
}

// plays adds what the plays of each drill show together.
func (t *teller) plays(r *report.Report) {
	t.tell("drtest.drill.plays", "", "The plays of a drill: those that count, and those of them in which acked work was lost, or that failed.", func(f *family) {
		for i := range r.Repeated {
			g := &r.Repeated[i]
			f.add(float64(g.Counted), "drill", g.Label(), "kind", "counted")
			f.add(float64(g.Loss.Times), "drill", g.Label(), "kind", "lost")
			f.add(float64(g.Failure.Times), "drill", g.Label(), "kind", "failed")
		}
	})
	t.tell("drtest.drill.rate_at_most", "1", "The upper bound, at 95 %, of the rate of such disasters that lose acked work, or fail.", func(f *family) {
		for i := range r.Repeated {
			g := &r.Repeated[i]
			f.add(g.Loss.AtMost, "drill", g.Label(), "kind", "lost")
			f.add(g.Failure.AtMost, "drill", g.Label(), "kind", "failed")
		}
	})
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// seconds has the infinity of a time that never ended.
func seconds(d time.Duration) float64 {
	if d == drtest.Forever {
		return math.Inf(1)
	}
	return d.Seconds()
}

// A figure is one of a result that is known, by its name in report.json.
type figure struct {
	name string
	drtest.NamedFigure
}

// times are what a result has of measured times: its figures, then its stages. Counts are the
// figures that are numbers of units, and shares those from 0 to 1.
func times(r *report.Result) []figure {
	all := figures(r, drtest.NamedFigure.IsTime)
	for _, s := range r.Figures.Stages {
		if s.Known {
			name := report.Key(s.Name)
			for slices.ContainsFunc(all, func(f figure) bool { return f.name == name }) { // no scenario has such a name, and a journal may
				name += "_"
			}
			all = append(all, figure{name, drtest.NamedFigure{Name: s.Name, Unit: "s", Figure: s.Figure}})
		}
	}
	return all
}

func counts(r *report.Result) []figure {
	return figures(r, func(f drtest.NamedFigure) bool { return f.Unit == "units" })
}

func shares(r *report.Result) []figure {
	return figures(r, func(f drtest.NamedFigure) bool { return f.Unit == "" })
}

func figures(r *report.Result, such func(drtest.NamedFigure) bool) (all []figure) {
	for _, f := range r.Figures.Named() {
		if f.Known && such(f) {
			all = append(all, figure{report.Key(f.Name), f})
		}
	}
	return all
}

// labels tells all results of a play apart, also those that nothing but their order does. Each is
// the same in all plays.
func labels(r *report.Report) (all []string) {
	type drill struct {
		name string
		play int
	}
	seen := map[drill]int{}
	for i := range r.Results {
		name := foreign.Text(r.Results[i].Drill())
		in := drill{name, r.Results[i].Play}
		if seen[in]++; seen[in] > 1 {
			name = fmt.Sprintf("%s (%d)", name, seen[in])
		}
		all = append(all, name)
	}
	return all
}
