package drtest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// recorder is a test that writes down what is said to it.
type recorder struct {
	*testing.T
	ctx    context.Context
	log    []string
	failed bool
	after  []func()
}

func (r *recorder) Name() string             { return r.T.Name() }
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(f func())         { r.after = append(r.after, f) }
func (r *recorder) Failed() bool             { return r.failed }
func (r *recorder) Logf(f string, a ...any)  { r.log = append(r.log, fmt.Sprintf(f, a...)) }
func (r *recorder) Errorf(f string, a ...any) {
	r.failed = true
	r.log = append(r.log, "FAIL "+fmt.Sprintf(f, a...))
}

func (r *recorder) Fatalf(f string, a ...any) {
	r.failed = true
	r.log = append(r.log, "FATAL "+fmt.Sprintf(f, a...))
	panic(r)
}

// record runs s and returns all that the test was told, with the variable names and numbers taken
// out.
func record(t *testing.T, ctx func(context.Context) context.Context, s drtest.Scenario) string {
	t.Setenv("TMPDIR", t.TempDir())
	r := &recorder{T: t}
	synctest.Test(t, func(t *testing.T) {
		r.ctx = t.Context()
		if ctx != nil {
			r.ctx = ctx(r.ctx)
		}
		defer func() {
			if got := recover(); got != nil && got != any(r) {
				panic(got)
			}
			for _, f := range r.after {
				f()
			}
		}()
		drtest.Run(r, s)
	})
	all := strings.Join(r.log, "\n") + "\n"
	all = strings.ReplaceAll(all, filepath.Join(os.Getenv("TMPDIR"), fmt.Sprintf("drtest-%d-", os.Getpid())), "TMP/")
	all = regexp.MustCompile(`\b[a-z2-7]{10}-(\d{6})\b`).ReplaceAllString(all, "op-$1")
	return regexp.MustCompile(`run_test\.go:\d+`).ReplaceAllString(all, "run_test.go:LINE")
}

// system is small enough to be wrong on purpose.
type system struct {
	mu                       sync.Mutex
	down, ackEarly, restless bool
	held, pending            []string
	reads                    int
}

func (s *system) workload() drtest.Workload { return (*systemClient)(s) }

type systemClient system

func (s *systemClient) Do(ctx context.Context, id string) error {
	time.Sleep(5 * ms) // no two things happen at the same moment, so their order is always the same
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.down:
		return errors.New("connection refused")
	case s.ackEarly:
		if s.pending = append(s.pending, id); len(s.pending) > 6 {
			s.held, s.pending = append(s.held, s.pending...), nil
		}
	default:
		s.held = append(s.held, id)
	}
	return nil
}

func (s *systemClient) Survivors(context.Context) ([]string, error) {
	if s.reads++; s.restless {
		return s.held[:s.reads%2+1], nil
	}
	return s.held, nil
}

func (s *system) Health(context.Context) error {
	time.Sleep(7 * ms)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errors.New("database: down")
	}
	return nil
}

func (s *system) set(down bool) func(context.Context) error {
	return func(context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.down, s.pending = down, nil
		return nil
	}
}

// after is a stage that is reached some time after it was first asked for once the system is down.
func (s *system) after(d time.Duration) func(context.Context) error {
	var first time.Time
	return func(context.Context) error {
		time.Sleep(3 * ms)
		s.mu.Lock()
		defer s.mu.Unlock()
		if first.IsZero() && !s.down {
			return errors.New("not lost yet")
		}
		if first.IsZero() {
			first = time.Now()
		}
		if time.Since(first) < d {
			return errors.New("not yet")
		}
		return nil
	}
}

func (s *system) cut() drtest.Fault {
	inject := func(ctx context.Context) (drtest.Effect, error) {
		time.Sleep(20 * ms)
		defer time.Sleep(20 * ms)
		return drtest.Effect{Receipt: "it is cut"}, s.set(true)(ctx)
	}
	return drtest.Fault{Name: "cut", Inject: inject, Heal: s.set(false)}
}

