package drift

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
)

const ms = time.Millisecond

// A shop is down for a while after its fault. What it does is a function of the time.
type shop struct {
	down, notice time.Duration // from the fault
	loses        bool          // the order that was acked last before the fault
	repeats      int           // calls
	recover      func()        // what the recovery does on a processor after that, if anything

	mu    sync.Mutex
	fault time.Time
	up    time.Time // zero until it is known
	kept  []order
}

type order struct {
	id string
	at time.Time
}

// works says whether it serves. The caller holds mu.
func (s *shop) works(at time.Time) bool {
	return s.fault.IsZero() || !s.up.IsZero() && !at.Before(s.up)
}

func (s *shop) Do(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.works(now) {
		return errors.New("connection refused")
	}
	s.kept = append(s.kept, order{id, now})
	return nil
}

func (s *shop) Survivors(context.Context) (ids []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := -1
	for i, o := range s.kept {
		if o.at.Before(s.fault) {
			last = i
		}
	}
	for i, o := range s.kept {
		if i != last || !s.loses {
			ids = append(ids, o.id)
		}
	}
	return ids, nil
}

// steps are how many an order takes, of 100 ms each.
const steps = 3

func (s *shop) Progress(context.Context) (map[string]drtest.Progress, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.works(now) {
		return nil, errors.New("connection refused")
	}
	all := map[string]drtest.Progress{}
	for _, o := range s.kept {
		worked := now.Sub(o.at)
		if !s.fault.IsZero() && o.at.Before(s.fault) {
			worked -= s.up.Sub(s.fault)
		}
		done := min(steps, int(worked/(100*ms)))
		all[o.id] = drtest.Progress{Done: done, Attempt: 1, Finished: done == steps}
	}
	return all, nil
}

func (s *shop) Counters() []drtest.Counter {
	return []drtest.Counter{{Name: "calls", Read: func(context.Context) (drtest.Count, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.fault.IsZero() {
			return drtest.Count{Total: len(s.kept)}, nil
		}
		return drtest.Count{Total: len(s.kept) + s.repeats, Repeated: s.repeats}, nil
	}}}
}

func (s *shop) Health(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); !s.works(now) && now.Sub(s.fault) >= s.notice {
		return errors.New("no database")
	}
	return nil
}

func (s *shop) Inject(context.Context) (drtest.Effect, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = time.Now()
	if s.recover == nil {
		s.up = s.fault.Add(s.down)
		return drtest.Effect{Receipt: "planted"}, nil
	}
	go func() {
		<-time.After(s.down)
		s.recover()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.up = time.Now()
	}()
	return drtest.Effect{Receipt: "planted"}, nil
}

func (s *shop) scenario(id string) drtest.Scenario {
	return drtest.Scenario{
		ID: id, Workload: s, Health: s.Health, Fault: drtest.Fault{Name: "planted", Inject: s.Inject},
		Load:       drtest.Load{Every: 50 * ms, Timeout: 200 * ms, Steady: 300 * ms},
		Objectives: []drtest.Objective{drtest.RTO(20 * time.Second), drtest.RPO(0)},
		Deadline:   30 * time.Second,
	}
}

// A plan is what is planted into the plays of one side.
type plan struct {
	slower time.Duration                    // the recovery of the first drill takes that much longer
	losing int                              // so many plays of the first drill lose an order
	edit   func(play int, l *drtest.Ledger) // rewrites what the first drill has seen
}

// noise is the standard deviation of each recovery.
const noise = 100 * ms

// drills is how many there are in each play.
const drills = 2

// plays plays each drill so many times, in virtual time, into journals in a directory.
func plays(t *testing.T, n int, seed uint64, p plan) (dir string) {
	t.Helper()
	dir = t.TempDir()
	random := rand.New(rand.NewPCG(seed, 23))
	around := func(middle, spread time.Duration) time.Duration {
		return max(0, middle+time.Duration(random.NormFloat64()*float64(spread)))
	}
	type played struct {
		shop   *shop
		id     string
		n      int
		report *drtest.Report
	}
	var all []*played
	for drill := range drills {
		for i := range n {
			s := &shop{down: around(time.Duration(drill+1)*time.Second, noise), notice: around(150*ms, 30*ms), repeats: random.IntN(8)}
			if drill == 0 {
				s.down, s.loses = s.down+p.slower, i < p.losing
			}
			all = append(all, &played{shop: s, id: fmt.Sprintf("SHOP-%d", drill+1), n: i})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var group sync.WaitGroup
		for _, a := range all {
			group.Go(func() {
				s := a.shop.scenario(a.id)
				l, err := drtest.Play(t.Context(), s)
				if err != nil {
					t.Error(err)
				}
				if p.edit != nil && a.id == "SHOP-1" {
					p.edit(a.n, l)
				}
				a.report = drtest.Judge(l, s.Objectives...)
			})
		}
		group.Wait()
	})
	for _, a := range all {
		keep(t, dir, fmt.Sprintf("%s-%d", a.id, a.n), a.report)
	}
	return dir
}

// keep writes the journal of a play.
func keep(t *testing.T, dir, name string, r *drtest.Report) {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, name+".ndjson"))
	if err == nil {
		_, err = r.WriteTo(file)
	}
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// compared gathers and compares two directories.
func compared(t *testing.T, old, new string) *Comparison {
	t.Helper()
	a, err := Gather(old)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Gather(new)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compare(a, b, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// line returns the one of a figure of the first drill.
func (c *Comparison) line(t *testing.T, figure string) Line {
	t.Helper()
	for _, l := range c.Lines {
		if l.Drill == "SHOP-1" && l.Figure == figure {
			return l
		}
	}
	t.Fatalf("no line of %s:\n%s", figure, c.Table())
	return Line{}
}

// moveTo makes a directory of plays one of the runs below dir.
func moveTo(from, dir, name string) error { return os.Rename(from, filepath.Join(dir, name)) }
