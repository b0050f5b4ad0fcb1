package drtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// lastStretches are how many failures make a last stretch of an outage. A failure rate that falls
// must not be averaged with what it was long before, so the lowest bound of all stretches counts: a
// few failures tell of a change soon, and more of them give a tighter bound.
var lastStretches = [...]int{2, 4, 8}

// longestStretch is the longest of them.
const longestStretch = 8

// clients follows what clients saw, request by request in the order in which they were sent. It
// takes constant time for each, so that the player can ask after every answer whether service is
// back, by the same definition that the figures have.
type clients struct {
	l       *Ledger
	next    int // the first op that was not taken yet
	fault   Interval
	faulted bool

	evidence time.Duration     // the last moment at which a failure shows the service to be down; -1 before there is one
	failed   []int             // ops that failed after the fault
	classes  map[string]*class // of all that was sent
	begin    int               // the first op of the present row of acks
	run      int               // the first op of the row since when the load has kept to its schedule
	window   int               // where the first steady window of the row began; -1 without one
	slowest  time.Duration     // the longest answer in the present row
}

// A class of requests has an outage of its own: see [Classifier].
type class struct {
	evidence time.Duration // as above
	asked    time.Duration // when the last request was sent that was acked
	certain  bool          // whether something was sent once the fault was certain to be in effect
	before   int           // acks since then and before the first failure
	failed   int           // failures
	trials   int           // requests since the first failure, with it
	end      int           // trials until the last failure, with it
	last     []int         // the trials before each failure of the last stretch
	rows     int           // of acks after a failure
	acks     int           // in the present row
	begin    int           // the first op of the present row
	needs    int           // what need returned; 0 when it has to be computed
}

func (l *Ledger) followClients() *clients {
	return &clients{l: l, classes: map[string]*class{}, evidence: -1, window: -1}
}

// gap is the longest time between two requests with which a load keeps to its schedule. Of a heavy
// load that is what is no stall yet: on an ordinary machine a few requests in ten thousand leave
// some milliseconds late.
func (d *Drill) gap() time.Duration {
	return max(2*d.Every+10*time.Millisecond, watchEvery+lateTolerance)
}

// takeAll takes the requests that have an outcome, up to the first one that has none.
func (c *clients) takeAll() {
	if !c.faulted {
		c.fault, c.faulted = c.l.Event(FaultInjected)
	}
	for ; c.next < len(c.l.Ops) && c.l.Ops[c.next].End != Forever; c.next++ {
		c.take(c.l.Ops[c.next])
	}
}

// takeToEnd takes all requests of a drill that was cut off: what has no outcome shows nothing.
func (c *clients) takeToEnd() *clients {
	for c.takeAll(); c.next < len(c.l.Ops); c.takeAll() {
		if c.begin == c.next {
			c.begin++
		}
		c.next++
	}
	return c
}

func (c *clients) take(op Op) {
	if c.next > 0 && op.Start-c.l.Ops[c.next-1].Start > c.l.Drill.gap() {
		c.run = c.next
	}
	if c.l.unserved(op) {
		c.fail(op)
		return
	}
	if class := c.class(op.Class); c.faulted {
		class.ack(op, c.next, op.Start >= c.fault.Hi)
	}
	if c.begin == c.next && op.Start <= c.evidence { // its answer says nothing about the time after the failure
		c.begin++
		return
	}
	c.slowest = max(c.slowest, op.End-op.Start)
	if c.run = max(c.run, c.begin); c.window < 0 && c.onSchedule(c.run, c.next) {
		c.window = c.run
	}
}

// onSchedule says whether the load kept to its schedule for a steady window from one op to another,
// between which nothing failed. It counts what was sent: neither a time in which nothing was sent
// nor a backlog that left in one burst makes a window. Each request may have left a little late.
func (c *clients) onSchedule(from, to int) bool {
	d, first, last := c.l.Drill, c.l.Ops[from], c.l.Ops[to]
	took := last.Start - first.Start
	return took >= d.Steady-d.Every/2 && (last.Due-first.Due)*10 >= took*9
}

func (c *clients) fail(op Op) {
	evidence := c.l.provenDownAt(op)
	c.evidence = max(c.evidence, evidence)
	c.begin, c.window, c.slowest = c.next+1, -1, 0
	if class := c.class(op.Class); c.faulted && op.End > c.fault.Lo {
		c.failed = append(c.failed, c.next)
		class.fail(evidence, op.Start >= c.fault.Hi)
	}
}

func (c *clients) class(name string) *class {
	if c.classes[name] == nil {
		c.classes[name] = &class{evidence: -1}
	}
	return c.classes[name]
}

// ack takes a request that was acked. One that was sent before the fault was certain to be in
// effect, and before any failure, tells nothing.
func (c *class) ack(op Op, n int, certain bool) {
	c.asked, c.certain = op.Start, c.certain || certain
	switch {
	case c.failed == 0 && certain:
		c.before++
	case c.failed == 0:
	case op.Start > c.evidence:
		if c.acks == 0 {
			c.rows++
			c.begin, c.needs = n, 0
		}
		c.acks++
		c.trials++
	}
}

