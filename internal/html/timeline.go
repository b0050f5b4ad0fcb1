package html

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
)

// A timeline is what happened around the fault, to scale, one thing below the other.
type timeline struct {
	Ticks []tick
	Lanes []*lane
	Whole *lane // the whole drill, where the lanes show only a part of it
	From  string
	To    string
}

// A lane is one line of it.
type lane struct {
	Name   string
	Note   string // what it shows, in words: also for those who do not see it
	Height int
	Shapes []*shape
	Texts  []label
	Thin   bool // one of a group that stands close together
}

// A label is text in a drawing, above a line.
type label struct{ Y, Text string }

// bins is the most columns that a lane of many requests has. A screen shows about as many, and a
// file of a million requests is no larger than one of a thousand.
const bins = 250

// A drawing has what all lanes need.
type drawing struct {
	scale
	*drtest.Ledger
	figures  drtest.Figures
	fault    drtest.Interval
	injected bool
	end      time.Duration // of all that was seen
	moments  []moment
	lost     map[string]bool
	t        *timeline
}

// A moment is an instant of the recovery, counted from the start of the drill.
type moment struct {
	drtest.Interval
	name, source string
}

func newTimeline(r *drtest.Report) *timeline {
	d := drawing{Ledger: r.Ledger, figures: r.Figures, t: new(timeline)}
	d.fault, d.injected = d.Event(drtest.FaultInjected)
	d.end, d.lost = lastOf(d.Ledger), map[string]bool{}
	for _, id := range d.figures.Lost {
		d.lost[id] = true
	}
	for i, m := range d.Recovery() {
		if i > 0 { // the fault has a lane of its own
			d.moments = append(d.moments, moment{since(d.fault, m.Since), m.Name, m.Source})
		}
	}
	whole := scale{0, max(d.end, time.Millisecond)}
	d.scale = d.window()
	d.t.Ticks = d.ticks(d.fault.Lo)
	if d.from > 0 || d.to < d.end {
		d.t.Whole = d.overview(whole)
	}
	d.t.From, d.t.To = offset(d.from-d.fault.Lo), offset(d.to-d.fault.Lo)
	d.add(d.requests(d.scale, 44), d.latency(), d.health(), d.held())
	d.add(d.recovery()...)
	d.add(d.work(), d.machine())
	return d.t
}

// since is an instant that was counted from another one.
func since(start, counted drtest.Interval) drtest.Interval {
	if counted.Hi == drtest.Forever {
		return drtest.Interval{Lo: start.Hi + counted.Lo, Hi: drtest.Forever}
	}
	hi := start.Lo + counted.Hi
	return drtest.Interval{Lo: min(start.Hi+counted.Lo, hi), Hi: hi}
}

// add adds the lanes that have something to show.
func (d *drawing) add(lanes ...*lane) {
	for _, l := range lanes {
		if l == nil {
			continue
		}
		d.zero(l, d.scale)
		d.t.Lanes = append(d.t.Lanes, l)
	}
}

// zero draws when the fault began.
func (d *drawing) zero(l *lane, s scale) {
	if d.injected && s.holds(d.fault.Lo) {
		zero := &shape{Class: "zero"}
		zero.rule(s.x(d.fault.Lo), float64(l.Height))
		l.Shapes = append(l.Shapes, zero)
	}
}

// lastOf is the last moment of which a ledger tells, but for what was examined after the load.
func lastOf(l *drtest.Ledger) (last time.Duration) {
	for _, op := range l.Ops {
		if op.End != drtest.Forever {
			last = max(last, op.End)
		}
		last = max(last, op.Start)
	}
	for _, s := range l.Samples {
		last = max(last, s.Hi)
	}
	for _, e := range l.Events {
		if e.Hi != drtest.Forever && !slices.Contains(examined, e.Kind) {
			last = max(last, e.Hi)
		}
	}
	return last
}

// examined are the events after the load.
var examined = []drtest.EventKind{drtest.SurvivorsRead, drtest.CounterRead, drtest.Proved, drtest.Refuted, drtest.NotProved, drtest.FaultConfirmed}

