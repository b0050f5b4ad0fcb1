package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
)

const ms = time.Millisecond

// began is when every drill of these tests began.
var began = time.Date(2025, 11, 14, 9, 30, 0, 0, time.UTC)

// at is an interval in milliseconds.
func at(lo, hi int) drtest.Interval {
	return drtest.Interval{Lo: time.Duration(lo) * ms, Hi: time.Duration(hi) * ms}
}

// drill returns the ledger of a drill with a request every 100 ms, each answered within 10 ms. The
// fault takes from 1000 ms to 1020 ms; the requests that are sent from then until back fail.
func drill(id, title, category string, back, end int) *drtest.Ledger {
	l := &drtest.Ledger{
		Drill: drtest.Drill{
			ID: id, Title: title, Category: category, Fault: "kill primary", Began: began,
			Every: 100 * ms, Timeout: 200 * ms, Steady: 500 * ms, Deadline: time.Minute, Watched: true,
		},
		Events: []drtest.Event{
			{Kind: drtest.SteadyReached, Interval: at(900, 900), Note: "10 requests acked"},
			{Kind: drtest.FaultInjected, Interval: at(1000, 1020), Note: "kill primary", Receipt: "exit code 137, not running"},
			{Kind: drtest.HealthLost, Interval: at(1050, 1130), Note: "503 database: circuit open"},
		},
		Survivors: []string{},
		Machine:   drtest.Machine{CPUs: 2, Busy: 0.43, Stalled: 0.125},
		Ended:     true,
	}
	for due := 0; due < end; due += 100 {
		op := drtest.Op{ID: fmt.Sprintf("op-%02d", due/100), Due: time.Duration(due) * ms, Outcome: drtest.Acked}
		op.Start, op.End = op.Due+ms, op.Due+10*ms
		if due >= 1000 && due < back {
			op.Outcome, op.Err = drtest.Unknown, "connection refused"
		} else {
			l.Survivors = append(l.Survivors, op.ID)
		}
		l.Ops = append(l.Ops, op)
	}
	return l
}

// judge does what drtest.Run does.
func judge(l *drtest.Ledger, objectives, targets []drtest.Objective) *drtest.Report {
	r := drtest.Judge(l, objectives...)
	also := drtest.Judge(l, targets...)
	for i := range targets {
		a, v := also.Asserted[i], also.Verdicts[i]
		a.Target, v.Target = true, true
		r.Asserted, r.Verdicts = append(r.Asserted, a), append(r.Verdicts, v)
	}
	return r
}

type objectives = []drtest.Objective

