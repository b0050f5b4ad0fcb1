package drtest_test

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

const head = `{"journal":{"version":4,"drill":{"id":"J","title":"J","fault":"f","began":"2026-01-01T00:00:00Z","every":1,"timeout":1,"steady":1,"steps":1,"stages":["up"],"proofs":["kept"],"deadline":1,"tracked":true,"counters":[{"name":"calls"}]},"asserted":[{"objective":"RPO","limit":0}]}}` + "\n"

// seal makes lines of records, as doc of chain says: each numbered, each with a hash of the hash
// before it and of itself.
func seal(records string) string {
	var journal, last string
	for n, line := range strings.SplitAfter(records, "\n") {
		fields, whole := strings.CutSuffix(line, "}\n")
		if !whole || !strings.HasPrefix(fields, "{") {
			journal += line // it is meant to be damaged
			continue
		}
		line = fmt.Sprintf(`{"line":%d,%s`, n+1, fields[1:])
		last = fmt.Sprintf("%x", sha256.Sum256([]byte(last+line)))[:16]
		journal += line + `,"hash":"` + last + `"}` + "\n"
	}
	return journal
}

func TestDamagedJournals(t *testing.T) {
	out := `{"outcome":{"n":0,"end":2,"outcome":"acked"}}` + "\n"
	op := `{"op":{"n":0,"id":"a","due":0,"start":1}}` + "\n"
	op2 := `{"op":{"n":1,"id":"b","due":1,"start":1}}` + "\n"
	end := `{"end":{"machine":{"cpus":1,"busy":0,"stalled":0}}}` + "\n"
	fault := `{"event":{"kind":"fault","lo":3,"hi":4,"receipt":"dark"}}` + "\n"
	closing := func(verdicts string) string { return end + `{"closing":{"verdicts":[` + verdicts + `]}}` + "\n" }
	rpo := `{"objective":"RPO","status":"pass","limit":0,"why":""}`
	event := func(kind, more string) string { return `{"event":{"kind":"` + kind + `",` + more + "}}\n" }
	swap := strings.NewReplacer
	phased := func(phase string) string {
		return swap(`"counters":[{"name":"calls"}]`, `"counters":[{"name":"calls"}],"phase":`+phase).Replace(head)
	}
	for _, c := range []struct{ reason, journal, want string }{
		{"truncated", head + op + `{"outcome":{"n":0,"e`, "journal line 3: cut off in mid-line: the test process died while it wrote"},
		{"no header", op, "journal line 1: the journal does not begin with its header"},
		{"two headers", head + head, "journal line 2: a second header: two drills wrote to one journal"},
		{"a later version", strings.Replace(head, `"version":4`, `"version":7`, 1), "journal line 1: the journal has version 7, this program reads versions 3 to 4: read it with the version of drreport that wrote it, or play the drill again"},
		{"no scenario", strings.Replace(head, `"id":"J"`, `"id":""`, 1), "journal line 1: the header names no scenario"},
		{"not JSON", head + "{\x00\x00}\n", `journal line 2: no record of a journal: invalid character '\x00' looking for beginning of object key string`},
		{"another record", head + `{"surprise":{}}` + "\n", `journal line 2: no record of a journal: json: unknown field "surprise"`},
		{"two records in one", head + `{"op":{"n":0,"id":"a","due":0,"start":1},"survivors":{"ids":[]}}` + "\n", "journal line 2: 2 records where one is due"},
		{"two records on a line", head + strings.TrimSuffix(op, "}\n") + "}" + op, "journal line 2: not written as a journal writes it"},
		{"a field that is written twice", head + `{"op":{"n":0,"id":"a","due":0,"start":1,"start":9}}` + "\n", "journal line 2: not written as a journal writes it"},
		{"a field in capitals", head + strings.Replace(op, "start", "START", 1), "journal line 2: not written as a journal writes it"},
		{"two outcomes", head + op + out + out, "journal line 4: a second outcome of op 0"},
		{"an outcome before its op", head + op + strings.Replace(out, `"end":2`, `"end":0`, 1), "journal line 3: op 0 ends before it starts"},
		{"an outcome before the drill", head + op + strings.Replace(out, `"end":2`, `"end":-2`, 1), "journal line 3: op 0 ends before it starts"},
		{"an outcome is missing", head + op + end, "journal line 3: the drill ends without an outcome of op 0"},
		{"a machine of less than no processors", head + `{"end":{"machine":{"cpus":-5,"busy":0,"stalled":0}}}` + "\n", "journal line 2: a machine of -5 processors, 0 busy, on which tasks waited for 0 of the time"},
		{"a machine that is busier than it can be", head + `{"end":{"machine":{"cpus":1,"busy":1e+300,"stalled":0}}}` + "\n", "journal line 2: a machine of 1 processors, 1e+300 busy, on which tasks waited for 0 of the time"},
		{"a verdict that merely held, and passes", head + closing(`{"objective":"RPO","status":"pass","limit":0,"why":"","held":true}`), `journal line 3: the verdict of "RPO" cannot be: it held for as long as the drill went, and is pass`},
		{"something after the end", head + end + op, "journal line 3: the drill has ended already"},
		{"something after the closing", head + closing(rpo) + op, "journal line 4: the drill has ended already"},
		{"two closings", head + closing(rpo) + `{"closing":{"verdicts":[` + rpo + `]}}` + "\n", "journal line 4: the journal is closed already"},
		{"verdicts before the end", head + strings.TrimPrefix(closing(rpo), end), "journal line 2: verdicts before the end of the drill"},
		{"an event backwards", head + event("fault", `"lo":2,"hi":1`), "journal line 2: fault ends before it begins"},
		{"an event that was seen too soon", head + event("fault", `"lo":1,"hi":3,"seen":2`), "journal line 2: fault was seen before it was in effect"},
		{"an event before the drill", head + event("fault", `"lo":-9223372036854775808,"hi":1`), "journal line 2: fault is before the drill"},
		{"an event after all drills", head + event("fault", `"lo":1,"hi":9223372036854775807`), "journal line 2: fault is at 2562047h47m16.854775807s: no drill takes that long"},
		{"an unknown event", head + event(`fa\u001b[2Jult`, `"lo":1,"hi":2`), `journal line 2: unknown event "fa\\x1b[2Jult"`},
		{"two faults", head + fault + fault, "journal line 3: fault stands there twice"},
		{"a fault before its steady state", head + event("steady state", `"lo":5,"hi":5`) + fault, "journal line 3: the fault is before the steady state that it waited for"},
		{"healed before the fault", head + event("healed", `"lo":1,"hi":2`), "journal line 2: healed is before the fault"},
		{"steady again before the fault", head + fault + event("steady again", `"lo":1,"hi":9`), "journal line 3: steady again is before the fault"},
		{"a stage of another drill", head + fault + event("reached", `"lo":5,"hi":6,"note":"down"`), `journal line 3: reached: the drill has no stage "down"`},
		{"a stage with two ends", head + fault + event("missed", `"lo":5,"hi":6,"note":"up"`) + event("reached", `"lo":5,"hi":6,"note":"up"`), "journal line 4: the end of stage up stands there twice"},
		{"a proof of another drill", head + fault + event("proved", `"lo":5,"hi":6,"note":"lost"`), `journal line 3: proved: the drill has no proof "lost"`},
		{"a proof with two ends", head + fault + event("refuted", `"lo":5,"hi":6,"note":"kept"`) + event("proved", `"lo":5,"hi":6,"note":"kept"`), "journal line 4: the examination of kept stands there twice"},
		{"a step that was not begun", head + fault + event("step done", `"lo":5,"hi":6,"note":"go"`), `journal line 3: step "go" is done before it is begun`},
		{"more steps than there are", head + fault + event("step begun", `"lo":5,"hi":5,"note":"go"`) + event("step begun", `"lo":6,"hi":6,"note":"go"`), "journal line 4: 2 steps of a runbook of 1"},
		{"a moment of a fault that is none", head + event("deadline", `"lo":5,"hi":6,"seen":6`), "journal line 2: deadline has a moment at which a fault was seen"},
		{"a sample backwards", head + `{"sample":{"lo":2,"hi":1}}` + "\n", "journal line 2: a sample ends before it begins"},
		{"a sample before the drill", head + `{"sample":{"lo":-2,"hi":1}}` + "\n", "journal line 2: a sample begins before the end of the one before it"},
		{"samples out of order", head + `{"sample":{"lo":2,"hi":4}}` + "\n" + `{"sample":{"lo":1,"hi":5}}` + "\n", "journal line 3: a sample begins before the end of the one before it"},
		{"a sample after all drills", head + `{"sample":{"lo":2,"hi":4611686018427387904}}` + "\n", "journal line 2: a sample is at 1281023h53m38.427387904s: no drill takes that long"},
		{"a sample of nothing that reports", strings.Replace(head, `,"tracked":true`, ``, 1) + `{"sample":{"lo":1,"hi":2}}` + "\n", "journal line 2: a sample of a workload that does not report progress"},
		{"progress that is none", head + `{"sample":{"lo":1,"hi":2,"units":{"a":{"done":-1}}}}` + "\n", "journal line 2: unit a: its progress is less than nothing: -1 steps, attempt 0, from 0"},
		{"readings out of order", head + `{"machine":{"at":2}}` + "\n" + `{"machine":{"at":1}}` + "\n", "journal line 3: a reading of the machine is less than the one before it"},
		{"a machine that waits for ever", head + `{"machine":{"at":2,"waited":9223372036854775807}}` + "\n", "journal line 2: a reading of the machine is at 2562047h47m16.854775807s: no drill takes that long"},
		{"survivors twice", head + `{"survivors":{"ids":[]}}` + "\n" + `{"survivors":{"ids":["a"]}}` + "\n", "journal line 3: a second list of survivors"},
		{"a survivor that cannot be shown", head + `{"survivors":{"ids":["\u001b"]}}` + "\n", "journal line 2: a survivor without an id that can be shown"},
		{"a count that repeats more than there was", head + `{"count":{"counter":"calls","total":1,"repeated":2}}` + "\n", "journal line 2: the counter of calls: a total of 1, and 2 of it repeated, cannot be"},
		{"a count of less than nothing", head + `{"count":{"counter":"calls","total":1,"repeated":-1}}` + "\n", "journal line 2: the counter of calls: a total of 1, and -1 of it repeated, cannot be"},
		{"a count twice", head + strings.Repeat(`{"count":{"counter":"calls","total":1,"repeated":0}}`+"\n", 2), "journal line 3: a second count of calls"},
		{"a count of nobody", head + `{"count":{"counter":"cost","total":1,"repeated":0}}` + "\n", `journal line 2: a count of a counter that the drill does not have: its counters are ["calls"]`},
		{"a counter of another drill", head + event("counter", `"lo":5,"hi":6,"note":"cost"`), `journal line 2: counter: the drill has no counter "cost"`},
		{"a counter that is read twice", head + strings.Repeat(event("counter", `"lo":5,"hi":6,"note":"calls"`), 2), "journal line 3: the reading of counter calls stands there twice"},
		{"a counter without a name", swap(`{"name":"calls"}`, `{"name":""}`).Replace(head), `journal line 1: the drill cannot be: a counter "", whose name is empty or that of another`},
		{"two counters of one name", swap(`{"name":"calls"}`, `{"name":"calls"},{"name":"Calls"}`).Replace(head), `journal line 1: the drill cannot be: a counter "Calls", whose name is empty or that of another`},
		{"an objective of no counter", swap(`{"objective":"RPO","limit":0}`, `{"objective":"repeated","count":1}`).Replace(head), "journal line 1: what is asserted cannot be: an objective without a name that can be shown"},
		{"a request is missing", head + strings.Replace(op, `"n":0`, `"n":3`, 1), "journal line 2: op 3 where op 0 is due"},
		{"a request that is sent too soon", head + swap(`"due":0`, `"due":5`).Replace(op), "journal line 2: op 0 is sent before it is due, or before the drill begins"},
		{"a request before the drill", head + swap(`"due":0`, `"due":-1`).Replace(op), "journal line 2: op 0 is sent before it is due, or before the drill begins"},
		{"a request after all drills", head + swap(`"start":1`, `"start":9223372036854775807`).Replace(op), "journal line 2: op 0 is at 2562047h47m16.854775807s: no drill takes that long"},
		{"an outcome after all drills", head + op + swap(`"end":2`, `"end":9223372036854775807`).Replace(out), "journal line 3: the end of op 0 is at 2562047h47m16.854775807s: no drill takes that long"},
		{"requests out of order", head + op + swap(`"due":1`, `"due":0`, `"start":1`, `"start":0`).Replace(op2), "journal line 3: op 1 is due or sent before the one before it"},
		{"two requests with one id", head + op + swap(`"b"`, `"a"`).Replace(op2), "journal line 3: op 1 has the id a, which another one has"},
		{"two requests with one id, far apart", head + swap(`"a"`, `"c"`).Replace(op) + swap(`"b"`, `"a"`).Replace(op2) + `{"op":{"n":2,"id":"c","due":2,"start":2}}` + "\n", "journal line 4: op 2 has the id c, which another one has"},
		{"a request without an id", head + swap(`"a"`, `""`).Replace(op), "journal line 2: op 0 has no id that can be shown"},
		{"an outcome of nothing", head + out, "journal line 2: an outcome of op 0, which was never sent"},
		{"an outcome that is none", head + op + `{"outcome":{"n":0,"end":2,"outcome":"maybe"}}` + "\n", `journal line 3: unknown outcome "maybe"`},
		{"an ack that is an error", head + op + `{"outcome":{"n":0,"end":2,"outcome":"acked","err":"no"}}` + "\n", "journal line 3: op 0 is acked with an error"},
		{"a status that is none", head + closing(swap("pass", "fine").Replace(rpo)), `journal line 3: no record of a journal: unknown status "fine"`},
		{"a verdict that is missing", head + closing(""), "journal line 3: no verdict of RPO 0s"},
		{"a verdict of another limit", head + closing(swap(`"limit":0`, `"limit":1`).Replace(rpo)), `journal line 3: a verdict of "RPO", which is not asserted, or has been judged already`},
		{"a verdict of nothing", head + closing(rpo+`,{"objective":"joy","status":"pass","why":""}`), `journal line 3: a verdict of "joy", which is not asserted, or has been judged already`},
		{"a verdict twice", head + closing(rpo+","+rpo), `journal line 3: a verdict of "RPO", which is not asserted, or has been judged already`},
		{"a pass that is untrusted", head + closing(swap(`"why":""`, `"why":"","untrusted":true`).Replace(rpo)), `journal line 3: the verdict of "RPO" cannot be: it is untrusted, and pass`},
		{"a time that ends before it begins", head + closing(swap(`"why"`, `"got":{"lo":2,"hi":1},"why"`).Replace(rpo)), `journal line 3: the verdict of "RPO" cannot be: it measured 0.000s (0.000s..0.000s)`},
		{"a load without a period", swap(`"every":1`, `"every":0`).Replace(head), "journal line 1: the drill cannot be: every is 0s"},
		{"a timeout in the past", swap(`"timeout":1`, `"timeout":-1`).Replace(head), "journal line 1: the drill cannot be: timeout is -1ns"},
		{"a steady window of less than a period", swap(`"every":1`, `"every":2`).Replace(head), "journal line 1: the drill cannot be: steady is 1ns"},
		{"a phase without a seed", phased(`{"seed":"","of":5,"wait":2}`), `journal line 1: the drill cannot be: a wait of 2ns, as a part of 5ns by the seed ""`},
		{"a phase that is longer than its period", phased(`{"seed":"a","of":5,"wait":5}`), `journal line 1: the drill cannot be: a wait of 5ns, as a part of 5ns by the seed "a"`},
		{"a phase of the version before", swap(`"version":4`, `"version":3`).Replace(phased(`{"seed":"a","of":5,"wait":2}`)), "journal line 1: a phase of the fault, which version 3 does not have"},
		{"a fault that did not wait for its phase", phased(`{"seed":"a","of":5,"wait":3}`) + event("steady state", `"lo":1,"hi":1`) + fault, "journal line 3: the fault is before the end of its wait for a random phase"},
		{"a deadline of ages", swap(`"deadline":1`, `"deadline":9223372036854775807`).Replace(head), "journal line 1: the drill cannot be: deadline is 2562047h47m16.854775807s"},
		{"a stage twice", swap(`["up"]`, `["up","Up"]`).Replace(head), `journal line 1: the drill cannot be: a stage or proof "Up", whose name is empty or that of another`},
		{"a limit in the past", swap(`"limit":0`, `"limit":-1`).Replace(head), "journal line 1: what is asserted cannot be: RPO has a limit of -1ns"},
		{"an objective without its limit", swap(`,"limit":0`, ``).Replace(head), "journal line 1: what is asserted cannot be: RPO has no limit, count or share"},
		{"a share that is missing", swap(`{"objective":"RPO","limit":0}`, `{"objective":"error rate"}`).Replace(head), "journal line 1: what is asserted cannot be: error rate has no limit, count or share"},
		{"a share of everything", swap(`{"objective":"RPO","limit":0}`, `{"objective":"error rate","share":1}`).Replace(head), "journal line 1: what is asserted cannot be: error rate has a share of 1"},
		{"an objective that there is not", swap(`"RPO"`, `"joy"`).Replace(head), `journal line 1: what is asserted cannot be: this program knows no objective "joy"`},
	} {
		t.Run(c.reason, func(t *testing.T) { damaged(t, seal(c.journal), c.want) })
	}
	whole := seal(head + op + out + op2 + closing(rpo))
	lines := strings.SplitAfter(whole, "\n")
	for _, c := range []struct{ reason, journal, want string }{
		{"empty", "", "journal line 1: the journal is empty"},
		{"no journal", "hello\n", "journal line 1: no line of a journal"},
		{"the version before", `{"journal":{"version":2,"drill":{"id":"J"}}}` + "\n", "journal line 1: the journal has version 2, this program reads versions 3 to 4: read it with the version of drreport that wrote it, or play the drill again"},
		{"a line that is no object", lines[0] + "[]\n", "journal line 2: no line of a journal"},
		{"a digit that was changed", strings.Replace(whole, `"start":1`, `"start":0`, 1), "journal line 2: its hash does not fit it and the line before it: one of them was changed, or is of another journal"},
		{"a line of another journal", lines[0] + seal(head + op2)[len(lines[0]):], "journal line 2: op 1 where op 0 is due"},
		{"a line that is missing", lines[0] + lines[2] + lines[3], "journal line 2: it is numbered 3: lines are missing before it, or out of order, or its number was changed"},
		{"a line that stands twice", lines[0] + lines[1] + lines[1], "journal line 3: it is numbered 2: a line stands twice, or out of order, or its number was changed"},
		{"two lines that became one", lines[0] + strings.TrimSpace(lines[1]) + " " + lines[2], "journal line 2: its hash does not fit it and the line before it: one of them was changed, or is of another journal"},
	} {
		t.Run(c.reason, func(t *testing.T) { damaged(t, c.journal, c.want) })
	}
}