// window is the part of the drill in which something happened: from before the fault until after
// the last thing that it brought about. It is all of it where that is not much more.
func (d *drawing) window() scale {
	all := scale{0, max(d.end, time.Millisecond)}
	if !d.injected {
		return all
	}
	last := d.fault.Hi
	for _, m := range d.moments {
		if m.name == string(drtest.SteadyAgain) {
			continue
		}
		if m.Hi == drtest.Forever {
			return scale{max(0, d.fault.Lo-(d.end-d.fault.Lo)/6), all.to}
		}
		last = max(last, m.Hi)
	}
	for _, e := range d.Events {
		if e.Kind == drtest.HealthRestored && e.Hi > d.fault.Lo {
			last = max(last, e.Hi)
		}
	}
	if w := d.figures.WorkRTO; w.Known && w.Hi != drtest.Forever {
		last = max(last, d.fault.Lo+w.Hi)
	}
	if last == d.fault.Hi { // nothing came of it
		return all
	}
	pad := (last - d.fault.Lo) / 5
	part := scale{max(0, d.fault.Lo-pad), min(all.to, last+pad)}
	if part.to-part.from > all.to*3/4 {
		return all
	}
	return part
}

// overview is the whole drill, with a frame around what the other lanes show.
func (d *drawing) overview(whole scale) *lane {
	l := d.requests(whole, 20)
	l.Name = "the whole drill"
	frame := &shape{Class: "frame"}
	frame.box(whole.x(d.from), whole.x(d.to), 0.5, 19.5)
	l.Shapes = append(l.Shapes, frame)
	d.zero(l, whole)
	l.Note += "; below is what is framed"
	return l
}

// An answer is how a request ended, as its client saw it.
type answer int

const (
	served answer = iota
	gone          // acked, and lost
	late
	rejected
	unknown
	answers
)

func (d *drawing) answerOf(op drtest.Op) answer {
	switch {
	case op.Outcome == drtest.Acked && d.lost[op.ID]:
		return gone
	case op.Outcome == drtest.Acked && d.Drill.Timeout > 0 && op.End-op.Start > d.Drill.Timeout:
		return late
	case op.Outcome == drtest.Acked:
		return served
	case op.Outcome == drtest.Rejected:
		return rejected
	}
	return unknown
}

var answerNames = [answers]string{"acked", "acked and lost", "acked too late", "rejected", "unknown"}

// A column is a part of a lane of many requests, with those that were sent in it.
type column struct {
	from, to time.Duration
	ops      []int
}

// columns cuts a lane into no more columns than can be seen, one of which begins with the fault.
// Where there are fewer requests, each has its own, up to the next one.
func (d *drawing) columns(s scale) (all []column) {
	width := max((s.to-s.from)/bins, 1)
	if width < d.Drill.Every {
		for i, op := range d.Ops {
			if op.Start > s.to {
				break
			}
			to := op.Start + 2*d.Drill.Every // after that there is a gap
			if i+1 < len(d.Ops) {
				to = max(op.Start, min(to, d.Ops[i+1].Start))
			} else {
				to = op.Start + d.Drill.Every
			}
			if to > s.from {
				all = append(all, column{op.Start, to, []int{i}})
			}
		}
		return all
	}
	for from := d.fault.Lo - width*((d.fault.Lo-s.from+width-1)/width); from <= s.to; from += width {
		all = append(all, column{from: from, to: from + width})
	}
	for i, op := range d.Ops {
		if n := int((op.Start - all[0].from) / width); op.Start >= all[0].from && n < len(all) {
			all[n].ops = append(all[n].ops, i)
		}
	}
	return slices.DeleteFunc(all, func(c column) bool { return len(c.ops) == 0 })
}