func (s *system) scenario(edits ...func(*drtest.Scenario)) drtest.Scenario {
	sc := drtest.Scenario{
		ID:         "SYS",
		Workload:   s.workload(),
		Load:       drtest.Load{Every: 100 * ms, Timeout: 400 * ms, Steady: time.Second},
		Health:     s.Health,
		Fault:      s.cut(),
		HealAfter:  3 * time.Second,
		Objectives: []drtest.Objective{drtest.RTO(5 * time.Second), drtest.RPO(0), drtest.Detection(time.Second)},
		Deadline:   time.Minute,
	}
	for _, edit := range edits {
		edit(&sc)
	}
	return sc
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		reason string
		system *system
		edit   func(*system, *drtest.Scenario)
		ctx    func(context.Context) context.Context
	}{
		{reason: "recovers"},
		{reason: "acknowledges before it keeps", system: &system{ackEarly: true}},
		{reason: "runbook begins after detection", edit: func(s *system, sc *drtest.Scenario) {
			sc.HealAfter = 0
			sc.Runbook = []drtest.Step{{Name: "switch over", Do: s.set(false)}}
			sc.Targets = []drtest.Objective{drtest.RTO(time.Minute)}
		}},
		{reason: "never steady", system: &system{down: true}, edit: func(_ *system, sc *drtest.Scenario) { sc.Deadline = 10050 * ms }},
		{reason: "no receipt", edit: func(_ *system, sc *drtest.Scenario) {
			sc.Fault = noted("nothing", "", nil)
		}},
		{reason: "the fault cannot be injected or healed", edit: func(_ *system, sc *drtest.Scenario) {
			sc.Fault = noted("cut", "", errors.New("no scissors"))
			sc.Fault.Heal = func(context.Context) error { return errors.New("no glue") }
		}},
		{reason: "a step fails", edit: func(_ *system, sc *drtest.Scenario) {
			sc.Runbook = []drtest.Step{{Name: "promote", Do: func(context.Context) error { return errors.New("not a replica") }}}
		}},
		{reason: "nobody notices", edit: func(_ *system, sc *drtest.Scenario) {
			sc.Deadline = 10050 * ms
			sc.Health = func(context.Context) error { return nil }
			sc.Runbook = []drtest.Step{{Name: "switch over", Do: func(context.Context) error { return nil }}}
		}},
		{reason: "never recovers", edit: func(_ *system, sc *drtest.Scenario) { sc.HealAfter, sc.Deadline = 0, 10050*ms }},
		{reason: "survivors never agree", system: &system{restless: true}},
		{reason: "interrupted", ctx: func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(3*time.Second, func() { cancel(errors.New("the user pressed a key")) })
			return ctx
		}},
		{reason: "evidence that comes late", edit: func(s *system, sc *drtest.Scenario) {
			sc.Watch = 8 * time.Second
			sc.Fault = confirmed(s.cut(), "it logged so", nil)
		}},
		{reason: "evidence that does not come", edit: func(s *system, sc *drtest.Scenario) {
			sc.Fault = confirmed(s.cut(), "", errors.New("no line in the log"))
		}},
		{reason: "two faults together", edit: func(s *system, sc *drtest.Scenario) {
			dark := noted("turn off the light", "it is dark", nil)
			sc.Fault = drtest.Together(dark, confirmed(s.cut(), "it logged so", nil))
		}},
		{reason: "a fault that knows its moment", edit: func(s *system, sc *drtest.Scenario) {
			sc.Fault = drtest.Together(s.cut(), dated("sooner", 10*ms, 400*ms), dated("later", 60*ms, 300*ms))
		}},
		{reason: "a fault that nobody feels and that goes on after its moment", edit: func(s *system, sc *drtest.Scenario) {
			sc.Fault, sc.HealAfter = dated("slowly", 10*ms, 1500*ms), 0
			sc.Objectives = []drtest.Objective{drtest.RPO(0)}
		}},
		{reason: "a fault from before it was injected", edit: func(s *system, sc *drtest.Scenario) {
			sc.Fault = dated("too soon", -time.Millisecond, 0)
		}},
		{reason: "one of two faults has no receipt", edit: func(s *system, sc *drtest.Scenario) {
			sc.Fault = drtest.Together(s.cut(), noted("nothing", "", nil))
		}},
		{reason: "work is counted twice", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = metered{s.workload(), []drtest.Counter{says("calls", "", drtest.Count{Total: 10, Repeated: 1}, drtest.Count{Total: 70, Repeated: 8}),
				says("cost", "cents", drtest.Count{Total: 1000, Repeated: 100}, drtest.Count{Total: 7000, Repeated: 800})}}
			sc.Objectives = []drtest.Objective{drtest.Repeated("calls", 6), drtest.Repeated("cost", 700)}
		}},
		{reason: "a counter begins again", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = metered{s.workload(), []drtest.Counter{says("calls", "", drtest.Count{Total: 10}, drtest.Count{Total: 12}, drtest.Count{Total: 2}, drtest.Count{Total: 20})}}
			sc.Objectives = []drtest.Objective{drtest.Repeated("calls", 0)}
		}},
		{reason: "repeats are taken back", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = metered{s.workload(), []drtest.Counter{says("calls", "", drtest.Count{Total: 10}, drtest.Count{Total: 12, Repeated: 2}, drtest.Count{Total: 20})}}
			sc.Objectives = []drtest.Objective{drtest.Repeated("calls", 0)}
		}},
		{reason: "a counter cannot be read at the end", edit: func(s *system, sc *drtest.Scenario) {
			first := true
			lost := func(context.Context) (drtest.Count, error) {
				if first {
					first = false
					return drtest.Count{}, nil
				}
				return drtest.Count{}, errors.New("no route to the bank")
			}
			sc.Workload = metered{s.workload(), []drtest.Counter{{Name: "cost", Read: lost}, says("calls", "", drtest.Count{}, drtest.Count{Total: 5})}}
			sc.Objectives = []drtest.Objective{drtest.Repeated("cost", 0), drtest.Repeated("calls", 0)}
		}},
		{reason: "a stage comes late", edit: func(s *system, sc *drtest.Scenario) {
			sc.Stages = []drtest.Stage{{Name: "redundant", Reached: s.after(9 * time.Second)}, {Name: "promoted", Reached: s.after(0)}}
			sc.Objectives = []drtest.Objective{drtest.Reached("redundant", 8*time.Second), drtest.Reached("promoted", time.Second)}
		}},
		{reason: "a stage never comes", edit: func(s *system, sc *drtest.Scenario) {
			sc.Deadline = 10050 * ms
			sc.Stages = []drtest.Stage{{Name: "redundant", Reached: s.after(time.Hour)}}
			sc.Objectives = []drtest.Objective{drtest.RTO(5 * time.Second), drtest.Reached("redundant", time.Minute)}
		}},
		{reason: "proofs", edit: func(s *system, sc *drtest.Scenario) {
			healed, cut := false, confirmed(s.cut(), "it logged so", nil)
			cut.Heal = func(context.Context) error { healed = true; return nil }
			sc.Fault, sc.HealAfter, sc.Runbook = cut, 0, []drtest.Step{{Name: "switch over", Do: s.set(false)}}
			sc.Proofs = []drtest.Proof{
				{Name: "one history", Examine: prove("both end at 0/30001A8", nil)},
				{Name: "no write on the losing side", Examine: prove("", errors.New("op-000012 is in its log"))},
				{Name: "fenced in time", Examine: prove("", fmt.Errorf("%w: its log was recycled", drtest.ErrInconclusive))},
				{Name: "says nothing", Examine: prove("", nil)},
				{Name: "hangs", Examine: func(context.Context) (string, error) { time.Sleep(40 * time.Second); return "too late", nil }},
				{Name: "heeds its bound", Examine: func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }},
				{Name: "the fault is in place", Examine: func(context.Context) (string, error) { return fmt.Sprintf("healed: %v", healed), nil }},
			}
		}},
		{reason: "proofs at the deadline", edit: func(_ *system, sc *drtest.Scenario) {
			sc.HealAfter, sc.Deadline = 0, 10050*ms
			sc.Proofs = []drtest.Proof{{Name: "one history", Examine: prove("both end at 0/30001A8", nil)}, {Name: "fenced", Examine: prove("", errors.New("it still writes"))}}
		}},
		{reason: "a proof is interrupted", edit: func(_ *system, sc *drtest.Scenario) {
			sc.Proofs = []drtest.Proof{{Name: "one history", Examine: func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }}}
		}, ctx: func(ctx context.Context) context.Context {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(20*time.Second, func() { cancel(errors.New("the user pressed a key")) })
			return ctx
		}},
		{reason: "the model explains it", edit: func(_ *system, sc *drtest.Scenario) {
			sc.Model = drtest.Model{{Name: "held", Best: 2900 * ms, Worst: 3 * time.Second, Source: "HealAfter 3s"}, {Name: "next request", Worst: 200 * ms, Source: "Load.Every 100ms"}}
		}},
		{reason: "a stage that was there all the time", edit: func(s *system, sc *drtest.Scenario) {
			sc.Stages = []drtest.Stage{{Name: "promoted", Reached: func(context.Context) error { return nil }}}
			sc.Objectives = []drtest.Objective{drtest.Reached("promoted", time.Minute)}
		}},
		{reason: "a stage that is seen missing late", edit: func(s *system, sc *drtest.Scenario) {
			sc.Watch = 10 * time.Second // its status is three seconds old
			sc.Stages = []drtest.Stage{{Name: "redundant", Reached: s.between(3*time.Second, 5*time.Second)}}
			sc.Objectives = []drtest.Objective{drtest.Reached("redundant", time.Minute)}
		}},
		{reason: "health flaps", edit: func(s *system, sc *drtest.Scenario) {
			sc.Health = s.every(700*ms, 300*ms)
		}},
		{reason: "the system fails before the fault", edit: func(s *system, sc *drtest.Scenario) {
			sc.Stages = []drtest.Stage{{Name: "promoted", Reached: func(ctx context.Context) error {
				_ = s.set(true)(ctx) // while the drill looks ahead
				<-time.After(300 * ms)
				return errors.New("not yet")
			}}}
		}},
		{reason: "proofs look before the fault", edit: func(s *system, sc *drtest.Scenario) {
			seen := "" // while the system was up
			look := func(err error) func(context.Context) error {
				return func(ctx context.Context) error {
					seen = fmt.Sprintf("health was %v", s.Health(ctx))
					return err
				}
			}
			sc.Proofs = []drtest.Proof{
				{Name: "it was up", Before: look(nil), Examine: func(context.Context) (string, error) { return seen, nil }},
				{Name: "commits waited", Before: look(errors.New("they do not wait")), Examine: prove("it is so", nil)},
				{Name: "one waited", Before: look(fmt.Errorf("%w: none was seen", drtest.ErrInconclusive)), Examine: prove("it is so", nil)},
			}
		}},
		{reason: "a request panics", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = broken{s.workload(), func() { panic("no such key") }}
		}},
		{reason: "a step ends its goroutine", edit: func(s *system, sc *drtest.Scenario) {
			sc.Runbook = []drtest.Step{{Name: "promote", Do: func(context.Context) error { runtime.Goexit(); return nil }}}
		}},
		{reason: "a step hangs until the deadline", edit: func(s *system, sc *drtest.Scenario) {
			sc.HealAfter, sc.Deadline = 0, 10050*ms
			sc.Runbook = []drtest.Step{{Name: "promote", Do: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}}
			sc.Proofs = []drtest.Proof{{Name: "one history", Examine: prove("both end at 0/30001A8", nil)}}
		}},
		{reason: "a step fails while the fault is held for long", edit: func(s *system, sc *drtest.Scenario) {
			sc.HealAfter, sc.Deadline = 10*time.Minute, 20*time.Minute
			sc.Runbook = []drtest.Step{{Name: "promote", Do: func(context.Context) error { return errors.New("not a replica") }}}
		}},
		{reason: "the fault cannot be healed", edit: func(s *system, sc *drtest.Scenario) {
			sc.Fault.Heal = func(context.Context) error { return errors.New("no glue") }
		}},
		{reason: "a class panics", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = nameless{s.workload()}
		}},
		{reason: "a check panics", edit: func(s *system, sc *drtest.Scenario) {
			sc.Objectives = append(sc.Objectives, drtest.Check("cheap", func(l *drtest.Ledger, f drtest.Figures) error {
				if l.Drill.Model[0].Worst > 0 {
					return errors.New("it takes something")
				}
				return nil
			}))
		}},
		{reason: "one of two faults is not in effect yet after it was", edit: func(s *system, sc *drtest.Scenario) {
			backwards := dated("backwards", 10*ms, 30*ms)
			inject := backwards.Inject
			backwards.Inject = func(ctx context.Context) (drtest.Effect, error) {
				effect, err := inject(ctx)
				effect.NotBefore = effect.By.Add(ms)
				return effect, err
			}
			sc.Fault = drtest.Together(s.cut(), backwards)
		}},
		{reason: "a stage that is missing while the fault is injected", edit: func(s *system, sc *drtest.Scenario) {
			cut := s.cut()
			sc.Fault.Inject = func(ctx context.Context) (drtest.Effect, error) {
				effect, err := cut.Inject(ctx)
				time.Sleep(5 * time.Second) // until the evidence is there
				return effect, err
			}
			sc.Stages = []drtest.Stage{{Name: "redundant", Reached: s.between(0, 2*time.Second)}}
			sc.Objectives = []drtest.Objective{drtest.Reached("redundant", 6*time.Second)}
		}},
		{reason: "units show late", edit: func(s *system, sc *drtest.Scenario) {
			sc.Load.Settle = 5 * time.Second
			sc.Workload = lagging{s.workload(), 4 * time.Second}
		}},
		{reason: "units vanish", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = vanishing{s.workload(), new(int)}
		}},
		{reason: "one shard is dead for ever", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = sharded{s, s.workload()}
			sc.HealAfter, sc.Deadline = 0, 30050*ms
		}},
		{reason: "one shard is dead for a while", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = classified{sharded{s, s.workload()}}
			sc.Objectives = append(sc.Objectives, drtest.ErrorRate(0.05))
		}},
		{reason: "one of eleven requests fails for ever", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = sharded{s, s.workload()}
			sc.HealAfter, sc.Deadline = 0, 30050*ms
			sc.Objectives = []drtest.Objective{drtest.ErrorRate(0.01)}
		}},
		{reason: "answers come too late", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = slow{s, s.workload(), 900 * ms}
			sc.Objectives = []drtest.Objective{drtest.NoFailedRequests()}
		}},
		{reason: "answers become slow", edit: func(s *system, sc *drtest.Scenario) {
			sc.Workload = slow{s, s.workload(), 390 * ms}
			sc.Objectives = []drtest.Objective{drtest.NoFailedRequests()}
			sc.HealAfter = 0
		}},
		{reason: "no fault", edit: func(_ *system, sc *drtest.Scenario) {
			sc.Fault = drtest.NoFault()
			sc.HealAfter = 0
			sc.Objectives = []drtest.Objective{drtest.NoFailedRequests(), drtest.RPO(0)}
		}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			if c.system == nil {
				c.system = new(system)
			}
			sc := c.system.scenario()
			if c.edit != nil {
				c.edit(c.system, &sc)
			}
			golden(t, record(t, c.ctx, sc))
		})
	}
}

