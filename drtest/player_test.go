package drtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// TestDrillsShareNoIDs: drills that begin at the same moment may share a store, and must not take
// the work of others for theirs.
func TestDrillsShareNoIDs(t *testing.T) {
	seen := map[string]int{}
	synctest.Test(t, func(t *testing.T) {
		ledgers := make([]*drtest.Ledger, 8)
		var all sync.WaitGroup
		for i := range ledgers {
			all.Go(func() { ledgers[i], _ = drtest.Play(t.Context(), new(system).scenario()) })
		}
		all.Wait()
		for i, l := range ledgers {
			for _, op := range l.Ops {
				if other, taken := seen[op.ID]; taken {
					t.Fatalf("drills %d and %d both have %s", other, i, op.ID)
				}
				seen[op.ID] = i
			}
		}
	})
}

// slowLog takes its time for each line, as a terminal or a disk may.
type slowLog struct{ *recorder }

func (s slowLog) Logf(f string, a ...any) {
	<-time.After(2 * time.Second)
	s.recorder.Logf(f, a...)
}

// TestSlowLog: the load goes on while a line is logged.
func TestSlowLog(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{T: t, ctx: t.Context()}
		report := drtest.Run(slowLog{r}, new(system).scenario())
		if late, worst, _ := report.Ledger.Late(); late > 0 {
			t.Errorf("%d requests left late, by up to %v", late, worst)
		}
		if report.Status() != drtest.Pass {
			t.Error(strings.Join(r.log, "\n"))
		}
		for _, f := range r.after {
			f()
		}
	})
}

// shortTest ends earlier than a drill may.
type shortTest struct {
	*recorder
	end time.Time
}

func (s shortTest) Deadline() (time.Time, bool) { return s.end, true }

// TestDeadlineBeyondTheTest: go test's own -timeout ends the binary without a verdict, so a drill
// that may reach it is refused.
func TestDeadlineBeyondTheTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{T: t, ctx: t.Context()}
		defer func() {
			const want = "FATAL drtest: scenario SYS has a Deadline of 1m0s after up to 1m0s until it is steady, and go test ends all tests in 50s, without a verdict: " +
				"give it a longer -timeout, or play fewer drills"
			if got := recover(); got != any(r) || strings.Join(r.log, "\n") != want {
				t.Errorf("got %v and %v, want %s", got, r.log, want)
			}
		}()
		drtest.Run(shortTest{r, time.Now().Add(50 * time.Second)}, new(system).scenario())
	})
}

// A drill that would have had its time alone is untrusted: how many are played beside it, and
// before it, is the machine's doing.
func TestDeadlineBeyondTheTestForOthers(t *testing.T) {
	r := &recorder{T: t, ctx: t.Context()}
	defer func() {
		want := []string{"untrusted: others took the time that it would have had alone", "FATAL drtest: scenario SYS has a Deadline of 25.001s after up to 25.001s until it is steady, and go test ends all tests in 50s, without a verdict: " +
			"give it a longer -timeout, or play fewer drills"}
		if diff := cmp.Diff(want, r.log); diff != "" || recover() != any(r) {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}()
	sc := new(system).scenario()
	sc.Deadline = 25*time.Second + time.Millisecond
	drtest.Run(shortTest{r, time.Now().Add(50 * time.Second)}, sc)
}

// stuck never finishes the unit that was asked for last, nor says a second attempt for it.
type stuck struct {
	drtest.Workload
	mu  sync.Mutex
	ids []string
}

func (s *stuck) Do(ctx context.Context, id string) error {
	err := s.Workload.Do(ctx, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.ids = append(s.ids, id)
	}
	return err
}

func (s *stuck) Progress(context.Context) (map[string]drtest.Progress, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	units := map[string]drtest.Progress{}
	for _, id := range s.ids {
		units[id] = drtest.Progress{Done: 5, Attempt: 1, Finished: !strings.HasSuffix(id, "-000007")}
		if !units[id].Finished {
			units[id] = drtest.Progress{Done: 3, Attempt: 2}
		}
	}
	return units, nil
}

// TestUnfinishedWorkIsNamed: the deadline names the units that have not finished, and how far they
// came.
func TestUnfinishedWorkIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := new(system).scenario()
		sc.Workload, sc.Deadline = &stuck{Workload: sc.Workload}, 20*time.Second
		l, err := drtest.Play(t.Context(), sc)
		if err != nil {
			t.Fatal(err)
		}
		var got string
		for _, e := range l.Events {
			if e.Kind == drtest.DeadlinePassed {
				got = e.Note
			}
		}
		want := fmt.Sprintf("1 accepted units have not finished: %s (3 steps done in attempt 2, unchanged for 20.2", l.Ops[7].ID)
		if !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q...", got, want)
		}
	})
}

// unhurried takes half a second for each of ten steps of a unit, whatever happens to it. Its first
// readings of the survivors fail.
type unhurried struct {
	drtest.Workload
	mu       sync.Mutex
	accepted map[string]time.Time
	fails    int
}

func (u *unhurried) Do(ctx context.Context, id string) error {
	err := u.Workload.Do(ctx, id)
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		u.accepted[id] = time.Now()
	}
	return err
}

func (u *unhurried) Progress(context.Context) (map[string]drtest.Progress, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	units := map[string]drtest.Progress{}
	for id, at := range u.accepted {
		done := min(10, int(time.Since(at)/(500*ms)))
		units[id] = drtest.Progress{Done: done, Attempt: 1, Finished: done == 10}
	}
	return units, nil
}

func (u *unhurried) Survivors(ctx context.Context) ([]string, error) {
	if u.fails--; u.fails >= 0 {
		return nil, errors.New("broken pipe")
	}
	return u.Workload.Survivors(ctx)
}

// TestWorkIsWaitedForAfterAFailedReading: work is not called unfinished since the first reading of
// what is held failed.
func TestWorkIsWaitedForAfterAFailedReading(t *testing.T) {
	for _, c := range []struct {
		fails int
		want  string
	}{
		{2, "all recovered: pass: 11 of 11 units in flight recovered"},
		{1000, `all recovered: inconclusive: survivors are not known: read survivors: no two readings agreed within 10.4s\nbroken pipe`},
	} {
		synctest.Test(t, func(t *testing.T) {
			sc := new(system).scenario()
			sc.Workload = &unhurried{Workload: sc.Workload, accepted: map[string]time.Time{}, fails: c.fails}
			l, err := drtest.Play(t.Context(), sc)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, drtest.Judge(l, drtest.AllRecovered(1)).Verdicts[0].String()); diff != "" {
				t.Errorf("%d readings fail: %s", c.fails, diff)
			}
		})
	}
}

// A system that is long in coming to its steady state has all of the Deadline for its recovery.
func TestDeadlineBeginsWhenSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sys := &system{down: true}
		go func() {
			time.Sleep(50 * time.Second)
			_ = sys.set(false)(t.Context())
		}()
		sc := sys.scenario(func(s *drtest.Scenario) {
			s.HealAfter = 30 * time.Second
			s.Objectives = []drtest.Objective{drtest.RTO(31 * time.Second)}
		})
		l, err := drtest.Play(t.Context(), sc)
		if err != nil {
			t.Fatal(err)
		}
		if report := drtest.Judge(l, sc.Objectives...); report.Status() != drtest.Pass {
			t.Errorf("%v\n%s", report.Verdicts, l.Timeline())
		}
	})
}