// drills has one drill of each kind of outcome.
func drills() []*drtest.Report {
	failover := drill("DR-DB-004", "Database primary failover", "Database Failures", 2000, 4000)
	failover.Drill.Tracked, failover.Drill.Steps = true, 2
	failover.Drill.Durability = "node death: the host's page cache survives, so fsyncs are not tested"
	failover.Events = append(failover.Events,
		drtest.Event{Kind: drtest.StepBegun, Interval: at(1140, 1140), Note: "promote replica"},
		drtest.Event{Kind: drtest.StepDone, Interval: at(1140, 1760), Note: "promote replica"},
		drtest.Event{Kind: drtest.StepBegun, Interval: at(1760, 1760), Note: "repoint clients"},
		drtest.Event{Kind: drtest.StepDone, Interval: at(1760, 1790), Note: "repoint clients"},
		drtest.Event{Kind: drtest.SteadyAgain, Interval: at(1790, 2600), Note: "6 requests acked"},
		drtest.Event{Kind: drtest.FaultConfirmed, Interval: at(3500, 3510), Note: "kill primary", Receipt: "not restarted"})
	finished := drtest.Progress{Done: 4, Attempt: 1, Finished: true}
	resumed := drtest.Progress{Done: 4, Attempt: 2, From: 1, Finished: true}
	all := map[string]drtest.Progress{}
	for _, op := range failover.Ops[:8] {
		all[op.ID] = finished
	}
	failover.Samples = []drtest.Sample{
		{Interval: at(890, 895), Units: map[string]drtest.Progress{"op-08": {Done: 1, Attempt: 1}}},
		{Interval: at(980, 990), Units: func() map[string]drtest.Progress {
			all["op-08"] = drtest.Progress{Done: 2, Attempt: 1}
			all["op-09"] = drtest.Progress{Done: 1, Attempt: 1}
			return all
		}()},
		{Interval: at(2400, 2420), Units: map[string]drtest.Progress{"op-08": resumed, "op-09": resumed}},
	}

	failover.Drill.Stages = []string{"promoted", "redundant"}
	failover.Drill.Sources = map[string]string{"promoted": "GET /primary | of each node"}
	failover.Events = append(failover.Events,
		drtest.Event{Kind: drtest.StageReached, Interval: at(1700, 1750), Note: "promoted"},
		drtest.Event{Kind: drtest.StageMissed, Interval: at(3900, 3900), Note: "redundant"})
	failover.Drill.Proofs = []string{"no write on the losing side"}
	failover.Events = append(failover.Events,
		drtest.Event{Kind: drtest.Proved, Interval: at(4010, 4300), Note: "no write on the losing side", Evidence: "both histories end at 0/30001A8"})
	failover.Drill.Counters = []drtest.Counter{{Name: "calls"}, {Name: "cost", Unit: "cents"}}
	failover.Counts = map[string]drtest.Count{"calls": {Total: 42, Repeated: 3}}
	failover.Events = append(failover.Events,
		drtest.Event{Kind: drtest.CounterRead, Interval: at(3600, 3600), Note: "calls", Evidence: "42 calls, 3 of them repeated"},
		drtest.Event{Kind: drtest.CounterRead, Interval: at(3600, 3600), Note: "cost", Evidence: "no answer"})

	failover.Drill.Model = drtest.Model{
		{Name: "detection | alert", Worst: 200 * ms, Source: "circuit opens at 5 errors"},
		{Name: "promotion", Best: 300 * ms, Worst: 900 * ms, Source: "runbook"},
	}

	async := drill("DR-DB-004/async", "Database primary failover, asynchronous replica", "Database Failures", 2000, 4000)
	async.Survivors = append(async.Survivors[:6:6], async.Survivors[10:]...)

	coarse := drill("DR-DB-001", "Connection loss | *not* a `table` <b>", "Database Failures", 1600, 3000)
	coarse.Drill.Fault = "cut link"
	coarse.Events[1].Note, coarse.Events[1].Receipt = "cut link", "dial a|b\nrefused"
	coarse.Events = append(coarse.Events, drtest.Event{Kind: drtest.FaultHealed, Interval: at(1500, 1505)})
	for i := range 3 {
		coarse.Ops[12+i].Start += 60 * ms
		coarse.Ops[12+i].End += 60 * ms
	}
	coarse.Readings = []drtest.Reading{{}, {At: 1000 * ms, Waited: 100 * ms}, {At: 2000 * ms, Waited: 500 * ms, Stolen: 100 * ms}, {At: 3000 * ms, Waited: 550 * ms, Stolen: 200 * ms}}
	coarse.Events = append(coarse.Events, drtest.Event{Kind: drtest.ContainerStarted, Interval: at(1400, 1450), Note: "app"})
	coarse.Survivors = append(coarse.Survivors, "op-05")

	down := drill("DR-DB-002", "Database crash during execution", "Database Failures", 9999, 3000)
	down.Survivors = nil
	down.Events = append(down.Events,
		drtest.Event{Kind: drtest.DeadlinePassed, Interval: at(2990, 2990), Note: "not steady again: 20 of 30 requests failed"},
		drtest.Event{Kind: drtest.SurvivorsRead, Interval: at(3000, 3000), Note: "read survivors: connection refused"})

	broken := drill("DR-APP-001", "Application crash", "Application Crashes", 9999, 1500)
	broken.Drill.Durability, broken.Drill.Steps = "process crash", 1
	broken.Survivors = nil
	broken.Broken = `runbook step "restart": no such container`
	broken.Events = append(broken.Events, drtest.Event{Kind: drtest.StepBegun, Interval: at(1140, 1140), Note: "restart"})

	unharmed := drill("DR-APP-010", "Fault that never happened", "Application Crashes", 0, 1000)
	unharmed.Events = unharmed.Events[:1]
	unharmed.Broken = "inject kill primary: the fault never happened: it returned no receipt"

	strict := objectives{drtest.Detection(time.Second), drtest.RTO(10 * time.Second), drtest.RPO(0), drtest.NoDuplicates()}
	rto, targets := objectives{drtest.RTO(2 * time.Minute)}, objectives{drtest.RTO(2 * time.Minute), drtest.RPO(30 * time.Second)}
	return []*drtest.Report{
		judge(failover, append(strict, drtest.WorkRTO(5*time.Second), drtest.LostWork(time.Second), drtest.AllRecovered(2), drtest.Repeated("calls", 4), drtest.Reached("promoted", time.Second)), targets),
		judge(async, strict, targets),
		judge(coarse, objectives{drtest.Detection(100 * ms), drtest.HealLag(100 * ms), drtest.NoDuplicates(),
			drtest.Check("breaker opened", func(*drtest.Ledger, drtest.Figures) error { return nil })}, rto),
		judge(down, strict, targets),
		judge(broken, strict, nil),
		judge(unharmed, strict, nil),
	}
}

// saveJournal writes a journal as drtest.Run does.
func saveJournal(t *testing.T, path string, r *drtest.Report) {
	t.Helper()
	var b bytes.Buffer
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
