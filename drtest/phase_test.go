package drtest_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
)

const seedSetting = "DRTEST_SEED"

// TestPhase: the fault waits as its seed says, which the log, the journal and the command to play it
// again tell.
func TestPhase(t *testing.T) {
	t.Setenv(seedSetting, "abc.3")
	golden(t, record(t, nil, new(system).scenario(func(s *drtest.Scenario) { s.Period = 3 * time.Second })))
}

// TestPhaseIsKept: a system that fails while the fault waits has failed before the fault, and an
// interrupt ends the wait.
func TestPhaseIsKept(t *testing.T) {
	t.Setenv(seedSetting, "abc.3")
	s := new(system)
	long := func(sc *drtest.Scenario) { sc.Period = time.Minute }
	failing := s.scenario(long)
	began := time.Time{}
	failing.Health = func(ctx context.Context) error {
		if began.IsZero() {
			began = time.Now()
		}
		if since := time.Since(began); since < 10*time.Second {
			_ = s.set(since > 2*time.Second && since < 2500*ms)(ctx)
		}
		return s.Health(ctx)
	}
	want := "FAIL inconclusive, since the system failed before the fault: op-000021: unknown: connection refused"
	if said := record(t, nil, failing); !strings.Contains(said, want) {
		t.Errorf("got %s, want %s", said, want)
	}
	interrupted := record(t, func(ctx context.Context) context.Context {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		t.Cleanup(cancel)
		return ctx
	}, new(system).scenario(long))
	if want = "interrupted while the fault waited for its phase: context deadline exceeded\n"; !strings.Contains(interrupted, want) {
		t.Errorf("got %s, want %s", interrupted, want)
	}
}

// seeded plays a drill with a seed in virtual time.
func seeded(t *testing.T, seed string, make func() drtest.Scenario) (report *drtest.Report) {
	t.Helper()
	t.Setenv(seedSetting, seed)
	t.Setenv("TMPDIR", t.TempDir())
	r := &recorder{T: t}
	synctest.Test(t, func(t *testing.T) {
		r.ctx = t.Context()
		report = drtest.Run(r, make())
		for _, f := range r.after {
			f()
		}
	})
	_ = os.RemoveAll(os.Getenv("TMPDIR"))
	return report
}

// TestPhases: faults come evenly over the whole period, and a seed comes to the same wait each
// time. A system that loses work in a quarter of its period is found out as often. Without seeds
// it is found out each time or never.
func TestPhases(t *testing.T) {
	const plays, period = 200, 800 * ms
	play := func(seed string) (losing bool, phase *drtest.Phase) {
		s := &system{}
		var began time.Time
		r := seeded(t, seed, func() drtest.Scenario {
			began = time.Now()
			sc := s.scenario(func(sc *drtest.Scenario) { sc.Period = period })
			sc.Fault.Inject = func(ctx context.Context) (drtest.Effect, error) {
				if time.Since(began)%period < period/4 { // what was acked in this part of it is gone
					s.held = s.held[:max(0, len(s.held)-1)]
				}
				return drtest.Effect{Receipt: "it is cut"}, s.set(true)(ctx)
			}
			return sc
		})
		steady, _ := r.Ledger.Event(drtest.SteadyReached)
		fault, _ := r.Ledger.Event(drtest.FaultInjected)
		phase = r.Ledger.Drill.Phase
		if waited := fault.Lo - steady.Hi; phase != nil && (waited < phase.Wait || waited > phase.Wait+200*ms) {
			t.Errorf("seed %s: the fault came %v after the steady state, with a phase of %v", seed, waited, phase)
		}
		return len(r.Figures.Lost) > 0, phase
	}
	var parts []float64
	losses := 0
	for n := range plays {
		lost, phase := play(fmt.Sprint("planted.", n))
		if lost {
			losses++
		}
		parts = append(parts, float64(phase.Wait)/float64(phase.Of))
	}
	slices.Sort(parts)
	worst := 0.0 // of Kolmogorov and Smirnov
	for i, p := range parts {
		worst = max(worst, p-float64(i)/plays, float64(i+1)/plays-p)
	}
	if limit := 1.63 / math.Sqrt(plays); worst > limit {
		t.Errorf("the waits are not even: they lie up to %.3f off, want %.3f", worst, limit)
	}
	if rate := float64(losses) / plays; rate < 0.17 || rate > 0.34 { // 99.5 % of 200 plays at a quarter
		t.Errorf("%d of %d plays lost work, want a quarter", losses, plays)
	}
	_, one := play("planted.1")
	_, again := play("planted.1")
	if *one != *again || one.Of != period {
		t.Errorf("got %v and %v of one seed", one, again)
	}
	first, phase := play("")
	for range 3 {
		if lost, _ := play(""); lost != first || phase != nil {
			t.Errorf("without a seed: lost %v and %v, phase %v", first, lost, phase)
		}
	}
}

// TestRefusedSeed: what could not be told is refused.
func TestRefusedSeed(t *testing.T) {
	t.Setenv(seedSetting, "a\x1b[2J")
	want := "FATAL drtest: DRTEST_SEED has characters that cannot be shown, or is too long\n"
	if got := record(t, nil, new(system).scenario()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