// damaged expects an error, and nothing of the journal to pass.
func damaged(t *testing.T, journal, want string) {
	t.Helper()
	r, err := drtest.ReadReport(strings.NewReader(journal))
	if err == nil || r == nil || r.Ledger == nil {
		t.Fatalf("got %v and %v, want a report of what stood before the damage, and an error", r, err)
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	passesNothing(t, r)
}

func passesNothing(t *testing.T, r *drtest.Report) {
	t.Helper()
	if r.Status() == drtest.Pass || r.Rejudge().Status() == drtest.Pass || drtest.Judge(r.Ledger, drtest.RPO(0)).Status() == drtest.Pass {
		t.Errorf("half a journal passes")
	}
}

// TestJournalOfADeadProcess: a journal that simply ends is read as far as it goes, and passes
// nothing.
func TestJournalOfADeadProcess(t *testing.T) {
	r, err := drtest.ReadReport(strings.NewReader(seal(head + `{"op":{"n":0,"id":"a","due":0,"start":1}}` + "\n")))
	if err != nil {
		t.Fatal(err)
	}
	want := []drtest.Op{{ID: "a", Start: 1, End: drtest.Forever, Outcome: drtest.Unknown}}
	if diff := cmp.Diff(want, r.Ledger.Ops); diff != "" {
		t.Error(diff)
	}
	if got := drtest.Judge(r.Ledger, drtest.RTO(time.Second)).Status(); got != drtest.Inconclusive {
		t.Errorf("got %v, want inconclusive", got)
	}
}

// FuzzReadReport: no journal makes a reader or a judge panic, and what is accepted can be written
// and read again. The lines are read as they are, and as a hostile author would seal them.
func FuzzReadReport(f *testing.F) {
	f.Add(head)
	var whole strings.Builder
	_, _ = drtest.Judge(hand(2000*ms, healed, counted(100, 3), modelled(0, time.Second), func(l *drtest.Ledger) {
		l.Drill.Deadline = time.Minute
		l.Drill.Proofs, l.Drill.Stages, l.Drill.Steps = []string{"one history"}, []string{"promoted"}, 1
		after := drtest.Interval{Lo: 1800 * ms, Hi: 1900 * ms}
		l.Events = append(l.Events, drtest.Event{Kind: drtest.Proved, Interval: after, Note: "one history", Evidence: "both end at 0/30001A8"},
			drtest.Event{Kind: drtest.StepBegun, Interval: after, Note: "promote"}, drtest.Event{Kind: drtest.StepDone, Interval: after, Note: "promote"},
			drtest.Event{Kind: drtest.StageReached, Interval: after, Note: "promoted"}, drtest.Event{Kind: drtest.ContainerStarted, Interval: after, Note: "app"})
		l.Samples = append(l.Samples, drtest.Sample{Interval: after, Units: map[string]drtest.Progress{"op-08": {Done: 2, Attempt: 2, From: 1, Wrong: "late"}}})
		l.Readings = []drtest.Reading{{At: 1}, {At: 2, Waited: 1, Full: 1}}
	}), drtest.RPO(0), drtest.AllRecovered(1), drtest.ErrorRate(0.1), drtest.Repeated("calls", 4), drtest.Reached("promoted", 1), drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return nil })).WriteTo(&whole)
	f.Add(whole.String())
	records := unseal(whole.String())
	if seal(records) != whole.String() {
		f.Fatal("a journal is not sealed as its documentation says")
	}
	f.Add(records)
	for _, part := range strings.SplitAfter(records, "}\n") {
		f.Add(head + part)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, journal := range []string{text, seal(text)} {
			r, err := drtest.ReadReport(strings.NewReader(journal))
			_ = drtest.Judge(r.Ledger, drtest.RTO(1), drtest.RPO(1), drtest.Detection(1), drtest.HealLag(1), drtest.WorkRTO(1), drtest.LostWork(1),
				drtest.AllRecovered(1), drtest.NoDuplicates(), drtest.Repeated("calls", 1), drtest.NoFailedRequests(), drtest.Reached("up", 1))
			again := r.Rejudge()
			told := r.Ledger.Timeline() + fmt.Sprint(again.Verdicts, r.Ledger.Drill.ID, r.Ledger.Drill.Title, r.Ledger.Drill.Fault, err)
			for _, c := range strings.ReplaceAll(told, "\n", "") {
				if !strconv.IsPrint(c) {
					t.Fatalf("%q is in: %q", c, told)
				}
			}
			_, _ = r.Ledger.Recovery(), r.Strain()
			if err != nil {
				passesNothing(t, r)
				continue
			}
			var written strings.Builder
			if _, err := r.WriteTo(&written); err != nil {
				t.Fatal(err)
			}
			second, err := drtest.ReadReport(strings.NewReader(written.String()))
			if err != nil {
				t.Fatalf("%v in\n%s\nwhich was read from\n%s", err, written.String(), journal)
			}
			if diff := cmp.Diff(r, second); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}
