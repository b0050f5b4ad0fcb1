package coverage

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the tests got to testdata")

func result(id, fault, receipt string, day int, status drtest.Status) report.Result {
	began := time.Date(2025, 11, day, 9, 30, 0, 0, time.UTC)
	return report.Result{ID: id, Journal: "j.ndjson", Fault: report.Text(fault), Receipt: report.Text(receipt), Began: &began, Status: status}
}

// TestCoverage: the whole text of two runs. What counts is the fault, with its receipt, and never
// what the scenario is called.
func TestCoverage(t *testing.T) {
	const postgres = "PostgreSQL 17.6"
	modes, err := Parse(Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	failed := result("DR-3", "corrupt a page of workflows on primary", "checksum fails", 3, drtest.Fail)
	untrusted := result("DR-4", "pause primary", "paused", 3, drtest.Inconclusive)
	untrusted.Untrusted = true
	titled := result("DR-5", "run a script", "exit code 0", 3, drtest.Pass)
	titled.Title, titled.Category = "Disk full", "Region loss, clock jump"
	lost := result("DR-7", "", "", 3, drtest.Inconclusive)
	lost.Journal, lost.Began = "", nil
	first := &report.Report{Run: &report.Run{Systems: []report.Text{postgres}}, Results: []report.Result{
		result("DR-1", "kill primary", "exit code 137", 1, drtest.Pass),
		result("DR-2", "crash primary", "exit code 137", 1, drtest.Pass),
		result("DR-3", "corrupt a page of workflows on primary", "checksum fails", 1, drtest.Pass), // of which the later result counts
		result("DR-9", "no fault", "nothing was done", 1, drtest.Pass),
	}}
	second := &report.Report{Run: &report.Run{Systems: []report.Text{postgres}}, Results: []report.Result{
		result("DR-1", "kill primary", "exit code 137", 3, drtest.Pass),
		result("DR-2", "crash primary and slow by 1s link replication", "exit code 137", 2, drtest.Pass),
		failed, untrusted, titled, lost,
		result("DR-6", "destroy primary", "", 3, drtest.Inconclusive), // it never took effect
		result("DR-8\x1b[2J", "lock\nworkflows", "held", 3, drtest.Pass),
	}}
	c := New(modes)
	c.Add(second) // in any order
	c.Add(first)
	got := c.String()
	const path = "testdata/two-runs.txt"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if strings.Contains(got, "%") || regexp.MustCompile(`(?i)\bscore\b|\d+ of \d+`).MatchString(got) {
		t.Error("it gives a score")
	}
}

// TestNoSystems: of a run that does not tell its systems, every mode is asked for.
func TestNoSystems(t *testing.T) {
	modes, err := Parse(Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	c := New(modes)
	c.Add(&report.Report{})
	if got := c.String(); strings.Contains(got, "Not asked for") || !strings.Contains(got, "loss of the consensus store") || !strings.Contains(got, "\n  nothing\n") {
		t.Error(got)
	}
}

// TestCatalogue: the faults of the packages beside this one, and of the scenarios, are of the modes
// that their names say.
func TestCatalogue(t *testing.T) {
	modes, err := Parse(Catalogue)
	if err != nil {
		t.Fatal(err)
	}
	hit := map[string]bool{}
	for _, c := range []struct {
		fault string
		want  []string // in the order of the catalogue
	}{
		{"crash orchestrator", []string{"process crash"}},
		{"crash the server of node-1", []string{"process crash"}},
		{"exit orchestrator", []string{"process crash"}},
		{"stop orchestrator", []string{"graceful shutdown"}},
		{"kill primary", []string{"loss of an instance or node"}},
		{"destroy primary", []string{"loss of storage"}},
		{"pause primary", []string{"hang"}},
		{"hang the agent of node-2", []string{"hang"}},
		{"out of memory orchestrator", []string{"out of memory"}},
		{"fill the disk of primary", []string{"disk full"}},
		{"cut link database", []string{"connection refused"}},
		{"cut link provider", []string{"connection refused", "outage of a dependency"}},
		{"blackhole link replication", []string{"network partition, both ways", "replication lost or late"}},
		{"partition orchestrator from primary", []string{"network partition, both ways"}},
		{"isolate node-1 but from node-2", []string{"network partition, both ways"}},
		{"drop inbound packets of node-1 from node-2", []string{"network partition, one way"}},
		{"drop outbound packets of node-1 to node-2", []string{"network partition, one way"}},
		{"slow by 1s link database", []string{"slow link"}},
		{"isolate store-1", []string{"network partition, both ways"}},
		{"isolate store-1 and isolate store-2 and isolate store-3", []string{"network partition, both ways", "loss of the consensus store"}},
		{"kill node-2 and kill store-2 and cut the gateway to store-2:2379", []string{"loss of an instance or node", "connection refused", "loss of a region"}},
		{"corrupt a page of workflows on node-2", []string{"page corruption"}},
		{"crash orchestrator and tear stored states", []string{"process crash", "corrupted application data"}},
		{"store states of the wrong shape", []string{"corrupted application data"}},
		{"lose a file of backup 20251114-093000F", []string{"damaged backup"}},
		{"empty the table of workflows and destroy primary", []string{"loss of storage", "bad deploy or mistake of an operator"}},
		{"promotion without a fence", []string{"bad deploy or mistake of an operator"}},
		{"lock workflows in ACCESS EXCLUSIVE mode", []string{"lock or migration that blocks"}},
		{"switchover from node-1", []string{"planned switchover"}},
		{"the database's clock jumps by 1h0m0s", []string{"clock jump"}},
		{"errors of the provider", []string{"outage of a dependency"}},
		{"silence of the provider", []string{"outage of a dependency"}},
		{"rate limit of the provider", []string{"rate limit of a dependency"}},
		{"stale DNS of db", []string{"stale DNS"}},
		{"expire the certificate of store", []string{"expired certificate"}},
		{"recrash", nil},
	} {
		var of []string
		for _, m := range modes {
			if m.faults.MatchString(c.fault) {
				of, hit[m.Mode] = append(of, m.Mode), true
			}
		}
		if diff := cmp.Diff(c.want, of); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.fault, diff)
		}
	}
	for _, m := range modes {
		if !hit[m.Mode] {
			t.Errorf("no fault of this test is of %q", m.Mode)
		}
	}
}

func TestParse(t *testing.T) {
	const good = `{"mode":"a","is":"b","why":"c","source":"d","faults":["e"]}`
	for _, c := range []struct{ catalogue, want string }{
		{"[" + good + "]", ""},
		{"[" + good + "," + good + "]", `read catalogue: entry 2 ("a") has no mode of its own, is, why, source or faults`},
		{`[{"mode":"a"}]`, `read catalogue: entry 1 ("a") has no mode of its own, is, why, source or faults`},
		{"[" + strings.Replace(good, `"e"`, `""`, 1) + "]", `read catalogue: entry 1 ("a") has no mode of its own, is, why, source or faults`},
		{"[" + strings.Replace(good, `"e"`, `"("`, 1) + "]", "read catalogue: a: error parsing regexp: missing closing ): `(?:^| and )(?:()`"},
		{`[{"score":1}]`, `read catalogue: json: unknown field "score"`},
		{"[]x", "read catalogue: something stands after its end"},
	} {
		_, err := Parse([]byte(c.catalogue))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.catalogue, diff)
		}
	}
}
