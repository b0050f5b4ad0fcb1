package drift

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
)

// The tries are the same ones each time, so that a test that passes does so again.
var tries = flag.Int("tries", 20, "compare so many pairs of runs of the same commit, as many with slowness in one, and five times as many that are drawn")

const ten = 10 // plays a side

// TestSameCommit compares plays of the same service: at most one try of twenty may find a change in
// any of its figures.
func TestSameCommit(t *testing.T) {
	t.Parallel()
	wrong := 0
	for try := range uint64(*tries) {
		c := compared(t, plays(t, ten, 1000+2*try, plan{}), plays(t, ten, 1001+2*try, plan{}))
		if c.Count(NoChange) != len(c.Lines) {
			wrong++
			t.Logf("try %d:\n%s", try, c.Table())
		}
	}
	t.Logf("%d of %d tries found a change", wrong, *tries)
	if wrong > *tries/20 {
		t.Errorf("%d of %d tries found a change where there is none", wrong, *tries)
	}
}

// TestPlantedSlowness: 300 ms more are found in the first drill, in nineteen of twenty tries.
func TestPlantedSlowness(t *testing.T) {
	t.Parallel()
	found := 0
	for try := range uint64(*tries) {
		c := compared(t, plays(t, ten, 3000+2*try, plan{}), plays(t, ten, 3001+2*try, plan{slower: 300 * ms, losing: 1}))
		if c.line(t, "RTO").Verdict == Slower {
			found++
		} else {
			t.Logf("try %d:\n%s", try, c.Table())
		}
		if try == 0 {
			t.Logf("such as:\n%s", c.Table())
		}
	}
	t.Logf("%d of %d tries found it", found, *tries)
	if found < *tries*19/20 {
		t.Errorf("%d of %d tries found what was planted", found, *tries)
	}
}

// TestPlantedLoss: a loss in one of ten plays is told with its rate, and is no change that ten
// plays could show.
func TestPlantedLoss(t *testing.T) {
	t.Parallel()
	c := compared(t, plays(t, ten, 200, plan{}), plays(t, ten, 201, plan{losing: 1}))
	l := c.line(t, loss)
	want := Line{Drill: "SHOP-1", Figure: "loss", Old: "in 0 of 10 plays (0 %..30.8 %)", New: "in 1 of 10 plays (0.3 %..44.5 %)", Change: "no change"}
	if l.Old != want.Old || l.New != want.New || l.Change != want.Change {
		t.Errorf("got %q, %q, %q", l.Old, l.New, l.Change)
	}
	const note = "note: SHOP-1: loss in 1 of 10 plays (0.3 %..44.5 %) of NEW, and in none of 10 of OLD: whether that may be is for its objectives to judge, in each play\n"
	if !strings.Contains(c.Table(), note) {
		t.Errorf("no note of it:\n%s", c.Table())
	}
	if l := compared(t, plays(t, ten, 202, plan{}), plays(t, ten, 203, plan{losing: ten})).line(t, loss); l.Verdict != Slower || !strings.HasPrefix(l.Change, "more often, p=") {
		t.Errorf("a loss in all plays: %q", l.Change)
	}
}

// strained has tasks wait for a processor during that part of the whole drill.
func strained(part float64) func(int, *drtest.Ledger) {
	return func(_ int, l *drtest.Ledger) {
		for i := range l.Readings {
			l.Readings[i].Waited = time.Duration(part * float64(l.Readings[i].At))
		}
	}
}

// TestStrainedMachine: what a machine that did not keep up makes slower is untrusted, whether its
// strain alone had each time left out, or could explain the times that are left.
func TestStrainedMachine(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		name string
		part float64
		want string
	}{
		{"did not keep up", 0.6, "untrusted: 10 and 0 plays are left, 5 on each side are needed"},
		{"kept up, but took a third", 0.32, "untrusted: slower by "},
	} {
		for try := range uint64(5) {
			c := compared(t, plays(t, ten, 300+2*try, plan{}), plays(t, ten, 301+2*try, plan{slower: 500 * ms, edit: strained(x.part)}))
			if l := c.line(t, "RTO"); l.Verdict != Untrusted || !strings.HasPrefix(l.Change, x.want) || c.Count(Slower) > 0 {
				t.Errorf("%s, try %d: want %q:\n%s", x.name, try, x.want, c.Table())
			}
		}
	}
}

// TestManyFigures draws figures instead of playing drills: of fifty drills with three times each
// and a rate, all together change for no reason in at most one of twenty comparisons, and 300 ms
// in one are found in at least nineteen of twenty.
func TestManyFigures(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	side := func(slower time.Duration) *Baseline {
		b := &Baseline{}
		for drill := range 50 {
			d := Drill{ID: fmt.Sprint(drill), Plays: ten}
			for range ten {
				down := 2*time.Second + time.Duration(random.NormFloat64()*float64(noise))
				if drill == 0 {
					down += slower
				}
				for name, at := range map[string]time.Duration{"RTO": down, "work RTO": down + time.Duration(random.Int64N(int64(50*ms))), "detection": time.Duration(random.Int64N(int64(300 * ms)))} {
					d.figure(name).add(newSample(drtest.Interval{Lo: at, Hi: at + 20*ms}))
				}
				d.figure(loss).happened(random.IntN(10) < 3)
			}
			b.Drills = append(b.Drills, d)
		}
		return b
	}
	comparisons := 5 * *tries
	wrong, found := 0, 0
	for range comparisons {
		c, err := Compare(side(0), side(0), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if c.Count(NoChange) != len(c.Lines) {
			wrong++
		}
		if c, err = Compare(side(0), side(300*ms), Options{}); err != nil {
			t.Fatal(err)
		}
		if c.Count(Slower) > 0 {
			found++
		}
	}
	t.Logf("of %d comparisons of 200 figures, %d found a change that is none; of as many with one of 300 ms, %d found it", comparisons, wrong, found)
	// As many more or less than one of twenty come by chance in one of a thousand such tests.
	chance := int(3 * math.Sqrt(float64(comparisons)*0.05*0.95))
	if wrong > comparisons/20+chance {
		t.Errorf("%d of %d comparisons found a change where there is none", wrong, comparisons)
	}
	if found < comparisons*19/20-chance {
		t.Errorf("%d of %d comparisons found what was planted", found, comparisons)
	}
}