// prove is a proof that takes a tenth of a second.
func prove(evidence string, err error) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		time.Sleep(100 * ms)
		return evidence, err
	}
}

// between is a stage that is missing from one time after the fault until another.
func (s *system) between(from, to time.Duration) func(context.Context) error {
	var cut time.Time
	return func(context.Context) error {
		time.Sleep(3 * ms)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.down && cut.IsZero() {
			cut = time.Now()
		}
		if since := time.Since(cut); !cut.IsZero() && since >= from && since < to {
			return errors.New("one node is missing")
		}
		return nil
	}
}

// every is a health that is good for a while and bad for a while, whatever happens.
func (s *system) every(good, bad time.Duration) func(context.Context) error {
	var began time.Time
	return func(context.Context) error {
		if time.Sleep(7 * ms); began.IsZero() {
			began = time.Now()
		}
		if time.Since(began)%(good+bad) >= good {
			return errors.New("flaps")
		}
		return nil
	}
}

// broken is a workload whose twentieth request does something else.
type broken struct {
	drtest.Workload
	instead func()
}

func (b broken) Do(ctx context.Context, id string) error {
	if strings.HasSuffix(id, "-000020") {
		b.instead()
	}
	return b.Workload.Do(ctx, id)
}

// nameless is a workload whose twentieth request has no class.
type nameless struct{ drtest.Workload }

