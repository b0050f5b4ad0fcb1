package drtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// A planted machine did what is said here during a drill: for so much of each second some task
// waited, and so on.
type planted struct {
	waited, stolen, stopped float64
	late                    int // of the requests after the fault
	starts                  time.Duration
	silent                  bool    // the kernel tells nothing
	full                    float64 // and all processors were in use for so much of the time
}

// drill returns a drill whose service was back so long after the fault, at +2 s of some, on that
// machine.
func (m planted) drill(back time.Duration) *drtest.Ledger {
	const every = 100 * ms
	fault := drtest.Interval{Lo: 2 * time.Second, Hi: 2 * time.Second}
	l := &drtest.Ledger{
		Drill:  drtest.Drill{ID: "DR-1", Fault: "kill", Every: every, Timeout: 500 * ms, Steady: time.Second, Deadline: time.Minute},
		Events: []drtest.Event{{Kind: drtest.FaultInjected, Interval: fault, Note: "kill", Receipt: "exit code 137"}},
		Ended:  true,
	}
	if m.starts > 0 {
		l.Events = append(l.Events, drtest.Event{Kind: drtest.ContainerStarted, Interval: drtest.Interval{Lo: fault.Hi, Hi: fault.Hi + m.starts}, Note: "app"})
	}
	late := m.late
	for due := time.Duration(0); due < fault.Hi+back+3*time.Second; due += every {
		op := drtest.Op{ID: due.String(), Due: due, Start: due, End: due + 5*ms, Outcome: drtest.Acked}
		if due >= fault.Hi && due < fault.Hi+back {
			op.Outcome, op.Err = drtest.Unknown, "connection refused"
		}
		if due >= fault.Hi && late > 0 {
			late--
			op.Start, op.End = op.Start+60*ms, op.End+60*ms
		}
		if op.Outcome == drtest.Acked {
			l.Survivors = append(l.Survivors, op.ID)
		}
		l.Ops = append(l.Ops, op)
	}
	for at := time.Duration(0); (!m.silent || m.full > 0) && at < fault.Hi+back+3*time.Second; at += 250 * ms {
		part := func(share float64) time.Duration { return time.Duration(share * float64(at)) }
		r := drtest.Reading{At: at, Waited: part(m.waited) + time.Microsecond, Stolen: part(m.stolen), Stopped: part(m.stopped)}
		if m.silent {
			r = drtest.Reading{At: at, Full: part(m.full)}
		}
		l.Readings = append(l.Readings, r)
	}
	return l
}

