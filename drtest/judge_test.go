package drtest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

// hand writes a ledger by hand: a fault from 1000 to 1020 ms, a request every 100 ms that takes 10
// ms, and those due from 1100 until before up fail. The units that were acked are all held.
func hand(up time.Duration, edits ...func(*drtest.Ledger)) *drtest.Ledger {
	l := &drtest.Ledger{
		Drill: drtest.Drill{ID: "HAND", Title: "by hand", Every: 100 * ms, Timeout: 500 * ms, Steady: 500 * ms,
			Watched: true, Tracked: true},
		Events: []drtest.Event{
			{Kind: drtest.FaultInjected, Interval: drtest.Interval{Lo: 1000 * ms, Hi: 1020 * ms}, Note: "pull the plug", Receipt: "it is dark"},
			{Kind: drtest.HealthLost, Interval: drtest.Interval{Lo: 1100 * ms, Hi: 1210 * ms}, Note: "dark"},
		},
		Samples: []drtest.Sample{{Interval: drtest.Interval{Lo: 990 * ms, Hi: 995 * ms}, Units: map[string]drtest.Progress{}}},
		Ended:   true,
	}
	for due := time.Duration(0); due < 3000*ms; due += 100 * ms {
		op := drtest.Op{ID: fmt.Sprintf("op-%02d", due/(100*ms)), Due: due, Start: due, End: due + 10*ms, Outcome: drtest.Acked}
		if due >= 1100*ms && due < up {
			op.Outcome, op.Err = drtest.Unknown, "connection refused"
		} else {
			l.Survivors = append(l.Survivors, op.ID)
		}
		l.Ops = append(l.Ops, op)
	}
	for _, edit := range edits {
		edit(l)
	}
	return l
}

func without(ids ...string) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		var kept []string
		for _, id := range l.Survivors {
			if !strings.Contains(strings.Join(ids, " "), id) {
				kept = append(kept, id)
			}
		}
		l.Survivors = kept
	}
}

// counted adds two counters: one that has counted, and one that could not be read.
func counted(total, repeated int) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		l.Drill.Counters = []drtest.Counter{{Name: "calls"}, {Name: "cost", Unit: "cents"}}
		l.Counts = map[string]drtest.Count{"calls": {Total: total, Repeated: repeated}}
	}
}

func healed(l *drtest.Ledger) {
	l.Events = append(l.Events, drtest.Event{Kind: drtest.FaultHealed, Interval: drtest.Interval{Lo: 1900 * ms, Hi: 1910 * ms}})
}

// units adds two units in flight at the fault, op-08 and op-09: both had done 2 steps, the first of
// them by the sample before last. They show again at resumed, with the progress given.
func units(resumed time.Duration, progress ...drtest.Progress) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		both := func(a, b drtest.Progress) map[string]drtest.Progress {
			return map[string]drtest.Progress{"op-08": a, "op-09": b}
		}
		l.Ops[10].Outcome = drtest.Unknown // it was under way, and would be in flight too
		finished := map[string]drtest.Progress{}
		for _, op := range l.Ops[:8] {
			finished[op.ID] = drtest.Progress{Done: 4, Attempt: 1, Finished: true}
		}
		l.Samples = []drtest.Sample{
			{Interval: drtest.Interval{Lo: 700 * ms, Hi: 705 * ms}, Units: finished},
			{Interval: drtest.Interval{Lo: 900 * ms, Hi: 905 * ms}, Units: both(drtest.Progress{Done: 1, Attempt: 1}, drtest.Progress{Done: 1, Attempt: 1})},
			{Interval: drtest.Interval{Lo: 980 * ms, Hi: 985 * ms}, Units: both(drtest.Progress{Done: 2, Attempt: 1}, drtest.Progress{Done: 2, Attempt: 1})},
		}
		for i, p := range progress {
			at := resumed + time.Duration(i)*100*ms
			l.Samples = append(l.Samples, drtest.Sample{Interval: drtest.Interval{Lo: at, Hi: at + 5*ms}, Units: both(p, p)})
		}
	}
}

// ackedLate has op-10 be sent and acked at these times, and the fault be seen to be in effect at
// 1030 ms.
func ackedLate(start, end time.Duration) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		l.Events[0].Seen = 1030 * ms
		l.Ops[10].Start, l.Ops[10].End, l.Ops[10].Outcome = start, end, drtest.Acked
	}
}

// injecting has Inject return its receipt at a moment.
func injecting(until time.Duration) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) { l.Events[0].Hi = until }
}

// class has some requests be of a class, and all others of another one.
func class(name string, ops ...int) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		for i := range l.Ops {
			l.Ops[i].Class = "common"
		}
		for _, i := range ops {
			l.Ops[i].Class = name
		}
	}
}