func (nameless) Class(id string) string {
	if strings.HasSuffix(id, "-000020") {
		panic("no such shard")
	}
	return "shard"
}

// lagging shows its units some time after they were acked.
type lagging struct {
	drtest.Workload
	by time.Duration
}

func (l lagging) Survivors(ctx context.Context) ([]string, error) {
	ids, err := l.Workload.Survivors(ctx)
	if s := (*system)(l.Workload.(*systemClient)); s.reads*2 <= int(l.by/time.Second) {
		return ids[:len(ids)-s.reads], err // another one each time
	}
	return ids, err
}

// vanishing shows three units once, and not again.
type vanishing struct {
	drtest.Workload
	reads *int
}

func (v vanishing) Survivors(ctx context.Context) ([]string, error) {
	ids, err := v.Workload.Survivors(ctx)
	if *v.reads++; *v.reads > 1 {
		return ids[3:], err
	}
	return ids, err
}

// sharded has one of eleven shards fail while the system is down.
type sharded struct {
	*system
	w drtest.Workload
}

func (s sharded) shard(id string) int {
	n, _ := strconv.Atoi(id[len(id)-6:])
	return n % 11
}

func (s sharded) Do(ctx context.Context, id string) error {
	s.mu.Lock()
	down := s.down
	s.mu.Unlock()
	if down && s.shard(id) == 7 {
		time.Sleep(5 * ms)
		return errors.New("shard 7 is down")
	}
	time.Sleep(5 * ms)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, id)
	return nil
}

