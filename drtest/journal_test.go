package drtest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

const head = `{"journal":{"version":1,"drill":{"id":"J","title":"J","fault":"f","began":"2026-01-01T00:00:00Z","every":1,"timeout":1,"steady":1,"deadline":1}}}` + "\n"

func TestDamagedJournals(t *testing.T) {
	out := `{"outcome":{"n":0,"end":2,"outcome":"acked"}}` + "\n"
	op := `{"op":{"n":0,"id":"a","due":0,"start":1}}` + "\n"
	for _, c := range []struct{ reason, journal, want string }{
		{"empty", "", "journal line 1: the journal is empty"},
		{"truncated", head + op + `{"outcome":{"n":0,"e`, "journal line 3: cut off in mid-line: the test process died while it wrote"},
		{"no header", op, "journal line 1: the journal does not begin with its header"},
		{"two headers", head + head, "journal line 2: a second header: two drills wrote to one journal"},
		{"a later version", strings.Replace(head, `"version":1`, `"version":7`, 1), "journal line 1: the journal has version 7, this program reads version 1"},
		{"no scenario", strings.Replace(head, `"id":"J",`, ``, 1), "journal line 1: the header names no scenario"},
		{"not JSON", head + "\x00\x00\n", `journal line 2: no record of a journal: invalid character '\x00' looking for beginning of value`},
		{"another record", head + `{"surprise":{}}` + "\n", `journal line 2: no record of a journal: json: unknown field "surprise"`},
		{"an empty record", head + "{}\n", "journal line 2: 0 records where one is due"},
		{"two records in one", head + `{"op":{"n":0,"id":"a","due":0,"start":1},"survivors":{"ids":[]}}` + "\n", "journal line 2: 2 records where one is due"},
		{"two records on a line", head + strings.TrimSpace(op) + op, "journal line 2: more than one record on a line"},
		{"two outcomes", head + op + out + out, "journal line 4: a second outcome of op 0"},
		{"an outcome before its op", head + op + strings.Replace(out, `"end":2`, `"end":0`, 1), "journal line 3: op 0 ends before it starts"},
		{"an outcome is missing", head + op + `{"end":{"machine":{"cpus":1,"busy":0,"stalled":0}}}` + "\n", "journal line 3: the drill ends without an outcome of op 0"},
		{"something after the end", head + `{"end":{"machine":{"cpus":1,"busy":0,"stalled":0}}}` + "\n" + op, "journal line 3: the drill has ended already"},
		{"verdicts before the end", head + `{"verdicts":[{"objective":"RTO","status":"pass","why":""}]}` + "\n", "journal line 2: verdicts before the end of the drill"},
		{"an event backwards", head + `{"event":{"kind":"fault","lo":2,"hi":1}}` + "\n", "journal line 2: fault ends before it begins"},
		{"an event that was seen too soon", head + `{"event":{"kind":"fault","lo":1,"hi":3,"seen":2}}` + "\n", "journal line 2: fault was seen before it was in effect"},
		{"a sample backwards", head + `{"sample":{"lo":2,"hi":1}}` + "\n", "journal line 2: a sample ends before it begins"},
		{"a bill that repeats more than there was", head + `{"bill":{"calls":1,"repeated":2,"cost":0,"repeatedCost":0}}` + "\n", "journal line 2: the bill cannot be: 1 calls for $0.000000, 2 of them repeated for $0.000000"},
		{"a line is missing", head + strings.Replace(op, `"n":0`, `"n":3`, 1), "journal line 2: op 3 where op 0 is due"},
		{"an outcome of nothing", head + `{"outcome":{"n":0,"end":2,"outcome":"acked"}}` + "\n", "journal line 2: an outcome of op 0, which was never sent"},
		{"an outcome that is none", head + op + `{"outcome":{"n":0,"end":2,"outcome":"maybe"}}` + "\n", `journal line 3: unknown outcome "maybe"`},
		{"a status that is none", head + `{"verdicts":[{"objective":"RTO","status":"fine","why":""}]}` + "\n", `journal line 2: no record of a journal: unknown status "fine"`},
	} {
		t.Run(c.reason, func(t *testing.T) {
			r, err := drtest.ReadReport(strings.NewReader(c.journal))
			if err == nil || r == nil || r.Ledger == nil {
				t.Fatalf("got %v and %v, want a report of what stood before the damage, and an error", r, err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if got := drtest.Judge(r.Ledger, drtest.RPO(0)).Status(); got == drtest.Pass {
				t.Errorf("half a journal passes")
			}
		})
	}
}

// TestJournalOfADeadProcess: a journal that simply ends is read as far as it goes, and passes nothing.
func TestJournalOfADeadProcess(t *testing.T) {
	r, err := drtest.ReadReport(strings.NewReader(head + `{"op":{"n":0,"id":"a","due":0,"start":1}}` + "\n"))
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

func FuzzReadReport(f *testing.F) {
	f.Add(head)
	var whole strings.Builder
	_, _ = drtest.Judge(hand(2000*ms, healed, bill(3), modelled(0, time.Second), func(l *drtest.Ledger) {
		l.Drill.Proofs = []string{"one history"}
		l.Events = append(l.Events, drtest.Event{Kind: drtest.Proved, Note: "one history", Evidence: "both end at 0/30001A8"})
	}), drtest.RPO(0)).WriteTo(&whole)
	f.Add(whole.String())
	f.Fuzz(func(t *testing.T, journal string) {
		r, _ := drtest.ReadReport(strings.NewReader(journal))
		_ = drtest.Judge(r.Ledger, drtest.RTO(1), drtest.RPO(1), drtest.WorkRTO(1), drtest.LostWork(1), drtest.AllRecovered(1), drtest.RepeatedCalls(1))
		_ = r.Ledger.Timeline()
	})
}
