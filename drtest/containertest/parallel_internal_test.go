package containertest

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/internal/machine"
	"github.com/google/go-cmp/cmp"
)

// plantedMachine has some task wait for a share of the time that depends on how many drills run,
// and on what else runs beside them.
type plantedMachine struct {
	start  time.Time
	waited time.Duration
	stolen time.Duration
	at     time.Time
	share  func(elapsed time.Duration, running int) float64
	steals float64
	disk   float64
	memory float64
	mute   bool // it has no pressure stall information
	stuck  bool // it has some that never changes
	full   bool // something else uses all processors
	gate   *gate
}

func (m *plantedMachine) look() machine.Totals {
	now := time.Now()
	passed := now.Sub(m.at)
	m.waited += time.Duration(m.share(now.Sub(m.start), len(m.gate.running)) * float64(passed))
	m.stolen += time.Duration(m.steals * float64(passed))
	m.at = now
	part := func(share float64) time.Duration { return time.Duration(share * float64(now.Sub(m.start))) }
	ticks := now.Sub(m.start).Seconds() * 200
	did := machine.Totals{All: ticks, Idle: ticks, Stolen: m.stolen, Pressure: true, Waited: m.waited, Disk: part(m.disk), Memory: part(m.memory)}
	if m.full {
		did.Idle = 0
	}
	if m.mute || m.stuck {
		did.Idle, did.Waited, did.Pressure = 0, time.Hour, m.stuck
	}
	return did
}