func (s sharded) Survivors(ctx context.Context) ([]string, error) { return s.w.Survivors(ctx) }

// classified says which shard it is.
type classified struct{ sharded }

func (s classified) Class(id string) string { return fmt.Sprintf("shard %d", s.shard(id)) }

// slow answers late while the system is down, whatever its client says.
type slow struct {
	*system
	w  drtest.Workload
	by time.Duration
}

func (s slow) Do(ctx context.Context, id string) error {
	s.mu.Lock()
	down := s.down
	s.held = append(s.held, id)
	s.mu.Unlock()
	if time.Sleep(5 * ms); down {
		time.Sleep(s.by - 5*ms)
	}
	return nil
}

func (s slow) Survivors(ctx context.Context) ([]string, error) { return s.w.Survivors(ctx) }

// metered is a workload with counters.
type metered struct {
	drtest.Workload
	counters []drtest.Counter
}

func (m metered) Counters() []drtest.Counter { return m.counters }

// says is a counter that says one count after the other.
func says(name, unit string, counts ...drtest.Count) drtest.Counter {
	read := 0
	return drtest.Counter{Name: name, Unit: unit, Read: func(context.Context) (drtest.Count, error) {
		read++
		return counts[min(read, len(counts))-1], nil
	}}
}

// confirmed is a fault with evidence that comes late.
func confirmed(f drtest.Fault, receipt drtest.Receipt, err error) drtest.Fault {
	f.Confirm = func(context.Context) (drtest.Receipt, error) { return receipt, err }
	return f
}