// requests draws what clients saw: what was served above the middle, what was not below it, each as
// its share of the requests that were sent in a column.
func (d *drawing) requests(s scale, height int) *lane {
	columns := d.columns(s)
	counts := make([][answers]int, len(columns))
	var all [answers]int
	for i, c := range columns {
		for _, n := range c.ops {
			a := d.answerOf(d.Ops[n])
			counts[i][a]++
			all[a]++
		}
	}
	l := &lane{Name: "requests", Height: height, Note: "no request was sent"}
	shapes := [answers]*shape{}
	for a := range answers {
		shapes[a] = &shape{Class: [answers]string{"acked", "lost", "late", "rejected", "unknown"}[a]}
		l.Shapes = append(l.Shapes, shapes[a])
	}
	middle := float64(height) / 2
	for i := 0; i < len(columns); {
		next := i + 1
		for next < len(columns) && columns[next].from == columns[next-1].to && sameShares(counts[i], counts[next]) {
			next++
		}
		x0, x1 := s.x(columns[i].from), s.x(columns[next-1].to)
		sum := 0
		for _, count := range counts[i] {
			sum += count
		}
		up, down := middle, middle+1
		for a, count := range counts[i] {
			switch share := (middle - 1) * float64(count) / float64(sum); {
			case count == 0:
			case answer(a) == served, answer(a) == gone:
				shapes[a].box(x0, x1, up-share, up)
				up -= share
			default:
				share = max(share, 2) // one of a thousand can be seen as well
				shapes[a].box(x0, x1, down, down+share)
				down += share
			}
		}
		i = next
	}
	if told := tell(all); told != "" {
		l.Note = told
	}
	l.Shapes = slices.DeleteFunc(l.Shapes, func(p *shape) bool { return p.d.Len() == 0 })
	return l
}

func sameShares(a, b [answers]int) bool {
	sumA, sumB := 0, 0
	for i := range a {
		sumA, sumB = sumA+a[i], sumB+b[i]
	}
	for i := range a {
		if a[i]*sumB != b[i]*sumA {
			return false
		}
	}
	return true
}

// tell counts requests in words.
func tell(all [answers]int) string {
	var parts []string
	for a, count := range all {
		if count > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count, answerNames[a]))
		}
	}
	return strings.Join(parts, ", ")
}

