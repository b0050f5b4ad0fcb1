package drtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/internal/machine"
)

// Machine is what the test machine was doing during the drill: figures from a machine that was too
// busy say as much about it as about the system.
type Machine struct {
	CPUs int `json:"cpus"`
	// Busy is the share of all processor time that was used, from 0 to 1.
	Busy float64 `json:"busy"`
	// Stalled is the share of the time in which some task waited for a processor (pressure stall
	// information), from 0 to 1. It is 0 where the kernel does not tell.
	Stalled float64 `json:"stalled"`
}

// machineSince says what the machine did between two readings.
func machineSince(before, now machine.Totals, elapsed time.Duration) Machine {
	m := Machine{CPUs: runtime.NumCPU()}
	if m.Busy = min(1, max(0, now.Busy(before))); elapsed > 0 { // a counter of the kernel may step back a little
		waited, _ := now.Lost(before, elapsed)
		m.Stalled = float64(waited) / float64(elapsed)
	}
	return m
}

// A Reading is what the machine had done by one moment of the drill. Its durations count from the
// start of the drill. They stay at 0 where the kernel does not tell them.
type Reading struct {
	At time.Duration `json:"at"`
	// Waited is how long some task was ready to run and had no processor: "some" of
	// /proc/pressure/cpu, see the kernel's psi.rst; or of that of the control group of the test
	// process, where it is more. Tasks that a quota holds back count as well.
	Waited time.Duration `json:"waited,omitempty"`
	// Full is how long all processors were in use while the kernel told of no task that waited,
	// which old ones never do.
	Full time.Duration `json:"full,omitempty"`
	// Stolen is how long the host of a virtual machine kept a processor from it, on the average of
	// all processors: "steal" of /proc/stat, see proc(5).
	Stolen time.Duration `json:"stolen,omitempty"`
	// Stopped is how long the test process did not run when it should have: how late its readings
	// were, added up.
	Stopped time.Duration `json:"stopped,omitempty"`
}

// checkAfter refuses a reading that cannot come after those before it.
func (r Reading) checkAfter(before []Reading) error {
	var last Reading
	if n := len(before); n > 0 {
		last = before[n-1]
	}
	if r.At < last.At || r.Waited < last.Waited || r.Full < last.Full || r.Stolen < last.Stolen || r.Stopped < last.Stopped {
		return errors.New("a reading of the machine is less than the one before it")
	}
	return nil
}

const (
	// readingEvery is the time between two readings. Each takes a tenth of a millisecond.
	readingEvery = 250 * time.Millisecond
	// lateTolerance is how late a reading may be without a mention.
	lateTolerance = 25 * time.Millisecond
)

// watchMachine takes readings, and a last one when ctx ends.
func (p *player) watchMachine(ctx context.Context, start machine.Totals) {
	var last Reading
	did := start
	timer := time.NewTimer(0)
	defer timer.Stop()
	for due := p.now(); ; {
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		now, stopped := p.now(), last.Stopped
		if late := now - due; late > lateTolerance {
			stopped += late
		}
		does := p.machine.Read()
		waited, stolen := does.Lost(did, now-last.At)
		next := Reading{At: now, Waited: last.Waited + waited, Full: last.Full, Stolen: last.Stolen + stolen, Stopped: stopped}
		if does.Full(did, now-last.At) {
			next.Full += now - last.At
		}
		last, did = next, does
		p.emit(record{Reading: &next})
		if ctx.Err() != nil {
			return
		}
		due = now + readingEvery
		timer.Reset(readingEvery)
	}
}

// watchEvery is how often the watchdog runs.
const watchEvery = 10 * time.Millisecond

// watchStalls looks at the clock all the time. When it could not for a while, nothing else in this
// process ran either: it was collecting garbage, its machine was paused or suspended.
func (p *player) watchStalls(ctx context.Context) {
	p.ticked.Store(int64(p.now()))
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := p.now()
		if last := time.Duration(p.ticked.Load()); now-last > watchEvery+lateTolerance {
			p.event(Stalled, Interval{last, now}, "")
		}
		p.ticked.Store(int64(now))
	}
}