// slowOps has the answer to one request take a time, or to all from it until another one.
func slowOps(took time.Duration, from int, until ...int) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		for i := from; i < max(from+1, append(until, 0)[0]); i++ {
			l.Ops[i].End = l.Ops[i].Start + took
		}
	}
}

// goesOn has the drill go on until it has sent so many requests.
func goesOn(ops int) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		for n := len(l.Ops); n < ops; n++ {
			at := time.Duration(n) * l.Drill.Every
			l.Ops = append(l.Ops, drtest.Op{ID: fmt.Sprintf("op-%d", n), Due: at, Start: at, End: at + 10*ms, Outcome: drtest.Acked})
		}
	}
}

// secondAttempt has the units in flight be in their second attempt before the fault.
func secondAttempt(l *drtest.Ledger) {
	for _, id := range []string{"op-08", "op-09"} {
		l.Samples[2].Units[id] = drtest.Progress{Done: 2, Attempt: 2, From: 1}
	}
}

// underWay has a request be under way when the fault is injected that fails then.
func underWay(l *drtest.Ledger) {
	l.Ops[5].Outcome, l.Ops[5].End = drtest.Unknown, 1050*ms
	l.Drill.Timeout = 2 * time.Second
}

func steadyAt(at time.Duration) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		l.Events = append([]drtest.Event{{Kind: drtest.SteadyReached, Interval: drtest.Interval{Lo: at, Hi: at}}}, l.Events...)
	}
}

func stall(from, to time.Duration) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		l.Events = append(l.Events, drtest.Event{Kind: drtest.Stalled, Interval: drtest.Interval{Lo: from, Hi: to}})
	}
}

