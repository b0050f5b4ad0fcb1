package drift

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
	"github.com/google/go-cmp/cmp"
)

// of makes the report of plays of one drill, each with that RTO.
func of(profile, engine string, rtos ...time.Duration) *report.Report {
	r := &report.Report{Run: &report.Run{When: time.Unix(1e9, 0), OS: "linux", Arch: "amd64", CPUs: 2, Commit: "0123456789ab",
		Command: "DRTEST_PROFILE=" + profile + " go test -json ./drills", Systems: []report.Text{"PostgreSQL 17.6", report.Text(engine)}}}
	for _, rto := range rtos {
		f := drtest.Figures{RTO: drtest.Figure{Interval: drtest.Interval{Lo: rto, Hi: rto + 20*ms}, Known: true}}
		r.Results = append(r.Results, report.Result{ID: "SHOP-1", Test: "TestCrash", Package: "acme/drills", Journal: "a.ndjson", Began: new(time.Unix(1e9, 0)),
			Status: drtest.Pass, Figures: report.Figures{Figures: f}, Machine: &report.Machine{Share: &report.Share{Over: report.Seconds(time.Second), Machine: report.Seconds(30 * ms)}}})
	}
	return r
}

func baselineOf(reports ...*report.Report) *Baseline {
	b := &Baseline{Version: version, Runs: []Run{}, Drills: []Drill{}}
	for _, r := range reports {
		b.add(r)
	}
	b.sort()
	return b
}

const docker = "container engine 28.1 on Debian, cgroup v2"

// TestFile shows the whole file, which says again what was written.
func TestFile(t *testing.T) {
	r := of("fast", docker, 900*ms, 850*ms, drtest.Forever-20*ms)
	r.Results[1].Machine.Overloaded = true
	r.Results = append(r.Results, r.Results[0])
	r.Results[3].Reason = "the drill was cut off before its end"
	r.Results[0].FirstRun = &report.FirstRun{Why: "slow"}
	data, err := baselineOf(r).Encode()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "version": 1,
  "runs": [
    {
      "when": "2001-09-09T01:46:40Z",
      "commit": "0123456789ab"
    }
  ],
  "drills": [
    {
      "id": "SHOP-1",
      "test": "acme/drills.TestCrash",
      "profile": "fast",
      "machine": "2 processors, linux/amd64, container engine 28.1 on Debian, cgroup v2",
      "plays": 5,
      "untrusted": 2,
      "broken": 1,
      "figures": [
        {
          "name": "RTO",
          "samples": [
            "900ms..920ms, machine 3%",
            "2562047h47m16.834775s..never, machine 3%"
          ]
        }
      ]
    }
  ]
}
`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.Encode(); err != nil || string(again) != want {
		t.Errorf("%v:\n%s", err, cmp.Diff(want, string(again)))
	}
	for old, new := range map[string]string{
		`"version": 1`:   `"version": 2`,
		`"untrusted": 2`: `"untrusted": 5`,
		`900ms..920ms`:   `900ms..820ms`,
		`machine 3%"`:    `machine NaN%"`,
		`"RTO"`:          `"RTOs"`,
		`"commit"`:       `"committed"`,
	} {
		if _, err := decode([]byte(strings.Replace(want, old, new, 1))); err == nil {
			t.Errorf("%s is taken", new)
		}
	}
}

// TestClasses: figures of another profile or machine are not compared, unless that is asked for.
func TestClasses(t *testing.T) {
	old := baselineOf(of("fast", docker, time.Second))
	for _, x := range []struct{ profile, engine, want string }{
		{"production", docker, "these figures cannot be compared: OLD was measured with profile fast, on 2 processors, linux/amd64, " + docker +
			"; NEW with profile production, on 2 processors, linux/amd64, " + docker + ": measure both in the same way, or add -across-machines"},
		{"fast", "container engine 20.10 on Debian, cgroup v1", "these figures cannot be compared: OLD was measured with profile fast, on 2 processors, linux/amd64, " + docker +
			"; NEW with profile fast, on 2 processors, linux/amd64, container engine 20.10 on Debian, cgroup v1: measure both in the same way, or add -across-machines"},
	} {
		now := baselineOf(of(x.profile, x.engine, time.Second))
		if _, err := Compare(old, now, Options{}); err == nil || err.Error() != x.want {
			t.Errorf("got  %v\nwant %s", err, x.want)
		}
		if c, err := Compare(old, now, Options{AcrossMachines: true}); err != nil || len(c.Lines) != 1 {
			t.Errorf("across machines: %v, %v", c, err)
		}
	}
}

// TestTooFew shows the whole table where there is next to nothing to compare.
func TestTooFew(t *testing.T) {
	gone := of("fast", docker, time.Second)
	gone.Results[0].ID = "SHOP-2"
	now := of("fast", docker, 1200*ms)
	now.Incomplete = "SHOP-3 did not come to its end"
	c, err := Compare(baselineOf(of("fast", docker, 900*ms, 950*ms), gone), baselineOf(now), Options{})
	if err != nil {
		t.Fatal(err)
	}
	const want = `DRILL   FIGURE  OLD           NEW           CHANGE
