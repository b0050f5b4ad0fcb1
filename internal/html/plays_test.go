package html

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
)

// twenty saves a run of twenty plays of one drill, whose recoveries take longer from one to the
// next. One of them loses work, and one broke.
func twenty(t testing.TB, dir string) *report.Report {
	t.Helper()
	for k := 1; k <= 20; k++ {
		l := failover()
		l.Drill.Phase = &drtest.Phase{Seed: fmt.Sprint("abc.", k), Of: 50 * ms, Wait: time.Duration(k) * ms}
		l.Drill.Model, l.Drill.Proofs = nil, nil
		l.Events = l.Events[:len(l.Events)-1]
		l.Survivors = nil
		for i := range l.Ops {
			op := &l.Ops[i]
			if down := op.Due >= time.Second && op.Due < time.Duration(1400+40*k)*ms; !down {
				op.Outcome, op.Err = drtest.Acked, ""
			}
			if op.Outcome == drtest.Acked && (k != 7 || op.ID != "op-09") {
				l.Survivors = append(l.Survivors, op.ID)
			}
		}
		if k == 11 {
			l.Broken = "inject kill primary: no such container"
		}
		r := drtest.Judge(l, drtest.Detection(time.Second), drtest.RTO(1500*ms), drtest.RPO(0))
		in := filepath.Join(dir, report.PlayDir(k))
		if err := os.MkdirAll(in, 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(filepath.Join(in, "DR-1.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.WriteTo(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, report.PlaysFile), []byte(`{"plays": 20, "seed": "abc"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := report.Collect(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestPlays: the page says what twenty plays prove, draws each of them, and has all of it in words.
func TestPlays(t *testing.T) {
	dir := t.TempDir()
	page := string(render(t, twenty(t, dir), dir))
	for _, want := range []string{
		"Not passed: 1 of 20 plays of 1 drill failed, 1 of them inconclusive",
		"18 of 20 plays passed, 1 failed, 1 inconclusive.",
		"Acknowledged work was lost in 1 of 19 plays, 5.3 %: between 0.13 % and 27 % of such disasters lose some, at 95 %.",
		"Left out: play 11: the drill broke: inject kill primary: no such container",
		"19 plays bound the 85th percentile",
		`aria-label="Recovery Time (RTO) of 19 plays: the shortest `,
		`<td role="cell" data-label="95th percentile">takes 20 plays</td>`,
		"DR-1 (play 20 of 20)",
		"the fault waited 0.020s, a random part of 0.050s, by the seed <code>abc.20</code>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s", want)
		}
	}
	if n := strings.Count(page, `<path class="played failed" d="M`); n == 0 {
		t.Error("the play that failed is not drawn")
	}
	if n := len(page); n > 3<<20 {
		t.Errorf("twenty plays take %d bytes", n)
	}
}

// TestStrip: what is drawn is to scale, from zero to a little beyond the limit or the longest.
func TestStrip(t *testing.T) {
	limit := report.Seconds(12 * time.Second)
	f := &report.Distribution{Title: "RTO", Time: true, Over: 2, Limit: &limit, Min: &report.Extent{Lo: 3, Hi: 6}, Median: &report.Extent{Lo: 3, Hi: 6}, Max: &report.Extent{Lo: 3, Hi: 6},
		Plays: []report.Played{{Play: 1, Status: drtest.Pass, Extent: report.Extent{Lo: 3, Hi: 6}}, {Play: 2, Status: drtest.Fail, Extent: report.Extent{Lo: 13, Hi: 13}}}}
	f.Plays[1].Lo, f.Plays[1].Hi = 0, 13
	s, is := newStrip(f)
	all := 13 * time.Second
	ends := scale{0, all + all/12}
	if want := ends.percent(12 * time.Second); !is || s.Limit != want {
		t.Errorf("the limit is at %s, want %s", s.Limit, want)
	}
	for i, want := range []string{
		fmt.Sprintf("M%s 2H%sV7H%sz", number(ends.x(3*time.Second)), number(ends.x(6*time.Second)), number(ends.x(3*time.Second))),
		fmt.Sprintf("M0 9H%sV14H0z", number(ends.x(13*time.Second))),
	} {
		if got := s.Shapes[i].D(); got != want {
			t.Errorf("play %d is drawn as %s, want %s", i+1, got, want)
		}
	}
	f.Plays = []report.Played{{Play: 1}, {Play: 2}}
	if _, is := newStrip(f); is {
		t.Error("nothing is drawn as something")
	}
}