// A time that misses its limit is trusted as far as the machine kept up, and a time that meets it
// always.
func TestUntrustedMachine(t *testing.T) {
	const limit = 5 * time.Second
	for _, c := range []struct {
		reason  string
		machine planted
		back    time.Duration
		want    string
	}{
		{"met, quiet", planted{waited: 0.1}, 3 * time.Second, "pass: got 3.005s (2.900s..3.005s), want at most 5s"},
		{"met, busy", planted{waited: 0.9, late: 30}, 3 * time.Second, "pass: got 3.005s (2.960s..3.005s), want at most 5s"},
		{"missed, quiet", planted{waited: 0.39, stolen: 0.09, late: 3}, 6 * time.Second, "fail: got 6.005s (5.900s..6.005s), want at most 5s"},
		{"missed, and it waited", planted{waited: 0.5}, 6 * time.Second,
			"untrusted: got 6.005s (5.900s..6.005s), want at most 5s: the machine did not keep up: some task waited for a processor 50 % of the time, so that up to 3.002s of 6.005s may be its doing"},
		{"missed, and its host took from it", planted{stolen: 0.2}, 6 * time.Second,
			"untrusted: got 6.005s (5.900s..6.005s), want at most 5s: the machine did not keep up: the host of the virtual machine took 20 % of its processors, so that up to 1.201s of 6.005s may be its doing"},
		{"missed, and the test stood still", planted{stopped: 0.2}, 6 * time.Second,
			"untrusted: got 6.005s (5.900s..6.005s), want at most 5s: the machine did not keep up: the test process stood still 20 % of the time, so that up to 1.201s of 6.005s may be its doing"},
		{"missed, and the load left late, of which nothing else tells", planted{late: 4, silent: true}, 6 * time.Second,
			"untrusted: got 6.005s (5.900s..6.005s), want at most 5s: the machine did not keep up: 4 of 61 requests left late, so that up to 6.005s of 6.005s may be its doing"},
		{"missed, and the kernel does not tell who waited, but all processors were in use", planted{silent: true, full: 0.5}, 12 * time.Second,
			"untrusted: got 12.005s (11.900s..12.005s), want at most 5s: the machine did not keep up: all processors were in use 50 % of the time, so that up to 12.005s of 12.005s may be its doing"},
		{"missed, and they were not for long", planted{silent: true, full: 0.3}, 6 * time.Second, "fail: got 6.005s (5.900s..6.005s), want at most 5s"},
		{"missed by far, though it waited", planted{waited: 0.5}, 12 * time.Second,
			"fail: got 12.005s (11.900s..12.005s), want at most 5s; the machine did not keep up (some task waited for a processor 50 % of the time), and without its 6.003s it still is more than 5.897s"},
		{"missed by less than it waited, and than a container took to start", planted{waited: 0.5, starts: 2 * time.Second}, 12 * time.Second,
			"untrusted: got 12.005s (11.900s..12.005s), want at most 5s: the machine did not keep up: some task waited for a processor 50 % of the time, so that up to 7.003s of 12.005s may be its doing"},
		{"missed, and the load left late, of which the kernel does not tell", planted{waited: 0.1, late: 4}, 6 * time.Second,
			"untrusted: got 6.005s (5.900s..6.005s), want at most 5s: the machine did not keep up: 4 of 61 requests left late, so that up to 6.005s of 6.005s may be its doing"},
		{"too coarse to tell, and it waited", planted{waited: 0.8}, 5 * time.Second,
			"untrusted: got 5.005s (4.900s..5.005s), want at most 5s: too coarse to tell, with a fault that took 0.000s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms: " +
				"the machine did not keep up: some task waited for a processor 80 % of the time, so that up to 4.004s of 5.005s may be its doing"},
	} {
		r := drtest.Judge(c.machine.drill(c.back), drtest.RTO(limit))
		if diff := cmp.Diff("RTO: "+c.want+"; 30 requests acked since exclude a failure rate above 9.5 %", r.Verdicts[0].String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		if untrusted := strings.HasPrefix(c.want, "untrusted"); r.Untrusted() != untrusted || untrusted && r.Status() != drtest.Inconclusive {
			t.Errorf("%s: the report is untrusted: %v, status %v", c.reason, r.Untrusted(), r.Status())
		}
	}
}

// What does not depend on the clock is judged as ever: a loss on a busy machine is a loss.
func TestUntrustedMachineExcusesNoLoss(t *testing.T) {
	l := planted{waited: 0.9, stolen: 0.5, late: 30}.drill(6 * time.Second)
	l.Survivors = append(l.Survivors[5:], l.Survivors[10]) // five are lost, one is held twice
	l.Drill.Proofs = []string{"no second writer"}
	l.Events = append(l.Events, drtest.Event{Kind: drtest.Refuted, Note: "no second writer", Evidence: "two writers"})
	r := drtest.Judge(l, drtest.RPO(0), drtest.NoDuplicates(), drtest.NoFailedRequests(),
		drtest.Check("breaker opened", func(*drtest.Ledger, drtest.Figures) error { return errors.New("never") }))
	var got []string
	for _, v := range r.Verdicts {
		status, _, _ := strings.Cut(v.String(), ": got")
		got = append(got, status)
	}
	want := []string{
		"RPO: fail: lost 5 of 50 acked (0s 100ms 200ms 300ms 400ms)",
		"no duplicates: fail: 1 units are held more than once: 1s",
		"no failed requests: untrusted: 60 of 110 requests failed after the fault: the machine did not keep up: some task waited for a processor 90 % of the time, the host of the virtual machine took 50 % of its processors, 30 of 61 requests left late, so that up to 6.005s of 6.005s may be its doing",
		"breaker opened: fail: never",
		"rejected stays rejected: pass: none of 0 rejected units is held",
		"no second writer: fail: two writers",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r.Untrusted() {
		t.Error("a failure is not untrusted")
	}
}

// How long the fault took to take effect may be the machine's doing, so what was lost meanwhile
// cannot be dated; on a quiet machine it is the fault's.
func TestUntrustedMachineWhileTheFaultTookEffect(t *testing.T) {
	for _, c := range []struct {
		waited float64
		want   bool
	}{{0.1, false}, {0.9, true}} {
		l := planted{waited: c.waited}.drill(time.Second)
		l.Events[0].Lo -= 150 * ms
		l.Survivors = slices.DeleteFunc(l.Survivors, func(id string) bool { return id == "1.9s" })
		r := drtest.Judge(l, drtest.RPO(time.Second))
		why := "lost 1 of 50 acked (1.9s): got 0.100s (0.000s..0.100s), want at most 1s: 1 of them were asked for, or acked, while the fault took effect"
		if v := r.Verdicts[0]; !strings.HasPrefix(v.Why, why) || v.Status != drtest.Inconclusive || r.Untrusted() != c.want {
			t.Errorf("waited %v: untrusted %v, %v", c.waited, r.Untrusted(), v)
		}
	}
}

// What a drill does not show either way, it may show on a machine that keeps up: it is played again
// there, whatever is missing.
func TestUntrustedMachineShowsNothing(t *testing.T) {
	const strained = ": the machine did not keep up: some task waited for a processor 89 % of the time, so that up to 9.675s of 10.905s may be its doing"
	for _, waited := range []float64{0.1, 0.9} {
		l := planted{waited: waited}.drill(6 * time.Second)
		l.Drill.Proofs = []string{"commits waited"}
		l.Drill.Model = drtest.Model{{Name: "back", Best: 5900 * ms, Worst: 5950 * ms, Source: "planted"}}
		l.Drill.Counters = []drtest.Counter{{Name: "calls"}}
		l.Events = append(l.Events, drtest.Event{Kind: drtest.NotProved, Interval: drtest.Interval{Lo: 9 * time.Second, Hi: 9 * time.Second}, Note: "commits waited", Evidence: "none was seen"})
		l.Drill.Tracked = true
		r := drtest.Judge(l, drtest.AllRecovered(50), drtest.ErrorRate(0.01), drtest.Repeated("calls", 0),
			drtest.Check("enough in flight", func(*drtest.Ledger, drtest.Figures) error {
				return fmt.Errorf("%w: 39 units were, want 50", drtest.ErrInconclusive)
			}))
		var got []string
		for _, v := range r.Verdicts {
			if v.Status == drtest.Inconclusive {
				got = append(got, v.String())
			}
		}
		want := []string{
			"all recovered: inconclusive: the progress of the units was never read",
			"error rate: inconclusive: 30 requests acked in a row exclude a failure rate above 9.5 %, want at most 1.0 %",
			"repeated calls: inconclusive: the counter was never read",
			"enough in flight: inconclusive: inconclusive: 39 units were, want 50",
			"right results: inconclusive: the progress of the units was never read",
			"commits waited: inconclusive: none was seen",
			"model: inconclusive: got 6.005s (5.900s..6.005s), want 5.900s..5.950s by the configuration: too coarse to tell, with a fault that took 0.000s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms",
		}
		if waited > 0.5 {
			for i, said := range want {
				name, why, _ := strings.Cut(said, ": inconclusive: ")
				want[i] = name + ": untrusted: " + why + strained
			}
			i := len(want) - 1 // it is a time, whose window is known
			want[i] = strings.Replace(want[i], "89 % of the time, so that up to 9.675s of 10.905s", "90 % of the time, so that up to 5.404s of 6.005s", 1)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("waited %v (-want +got):\n%s", waited, diff)
		}
	}
}

// Of a drill that did not get to its end, the machine is the reason where it did not keep up; and
// no reason where it did.
func TestUntrustedMachineAtTheDeadline(t *testing.T) {
	for _, c := range []struct {
		waited float64
		want   bool
	}{{0.1, false}, {0.9, true}} {
		l := planted{waited: c.waited}.drill(6 * time.Second)
		l.Events = append(l.Events, drtest.Event{Kind: drtest.DeadlinePassed, Note: "not steady again"})
		if r := drtest.Judge(l, drtest.RPO(0)); r.Untrusted() != c.want || r.Status() != drtest.Inconclusive {
			t.Errorf("waited %v: untrusted %v, status %v", c.waited, r.Untrusted(), r.Status())
		}
	}
}

// A drill takes readings of the machine, and what the engine takes to start containers during it,
// but not after it.
func TestMachineIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(system)
		var inject, step context.Context
		sc := s.scenario(func(sc *drtest.Scenario) {
			cut := s.cut()
			sc.Fault.Inject = func(ctx context.Context) (drtest.Effect, error) {
				inject = ctx
				return cut.Inject(ctx)
			}
			sc.Runbook = []drtest.Step{{Name: "start", Do: func(ctx context.Context) error {
				step = ctx
				now := time.Now()
				<-time.After(200 * ms)
				drtest.NoteStart(ctx, "app", now, time.Now())
				drtest.NoteStart(inject, "app", now, now.Add(-time.Second))    // backwards
				drtest.NoteStart(inject, "app", now.Add(-time.Hour), now)      // from before the drill
				drtest.NoteStart(context.Background(), "app", now, time.Now()) // of no drill
				return nil
			}}}
		})
		l, err := drtest.Play(t.Context(), sc)
		if err != nil {
			t.Fatal(err)
		}
		drtest.NoteStart(step, "late", time.Now(), time.Now())
		var starts []string
		for _, e := range l.Events {
			if e.Kind == drtest.ContainerStarted {
				starts = append(starts, e.Note+" "+(e.Hi-e.Lo).String())
			}
		}
		if diff := cmp.Diff([]string{"app 200ms"}, starts); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		for i, r := range l.Readings {
			if want := time.Duration(i) * 250 * ms; r.At != want && i != len(l.Readings)-1 {
				t.Errorf("reading %d at %v, want %v", i, r.At, want)
			}
		}
		if n := len(l.Readings); n < 20 {
			t.Errorf("only %d readings", n)
		}
	})
}