SHOP-1  RTO     0.935s (n=2)  1.210s (n=1)  too few samples: 2 and 1, where 5 on each side are needed

missing: a run of NEW is incomplete: SHOP-3 did not come to its end
missing: SHOP-2 was played in OLD, and not in NEW
1 figure: 0 worse, 0 better, 0 no change, 1 too few samples, 0 untrusted
Where nothing changed, all figures together say "worse" or "better" in at most 5 of 100 comparisons (Mann-Whitney, Fisher; Holm).
`
	if diff := cmp.Diff(want, c.Table()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestAllUntrusted: where every play of both sides is left out, nothing is said to be unchanged.
func TestAllUntrusted(t *testing.T) {
	r := of("fast", docker, time.Second, time.Second, time.Second, time.Second, time.Second)
	for i := range r.Results {
		r.Results[i].Machine.Overloaded = true
	}
	c, err := Compare(baselineOf(r), baselineOf(r), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Lines) != 1 || c.Lines[0].Verdict != Untrusted {
		t.Errorf("got\n%s", c.Table())
	}
}

// TestExact holds the exact tests against published values: the tea of Fisher (The Design of
// Experiments, 1935), and intervals that R's binom.test gives.
func TestExact(t *testing.T) {
	got := []string{probability(fisher(3, 4, 1, 4)), probability(fisher(4, 4, 0, 4)), Rate{1, 10}.String(), Rate{0, 20}.String(), Rate{10, 10}.String()}
	want := []string{"0.4857", "0.0286", "in 1 of 10 plays (0.3 %..44.5 %)", "in 0 of 20 plays (0 %..16.8 %)", "in 10 of 10 plays (69.2 %..100 %)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHistory shows three runs, of which the second measured nothing that can be trusted.
func TestHistory(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"a", "b", "c"} {
		p := plan{slower: time.Duration(i) * 200 * ms}
		if name == "b" {
			p.edit = strained(0.6)
		}
		if err := moveTo(plays(t, 2, uint64(i), p), dir, name); err != nil {
			t.Fatal(err)
		}
	}
	h, err := History(dir)
	if err != nil {
		t.Fatal(err)
	}
	var points []string
	for _, p := range h.Rows[1].Points {
		points = append(points, p.Short())
	}
	if h.Rows[1].Drill != "SHOP-1" || h.Rows[1].Figure != "RTO" || len(points) != 3 || points[0] == "-" || points[1] != "-" || points[2] == "-" {
		t.Errorf("got %v %v", h.Rows[1], points)
	}
	page, err := h.Page()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"http", "NaN", "Inf", "ZgotmplZ"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %s", bad)
		}
	}
	if n := strings.Count(page, "<svg"); n != len(h.Rows) {
		t.Errorf("%d drawings of %d rows", n, len(h.Rows))
	}
	t.Log(h.Table(8))
}

// TestRepeatedRun: the plays of one run are gathered as one, so that one that is missing is missed.
func TestRepeatedRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(report.PlaysFile, `{"plays": 3, "seed": "abc"}`)
	for k := range 2 {
		if err := moveTo(plays(t, 1, uint64(k), plan{}), dir, report.PlayDir(k+1)); err != nil {
			t.Fatal(err)
		}
		write(filepath.Join(report.PlayDir(k+1), report.RunFile), `{"os": "linux", "arch": "amd64", "cpus": 2, "command": "DRTEST_PROFILE=fast go test", "exit": 0}`)
	}
	b, err := Gather(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Runs) != 1 || !strings.Contains(b.Runs[0].Incomplete, "not played: play 3") || b.Drills[0].Plays != 2 || b.Drills[0].Class != (Class{"fast", "2 processors, linux/amd64"}) {
		t.Errorf("got %v, %v", b.Runs, b.Drills[0])
	}
}