// noted is a fault that does nothing but return its receipt.
func noted(name string, receipt drtest.Receipt, err error) drtest.Fault {
	return drtest.Fault{Name: name, Inject: func(context.Context) (drtest.Effect, error) { return drtest.Effect{Receipt: receipt}, err }}
}

// dated takes effect after some time and returns its receipt some time later.
func dated(name string, after, told time.Duration) drtest.Fault {
	return drtest.Fault{Name: name, Inject: func(context.Context) (drtest.Effect, error) {
		by := time.Now().Add(after)
		time.Sleep(after + told)
		return drtest.Effect{Receipt: "it was told late", By: by}, nil
	}}
}

// golden compares what was said with the file that is named after the test.
func golden(t *testing.T, got string) {
	t.Helper()
	path := filepath.Join("testdata", strings.ReplaceAll(t.Name(), "/", "-")+".txt")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestRefusedScenarios(t *testing.T) {
	fine := new(system).scenario()
	for _, c := range []struct {
		want string
		edit func(*drtest.Scenario)
	}{
		{"scenario has no ID: set Scenario.ID, reports key on it", func(s *drtest.Scenario) { s.ID = "" }},
		{"scenario SYS has no Workload: without clients nothing is measured", func(s *drtest.Scenario) { s.Workload = nil }},
		{"scenario SYS has no Fault with a function Inject: use NoFault to measure a system that is left alone", func(s *drtest.Scenario) { s.Fault = drtest.Fault{} }},
		{"scenario SYS: cut and cut: it was started without a firewall", func(s *drtest.Scenario) {
			cut := s.Fault
			cut.Err = errors.New("it was started without a firewall")
			s.Fault = drtest.Together(s.Fault, cut)
		}},
		{"scenario SYS has no Fault.Name: what happens", func(s *drtest.Scenario) { s.Fault.Name = "" }},
		{"scenario SYS has no Load.Every: the time between two requests", func(s *drtest.Scenario) { s.Load = drtest.Load{} }},
		{"scenario SYS has no Load.Timeout: the bound of each request", func(s *drtest.Scenario) { s.Load.Timeout = 0 }},
		{"scenario SYS has no Load.Steady of at least Load.Every: the window without failures that makes a steady state", func(s *drtest.Scenario) { s.Load.Steady = 0 }},
		{"scenario SYS has no Deadline: when to give up and judge what was seen", func(s *drtest.Scenario) { s.Deadline = 0 }},
		{"scenario SYS has no Objectives: a drill that asserts nothing cannot fail", func(s *drtest.Scenario) { s.Objectives = nil }},
		{"scenario SYS has a Deadline of 1s, too short for Load.Timeout, a window of Load.Steady, HealAfter and Watch", func(s *drtest.Scenario) { s.Deadline = time.Second }},
		{"scenario SYS has a negative HealAfter, Watch, Period or Load.Settle", func(s *drtest.Scenario) { s.HealAfter = -1 }},
		{`scenario SYS: objective "nothing" judges nothing: make it with RTO, RPO... or a Check of a function`, func(s *drtest.Scenario) {
			s.Objectives = []drtest.Objective{drtest.Check("nothing", nil)}
		}},
		{"scenario SYS has no Health: its runbook begins once Health has reported the failure", func(s *drtest.Scenario) {
			s.Health, s.Runbook = nil, []drtest.Step{{Name: "promote", Do: s.Fault.Heal}}
		}},
		{"scenario SYS has no Name or Do in Runbook[0]", func(s *drtest.Scenario) { s.Runbook = []drtest.Step{{Name: "promote"}} }},
		{"scenario SYS has no Reached, or no Name of its own, in Stages[0]", func(s *drtest.Scenario) { s.Stages = []drtest.Stage{{Name: "promoted"}} }},
		{"scenario SYS has no Reached, or no Name of its own, in Stages[1]", func(s *drtest.Scenario) {
			s.Stages = []drtest.Stage{{Name: "promoted", Reached: s.Health}, {Name: "Promoted", Reached: s.Health}}
		}},
		{"scenario SYS has no Reached, or no Name of its own, in Stages[0]", func(s *drtest.Scenario) { s.Stages = []drtest.Stage{{Name: "RTO", Reached: s.Health}} }},
		{"scenario SYS has no Reached, or no Name of its own, in Stages[0]", func(s *drtest.Scenario) { s.Stages = []drtest.Stage{{Name: "heal_lag", Reached: s.Health}} }},
		{"scenario SYS has no Examine, or no Name of its own, in Proofs[0]", func(s *drtest.Scenario) { s.Proofs = []drtest.Proof{{Name: "one history"}} }},
		{"scenario SYS has no Examine, or no Name of its own, in Proofs[0]", func(s *drtest.Scenario) { s.Proofs = []drtest.Proof{{Examine: prove("", nil)}} }},
		{"scenario SYS has no Examine, or no Name of its own, in Proofs[1]", func(s *drtest.Scenario) {
			s.Proofs = []drtest.Proof{{Name: "one history", Examine: prove("", nil)}, {Name: "one history", Examine: prove("", nil)}}
		}},
		{"scenario SYS has no Examine, or no Name of its own, in Proofs[0]", func(s *drtest.Scenario) {
			s.Stages = []drtest.Stage{{Name: "promoted", Reached: s.Health}}
			s.Proofs = []drtest.Proof{{Name: "promoted", Examine: prove("", nil)}}
		}},
		{"scenario SYS has no Examine, or no Name of its own, in Proofs[0]", func(s *drtest.Scenario) {
			s.Objectives = []drtest.Objective{drtest.Check("one history", func(*drtest.Ledger, drtest.Figures) error { return nil })}
			s.Proofs = []drtest.Proof{{Name: "one history", Examine: prove("", nil)}}
		}},
		{"scenario SYS has no Name or Source in Model[0]", func(s *drtest.Scenario) { s.Model = drtest.Model{{Source: "ttl", Worst: 1}} }},
		{"scenario SYS has no Name or Source in Model[0]", func(s *drtest.Scenario) { s.Model = drtest.Model{{Name: "lease", Worst: 1}} }},
		{"scenario SYS has a Best of -1ns and a Worst of 1ns in Model[0]: want 0 <= Best <= Worst", func(s *drtest.Scenario) {
			s.Model = drtest.Model{{Name: "lease", Source: "ttl", Best: -1, Worst: 1}}
		}},
		{"scenario SYS has a Best of 2s and a Worst of 1s in Model[1]: want 0 <= Best <= Worst", func(s *drtest.Scenario) {
			s.Model = drtest.Model{{Name: "lease", Source: "ttl"}, {Name: "race", Source: "loop_wait", Best: 2 * time.Second, Worst: time.Second}}
		}},
		{`scenario SYS: objective "rewound" could never be judged: the scenario's stages are ["promoted"]`, func(s *drtest.Scenario) {
			s.Stages = []drtest.Stage{{Name: "promoted", Reached: s.Health}}
			s.Objectives = []drtest.Objective{drtest.Reached("rewound", 1)}
		}},
		{`scenario SYS: objective "detection" could never be judged: the scenario has no Health`, func(s *drtest.Scenario) { s.Health = nil }},
		{`scenario SYS: objective "heal lag" could never be judged: the scenario has no HealAfter, so the fault is not healed`, func(s *drtest.Scenario) {
			s.HealAfter, s.Targets = 0, []drtest.Objective{drtest.HealLag(1)}
		}},
		{`scenario SYS: objective "all recovered" could never be judged: the workload does not report the progress of its units: it is no Tracker`, func(s *drtest.Scenario) {
			s.Objectives = []drtest.Objective{drtest.AllRecovered(1)}
		}},
		{`scenario SYS: objective "work RTO" could never be judged: the workload does not report the progress of its units: it is no Tracker`, func(s *drtest.Scenario) {
			s.Objectives = []drtest.Objective{drtest.WorkRTO(1)}
		}},
		{`scenario SYS: objective "lost work" could never be judged: the workload does not report the progress of its units: it is no Tracker`, func(s *drtest.Scenario) {
			s.Objectives = []drtest.Objective{drtest.LostWork(1)}
		}},
		{`scenario SYS: objective "repeated calls" could never be judged: the counters of the workload are []`, func(s *drtest.Scenario) {
			s.Objectives = []drtest.Objective{drtest.Repeated("calls", 1)}
		}},
		{`scenario SYS: objective "repeated calls" could never be judged: the counters of the workload are ["cost"]`, func(s *drtest.Scenario) {
			s.Workload = metered{s.Workload, []drtest.Counter{says("cost", "cents", drtest.Count{})}}
			s.Objectives = []drtest.Objective{drtest.Repeated("calls", 1)}
		}},
		{"scenario SYS has no Read, or no Name of its own, in Counters()[1] of its Workload", func(s *drtest.Scenario) {
			s.Workload = metered{s.Workload, []drtest.Counter{says("cost", "cents", drtest.Count{}), {Name: "calls"}}}
		}},
		{"scenario SYS has no Read, or no Name of its own, in Counters()[1] of its Workload", func(s *drtest.Scenario) {
			s.Workload = metered{s.Workload, []drtest.Counter{says("cost", "cents", drtest.Count{}), says("Cost", "", drtest.Count{})}}
		}},
		{"scenario SYS has no Read, or no Name of its own, in Counters()[0] of its Workload", func(s *drtest.Scenario) { // two verdicts would have one name
			s.Workload = metered{s.Workload, []drtest.Counter{says("calls", "", drtest.Count{})}}
			s.Stages = []drtest.Stage{{Name: "repeated calls", Reached: s.Health}}
		}},
		{`scenario SYS has the name a\x1b, with characters that cannot be shown`, func(s *drtest.Scenario) {
			s.Workload = metered{s.Workload, []drtest.Counter{says("cost", "a\x1b", drtest.Count{})}}
		}},
		{`scenario SYS: objective "error rate" judges nothing: make it with RTO, RPO... or a Check of a function`, func(s *drtest.Scenario) {
			s.Objectives = []drtest.Objective{drtest.ErrorRate(0)}
		}},
		{"scenario SYS: objective RTO allows 5s, looser than its target of 4s", func(s *drtest.Scenario) {
			s.Targets = []drtest.Objective{drtest.RTO(4 * time.Second)}
		}},
	} {
		s := fine
		c.edit(&s)
		if diff := cmp.Diff("FATAL drtest: "+c.want+"\n", record(t, nil, s)); diff != "" {
			t.Error(diff)
		}
		if _, err := drtest.Play(t.Context(), s); err == nil || err.Error() != c.want {
			t.Errorf("Play: got %v, want %v", err, c.want)
		}
	}
}

// TestNamesOfObjectives: no stage and no proof may have the name of an objective of this package,
// or two verdicts would.
func TestNamesOfObjectives(t *testing.T) {
	l := hand(2000*ms, modelled(0, time.Second))
	all := drtest.Judge(l, drtest.RTO(1), drtest.Detection(1), drtest.HealLag(1), drtest.WorkRTO(1), drtest.LostWork(1), drtest.RPO(1),
		drtest.AllRecovered(1), drtest.NoDuplicates(), drtest.NoFailedRequests())
	for _, v := range all.Verdicts {
		s := new(system).scenario()
		s.Objectives = []drtest.Objective{drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return nil })}
		s.Stages = []drtest.Stage{{Name: v.Objective, Reached: s.Health}}
		if _, err := drtest.Play(t.Context(), s); err == nil || !strings.HasSuffix(err.Error(), "in Stages[0]") {
			t.Errorf("a stage named %q: got %v", v.Objective, err)
		}
		s.Stages, s.Proofs = nil, []drtest.Proof{{Name: v.Objective, Examine: prove("it is so", nil)}}
		if _, err := drtest.Play(t.Context(), s); err == nil || !strings.HasSuffix(err.Error(), "in Proofs[0]") {
			t.Errorf("a proof named %q: got %v", v.Objective, err)
		}
	}
}