// stalledSince says whether the test process stood still since a moment. What failed meanwhile may
// have failed for that.
func (p *player) stalledSince(at time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range slices.Backward(p.report.Ledger.Events) {
		if e.Kind == Stalled {
			if e.Hi > at {
				return true
			}
			break
		}
	}
	return p.now()-time.Duration(p.ticked.Load()) > watchEvery+lateTolerance // the watchdog has not run again yet
}

// playerKey is that of the player in the context of what it calls.
type playerKey struct{}

// NoteStart tells the drill that has called Inject, Heal or a step with ctx that the engine took
// from one moment to another to start a container. It is a part of the recovery that a faster
// machine would make shorter: see [Strain]. Outside of a drill, and once it has ended, it does
// nothing.
func NoteStart(ctx context.Context, container string, from, to time.Time) {
	if p, ok := ctx.Value(playerKey{}).(*player); ok && !to.Before(from) && !from.Before(p.start) && to.Sub(p.start) <= longestDrill {
		p.emitUnlessEnded(record{Event: &Event{Kind: ContainerStarted, Interval: Interval{from.Sub(p.start), to.Sub(p.start)}, Note: container}})
	}
}

// Strain is what kept a machine from its work during a window of a drill, each as a part of that
// window.
type Strain struct {
	Over    time.Duration // how long the window is
	Waited  time.Duration // see [Reading]
	Stolen  time.Duration // likewise
	Stopped time.Duration // likewise
	Starts  time.Duration // in which the engine was starting a container that the drill had lost or asked for
	Known   bool          // whether the kernel tells for how long tasks waited

	full         time.Duration // see [Reading]
	lateRequests int           // that left more than half a period late
	sent         int           // all requests
	twice        time.Duration // in Starts and in another one of these
}

// Beside what the machine itself lost (see internal/machine), these are the most that the test
// process may have stood still, as a share of the window, and the largest share of requests that
// may leave late: more is not the load that was asked for.
const (
	mostStopped = 0.1
	mostLate    = 0.05
)

// KeptUp says whether the machine could keep up with the drill, so that a time that misses its
// limit tells of the system.
func (s Strain) KeptUp() bool { return s.Why() == "" }

// Why says what kept the machine from keeping up, or nothing.
func (s Strain) Why() string {
	var why []string
	over := func(d time.Duration, most float64) bool { return s.Over > 0 && float64(d) > most*float64(s.Over) }
	share := func(d time.Duration) string { return fmt.Sprintf("%.0f %%", 100*float64(d)/float64(s.Over)) }
	if over(s.Waited, machine.MostWaited) {
		why = append(why, "some task waited for a processor "+share(s.Waited)+" of the time")
	}
	if over(s.full, machine.MostWaited) {
		why = append(why, "all processors were in use "+share(s.full)+" of the time")
	}
	if over(s.Stolen, machine.MostStolen) {
		why = append(why, "the host of the virtual machine took "+share(s.Stolen)+" of its processors")
	}
	if over(s.Stopped, mostStopped) {
		why = append(why, "the test process stood still "+share(s.Stopped)+" of the time")
	}
	if s.late() {
		why = append(why, fmt.Sprintf("%d of %d requests left late", s.lateRequests, s.sent))
	}
	return strings.Join(why, ", ")
}

func (s Strain) late() bool {
	return s.lateRequests > 1 && float64(s.lateRequests) > mostLate*float64(s.sent)
}

// Machine returns how much of the window can have been the machine's doing: what is left of it is
// the system's. Of tasks that share the processors fairly, none waits for longer than some task
// does. It is the whole window where requests left late, or where nothing is known of the machine
// but that it did not keep up.
func (s Strain) Machine() time.Duration {
	if s.late() || !s.Known && !s.KeptUp() {
		return s.Over
	}
	return min(s.Over, s.Waited+s.Stolen+s.Stopped+s.Starts-s.twice)
}