// What the machine did after the last step of the runbook is not diluted by a long wait before it.
func TestUntrustedMachineInTheLastStretch(t *testing.T) {
	for _, c := range []struct {
		waited float64 // after the step
		want   drtest.Status
	}{{0.2, drtest.Fail}, {0.9, drtest.Inconclusive}} {
		l := planted{}.drill(22 * time.Second)
		l.Events = append(l.Events, drtest.Event{Kind: drtest.StepDone, Interval: drtest.Interval{Lo: 20 * time.Second, Hi: 20 * time.Second}, Note: "promote"})
		for i, r := range l.Readings {
			if after := r.At - 20*time.Second; after > 0 {
				l.Readings[i].Waited += time.Duration(c.waited * float64(after))
			}
		}
		if r := drtest.Judge(l, drtest.RTO(20*time.Second)); r.Verdicts[0].Status != c.want {
			t.Errorf("waited %v: %v", c.waited, r.Verdicts[0])
		}
	}
}

// busy has some task wait for nine tenths of the time between two moments of a drill.
func busy(l *drtest.Ledger, from, to time.Duration) {
	for i, r := range l.Readings {
		l.Readings[i].Waited += max(0, min(r.At, to)-from) * 9 / 10
	}
}

// A drill that did not get to its end is untrusted by what the machine did in what it did not get
// through, however long it kept up before and after that, and not by what it did when that was
// over.
func TestUntrustedMachineOfWhatBroke(t *testing.T) {
	const fault = 2 * time.Second // it is back ten seconds later, and the drill ends at 15 s
	broke := func(l *drtest.Ledger) { l.Broken = `runbook step "promote": exit code 1` }
	never := func(l *drtest.Ledger) { l.Broken, l.Events = "no steady state before the fault", nil }
	late := func(l *drtest.Ledger) {
		at := drtest.Interval{Lo: 14 * time.Second, Hi: 14 * time.Second}
		l.Events = append(l.Events, drtest.Event{Kind: drtest.DeadlinePassed, Interval: at, Note: "not steady again"})
	}
	stepped := func(l *drtest.Ledger) {
		at := drtest.Interval{Lo: 10 * time.Second, Hi: 10 * time.Second}
		l.Drill.Steps = 2
		l.Events = append(l.Events, drtest.Event{Kind: drtest.StepDone, Interval: at, Note: "promote"})
		broke(l)
	}
	before := func(l *drtest.Ledger) {
		at := drtest.Interval{Lo: fault / 2, Hi: fault / 2}
		l.Events = append([]drtest.Event{{Kind: drtest.SteadyReached, Interval: at}}, l.Events...)
		l.Ops[15].Outcome, l.Ops[15].Err = drtest.Unknown, "too slow"
	}
	for _, c := range []struct {
		reason   string
		edit     func(*drtest.Ledger)
		from, to time.Duration
		want     bool
	}{
		{"it broke after the fault, busy", broke, fault, 15 * time.Second, true},
		{"it broke after the fault, busy before", broke, 0, fault, false},
		{"it broke after the last step, busy since", stepped, 10 * time.Second, 15 * time.Second, true},
		{"it broke before the fault, busy", never, 0, 15 * time.Second, true},
		{"it broke before the fault, quiet", never, 0, 0, false},
		{"it failed before the fault, busy then", before, 0, fault, true},
		{"it failed before the fault, busy later", before, fault, 15 * time.Second, false},
		{"the deadline passed, busy since the fault", late, fault, 10 * time.Second, true},
		{"the deadline passed, quiet", late, 0, fault, false},
	} {
		l := planted{}.drill(10 * time.Second)
		c.edit(l)
		busy(l, c.from, c.to)
		r := drtest.Judge(l, drtest.RPO(0))
		if r.Untrusted() != c.want || r.Status() != drtest.Inconclusive {
			t.Errorf("%s: %v", c.reason, r.Verdicts)
		}
	}
	// What broke when the load was over did so by the machine of then.
	for from, want := range map[time.Duration]bool{0: false, 50 * time.Second: true} {
		l := planted{}.drill(10 * time.Second)
		for l.Broken = "confirm: no answer"; len(l.Readings) < 240; {
			r := l.Readings[len(l.Readings)-1]
			r.At += 250 * ms
			l.Readings = append(l.Readings, r)
		}
		busy(l, from, from+45*time.Second)
		l.Ops[len(l.Ops)-1].End = 45 * time.Second
		if r := drtest.Judge(l, drtest.RPO(0)); r.Untrusted() != want {
			t.Errorf("busy from %v: %v", from, r.Verdicts)
		}
	}
	// A long time before the fault does not dilute what came after it.
	l := planted{}.drill(40 * time.Second)
	for i := range l.Events {
		l.Events[i].Lo, l.Events[i].Hi = 30*time.Second, 30*time.Second
	}
	late(l)
	busy(l, 30*time.Second, 45*time.Second)
	if r := drtest.Judge(l, drtest.RPO(0)); !r.Untrusted() {
		t.Errorf("%v", r.Verdicts)
	}
}