// deaf is a client whose calls end when it is closed, and heed nothing else.
type deaf chan struct{}

func (d deaf) Do(context.Context, string) error            { <-d; return nil }
func (d deaf) Survivors(context.Context) ([]string, error) { <-d; return nil, nil }

// TestCallsThatIgnoreTheirContext: nothing that the harness calls can hold up a drill for ever.
func TestCallsThatIgnoreTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := make(deaf)
		defer close(client)
		sc := new(system).scenario()
		sc.Workload = client
		sc.Load.Timeout, sc.Load.Every, sc.Load.Steady, sc.HealAfter, sc.Deadline = 100*ms, 80*ms, 80*ms, 0, 200*ms
		_, err := drtest.Play(t.Context(), sc)
		if want := "none has an answer yet: context deadline exceeded"; err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want an error that ends in %q", err, want)
		}
	})
}

// TestEvidence: that of a pass is removed, and that of a failure stays and can be judged again.
func TestEvidence(t *testing.T) {
	for _, c := range []struct {
		system *system
		left   []string
	}{
		{&system{}, nil},
		{&system{ackEarly: true}, []string{"SYS.ndjson"}},
	} {
		record(t, nil, c.system.scenario())
		var left []string
		files, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "drtest-*", "*"))
		for _, f := range files {
			left = append(left, filepath.Base(f))
			file, err := os.Open(f)
			if err != nil {
				t.Fatal(err)
			}
			r, err := drtest.ReadReport(file)
			_ = file.Close()
			if err != nil || r.Status() != drtest.Fail {
				t.Errorf("got %v, %v, want fail", r.Status(), err)
			}
			again := drtest.Judge(r.Ledger, c.system.scenario().Objectives...)
			if diff := cmp.Diff(r.Verdicts, again.Verdicts); diff != "" {
				t.Error(diff)
			}
		}
		if diff := cmp.Diff(c.left, left); diff != "" {
			t.Error(diff)
		}
	}
}