// strainIn returns what kept the machine from its work during a window.
func (l *Ledger) strainIn(window Interval) Strain {
	if window.Hi == Forever {
		window.Hi = l.lastMeasured()
	}
	s := Strain{Over: max(0, window.Hi-window.Lo)}
	if n := len(l.Readings); n > 0 {
		s.Known = l.Readings[n-1].Waited > 0 // a kernel that tells it has told something by then
	}
	from, to := l.readingAt(window.Lo), l.readingAt(window.Hi)
	s.Waited, s.full, s.Stolen, s.Stopped = to.Waited-from.Waited, to.Full-from.Full, to.Stolen-from.Stolen, to.Stopped-from.Stopped
	until := window.Lo // of the starts so far, which may overlap
	for _, e := range l.containerStarts() {
		from, to := max(e.Lo, until), min(e.Hi, window.Hi)
		if from >= to {
			continue
		}
		until = to
		s.Starts += to - from
		s.twice += min(to-from, l.readingAt(to).lost()-l.readingAt(from).lost())
	}
	for _, op := range l.Ops {
		if op.Due < window.Lo || op.Due > window.Hi {
			continue
		}
		s.sent++
		if l.Drill.late(op) {
			s.lateRequests++
		}
	}
	return s
}

// containerStarts are those of containers, in the order in which they began.
func (l *Ledger) containerStarts() (starts []Interval) {
	for _, e := range l.Events {
		if e.Kind == ContainerStarted {
			starts = append(starts, e.Interval)
		}
	}
	slices.SortFunc(starts, func(a, b Interval) int { return cmp.Compare(a.Lo, b.Lo) })
	return starts
}

// lastMeasured is the last moment at which something was measured of a recovery: what is examined
// after that is no part of it.
func (l *Ledger) lastMeasured() (last time.Duration) {
	for _, op := range l.Ops {
		if op.End != Forever {
			last = max(last, op.End)
		}
	}
	for _, s := range l.Samples {
		last = max(last, s.Hi)
	}
	return last
}

// readingAt returns what the machine had done at a moment, which lies between two readings, or
// after the last.
func (l *Ledger) readingAt(at time.Duration) Reading {
	n, found := slices.BinarySearchFunc(l.Readings, at, func(r Reading, at time.Duration) int { return cmp.Compare(r.At, at) })
	switch {
	case found:
		return l.Readings[n]
	case n == len(l.Readings) && n == 0:
		return Reading{At: at}
	case n == len(l.Readings):
		return l.Readings[n-1]
	}
	var before Reading
	if n > 0 {
		before = l.Readings[n-1]
	}
	after := l.Readings[n]
	part := float64(at-before.At) / float64(after.At-before.At)
	between := func(a, b time.Duration) time.Duration { return a + time.Duration(part*float64(b-a)) }
	return Reading{at, between(before.Waited, after.Waited), between(before.Full, after.Full), between(before.Stolen, after.Stolen), between(before.Stopped, after.Stopped)}
}

// lost adds up what kept the machine from its work.
func (r Reading) lost() time.Duration { return r.Waited + r.Stolen + r.Stopped }

// recoveryWindow is the window that tells of a recovery: from the fault until service was back, or
// until the end of the drill.
func (l *Ledger) recoveryWindow(f Figures) Interval {
	fault, ok := l.Event(FaultInjected)
	if !ok {
		return Interval{0, l.lastMeasured()}
	}
	window := Interval{fault.Lo, l.lastMeasured()}
	if f.RTO.Known && f.RTO.Hi != Forever {
		window.Hi = fault.Lo + f.RTO.Hi
	}
	return window
}

// Strain returns what kept the machine from its work from the fault until service was back.
func (r *Report) Strain() Strain { return r.Ledger.strainIn(r.Ledger.recoveryWindow(r.Figures)) }