// How many drills run side by side follows from the machine while they run.
func TestParallelFollowsTheMachine(t *testing.T) {
	each := func(share float64) func(time.Duration, int) float64 {
		return func(_ time.Duration, running int) float64 { return share * float64(running) }
	}
	const takes = 30 * time.Second
	for _, c := range []struct {
		reason  string
		weights []Weight
		share   func(elapsed time.Duration, running int) float64
		steals  float64
		disk    float64 // shares of the time in which some task waits for it
		memory  float64
		slow    time.Duration // what containers take to start
		mute    bool
		stuck   bool
		full    bool
		few     bool // it has two processors, and eight otherwise
		most    int
		lasts   time.Duration // all of them, in order of magnitude
		says    []string
	}{
		{reason: "a large machine", weights: []Weight{Light, Light, Light, Light}, share: each(0.01), most: 4, lasts: 54 * time.Second, says: []string{
			"2 side by side, since the machine is quiet", "3 side by side, since the machine is quiet", "4 side by side, since the machine is quiet"}},
		{reason: "a small one, which two drills keep busy", weights: []Weight{Light, Light, Light}, share: each(0.3), most: 2, lasts: 62 * time.Second, says: []string{
			"2 side by side, since the machine is quiet",
			"no more than 2 side by side for now: some task waited for a processor 60 % of the time"}},
		{reason: "heavy ones want more room, and light ones pass them", weights: []Weight{Light, Heavy, Heavy, Light}, share: each(0.35), most: 2, lasts: 94 * time.Second, says: []string{
			"2 side by side, since the machine is quiet",
			"no more than 2 side by side for now: some task waited for a processor 70 % of the time",
			"no more than 1 side by side for now: some task waited for a processor 35 % of the time, too much for a heavy one"}},
		{reason: "something else keeps the machine busy", weights: []Weight{Light, Light, Light}, share: func(time.Duration, int) float64 { return 1 }, most: 1, lasts: 90 * time.Second, says: []string{
			"no more than 1 side by side for now: some task waited for a processor 100 % of the time",
			"no more than 1 side by side for now: some task waited for a processor 100 % of the time"}},
		{reason: "something else uses all processors, and nobody has to wait for one until a drill comes", weights: []Weight{Light, Light}, share: each(0.1), full: true, most: 1, lasts: 60 * time.Second, says: []string{
			"no more than 1 side by side for now: 100 % of the processors were in use"}},
		{reason: "something else keeps the machine busy, and then it stops", weights: []Weight{Light, Light}, share: func(elapsed time.Duration, _ int) float64 {
			if elapsed < 10*time.Second {
				return 1
			}
			return 0
		}, most: 2, lasts: 42 * time.Second, says: []string{
			"no more than 1 side by side for now: some task waited for a processor 100 % of the time",
			"2 side by side, since the machine is quiet"}},
		{reason: "two processors are for one heavy drill, and light ones beside it", weights: []Weight{Heavy, Heavy, Light}, share: each(0.1), few: true, most: 2, lasts: 60 * time.Second, says: []string{
			"2 side by side, since the machine is quiet",
			"no more than 2 side by side for now: heavy drills run: 1, the most for 2 processors"}},
		{reason: "its host takes a part of it", weights: []Weight{Light, Light}, share: each(0), steals: 0.2, most: 1, lasts: 60 * time.Second, says: []string{
			"no more than 1 side by side for now: the host of this virtual machine took 20 % of its processors"}},
		{reason: "it is short of memory", weights: []Weight{Light, Light}, share: each(0.1), memory: 0.2, most: 1, lasts: 60 * time.Second, says: []string{
			"no more than 1 side by side for now: some task waited for memory 20 % of the time"}},
		{reason: "its disk is busy", weights: []Weight{Light, Light}, share: each(0.1), disk: 0.6, most: 1, lasts: 60 * time.Second, says: []string{
			"no more than 1 side by side for now: some task waited for a disk 60 % of the time"}},
		{reason: "without pressure stall information it is how busy the processors are", weights: []Weight{Light, Light}, share: each(0), mute: true, most: 1, lasts: 60 * time.Second, says: []string{
			"no more than 1 side by side for now: 100 % of the processors were in use"}},
		{reason: "and so it is with some that never changes", weights: []Weight{Light, Light}, share: each(0), stuck: true, most: 1, lasts: 60 * time.Second, says: []string{
			"no more than 1 side by side for now: 100 % of the processors were in use"}},
		{reason: "a container takes long to start", weights: []Weight{Light, Light}, share: each(0), slow: 5 * time.Second, most: 2, lasts: 39 * time.Second, says: []string{
			"no more than 1 side by side for now: a container took long to start",
			"2 side by side, since the machine is quiet"}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var said []string
				g := &gate{say: func(line string) { said = append(said, line) }}
				m := &plantedMachine{start: time.Now(), at: time.Now(), share: c.share, steals: c.steals, disk: c.disk, memory: c.memory, mute: c.mute, stuck: c.stuck, full: c.full, gate: g}
				g.look = m.look
				if g.processors = 8; c.few {
					g.processors = 2
				}
				done := make(chan struct{})
				for i, w := range c.weights {
					go func() {
						_, leave, _ := g.enter(w, fmt.Sprint(i), time.Hour)
						if end := g.start(); i == 0 && c.slow > 0 {
							<-time.After(100 * time.Millisecond)
							end(100*time.Millisecond, nil)
							end = g.start()
							<-time.After(c.slow)
							end(c.slow, nil)
							<-time.After(takes - c.slow)
						} else {
							end(0, errors.New("it did not start"))
							<-time.After(takes)
						}
						leave()
						done <- struct{}{}
					}()
					synctest.Wait()
				}
				start := time.Now()
				for range c.weights {
					<-done
				}
				if lasted := time.Since(start); (lasted - c.lasts).Abs() > 3*time.Second {
					t.Errorf("all took %v, want about %v", lasted, c.lasts)
				}
				if g.most != c.most || len(g.running) != 0 {
					t.Errorf("%d ran side by side, want %d; %d still run", g.most, c.most, len(g.running))
				}
				if diff := cmp.Diff(c.says, said); diff != "" {
					t.Errorf("it says (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A process that was stopped for a while sees it by how late it looks, and waits until that is
// over.
func TestParallelSeesAStop(t *testing.T) {
	g := &gate{look: func() machine.Totals { return machine.Totals{} }, running: []*drill{{weight: Light}}, waiting: []*drill{{weight: Light}}}
	now := time.Now()
	for i := range 20 {
		late := time.Duration(0)
		if i == 10 {
			late = 300 * time.Millisecond
		}
		g.looks = append(g.looks, look{at: now.Add(time.Duration(i) * lookEvery), did: machine.Totals{Pressure: true}, late: late})
	}
	if next, why := g.room(now.Add(19 * lookEvery)); next != -1 || why != "the test process was woken 300ms late" {
		t.Errorf("%d may begin, and why not: %q", next, why)
	}
}

// The parts of a test have its place, on a machine that never has room for two: it waits for them,
// and so does what has go test's place for them meanwhile.
func TestParallelParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{say: func(string) {}}
		m := &plantedMachine{start: time.Now(), at: time.Now(), share: func(time.Duration, int) float64 { return 1 }, gate: g}
		g.look = m.look
		enter := func(test string) func() {
			waited, leave, err := g.enter(Light, test, time.Hour)
			if err != nil || waited > time.Minute {
				t.Errorf("%s: waited %v, %v", test, waited, err)
			}
			return leave
		}
		leave := enter("TestWhole")
		other := make(chan struct{})
		go func() {
			defer close(other)
			defer enter("TestWholesale")()
			<-time.After(10 * time.Second)
		}()
		synctest.Wait()
		for _, part := range []string{"TestWhole/one", "TestWhole/two"} {
			g.standAside(part)
			if part == "TestWhole/one" {
				<-other
			}
			enter(part)()
		}
		leave()
		leave() // twice
		if len(g.running)+len(g.waiting) != 0 {
			t.Errorf("%d run, %d wait", len(g.running), len(g.waiting))
		}
	})
}

// Who waits does so no longer than go test lets it, and says why; those that run and those that
// come later are not disturbed.
func TestParallelGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{say: func(string) {}}
		m := &plantedMachine{start: time.Now(), at: time.Now(), share: func(time.Duration, int) float64 { return 1 }, gate: g}
		g.look = m.look
		_, leave, err := g.enter(Light, "TestLong", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = g.enter(Heavy, "TestLate", 9*time.Minute)
		want := "it could not begin within 9m0s: some task waited for a processor 100 % of the time, and 1 run"
		if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		leave()
		if waited, _, err := g.enter(Light, "TestLater", time.Minute); err != nil || waited > time.Second {
			t.Errorf("waited %v, %v", waited, err)
		}
	})
}