// fail takes a request that failed. Where the first one fails that was sent once the fault was
// certain to be in effect, the outage counts from there: acks between earlier failures may be of a
// time when the fault was not in effect yet.
func (c *class) fail(evidence time.Duration, certain bool) {
	if certain && !c.certain {
		*c = class{evidence: c.evidence, asked: c.asked, certain: true}
	}
	c.evidence, c.acks, c.needs = max(c.evidence, evidence), 0, 0
	if len(c.last) == longestStretch {
		c.last = slices.Delete(c.last, 0, 1)
	}
	c.last = append(c.last, c.trials)
	c.failed++
	c.trials++
	c.end = c.trials
}

// need returns how many acks in a row end the outage. When every request failed from when the fault
// was in effect, the first ack proves that something has changed. When acks came between, one more
// proves nothing: it takes as many as would be unlikely if requests still failed with the rate of
// the whole outage, or of its last stretch.
func (c *class) need() int {
	switch {
	case c.failed == 0:
		return 0
	case c.before == 0 && c.failed == c.end:
		return 1
	}
	if c.needs == 0 {
		rate := leastRate(c.failed, c.end)
		for _, n := range lastStretches {
			if c.failed < c.end && len(c.last) >= n {
				rate = min(rate, leastRate(n, c.end-c.last[len(c.last)-n]))
			}
		}
		c.needs = acksToExclude(rate, c.rows+1)
	}
	return c.needs
}

// outageOver says whether the outages of all classes are over.
func (c *clients) outageOver() bool {
	for _, class := range c.classes {
		if class.acks < class.need() || c.notAskedSince(class) {
			return false
		}
	}
	return true
}

// notAskedSince says that nothing of a class was sent and acked since the fault, or since any
// request failed: it may be down for all that is known, though others are served.
func (c *clients) notAskedSince(class *class) bool {
	return class.asked < c.fault.Hi || class.asked <= c.evidence
}

// acked returns how many requests in a row were sent since from and acked, until the last that has
// an outcome.
func (c *clients) acked(from time.Duration) int {
	row := c.l.Ops[min(c.begin, c.next):c.next]
	first, _ := slices.BinarySearchFunc(row, from, func(op Op, from time.Duration) int { return cmp.Compare(op.Start, from) })
	return len(row) - first
}

// noneOverdue says that no request is under way for longer than the answers of the present row
// allow: it may have failed already.
func (c *clients) noneOverdue(now time.Duration) bool {
	return c.next == len(c.l.Ops) || now-c.l.Ops[c.next].Start <= c.patience()
}

// patience is how long a request may be under way before it looks as if it would fail.
func (c *clients) patience() time.Duration { return 2*c.slowest + c.l.Drill.gap() }

// steady says whether requests have been acked for a steady window, all of them sent since from.
func (c *clients) steady(from time.Duration) bool {
	if c.next == 0 || c.begin >= c.next {
		return false
	}
	first := max(c.run, c.next-c.acked(from))
	return first < c.next && c.onSchedule(first, c.next-1)
}

// rows is the greatest number of rows of acks of a class: each could have been the one that was
// long by chance.
func (c *clients) rows() (rows int) {
	for _, class := range c.classes {
		rows = max(rows, class.rows)
	}
	return rows
}

// served returns when the last class was served again: the ends of its acks since its last failure
// are put in order, and the one that completes the evidence counts. Without, it is Forever.
func (c *clients) served() time.Duration {
	begin := c.next
	if !c.outageOver() {
		return Forever
	}
	for _, class := range c.classes {
		if class.failed > 0 {
			begin = min(begin, class.begin)
		}
	}
	ends := map[string][]time.Duration{}
	for _, op := range c.l.Ops[begin:c.next] {
		if class := c.classes[op.Class]; class != nil && class.failed > 0 && op.Start > class.evidence && !c.l.unserved(op) {
			ends[op.Class] = append(ends[op.Class], op.End)
		}
	}
	var last time.Duration
	for name, row := range ends {
		slices.Sort(row)
		last = max(last, row[c.classes[name].need()-1])
	}
	return last
}

// missingEvidence says which evidence is missing that all classes are served.
func (c *clients) missingEvidence() string {
	var lacks []string
	for _, name := range slices.Sorted(maps.Keys(c.classes)) {
		switch class := c.classes[name]; {
		case class.acks < class.need():
			said := fmt.Sprintf("%d requests were acked in a row since the last failure, and %d show that no more fail", class.acks, class.need())
			if name != "" {
				said = name + ": " + said
			}
			lacks = append(lacks, said)
		case c.notAskedSince(class):
			since := "the last failure"
			if len(c.failed) == 0 {
				since = "the fault"
			}
			lacks = append(lacks, cmp.Or(name, "clients")+": no request was sent and acked since "+since)
		}
	}
	return firstTen(lacks)
}

// acksNeeded returns how many acks in a row the objectives on the error rate ask for.
func (c *clients) acksNeeded() int {
	if c.l.Drill.ErrorRate == 0 {
		return 0
	}
	return acksToExclude(c.l.Drill.ErrorRate, max(1, c.rows()))
}
