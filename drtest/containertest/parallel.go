package containertest

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/machine"
)

// Weight says how much of a machine the system of a drill needs, above all while it starts.
type Weight int

const (
	// Light is a drill of a few services: a database server or a pair, and what uses it.
	Light Weight = iota + 1
	// Heavy is a drill of a cluster, of regions, or of a restore. It begins before light ones, and
	// beside others only on a machine that is quieter than a light one needs.
	Heavy
)

// Parallel marks t to run in parallel with other tests, as t.Parallel does, and has it begin when
// the machine has room for it. It is the first call of a drill. What a machine does not get done in
// time is measured as a part of a recovery, so how many drills run side by side follows from the
// machine while they run: the first begins at once, and another one beside it only after the
// machine has been quiet for some seconds, as the kernel's pressure stall information tells of
// processors, disks and memory, with the time that its host has taken from it, how late the test
// process is woken, and how long containers took to start. Of heavy ones there is at most one for
// each two processors. go test's -parallel is the most that ever run at a time. It needs no engine.
//
// A test whose parts call Parallel has them take its place: it waits for them. Go test counts what
// a drill waits in the time that it tells of it; a wait of more than five seconds is logged. What
// has not begun when go test is about to end all tests is untrusted, so that it is not ended with
// those that run.
func Parallel(t *testing.T, w Weight) {
	t.Helper()
	if w != Light && w != Heavy {
		t.Fatalf("containertest.Parallel: weight %d is neither Light nor Heavy", w)
	}
	if testing.Short() {
		t.Parallel()
		return // nothing is started
	}
	drills.standAside(t.Name()) // before go test gives the place of the test around t to another one, which waits for it to end
	t.Parallel()
	limit := time.Duration(math.MaxInt64)
	if end, bounded := t.Deadline(); bounded {
		limit = max(time.Until(end)/2, time.Until(end)-StartTimeout) // later there is no time for a start
	}
	waited, leave, err := drills.enter(w, t.Name(), limit)
	if err != nil {
		drtest.Untrusted(t, fmt.Sprintf("%v, and go test is about to end all tests: give it a longer -timeout, or play fewer drills", err))
		t.FailNow()
	}
	t.Cleanup(leave)
	if waited > 5*time.Second {
		line := fmt.Sprintf("it began after %v, when the machine had room for it", waited.Round(time.Second))
		announce.Lines(t, line)
		t.Log(line)
	}
}

// drills are those of this process.
var drills = &gate{look: machine.Open().ReadAll, processors: runtime.NumCPU(), say: func(line string) { fmt.Fprintln(os.Stderr, "drtest: "+line) }}

const (
	// lookEvery is how often the machine is looked at.
	lookEvery = 250 * time.Millisecond
	// quietFor is how long the machine must have been quiet for each drill that runs, counted from
	// when the last one began: what that one does first is to start its system, and the more there
	// are, the longer it takes to see each of them at work.
	quietFor = 4 * time.Second
	// perHeavy is how many processors a heavy drill keeps busy as its system fails and recovers. Until
	// then it looks quiet, for as long as a lease, so it has so many to itself from its start.
	perHeavy = 2
	// mostWaitedHeavy is the share of the time in which some task may wait for a processor on a
	// machine with room for a heavy drill. A light one begins on any machine that keeps up.
	mostWaitedHeavy = 0.3
	// mostShort is the share of the time in which some task may wait for memory: a machine that has
	// enough never does.
	mostShort = 0.1
	// latest is how much later than it should the test process may be woken.
	latest = 50 * time.Millisecond
	// slowStart is how many times as long as the fastest start of a container so far a start may
	// take, and of those only starts of more than a second are slow.
	slowStart = 4
)

// A gate lets drills begin.
type gate struct {
	look       func() machine.Totals
	say        func(string)
	processors int

	mu       sync.Mutex
	running  []*drill
	waiting  []*drill
	watching bool
	starting int       // services that are starting
	began    time.Time // the last drill
	looks    []look    // of the last while, as long as somebody waits
	fastest  time.Duration
	slow     time.Time // when a start was slow
	most     int       // that have run side by side
	told     string    // why nobody began, last
}

// A look is what the machine had done by a moment.
type look struct {
	at   time.Time
	did  machine.Totals
	late time.Duration // how late this look was
}

// A drill waits or runs.
type drill struct {
	weight Weight
	test   string
	begin  chan struct{}
}

// enter returns when a drill may begin, how long that took, and what to call at its end; or, after
// a limit, why it may not.
func (g *gate) enter(w Weight, test string, limit time.Duration) (waited time.Duration, leave func(), err error) {
	start := time.Now()
	me := &drill{w, test, make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, me)
	if !g.watching {
		g.watching = true
		go g.watch()
	}
	g.mu.Unlock()
	over := time.NewTimer(limit)
	defer over.Stop()
	select {
	case <-me.begin:
	case <-over.C:
		if why := g.giveUp(me); why != "" {
			return time.Since(start), nil, fmt.Errorf("it could not begin within %v: %s", time.Since(start).Round(time.Second), why)
		}
	}
	return time.Since(start), func() { g.leave(me) }, nil
}

// giveUp ends the wait of a drill, and says what it waited for, unless it has begun.
func (g *gate) giveUp(d *drill) (why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, d)
	if i < 0 {
		return ""
	}
	g.waiting = slices.Delete(g.waiting, i, i+1)
	return cmp.Or(g.told, "the machine had no room for it") + fmt.Sprintf(", and %d run", len(g.running))
}