// latency draws how long clients waited for what was acked: the slowest and the median of each
// column, on a logarithmic scale.
func (d *drawing) latency() *lane {
	columns := d.columns(d.scale)
	took := make([][]time.Duration, len(columns))
	slowest := time.Duration(0)
	var all []time.Duration
	for i, c := range columns {
		for _, n := range c.ops {
			if op := d.Ops[n]; op.Outcome == drtest.Acked {
				t := op.End - op.Start
				took[i], all, slowest = append(took[i], t), append(all, t), max(slowest, t)
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	const height, least = 44, time.Millisecond
	top := max(30*least, slowest*2)
	y := func(took time.Duration) float64 {
		return height * (1 - math.Log(max(1, float64(took)/float64(least)))/math.Log(float64(top)/float64(least)))
	}
	worst, usual, lines := &shape{Class: "slowest"}, &shape{Class: "median"}, &shape{Class: "grid"}
	for i, took := range took {
		if len(took) == 0 {
			continue
		}
		slices.Sort(took)
		x0, x1 := d.x(columns[i].from), d.x(columns[i].to)
		worst.box(x0, x1, y(took[len(took)-1]), height)
		if n := len(took); n > 1 {
			usual.box(x0, x1, y(took[n/2])-1, y(took[n/2])+1)
		}
	}
	l := &lane{Name: "latency of what was acked", Height: height, Shapes: []*shape{worst, usual, lines},
		Note: fmt.Sprintf("median %s, slowest %s", millis(all[len(all)/2]), millis(slowest))}
	for took := 10 * least; took < top; took *= 10 {
		fmt.Fprintf(&lines.d, "M0 %sH%d", number(y(took)), wide)
		l.Texts = append(l.Texts, label{number(y(took)), short(took)})
	}
	return l
}

func millis(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

// health draws what the system said of itself. Between two polls that differ it is pale, and before
// the first one that the journal tells of there is nothing.
func (d *drawing) health() *lane {
	if !d.Drill.Watched {
		return nil
	}
	const height = 14
	good, bad, either := &shape{Class: "good"}, &shape{Class: "bad"}, &shape{Class: "either"}
	now, from := (*shape)(nil), time.Duration(0)
	var times []string
	until := func(at time.Duration) {
		if now != nil && at > from && at > d.from && from < d.to {
			now.box(d.x(from), d.x(at), 1, height-1)
		}
	}
	for _, e := range d.Events {
		var next *shape
		switch e.Kind {
		case drtest.HealthGood:
			next = good
		case drtest.HealthLost:
			next = bad
			times = append(times, "bad at "+offset(e.Hi-d.fault.Lo))
		case drtest.HealthRestored:
			next = good
			times = append(times, "good at "+offset(e.Hi-d.fault.Lo))
		default:
			continue
		}
		until(e.Lo)
		if e.Kind != drtest.HealthGood && e.Hi > d.from && e.Lo < d.to {
			either.box(d.x(e.Lo), d.x(e.Hi), 1, height-1)
		}
		now, from = next, e.Hi
	}
	until(d.end)
	note := strings.Join(times, ", ")
	if n := len(times); n > 4 {
		note = fmt.Sprintf("%s, … %s", strings.Join(times[:2], ", "), times[n-1])
	}
	if note == "" {
		note = "never bad"
		if now != good {
			note = "it is not known"
		}
	}
	return &lane{Name: "health", Note: note, Height: height, Shapes: []*shape{good, bad, either}}
}

// held draws the fault: for how long it was certainly in effect, and for how long it may have been.
func (d *drawing) held() *lane {
	if !d.injected {
		return nil
	}
	const height = 14
	certain, either := &shape{Class: "bad"}, &shape{Class: "either"}
	note := "injected; nothing heals it"
	if d.Drill.HealAfter > 0 {
		note = "injected, and not healed in time"
	}
	until := d.fault.Hi
	for _, e := range d.Events {
		if e.Kind == drtest.FaultHealed {
			until = e.Lo
			either.box(d.x(e.Lo), d.x(e.Hi), 1, height-1)
			note = "healed after " + drtest.Interval{Lo: max(0, e.Lo-d.fault.Hi), Hi: e.Hi - d.fault.Lo}.String()
			break
		}
	}
	either.box(d.x(d.fault.Lo), d.x(d.fault.Hi), 1, height-1)
	if until == d.fault.Hi { // for how long it is felt is the system's affair
		until, certain.Class = d.end, "bad never"
	}
	if until > d.fault.Hi {
		certain.box(d.x(d.fault.Hi), d.x(until), 1, height-1)
	}
	return &lane{Name: "fault: " + d.Drill.Fault, Note: note, Height: height, Shapes: []*shape{certain, either}}
}

// recovery has a lane for each moment of the recovery.
func (d *drawing) recovery() (lanes []*lane) {
	const height = 18
	for _, m := range d.moments {
		class := "stage"
		switch m.source {
		case "Health":
			class = "detection"
		case "runbook":
			class = "step"
		case "heal":
			continue // the fault's own lane has it
		case "clients":
			class = "clients"
		}
		l := &lane{Name: m.name, Height: height, Thin: true}
		p := &shape{Class: class}
		hi := m.Hi
		switch {
		case m.Hi == drtest.Forever:
			hi, l.Note = d.end, "never, as far as the drill went"
			p.Class += " never"
		case m.source == "runbook":
			l.Note = fmt.Sprintf("%s, took %s", offset(m.Lo-d.fault.Lo), seconds(m.Hi-m.Lo))
		default:
			l.Note = offset(m.Hi - d.fault.Lo)
		}
		if m.Lo <= d.to {
			p.box(d.x(m.Lo), d.x(hi), 4, height-4)
		}
		l.Shapes = append(l.Shapes, p)
		lanes = append(lanes, l)
	}
	return lanes
}

// work draws how many units were in flight: acked, and not seen finished.
func (d *drawing) work() *lane {
	if !d.Drill.Tracked || len(d.Samples) == 0 {
		return nil
	}
	type ack struct {
		at time.Duration
		id string
	}
	var acks []ack
	for _, op := range d.Ops {
		if op.Outcome == drtest.Acked {
			acks = append(acks, ack{op.End, op.ID})
		}
	}
	slices.SortFunc(acks, func(a, b ack) int { return cmp.Compare(a.at, b.at) })
	acked, finished := map[string]bool{}, map[string]bool{}
	flying, most, atFault := 0, 0, 0
	type point struct {
		at time.Duration
		n  int
	}
	var points []point
	step := max(1, (d.to-d.from)/bins)
	for _, s := range d.Samples {
		for len(acks) > 0 && acks[0].at <= s.Hi {
			if id := acks[0].id; !acked[id] {
				acked[id] = true
				if !finished[id] {
					flying++
				}
			}
			acks = acks[1:]
		}
		for id, u := range s.Units {
			if u.Finished == finished[id] {
				continue
			}
			if finished[id] = u.Finished; acked[id] {
				if u.Finished {
					flying--
				} else {
					flying++
				}
			}
		}
		if s.Hi <= d.fault.Lo {
			atFault = flying
		}
		if n := len(points); n == 0 || s.Hi-points[n-1].at >= step {
			points = append(points, point{s.Hi, flying})
		} else {
			points[n-1].n = max(points[n-1].n, flying)
		}
		if d.holds(s.Hi) {
			most = max(most, flying)
		}
	}
	const height = 40
	l := &lane{Name: "work in flight", Height: height, Note: fmt.Sprintf("%d units at the fault, at most %d", atFault, most)}
	if !d.injected {
		l.Note = fmt.Sprintf("at most %d units", most)
	}
	if most == 0 {
		return l
	}
	area := &shape{Class: "work"}
	for i, p := range points {
		next := d.end
		if i+1 < len(points) {
			next = points[i+1].at
		}
		if p.n > 0 && next > d.from && p.at < d.to {
			area.box(d.x(p.at), d.x(next), height-(height-2)*float64(p.n)/float64(most), height)
		}
	}
	l.Shapes = append(l.Shapes, area)
	return l
}

// machine draws for which part of the time the machine was kept from its work, when the test
// process stood still, and when containers were starting.
func (d *drawing) machine() *lane {
	const height = 22
	waited, stalled, starts := &shape{Class: "waited"}, &shape{Class: "stalled"}, &shape{Class: "starting"}
	var worst float64
	width := max((d.to-d.from)/bins, 250*time.Millisecond)
	var last, begun drtest.Reading
	for i, r := range d.Readings {
		if i == 0 {
			last, begun = r, r
			continue
		}
		begun = r
		if r.At-last.At < width && i+1 < len(d.Readings) {
			continue
		}
		if r.At > d.from && last.At < d.to && r.At > last.At {
			lost := r.Waited + r.Stolen + r.Stopped - last.Waited - last.Stolen - last.Stopped
			part := min(1, float64(lost)/float64(r.At-last.At))
			worst = max(worst, part)
			if part >= 0.01 {
				waited.box(d.x(last.At), d.x(r.At), height-(height-2)*part, height)
			}
		}
		last = r
	}
	var said []string
	n := map[drtest.EventKind]int{}
	for _, e := range d.Events {
		p := stalled
		switch e.Kind {
		case drtest.Stalled:
		case drtest.ContainerStarted:
			p = starts
		default:
			continue
		}
		if e.Hi > d.from && e.Lo < d.to {
			n[e.Kind]++
			p.box(d.x(e.Lo), d.x(e.Hi), 0, 4)
		}
	}
	if len(d.Readings) > 0 && begun.Waited > 0 {
		said = append(said, fmt.Sprintf("kept from its work up to %.0f %% of the time", 100*worst))
	}
	for _, kind := range slices.Sorted(maps.Keys(n)) {
		what := "the test process stood still " + times(n[kind])
		if kind == drtest.ContainerStarted {
			what = "a container was started " + times(n[kind])
		}
		said = append(said, what)
	}
	if len(said) == 0 {
		return nil
	}
	return &lane{Name: "machine", Note: strings.Join(said, "; "), Height: height, Shapes: []*shape{waited, starts, stalled}}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