func TestJudge(t *testing.T) {
	resumes := units(2000*ms, drtest.Progress{Done: 1, Attempt: 2, From: 1}, drtest.Progress{Done: 3, Attempt: 2, From: 1},
		drtest.Progress{Done: 4, Attempt: 2, From: 1, Finished: true})
	for _, c := range []struct {
		reason    string
		ledger    *drtest.Ledger
		objective drtest.Objective
		want      string
	}{
		{"back in time", hand(2000 * ms), drtest.RTO(2 * time.Second),
			"RTO: pass: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %"},
		{"back too late", hand(2000 * ms), drtest.RTO(800 * ms),
			"RTO: fail: got 1.010s (0.880s..1.010s), want at most 800ms; 10 requests acked since exclude a failure rate above 25.9 %"},
		{"the limit lies within the error bar", hand(2000 * ms), drtest.RTO(900 * ms),
			"RTO: inconclusive: got 1.010s (0.880s..1.010s), want at most 900ms: too coarse to tell, with a fault that took 0.020s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms; 10 requests acked since exclude a failure rate above 25.9 %"},
		{"never back", hand(time.Hour), drtest.RTO(time.Second),
			"RTO: fail: got more than 1.880s, want at most 1s: never served again"},
		{"never back, but the limit is later than the drill's end", hand(time.Hour), drtest.RTO(time.Minute),
			"RTO: inconclusive: got more than 1.880s, want at most 1m0s: never served again"},
		{"a brief recovery does not count", hand(2700 * ms), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got more than 1.580s, want at most 2s: not steady for 500ms by the end of the drill"},
		{"nobody was hurt", hand(0), drtest.RTO(time.Second),
			"RTO: inconclusive: no client saw an outage, so nothing was recovered from"},
		{"no fault", hand(0, func(l *drtest.Ledger) { l.Events = nil }), drtest.RTO(time.Second),
			"RTO: inconclusive: no fault was injected"},
		{"a request was reset long after later ones were acked", hand(2000*ms, func(l *drtest.Ledger) {
			l.Ops[9].Outcome, l.Ops[9].End = drtest.Unknown, 2200*ms
			l.Drill.Timeout = 5 * time.Second
		}), drtest.RTO(2 * time.Second),
			"RTO: pass: got 1.310s (0.880s..1.310s), want at most 2s; 7 requests acked since exclude a failure rate above 34.8 %"},
		{"back before Inject returned", hand(1500*ms, injecting(2500*ms)), drtest.RTO(time.Second),
			"RTO: pass: got 0.510s (0.000s..0.510s), want at most 1s; 15 requests acked since exclude a failure rate above 18.1 %"},
		{"some failed before Inject returned", hand(0, injecting(2300*ms), func(l *drtest.Ledger) {
			for i := 11; i < 22; i += 3 {
				l.Ops[i].Outcome, l.Ops[i].Err = drtest.Unknown, "connection refused"
			}
		}), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got more than 0.000s, want at most 2s: not served again for certain: 9 requests were acked in a row since the last failure, and 45 show that no more fail"},
		{"some failed before Inject returned, and all thereafter", hand(2400*ms, injecting(1900*ms), func(l *drtest.Ledger) {
			for i := 14; i < 19; i++ {
				l.Ops[i].Outcome, l.Ops[i].Err = drtest.Acked, ""
			}
		}), drtest.RTO(2 * time.Second),
			"RTO: pass: got 1.410s (0.400s..1.410s), want at most 2s; 6 requests acked since exclude a failure rate above 39.3 %"},
		{"a request that the fault met under way, of a system that answers some slowly", hand(2000*ms, steadyAt(1000*ms), slowOps(480*ms, 2), underWay), drtest.RTO(2 * time.Second),
			"RTO: pass: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %"},
		{"a request that hung already before the fault", hand(2000*ms, steadyAt(1000*ms), underWay), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %, but the system failed before the fault: op-05 had been under way for 0.500s, and failed"},
		{"very many acks", hand(2000*ms, goesOn(6020)), drtest.RTO(2 * time.Second),
			"RTO: pass: got 1.010s (0.880s..1.010s), want at most 2s; 6000 requests acked since exclude a failure rate above 0.05 %"},
		{"a class that nobody asked for since the fault", hand(2000*ms, class("rare", 3)), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got more than 0.880s, want at most 2s: not served again for certain: rare: no request was sent and acked since the last failure"},
		{"a class that nobody asked for since the last failure", hand(2000*ms, class("rare", 3, 15), func(l *drtest.Ledger) {
			l.Ops[15].Outcome, l.Ops[15].Err = drtest.Acked, ""
		}), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got more than 0.880s, want at most 2s: not served again for certain: rare: no request was sent and acked since the last failure"},
		{"a class that was asked for again", hand(2000*ms, class("rare", 3, 25)), drtest.RTO(2 * time.Second),
			"RTO: pass: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %"},
		{"gave up", hand(2000*ms, func(l *drtest.Ledger) {
			l.Events = append(l.Events, drtest.Event{Kind: drtest.DeadlinePassed, Interval: drtest.Interval{Lo: 3 * time.Second, Hi: 3 * time.Second}, Note: "7 accepted units have not finished"})
		}), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %, but the deadline passed at +3.000s: 7 accepted units have not finished"},
		{"half a runbook", hand(2000*ms, func(l *drtest.Ledger) { l.Drill.Steps = 2 }), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %, but only 0 of 2 steps of the runbook were done"},
		{"no receipt", hand(2000*ms, func(l *drtest.Ledger) { l.Events[0].Receipt = "" }), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %, but the fault has no receipt"},
		{"a request without an outcome", hand(2000*ms, func(l *drtest.Ledger) { l.Ops[3].End, l.Ops[3].Outcome = drtest.Forever, drtest.Unknown }), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %, but op-03 has no outcome"},
		{"cut off", hand(2000*ms, func(l *drtest.Ledger) { l.Ended = false }), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %, but the drill was cut off before its end"},
		{"cut off while it was down", hand(time.Hour, func(l *drtest.Ledger) { l.Ended = false }), drtest.RTO(time.Minute),
			"RTO: inconclusive: got more than 1.880s, want at most 1m0s: the drill was cut off before its end"},
		{"broken", hand(2000*ms, func(l *drtest.Ledger) { l.Broken = "no receipt" }), drtest.RTO(2 * time.Second),
			"RTO: inconclusive: got 1.010s (0.880s..1.010s), want at most 2s; 10 requests acked since exclude a failure rate above 25.9 %, but the drill broke: no receipt"},

		{"a stage that was reached when nobody asked any more", hand(2000*ms, func(l *drtest.Ledger) {
			l.Events = append(l.Events, drtest.Event{Kind: drtest.SteadyAgain, Interval: drtest.Interval{Lo: 1020 * ms, Hi: 2910 * ms}},
				drtest.Event{Kind: drtest.StageReached, Interval: drtest.Interval{Lo: 3500 * ms, Hi: 3600 * ms}, Note: "redundant"})
		}), drtest.ErrorRate(0.3), "error rate: pass: 10 requests acked in a row exclude a failure rate above 25.9 %, want at most 30.0 %"},
		{"noticed in time", hand(2000 * ms), drtest.Detection(time.Second),
			"detection: pass: got 0.210s (0.080s..0.210s), want at most 1s"},
		{"noticed late", hand(2000 * ms), drtest.Detection(50 * ms),
			"detection: fail: got 0.210s (0.080s..0.210s), want at most 50ms"},
		{"noticed within the error bar", hand(2000 * ms), drtest.Detection(200 * ms),
			"detection: inconclusive: got 0.210s (0.080s..0.210s), want at most 200ms: too coarse to tell, with a fault that took 0.020s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms"},
		{"never noticed", hand(2000*ms, func(l *drtest.Ledger) {
			l.Events[1] = drtest.Event{Kind: drtest.HealthKept, Interval: drtest.Interval{Lo: 2900 * ms, Hi: 2900 * ms}}
		}), drtest.Detection(time.Second),
			"detection: fail: got more than 1.880s, want at most 1s: health never turned bad"},
		{"nobody looked", hand(2000*ms, func(l *drtest.Ledger) { l.Drill.Watched = false }), drtest.Detection(time.Second),
			"detection: inconclusive: the scenario has no Health, so nothing could be detected"},
		{"the poll hangs for ever", hand(2000*ms, func(l *drtest.Ledger) { l.Events = l.Events[:1] }), drtest.Detection(time.Second),
			"detection: inconclusive: health was not followed to the end"},

		{"prompt after the repair", hand(2000*ms, healed), drtest.HealLag(time.Second),
			"heal lag: pass: got 0.110s (0.000s..0.110s), want at most 1s"},
		{"slow after the repair", hand(2300*ms, healed), drtest.HealLag(200 * ms),
			"heal lag: fail: got 0.410s (0.290s..0.410s), want at most 200ms"},
		{"near the limit after the repair", hand(2000*ms, healed), drtest.HealLag(100 * ms),
			"heal lag: inconclusive: got 0.110s (0.000s..0.110s), want at most 100ms: too coarse to tell, with a fault that took 0.020s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms"},
		{"never repaired", hand(2000 * ms), drtest.HealLag(time.Second),
			"heal lag: inconclusive: the fault was not healed"},

		{"nothing lost", hand(2000 * ms), drtest.RPO(0), "RPO: pass: lost none of 21 acked"},
		{"one lost", hand(2000*ms, without("op-07")), drtest.RPO(0),
			"RPO: fail: lost 1 of 21 acked (op-07): got 0.320s (0.290s..0.320s), want at most 0s"},
		{"one lost within the window", hand(2000*ms, without("op-07")), drtest.RPO(time.Second),
			"RPO: pass: lost 1 of 21 acked (op-07): got 0.320s (0.290s..0.320s), want at most 1s"},
		{"one lost at the edge of the window", hand(2000*ms, without("op-07")), drtest.RPO(300 * ms),
			"RPO: inconclusive: lost 1 of 21 acked (op-07): got 0.320s (0.290s..0.320s), want at most 300ms: too coarse to tell, with a fault that took 0.020s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms"},
		{"one lost that was acked during the fault, and nothing is forgiven", hand(2000*ms, without("op-10")), drtest.RPO(0),
			"RPO: fail: lost 1 of 21 acked (op-10): got 0.020s (0.000s..0.020s), want at most 0s"},
		{"one lost that was acked after the fault", hand(2000*ms, without("op-25")), drtest.RPO(time.Hour),
			"RPO: fail: lost 1 of 21 acked (op-25): got 0.000s (0.000s..0.000s), want at most 1h0m0s; 1 of them were acked after the fault"},
		{"one lost that was under way when the fault was in effect", hand(2000*ms, without("op-10"), func(l *drtest.Ledger) { l.Ops[10].End = 1030 * ms }), drtest.RPO(time.Hour),
			"RPO: inconclusive: lost 1 of 21 acked (op-10): got 0.020s (0.000s..0.020s), want at most 1h0m0s: 1 of them were asked for, or acked, while the fault took effect: nothing forgives the loss of work that may be younger than the fault"},
		{"one lost that was acked before the fault was seen to be in effect", hand(2000*ms, without("op-10"), func(l *drtest.Ledger) { l.Ops[10].End, l.Events[0].Seen = 1030*ms, 1030*ms }), drtest.RPO(time.Hour),
			"RPO: inconclusive: lost 1 of 21 acked (op-10): got 0.020s (0.000s..0.020s), want at most 1h0m0s: 1 of them were asked for, or acked, while the fault took effect: nothing forgives the loss of work that may be younger than the fault"},
		{"one lost that was acked after the fault was seen to be in effect", hand(2000*ms, without("op-10"), func(l *drtest.Ledger) { l.Ops[10].End, l.Events[0].Seen = 1031*ms, 1030*ms }), drtest.RPO(time.Hour),
			"RPO: inconclusive: lost 1 of 21 acked (op-10): got 0.020s (0.000s..0.020s), want at most 1h0m0s: 1 of them were asked for, or acked, while the fault took effect: nothing forgives the loss of work that may be younger than the fault"},
		{"one lost that was asked for after the fault was in effect and before that was seen", hand(2000*ms, without("op-25"), func(l *drtest.Ledger) { l.Events[0].Seen = 2600 * ms }), drtest.RPO(time.Hour),
			"RPO: fail: lost 1 of 21 acked (op-25): got 0.000s (0.000s..0.000s), want at most 1h0m0s; 1 of them were acked after the fault"},
		{"all lost", hand(2000*ms, func(l *drtest.Ledger) { l.Survivors = []string{} }), drtest.RPO(0),
			"RPO: fail: lost 21 of 21 acked (op-00 op-01 op-02 op-03 op-04 op-05 op-06 op-07 op-08 op-09 and 11 more): got more than 0.990s, want at most 0s: the first unit of the load is lost, so the loss may reach back beyond it; 10 of them were acked after the fault"},
		{"survivors never agreed", hand(2000*ms, func(l *drtest.Ledger) {
			l.Survivors = nil
			l.Events = append(l.Events, drtest.Event{Kind: drtest.SurvivorsRead, Note: "read survivors: no two readings agreed within 10s"})
		}), drtest.RPO(0), "RPO: inconclusive: survivors are not known: read survivors: no two readings agreed within 10s"},
		{"nothing acked", hand(2000*ms, func(l *drtest.Ledger) {
			for i := range l.Ops {
				l.Ops[i].Outcome = drtest.Unknown
			}
		}), drtest.RPO(0), "RPO: inconclusive: nothing was acked, so nothing could be lost"},

		{"work goes on", hand(2000*ms, resumes), drtest.WorkRTO(2 * time.Second),
			"work RTO: pass: got 1.105s (0.980s..1.105s), want at most 2s"},
		{"work goes on too late", hand(2000*ms, resumes), drtest.WorkRTO(900 * ms),
			"work RTO: fail: got 1.105s (0.980s..1.105s), want at most 900ms"},
		{"work goes on near the limit", hand(2000*ms, resumes), drtest.WorkRTO(time.Second),
			"work RTO: inconclusive: got 1.105s (0.980s..1.105s), want at most 1s: too coarse to tell, with a fault that took 0.020s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms"},
		{"work never goes on", hand(2000*ms, units(2000*ms, drtest.Progress{Done: 2, Attempt: 2, From: 2})), drtest.WorkRTO(time.Second),
			"work RTO: inconclusive: got more than 0.980s, want at most 1s: 2 of 2 units never got past their progress at the fault"},
		{"work went on between two samples, after it fell back", hand(2000*ms, units(2000*ms, drtest.Progress{Done: 3, Attempt: 2, From: 0})), drtest.WorkRTO(2 * time.Second),
			"work RTO: pass: got 1.005s (0.000s..1.005s), want at most 2s"},
		{"work went on for a moment and fell back", hand(2000*ms, units(1005*ms, drtest.Progress{Done: 3, Attempt: 1}, drtest.Progress{Done: 0, Attempt: 2}, drtest.Progress{Done: 3, Attempt: 2}, drtest.Progress{Done: 4, Attempt: 2})), drtest.WorkRTO(2 * time.Second),
			"work RTO: pass: got 0.310s (0.085s..0.310s), want at most 2s"},
		{"work stood still without being started anew", hand(2000*ms, units(1005*ms, drtest.Progress{Done: 3, Attempt: 1}, drtest.Progress{Done: 3, Attempt: 1}, drtest.Progress{Done: 4, Attempt: 1})), drtest.WorkRTO(2 * time.Second),
			"work RTO: pass: got 0.210s (0.000s..0.210s), want at most 2s"},
		{"finished work that came back", hand(2000*ms, units(2000*ms, drtest.Progress{Done: 1, Attempt: 2, From: 1}), func(l *drtest.Ledger) {
			for _, id := range []string{"op-08", "op-09"} {
				l.Samples[2].Units[id] = drtest.Progress{Done: 4, Attempt: 1, Finished: true}
			}
		}), drtest.AllRecovered(1), "all recovered: fail: 0 of 2 units in flight recovered; not op-08 (not finished) op-09 (not finished)"},
		{"work seen during the fault was lost", hand(2000*ms, units(1005*ms, drtest.Progress{Done: 4, Attempt: 1}, drtest.Progress{Done: 2, Attempt: 2, From: 2})), drtest.LostWork(0),
			"lost work: inconclusive: got 0.120s (0.000s..0.120s), want at most 0s: too coarse to tell, with a fault that took 0.020s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms"},
		{"attempts are counted anew", hand(2000*ms, units(2000*ms, drtest.Progress{Done: 3, Attempt: 1}), secondAttempt), drtest.LostWork(0),
			"lost work: inconclusive: op-08 was in attempt 2 and later in attempt 1, so rollbacks between two samples would be missed"},
		{"attempts are counted anew, and nothing is left", hand(2000*ms, units(2000*ms, drtest.Progress{Done: 0, Attempt: 1}), secondAttempt), drtest.LostWork(50 * ms),
			"lost work: fail: got 0.220s (0.190s..0.220s), want at most 50ms"},
		{"attempts are counted anew after a moment in which work went on", hand(2000*ms, units(1005*ms, drtest.Progress{Done: 3, Attempt: 2, From: 1}, drtest.Progress{Done: 4, Attempt: 1}), secondAttempt), drtest.WorkRTO(2 * time.Second),
			"work RTO: pass: got 0.110s (0.000s..0.110s), want at most 2s"},
		{"no work", hand(2000*ms, units(0), func(l *drtest.Ledger) {
			for _, id := range []string{"op-08", "op-09"} {
				l.Samples[2].Units[id] = drtest.Progress{Done: 4, Attempt: 1, Finished: true}
			}
		}), drtest.WorkRTO(time.Second), "work RTO: inconclusive: no unit was in flight at the fault"},
		{"work is not followed", hand(2000*ms, func(l *drtest.Ledger) { l.Drill.Tracked = false }), drtest.WorkRTO(time.Second),
			"work RTO: inconclusive: the workload does not report the progress of its units"},

		{"little work lost", hand(2000*ms, resumes), drtest.LostWork(400 * ms),
			"lost work: pass: got 0.220s (0.095s..0.220s), want at most 400ms"},
		{"much work lost", hand(2000*ms, resumes), drtest.LostWork(50 * ms),
			"lost work: fail: got 0.220s (0.095s..0.220s), want at most 50ms"},
		{"some work lost", hand(2000*ms, resumes), drtest.LostWork(200 * ms),
			"lost work: inconclusive: got 0.220s (0.095s..0.220s), want at most 200ms: too coarse to tell, with a fault that took 0.020s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms"},
		{"all work lost", hand(2000*ms, units(2000*ms, drtest.Progress{Done: 1, Attempt: 2})), drtest.LostWork(50 * ms),
			"lost work: fail: got 0.220s (0.190s..0.220s), want at most 50ms"},
		{"no work lost", hand(2000*ms, units(2000*ms, drtest.Progress{Done: 3, Attempt: 1})), drtest.LostWork(0),
			"lost work: pass: got 0.000s (0.000s..0.000s), want at most 0s"},
		{"work vanished", hand(2000*ms, units(2000*ms)), drtest.LostWork(time.Second),
			"lost work: inconclusive: op-08 was never seen again after the fault"},
		{"attempts are not reported", hand(2000*ms, resumes, func(l *drtest.Ledger) {
			l.Samples[2].Units["op-08"] = drtest.Progress{Done: 2}
		}), drtest.LostWork(time.Second),
			"lost work: inconclusive: the workload does not report attempts, so rollbacks between two samples would be missed"},

		{"all finish", hand(2000*ms, resumes), drtest.AllRecovered(2), "all recovered: pass: 2 of 2 units in flight recovered"},
		{"one that was acked before the fault was seen to be in effect is in flight", hand(2000*ms, resumes, ackedLate(1000*ms, 1030*ms)), drtest.AllRecovered(2),
			"all recovered: fail: 2 of 3 units in flight recovered; not op-10 (not finished)"},
		{"one that was acked after that is not", hand(2000*ms, resumes, ackedLate(1000*ms, 1031*ms)), drtest.AllRecovered(2),
			"all recovered: pass: 2 of 2 units in flight recovered"},
		{"one that was asked for once the fault was in effect is not", hand(2000*ms, resumes, ackedLate(1020*ms, 1030*ms)), drtest.AllRecovered(2),
			"all recovered: pass: 2 of 2 units in flight recovered"},
		{"too few to show anything", hand(2000*ms, resumes), drtest.AllRecovered(3),
			"all recovered: inconclusive: 2 of 2 units in flight recovered, want at least 3 in flight at the fault"},
		{"one lost, one twice", hand(2000*ms, resumes, without("op-08"), func(l *drtest.Ledger) { l.Survivors = append(l.Survivors, "op-09") }), drtest.AllRecovered(2),
			"all recovered: fail: 0 of 2 units in flight recovered; not op-08 (lost) op-09 (held more than once)"},
		{"one unfinished, one wrong", hand(2000*ms, resumes, func(l *drtest.Ledger) {
			last := l.Samples[len(l.Samples)-1].Units
			last["op-08"] = drtest.Progress{Done: 3, Attempt: 2}
			last["op-09"] = drtest.Progress{Done: 4, Attempt: 2, Finished: true, Wrong: "its result is 7, not 9"}
		}), drtest.AllRecovered(2),
			"all recovered: fail: 0 of 2 units in flight recovered; not op-08 (not finished) op-09 (its result is 7, not 9)"},
		{"work is not followed", hand(2000*ms, func(l *drtest.Ledger) { l.Samples = nil }), drtest.AllRecovered(1),
			"all recovered: inconclusive: the progress of the units was never read"},

		{"each once", hand(2000 * ms), drtest.NoDuplicates(), "no duplicates: pass: 21 units held, each once"},
		{"one twice", hand(2000*ms, func(l *drtest.Ledger) { l.Survivors = append(l.Survivors, "op-03") }), drtest.NoDuplicates(),
			"no duplicates: fail: 1 units are held more than once: op-03"},
		{"survivors not read", hand(2000*ms, func(l *drtest.Ledger) { l.Survivors = nil }), drtest.NoDuplicates(),
			"no duplicates: inconclusive: survivors are not known: they were never read"},

		{"few calls repeated", hand(2000*ms, counted(100, 12)), drtest.Repeated("calls", 12), "repeated calls: pass: 100 calls, 12 of them repeated, want at most 12"},
		{"many calls repeated", hand(2000*ms, counted(100, 12)), drtest.Repeated("calls", 11), "repeated calls: fail: 100 calls, 12 of them repeated, want at most 11"},
		{"no calls", hand(2000*ms, counted(0, 0)), drtest.Repeated("calls", 0), "repeated calls: inconclusive: nothing was counted, so nothing could be repeated"},
		{"nobody counts", hand(2000 * ms), drtest.Repeated("calls", 0), `repeated calls: inconclusive: the workload has no counter "calls"`},
		{"another counter", hand(2000*ms, counted(100, 12)), drtest.Repeated("bytes", 0), `repeated bytes: inconclusive: the workload has no counter "bytes"`},
		{"the counter was not read", hand(2000*ms, counted(100, 12)), drtest.Repeated("cost", 0), "repeated cost: inconclusive: the counter was never read"},
		{"the counter could not be read", hand(2000*ms, counted(100, 12), func(l *drtest.Ledger) {
			l.Events = append(l.Events, drtest.Event{Kind: drtest.CounterRead, Note: "cost", Evidence: "no route to the bank"})
		}), drtest.Repeated("cost", 0), "repeated cost: inconclusive: no route to the bank"},

		{"nobody noticed", hand(0), drtest.NoFailedRequests(), "no failed requests: pass: none of 30 requests failed, and the slowest answer took 0.010s, 0.010s before the fault"},
		{"nobody asked after the fault", hand(0, func(l *drtest.Ledger) { l.Ops = l.Ops[:10] }), drtest.NoFailedRequests(), "no failed requests: inconclusive: no request was sent and acked after the fault"},
		{"nobody asked for a class after the fault", hand(0, class("rare", 3)), drtest.NoFailedRequests(), "no failed requests: inconclusive: rare: no request was sent and acked since the fault"},
		{"clients noticed", hand(2000 * ms), drtest.NoFailedRequests(), "no failed requests: fail: 9 of 30 requests failed after the fault"},
		{"all answers are as slow as the first one of a cold start", hand(0, slowOps(450*ms, 0), slowOps(400*ms, 11, 30), steadyAt(1000*ms)), drtest.NoFailedRequests(),
			"no failed requests: fail: 19 of 20 answers after the fault took longer than any before it by far: up to 0.400s, where 0.010s was the slowest"},
		{"a freeze, and a long drill", hand(0, goesOn(2000), slowOps(450*ms, 12, 22)), drtest.NoFailedRequests(),
			"no failed requests: fail: 10 of 100 answers after the fault took longer than any before it by far: up to 0.450s, where 0.010s was the slowest"},
		{"a few slow answers now and then", hand(0, goesOn(2000), slowOps(450*ms, 12, 14), slowOps(450*ms, 500, 503), slowOps(450*ms, 580, 582)), drtest.NoFailedRequests(),
			"no failed requests: pass: none of 2000 requests failed, and the slowest answer took 0.450s, 0.010s before the fault"},
		{"a freeze before Inject returned", hand(0, injecting(2500*ms), slowOps(450*ms, 11, 21)), drtest.NoFailedRequests(),
			"no failed requests: fail: 10 of 20 answers after the fault took longer than any before it by far: up to 0.450s, where 0.010s was the slowest"},
		{"two answers are slow by chance", hand(0, slowOps(450*ms, 12, 14)), drtest.NoFailedRequests(),
			"no failed requests: pass: none of 30 requests failed, and the slowest answer took 0.450s, 0.010s before the fault"},
		{"the tester stood still", hand(0, slowOps(450*ms, 12, 17), stall(1300*ms, 1900*ms)), drtest.NoFailedRequests(),
			"no failed requests: untrusted: 5 of 20 answers after the fault took longer than any before it by far: up to 0.450s, where 0.010s was the slowest, some of them while the test process stood still"},
		{"a request failed while the tester stood still", hand(1200*ms, stall(1050*ms, 1150*ms)), drtest.NoFailedRequests(),
			"no failed requests: untrusted: 1 requests failed while the test process stood still"},
		{"the tester stood still before the fault", hand(0, slowOps(450*ms, 3), stall(350*ms, 700*ms), slowOps(400*ms, 11, 30)), drtest.NoFailedRequests(),
			"no failed requests: fail: 19 of 20 answers after the fault took longer than any before it by far: up to 0.400s, where 0.010s was the slowest"},
		{"no fault", hand(0, func(l *drtest.Ledger) { l.Events = nil }), drtest.NoFailedRequests(), "no failed requests: inconclusive: no fault was injected"},

		{"a property that holds", hand(0), drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return nil }), "sane: pass: holds"},
		{"a property that does not", hand(0), drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return errors.New("mad") }), "sane: fail: mad"},
		{"a property that is not shown", hand(0), drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return drtest.ErrInconclusive }), "sane: inconclusive: inconclusive"},
		{"a property of half a ledger", hand(0, func(l *drtest.Ledger) { l.Ended = false }), drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return nil }),
			"sane: inconclusive: holds, but the drill was cut off before its end"},
	} {
		t.Run(c.reason+": "+c.want[:12], func(t *testing.T) {
			got := drtest.Judge(c.ledger, c.objective).Verdicts[0].String()
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRejectedStaysRejected: what every report judges, whatever the objectives.
func TestRejectedStaysRejected(t *testing.T) {
	reject := func(l *drtest.Ledger) { l.Ops[12].Outcome = drtest.Rejected }
	for _, c := range []struct {
		reason, want string
		ledger       *drtest.Ledger
	}{
		{"not held", "rejected stays rejected: pass: none of 1 rejected units is held", hand(2000*ms, reject)},
		{"held", "rejected stays rejected: fail: 1 rejected units are held nevertheless: op-12", hand(2000*ms, reject, func(l *drtest.Ledger) { l.Survivors = append(l.Survivors, "op-12") })},
		{"not known", "rejected stays rejected: inconclusive: survivors are not known: they were never read", hand(2000*ms, func(l *drtest.Ledger) { l.Survivors = nil })},
	} {
		if diff := cmp.Diff(c.want, drtest.Judge(c.ledger).Verdicts[0].String()); diff != "" {
			t.Errorf("%s: %s", c.reason, diff)
		}
	}
}

// TestProofs: each proof of the drill is judged by what was found, also without the system.
func TestProofs(t *testing.T) {
	const name = "no acked write on the losing side"
	found := func(kind drtest.EventKind, evidence string) func(*drtest.Ledger) {
		return func(l *drtest.Ledger) {
			l.Drill.Proofs = []string{name}
			l.Events = append(l.Events, drtest.Event{Kind: drtest.StageReached, Note: name}, // not of a proof
				drtest.Event{Kind: kind, Interval: drtest.Interval{Lo: 3100 * ms, Hi: 3300 * ms}, Note: name, Evidence: evidence})
		}
	}
	for _, c := range []struct {
		reason, want string
		ledger       *drtest.Ledger
	}{
		{"proved", "pass: its log ends at 0/30001A8", hand(2000*ms, found(drtest.Proved, "its log ends at 0/30001A8"))},
		{"refuted", "fail: op-12 is in its log", hand(2000*ms, found(drtest.Refuted, "op-12 is in its log"))},
		{"refuted at the deadline", "fail: op-12 is in its log", hand(2000*ms, found(drtest.Refuted, "op-12 is in its log"), func(l *drtest.Ledger) {
			l.Events = append(l.Events, drtest.Event{Kind: drtest.DeadlinePassed})
		})},
		{"not proved", "inconclusive: its log was recycled", hand(2000*ms, found(drtest.NotProved, "its log was recycled"))},
		{"proved by nothing", "inconclusive: it gave no evidence", hand(2000*ms, found(drtest.Proved, ""))},
		{"never examined", "inconclusive: it was never examined", hand(2000*ms, func(l *drtest.Ledger) { l.Drill.Proofs = []string{name} })},
		{"proved in a drill that broke", "inconclusive: its log ends at 0/30001A8, but the drill broke: no glue",
			hand(2000*ms, found(drtest.Proved, "its log ends at 0/30001A8"), func(l *drtest.Ledger) { l.Broken = "no glue" })},
	} {
		r := drtest.Judge(c.ledger, drtest.RTO(2*time.Second))
		if diff := cmp.Diff(name+": "+c.want, r.Verdicts[len(r.Verdicts)-1].String()); diff != "" {
			t.Errorf("%s: %s", c.reason, diff)
		}
	}
}

func TestOnlyPassPasses(t *testing.T) {
	if got := new(drtest.Report).Status(); got != drtest.Inconclusive {
		t.Errorf("a report without verdicts: got %v, want inconclusive", got)
	}
	r := drtest.Judge(hand(2000*ms), drtest.RTO(time.Hour))
	if r.Status() != drtest.Pass {
		t.Errorf("got %v, want pass: %v", r.Status(), r.Verdicts)
	}
	r.Verdicts[0].Status = drtest.Inconclusive
	if r.Status() != drtest.Inconclusive {
		t.Errorf("got %v, want inconclusive", r.Status())
	}
	r.Verdicts[1].Status = drtest.Fail
	if r.Status() != drtest.Fail {
		t.Errorf("got %v, want fail", r.Status())
	}
}
