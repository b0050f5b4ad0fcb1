package drtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// A Meter is a [Workload] with counters, such as of the calls to a paid provider and of what they
// cost. Counters returns the same ones each time.
type Meter interface {
	Counters() []Counter
}

// A Counter counts what the work of a system takes. [Repeated] sets a limit on what was counted
// twice. In a journal it has no function Read.
type Counter struct {
	// Name is what is counted, such as "calls" or "cost". Required.
	Name string `json:"name"`
	// Unit is what one of it is, such as "USD cent". Without it, it is what the name says.
	Unit string `json:"unit,omitempty"`
	// Read returns what was counted so far. It is called before the load begins, four times a
	// second during the drill, and once the accepted work has finished; the last less the first is
	// the drill's. Whatever else moves the counter meanwhile counts as well. A counter that begins
	// again or goes backwards, and one that cannot be read at the end, show nothing. Required.
	Read func(context.Context) (Count, error) `json:"-"`
}

// A Count is what a [Counter] says. It never goes backwards.
type Count struct {
	Total int `json:"total"`
	// Repeated is the part of Total that had been counted before: for work that was done again.
	Repeated int `json:"repeated"`
}

// minus returns what was counted since an earlier count.
func (c Count) minus(earlier Count) Count {
	return Count{c.Total - earlier.Total, c.Repeated - earlier.Repeated}
}

// validate refuses what no counter can say.
func (c Count) validate() error {
	if c.Repeated < 0 || c.Total < c.Repeated {
		return fmt.Errorf("a total of %d, and %d of it repeated, cannot be", c.Total, c.Repeated)
	}
	return nil
}

// text reads "1203 calls, 12 of them repeated".
func (c Counter) text(n Count) string {
	return fmt.Sprintf("%d %s, %d of them repeated", n.Total, cmp.Or(c.Unit, c.Name), n.Repeated)
}

// counters returns those of a workload, which may have none.
func counters(w Workload) []Counter {
	if m, ok := w.(Meter); ok {
		return m.Counters()
	}
	return nil
}

// named returns the counter of a name.
func named(counters []Counter, name string) (Counter, bool) {
	i := slices.IndexFunc(counters, func(c Counter) bool { return c.Name == name })
	if i < 0 {
		return Counter{}, false
	}
	return counters[i], true
}

// counterNames are for a message about a counter that is not among them.
func counterNames(counters []Counter) string {
	var names []string
	for _, c := range counters {
		names = append(names, c.Name)
	}
	return fmt.Sprintf("%q", names)
}

// A CounterFigure is what a [Counter] counted in a drill.
type CounterFigure struct {
	Counter
	Count
	Known bool
	Why   string // why it is not known
}

// String reads "1203 calls, 12 of them repeated", or says why it is not known.
func (c CounterFigure) String() string {
	if !c.Known {
		return "not known: " + c.Why
	}
	return c.text(c.Count)
}

// Counter returns what the counter of a name counted. It is not known where the workload has no
// such counter.
func (f Figures) Counter(name string) CounterFigure {
	for _, c := range f.Counters {
		if c.Name == name {
			return c
		}
	}
	return CounterFigure{Counter: Counter{Name: name}, Why: fmt.Sprintf("the workload has no counter %q", name)}
}

// counted returns the figures of the counters, in the order of the workload.
func (l *Ledger) counted() (all []CounterFigure) {
	for _, c := range l.Drill.Counters {
		fig := CounterFigure{Counter: c}
		if fig.Count, fig.Known = l.Counts[c.Name]; !fig.Known {
			fig.Why = "the counter was never read"
			for _, e := range l.Events {
				if e.Kind == CounterRead && e.Note == c.Name {
					fig.Why = e.Evidence
				}
			}
		}
		all = append(all, fig)
	}
	return all
}

// Repeated requires that at most so much of what the counter of that name counted is repeated. A
// recovery that does work again is counted again: calls that were under way at a crash, for
// instance, and those since the last checkpoint. A counter that counted nothing shows nothing.
func Repeated(counter string, atMost int) Objective {
	needs := func(s Scenario) string {
		all := counters(s.Workload)
		_, ok := named(all, counter)
		return lackIf(!ok, "the counters of the workload are "+counterNames(all))
	}
	return Objective{name: repeatedName(counter), of: counter, kind: repeated, count: &atMost, needs: needs, judge: func(l *Ledger, f Figures) Verdict {
		switch c := f.Counter(counter); {
		case !c.Known:
			return l.notShown(c.Why)
		case c.Total == 0:
			return l.notShown("nothing was counted, so nothing could be repeated")
		case c.Count.Repeated > atMost:
			return Verdict{Status: Fail, Why: fmt.Sprintf("%v, want at most %d", c, atMost)}
		default:
			return Verdict{Status: Pass, Why: fmt.Sprintf("%v, want at most %d", c, atMost)}
		}
	}}
}

// repeatedName is the name of the verdict on a counter.
func repeatedName(counter string) string { return "repeated " + counter }

// A meterReader follows one counter. One that begins again in mid-drill would hide what it had
// counted before, so it is read all the time.
type meterReader struct {
	Counter
	call        func(ctx context.Context, limit time.Duration, f func(context.Context) error) error
	first, last Count
	backwards   error // that it went
}

// read reads once.
func (m *meterReader) read(ctx context.Context) error {
	var now Count
	err := m.call(ctx, closingLimit, func(ctx context.Context) (err error) {
		now, err = m.Read(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if since := now.minus(m.last); min(since.Total, since.Repeated) < 0 && m.backwards == nil {
		m.backwards = fmt.Errorf("the counter went backwards: it said %s, and later %s", m.text(m.last), m.text(now))
	}
	m.last = now
	return nil
}

// watch reads until ctx ends. A counter that cannot be read for a while is read later.
func (m *meterReader) watch(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(readingEvery):
			_ = m.read(ctx)
		}
	}
}

// openMeters reads the counters of the workload for the first time.
func (p *player) openMeters(ctx context.Context) (meters []*meterReader, err error) {
	for _, c := range counters(p.Workload) {
		m := &meterReader{Counter: c, call: p.call}
		if err := m.read(ctx); err != nil {
			return nil, fmt.Errorf("read the counter of %s before the load: %w", c.Name, err)
		}
		m.first, m.backwards = m.last, nil
		meters = append(meters, m)
	}
	return meters, nil
}

// settleCounters notes what was counted in the drill.
func (p *player) settleCounters(ctx context.Context, meters []*meterReader) {
	errs := make([]error, len(meters))
	var all sync.WaitGroup // each may take a while
	for i, m := range meters {
		all.Go(func() { errs[i] = m.read(ctx) })
	}
	all.Wait()
	for i, m := range meters {
		in := m.last.minus(m.first)
		err := errs[i]
		if err == nil {
			err = cmp.Or(m.backwards, in.validate())
		}
		event := Event{Kind: CounterRead, Interval: Interval{p.now(), p.now()}, Note: m.Name, Evidence: m.text(in)}
		if err != nil {
			event.Evidence = cmp.Or(err.Error(), "an error without text") // the verdicts that need it are inconclusive
		} else {
			p.emit(record{Count: &counted{m.Name, in}})
		}
		p.emit(record{Event: &event})
	}
}

// withoutRead returns the counters as a journal keeps them.
func withoutRead(counters []Counter) (kept []Counter) {
	for _, c := range counters {
		kept = append(kept, Counter{Name: c.Name, Unit: c.Unit})
	}
	return kept
}
