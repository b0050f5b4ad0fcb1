package calibrate

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/drtest/suite/drtest"
)

var (
	plants = flag.Int("plants", 20, "play so many plants of each class")
	keep   = flag.Bool("keep", false, "write the tables and the picture that the repository keeps")
)

// TestCalibration plays plants of every class in virtual time, and compares what is measured with
// what is true.
func TestCalibration(t *testing.T) {
	var mu sync.Mutex
	all := map[string][]*Tally{}
	t.Run("classes", func(t *testing.T) {
		for _, c := range Classes() {
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				tallies := calibrate(t, &c, *plants)
				mu.Lock()
				defer mu.Unlock()
				all[c.Name] = tallies
			})
		}
	})
	if !*keep {
		return
	}
	var tallies []*Tally
	for _, c := range Classes() {
		tallies = append(tallies, all[c.Name]...)
	}
	write(t, "measured.svg", Picture(tallies))
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	before, _, begun := strings.Cut(string(page), tablesBegin)
	_, after, ended := strings.Cut(string(page), tablesEnd)
	if !begun || !ended {
		t.Fatal("README.md has no place for the tables")
	}
	write(t, "README.md", before+tablesBegin+"\n\n"+Tables(tallies)+"\n"+tablesEnd+after)
}

// What stands around the tables of the page.
const (
	tablesBegin = "<!-- made by make calibrate -->"
	tablesEnd   = "<!-- end of what is made -->"
)

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// calibrate plays so many plants of a class.
func calibrate(t *testing.T, c *Class, n int) (tallies []*Tally) {
	shown, undecided := 0, 0
	for seed := range n {
		findings, l, err := play(t, c.Seeded(seed))
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		for _, f := range findings {
			tallies = Count(tallies, c, f)
			if f.Bad() && shown < 3 {
				shown++
				t.Logf("seed %d: %v\n%s", seed, f, l.Timeline())
			}
			if f.Undecided != "" && undecided < 3 {
				undecided++
				t.Logf("seed %d: truth %v, not decided: %s", seed, f.Is, f.Undecided)
			}
		}
	}
	for _, tally := range tallies {
		if !tally.Holds() {
			t.Errorf("%s: of %d plants %d are missed, %d pass wrongly, %d fail wrongly, and %d pass at the end of the interval",
				tally.Name, tally.Plants, tally.Missed, tally.WrongPasses, tally.WrongFails, tally.Decided)
		}
	}
	return tallies
}

// play plays a plant in virtual time.
func play(t *testing.T, p Plant) (findings []Finding, l *drtest.Ledger, err error) {
	synctest.Test(t, func(t *testing.T) {
		var beside sync.WaitGroup
		for _, s := range p.Beside {
			beside.Go(func() {
				if _, err := drtest.Play(t.Context(), s); err != nil {
					t.Error(fmt.Errorf("a drill beside: %w", err))
				}
			})
		}
		var broken error
		l, broken = drtest.Play(t.Context(), p.Scenario)
		beside.Wait()
		findings, err = p.Find(l, broken)
	})
	return findings, l, err
}