// slowly is a counter that takes a while to be read.
func slowly(takes time.Duration, err error) []drtest.Counter {
	return []drtest.Counter{{Name: "calls", Read: func(context.Context) (drtest.Count, error) {
		<-time.After(takes)
		return drtest.Count{}, err
	}}}
}

// The machine is read from the start on, so that a drill that breaks at once knows what it did; and
// the load begins when it does.
func TestMachineIsReadFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := new(system).scenario()
		sc.Workload = metered{sc.Workload, slowly(3*time.Second, errors.New("no answer"))}
		l, err := drtest.Play(t.Context(), sc)
		if n := len(l.Readings); err == nil || n < 13 {
			t.Errorf("%d readings, %v", n, err)
		}
		sc = new(system).scenario()
		sc.Workload = metered{sc.Workload, slowly(3*time.Second, nil)}
		l, err = drtest.Play(t.Context(), sc)
		if late, worst, _ := l.Late(); err != nil || late > 0 || l.Ops[0].Due != 3*time.Second {
			t.Errorf("%d late, by up to %v, the first is due at %v, %v", late, worst, l.Ops[0].Due, err)
		}
	})
}

// A stall that is no strain is told by itself. What it may have hidden is not known: played again,
// it may be seen.
func TestStallIsNoStrain(t *testing.T) {
	for _, c := range []struct {
		stalled bool
		want    []string
	}{
		{true, []string{"no failed requests: untrusted: no request was sent for 0.600s, in which an outage could hide",
			"RTO: untrusted: no client saw an outage, so nothing was recovered from: no request was sent for 0.600s, in which an outage could hide; the limit allows 4s more than the configuration's worst case of 1s",
			"model: untrusted: no client saw an outage, so nothing was recovered from: no request was sent for 0.600s, in which an outage could hide"}},
		{false, []string{"no failed requests: pass: none of 50 requests failed, and the slowest answer took 0.005s, 0.005s before the fault",
			"RTO: inconclusive: no client saw an outage, so nothing was recovered from; the limit allows 4s more than the configuration's worst case of 1s",
			"model: inconclusive: no client saw an outage, so nothing was recovered from"}},
	} {
		l := planted{waited: 0.1}.drill(0)
		l.Drill.Model = drtest.Model{{Name: "restart", Worst: time.Second, Source: "restart: always"}}
		if c.stalled {
			l.Ops = append(l.Ops[:25], l.Ops[30:]...) // 0.6 s without a request, of 3 s
		}
		var got []string
		for _, v := range drtest.Judge(l, drtest.NoFailedRequests(), drtest.RTO(5*time.Second)).Verdicts {
			if v.Objective != "rejected stays rejected" {
				got = append(got, v.String())
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// That health never turned bad is not known where it was not asked for as long as clients saw it be
// down.
func TestUndetectedInAStall(t *testing.T) {
	for _, c := range []struct {
		reason           string
		up, stalled, end time.Duration
		want             string
	}{
		{"as long as the outage", 1300 * ms, 1050 * ms, 1400 * ms,
			"untrusted: got more than 1.880s, want at most 1s: health never turned bad, but the test process stood still for 0.260s, in which it could have been bad"},
		{"a moment of the outage", 2500 * ms, 1050 * ms, 1400 * ms, "fail: got more than 1.880s, want at most 1s: health never turned bad"},
		{"long after it", 1300 * ms, 2000 * ms, 2900 * ms, "fail: got more than 1.880s, want at most 1s: health never turned bad"},
		{"no more than between two polls", 1200 * ms, 1050 * ms, 1150 * ms, "fail: got more than 1.880s, want at most 1s: health never turned bad"},
	} {
		l := hand(c.up, func(l *drtest.Ledger) {
			l.Events[1] = drtest.Event{Kind: drtest.HealthKept, Interval: drtest.Interval{Lo: 2900 * ms, Hi: 2900 * ms}}
			l.Events = append(l.Events, drtest.Event{Kind: drtest.Stalled, Interval: drtest.Interval{Lo: c.stalled, Hi: c.end}})
		})
		if diff := cmp.Diff("detection: "+c.want, drtest.Judge(l, drtest.Detection(time.Second)).Verdicts[0].String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}