// leave ends a drill, if it still runs.
func (g *gate) leave(d *drill) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = slices.DeleteFunc(g.running, func(r *drill) bool { return r == d })
}

// standAside ends the drills of the tests around a test.
func (g *gate) standAside(test string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.running = slices.DeleteFunc(g.running, func(r *drill) bool { return strings.HasPrefix(test, r.test+"/") })
}

// watch looks at the machine as long as somebody waits.
func (g *gate) watch() {
	g.mu.Lock()
	g.looks, g.told = nil, ""
	g.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := time.Now()
	for {
		<-timer.C
		g.mu.Lock()
		now := time.Now()
		g.looks = append(g.looks, look{now, g.look(), max(0, now.Sub(due))})
		g.admit(now)
		g.watching = len(g.waiting) > 0
		done := !g.watching
		g.mu.Unlock()
		if done {
			return
		}
		due = now.Add(lookEvery)
		timer.Reset(lookEvery)
	}
}

// admit lets the first begin that the machine has room for. The caller holds mu.
func (g *gate) admit(now time.Time) {
	for len(g.waiting) > 0 {
		next := g.heaviest()
		if len(g.running) > 0 {
			why := ""
			next, why = g.room(now)
			if next < 0 {
				if g.told == "" && why != "" {
					g.say(fmt.Sprintf("no more than %d side by side for now: %s", len(g.running), why))
					g.told = why
				}
				return
			}
		}
		w := g.waiting[next]
		g.waiting = slices.Delete(g.waiting, next, next+1)
		g.running = append(g.running, w)
		g.began, g.looks, g.told = now, g.looks[len(g.looks)-1:], ""
		if n := len(g.running); n > g.most {
			g.most = n
			if n > 1 {
				g.say(fmt.Sprintf("%d side by side, since the machine is quiet", n))
			}
		}
		close(w.begin)
	}
}

// room returns the index of the first waiter that may begin beside those that run, or -1 and why
// none may; nothing while it is too early to tell. The caller holds mu.
func (g *gate) room(now time.Time) (next int, why string) {
	if g.starting > 0 {
		return -1, ""
	}
	quiet := time.Duration(len(g.running)) * quietFor
	// The last look before the window is where it begins.
	for len(g.looks) > 1 && now.Sub(g.looks[1].at) >= quiet {
		g.looks = g.looks[1:]
	}
	first, last := g.looks[0], g.looks[len(g.looks)-1]
	passed := last.at.Sub(first.at)
	if passed < quiet || now.Sub(g.began) < quiet {
		return -1, ""
	}
	waited, stolen := last.did.Lost(first.did, passed)
	how := "some task waited for a processor %.0f %% of the time"
	if !last.did.Tells(first.did) { // the next best
		waited, how = time.Duration(last.did.Busy(first.did)*float64(passed)), "%.0f %% of the processors were in use"
	}
	share := func(d time.Duration) float64 { return float64(d) / float64(passed) }
	late := slices.MaxFunc(g.looks[1:], func(a, b look) int { return cmp.Compare(a.late, b.late) }).late
	switch {
	case !last.did.Pressure && last.did.All == 0:
		return -1, "this system tells nothing of its processors"
	case share(stolen) > machine.MostStolen/2:
		return -1, fmt.Sprintf("the host of this virtual machine took %.0f %% of its processors", 100*share(stolen))
	case late > latest:
		return -1, fmt.Sprintf("the test process was woken %v late", late.Round(time.Millisecond))
	case now.Sub(g.slow) < quietFor:
		return -1, "a container took long to start"
	case share(last.did.Memory-first.did.Memory) > mostShort:
		return -1, fmt.Sprintf("some task waited for memory %.0f %% of the time", 100*share(last.did.Memory-first.did.Memory))
	case share(last.did.Disk-first.did.Disk) > machine.MostWaited:
		return -1, fmt.Sprintf("some task waited for a disk %.0f %% of the time", 100*share(last.did.Disk-first.did.Disk))
	case share(waited) > machine.MostWaited:
		return -1, fmt.Sprintf(how, 100*share(waited))
	case last.did.Busy(first.did) > machine.MostBusy:
		return -1, fmt.Sprintf("%.0f %% of the processors were in use", 100*last.did.Busy(first.did))
	}
	light := slices.IndexFunc(g.waiting, func(w *drill) bool { return w.weight == Light })
	switch heavy := g.heavy(); {
	case heavy >= max(1, g.processors/perHeavy):
		return light, fmt.Sprintf("heavy drills run: %d, the most for %d processors", heavy, g.processors)
	case share(waited) > mostWaitedHeavy:
		return light, fmt.Sprintf(how+", too much for a heavy one", 100*share(waited))
	}
	return g.heaviest(), ""
}

// heavy counts the heavy drills that run.
func (g *gate) heavy() (n int) {
	for _, d := range g.running {
		if d.weight == Heavy {
			n++
		}
	}
	return n
}

// heaviest returns the index of the first heavy waiter, or of the first one. What is heavy takes
// longest, so it comes first.
func (g *gate) heaviest() int {
	return max(0, slices.IndexFunc(g.waiting, func(w *drill) bool { return w.weight == Heavy }))
}

// start says that a service is starting, until end is called.
func (g *gate) start() (end func(took time.Duration, err error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.starting++
	return func(took time.Duration, err error) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.starting--
		if err != nil {
			return
		}
		if g.fastest == 0 || took < g.fastest {
			g.fastest = took
		}
		if took > time.Second && took > slowStart*g.fastest {
			g.slow = time.Now()
		}
	}
}
