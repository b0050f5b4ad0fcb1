package html

import (
	"fmt"
	"math"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
)

// A repeated drill is what its plays showed together.
type repeated struct {
	*report.Repeated
	Anchor string
	Mark   mark
	Strips []strip
}

// A strip draws what each play measured of one time, below each other and to scale.
type strip struct {
	Name, Note string
	Label      string // in words
	Height     int
	Shapes     []*shape
	Limit      string // where it is, in per cent; empty: there is none
	Ticks      []tick
}

// Sources are those of what is said of plays.
func (page) Sources() string { return report.Sources }

func repeatedDrills(r *report.Report) (all []repeated) {
	for i := range r.Repeated {
		g := &r.Repeated[i]
		d := repeated{Repeated: g, Anchor: fmt.Sprintf("plays-%d", i+1), Mark: markOf(g.Status, g.Failed == 0 && g.Untrusted > 0 && g.Passed+g.Untrusted == g.Plays)}
		for j := range g.Figures {
			if f := &g.Figures[j]; f.Time {
				if s, is := newStrip(f); is {
					d.Strips = append(d.Strips, s)
				}
			}
		}
		all = append(all, d)
	}
	return all
}

const (
	rowHeight = 7 // of one play
	barHeight = 5
)

// newStrip draws nothing where every play measured zero.
func newStrip(f *report.Distribution) (s strip, is bool) {
	most := time.Duration(0)
	for _, p := range f.Plays {
		most = max(most, seconds64(p.Lo))
		if !math.IsInf(float64(p.Hi), 1) {
			most = max(most, seconds64(p.Hi))
		}
	}
	if most == 0 {
		return s, false
	}
	s = strip{Name: f.Title, Note: fmt.Sprintf("%d %s", f.Over, plural(f.Over, "play")), Height: rowHeight*len(f.Plays) + 2}
	s.Label = fmt.Sprintf("%s of %d plays: the shortest %s, the median %s, the longest %s", f.Title, f.Over, f.Shown(f.Min), f.Shown(f.Median), f.Shown(f.Max))
	if f.Limit != nil {
		limit := time.Duration(*f.Limit)
		s.Note += ", limit " + allowed(limit)
		s.Label += ", limit " + allowed(limit)
		most = max(most, limit)
	}
	all := scale{0, most + most/12}
	if f.Limit != nil {
		s.Limit = all.percent(time.Duration(*f.Limit))
	}
	s.Ticks = all.ticks(0)
	good, bad, endless, median := &shape{Class: "played"}, &shape{Class: "played failed"}, &shape{Class: "played failed never"}, &shape{Class: "middle"}
	for i, p := range f.Plays {
		top := float64(i*rowHeight + 2)
		into, hi := good, all.to
		if p.Status != drtest.Pass {
			into = bad
		}
		if math.IsInf(float64(p.Hi), 1) {
			into = endless
		} else {
			hi = seconds64(p.Hi)
		}
		into.box(all.x(seconds64(p.Lo)), all.x(hi), top, top+barHeight)
	}
	if !math.IsInf(float64(f.Median.Hi), 1) {
		median.rule(all.x(seconds64(f.Median.Hi)), float64(s.Height))
	}
	s.Shapes = []*shape{good, bad, endless, median}
	return s, true
}

func seconds64(n report.Number) time.Duration {
	return time.Duration(math.Round(float64(n) * float64(time.Second)))
}

// runOf is the run of go test that a result is of.
func runOf(r *report.Report, x *report.Result) *report.Run {
	for i := range r.Plays {
		if r.Plays[i].Play == x.Play {
			return &r.Plays[i].Run
		}
	}
	return r.Run
}
