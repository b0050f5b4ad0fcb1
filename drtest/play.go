package drtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/measured"
)

const (
	// steadyLimit bounds the wait for the steady window before the fault.
	steadyLimit = time.Minute
	// closingLimit bounds each of what may be left to do at the deadline: reading the survivors, confirming
	// and healing the fault.
	closingLimit = 10 * time.Second
	// answerGrace is how long a call that should have ended by its context may still take to say why.
	answerGrace = time.Second
	// proofLimit bounds each proof. It is more than the closing limit, since reading the log of a database takes a while.
	proofLimit = 30 * time.Second
)

// Play runs the drill and returns what was seen, also beside an error. Its error means that the drill
// itself broke; a system that failed to recover is not an error but a ledger.
func Play(ctx context.Context, s Scenario) (*Ledger, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return play(ctx, s, func(record) {})
}

func play(ctx context.Context, s Scenario, sink func(record)) (*Ledger, error) {
	p := &player{
		Scenario: s,
		start:    time.Now(),
		sink:     sink,
		report:   newBook(),
		changed:  make(chan struct{}),
		progress: map[string]Progress{},
		asked:    map[string]bool{},
		sampling: make(chan struct{}, 1),
	}
	p.busy = machine.Read()
	_, tracked := s.Workload.(Tracker)
	_, billed := s.Workload.(Biller)
	p.emit(record{Journal: &header{Version: Version, Asserted: assertions(s.Objectives, s.Targets), Drill: Drill{
		ID: s.ID, Title: cmp.Or(s.Title, s.ID), Category: s.Category, Durability: s.Durability, Fault: s.Fault.String(),
		Began: p.start.Round(0), Every: s.Load.Every, Timeout: s.Load.Timeout, Steady: s.Load.Steady,
		HealAfter: s.HealAfter, Steps: len(s.Runbook), Stages: stageNames(s.Stages), Sources: sources(s.Stages),
		Proofs: proofNames(s.Proofs), Model: s.Model, Deadline: s.Deadline, Tracked: tracked, Watched: s.Health != nil, Billed: billed,
	}}})
	err := p.drill(ctx)
	end := &ending{Machine: machineSince(p.busy, p.now())}
	if err != nil {
		end.Broken = err.Error()
	}
	p.emit(record{End: end})
	return p.report.Ledger, err
}

// A player plays one drill. What it sees goes through emit, and from there to the ledger and the journal
// alike.
type player struct {
	Scenario
	start time.Time
	busy  machine.Totals // at the start
	sink  func(record)

	mu      sync.Mutex
	report  *book
	changed chan struct{} // closed when something was emitted
	asked   map[string]bool

	sampling chan struct{}       // holds one token while a sample is taken
	progress map[string]Progress // as of the last sample
}

func (p *player) now() time.Duration { return time.Since(p.start) }

func (p *player) emit(rec record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(rec)
}

// emitUnlessEnded is for what others tell, who may do so when the drill is over.
func (p *player) emitUnlessEnded(rec record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.report.Ledger.Ended {
		p.add(rec)
	}
}

// add is emit for who holds mu.
func (p *player) add(rec record) {
	if err := p.report.add(rec); err != nil {
		panic("drtest: the player wrote what its own reader refuses: " + err.Error())
	}
	p.sink(rec)
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *player) event(kind EventKind, i Interval, note string) {
	p.emit(record{Event: &Event{Kind: kind, Interval: i, Note: note}})
}

// await waits until what was emitted satisfies cond.
func (p *player) await(ctx context.Context, cond func(*Ledger) bool) error {
	for {
		p.mu.Lock()
		met, changed := cond(p.report.Ledger), p.changed
		p.mu.Unlock()
		if met {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// call bounds f by limit, also an f that ignores its context.
func call(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(answerGrace):
		return fmt.Errorf("no answer, and its context is ignored: %w", context.Cause(ctx))
	}
}

// drill takes the drill through its phases.
func (p *player) drill(parent context.Context) (err error) {
	parent = context.WithValue(parent, playerKey{}, p)
	ctx, cancel := context.WithTimeout(parent, p.Deadline)
	defer cancel()

	before, err := p.bill(ctx)
	if err != nil {
		return fmt.Errorf("read the bill before the load: %w", err)
	}
	loading, stopLoad := context.WithCancel(ctx)
	observing, stopObserving := context.WithCancel(context.WithoutCancel(ctx))
	var load, observers sync.WaitGroup
	load.Go(func() { p.load(loading) })
	observers.Go(func() { p.watchMachine(observing, p.busy) })
	if p.Health != nil {
		observers.Go(func() { p.watchHealth(observing) })
	}
	if t, ok := p.Workload.(Tracker); ok {
		observers.Go(func() { p.every(observing, func() { _ = p.sample(observing, t) }) })
	}
	end := func() { // what is seen of the healing is no part of the drill
		stopLoad()
		load.Wait()
		stopObserving()
		observers.Wait()
	}
	defer end()

	if err := p.reachSteady(ctx); err != nil {
		return err
	}
	served := measured.Drills.Begin()
	defer served()
	heal, err := p.inject(ctx)
	defer func() {
		end()
		err = errors.Join(err, heal())
	}()
	if err != nil {
		return err
	}
	for _, stage := range p.Stages {
		observers.Go(func() { p.watchStage(observing, stage) })
	}
	if err := p.respond(ctx, heal); err != nil {
		return err
	}
	if err := p.recover(ctx); err != nil {
		return err
	}
	served()
	stopLoad()
	load.Wait()
	if err := p.settle(parent, ctx); err != nil {
		return err
	}
	p.settleBill(parent, before)
	if err := p.prove(parent); err != nil { // before confirming, which can break the drill
		return err
	}
	return p.confirm(parent)
}

// reachSteady waits for the precondition of the fault.
func (p *player) reachSteady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(p.Load.Steady+steadyLimit, p.Deadline))
	defer cancel()
	var acked int
	err := p.await(ctx, func(l *Ledger) bool {
		n, ok := l.steady(0)
		acked = n
		return ok && (p.Health == nil || l.healthy())
	})
	if err != nil {
		why := p.unsteady()
		p.mu.Lock()
		if _, ok := p.report.Ledger.steady(0); ok {
			why = "health is bad: " + cmp.Or(p.report.Ledger.lastNote(HealthLost), "it was never good")
		}
		p.mu.Unlock()
		return fmt.Errorf("no steady state before the fault: %s: %w", why, err)
	}
	p.event(SteadyReached, Interval{p.now(), p.now()},
		fmt.Sprintf("%d requests acked, one every %v, none failed for %v", acked, p.Load.Every, p.Load.Steady))
	return nil
}

// unsteady says what stood in the way of a steady state.
func (p *player) unsteady() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.report.Ledger
	failed, last := 0, "none has an answer yet"
	for _, op := range l.Ops {
		if op.End != Forever && op.Outcome != Acked {
			failed, last = failed+1, fmt.Sprintf("the last one: %s: %s", op.Outcome, op.Err)
		}
	}
	acked, _ := l.steady(0)
	if late, worst := l.Late(); failed == 0 && acked > 0 && late > 0 {
		return fmt.Sprintf("no request failed, but %d left late, by up to %v: the machine is too busy", late, worst)
	}
	return fmt.Sprintf("%d of %d requests failed, %s", failed, len(l.Ops), last)
}

// steady says whether the last requests that have an outcome, all sent after from, were acked, over the
// steady window and at nine tenths of the demanded rate or more; and how many they are.
func (l *Ledger) steady(from time.Duration) (acked int, ok bool) {
	end := len(l.Ops)
	for end > 0 && l.Ops[end-1].End == Forever {
		end-- // still in flight
	}
	begin := end
	for begin > 0 && l.Ops[begin-1].Outcome == Acked && l.Ops[begin-1].Start >= from {
		begin--
	}
	if begin == end {
		return 0, false
	}
	// Earlier requests, as far back as they can reach into the window, may have failed within it, or may
	// still fail.
	reach := l.Ops[begin].Start - l.Drill.Timeout - answerGrace
	for i := begin - 1; i >= 0 && l.Ops[i].Start >= reach; i-- {
		op := l.Ops[i]
		if op.End == Forever {
			return 0, false
		}
		for begin < end && op.Outcome != Acked && l.Ops[begin].Start <= l.evidence(op) {
			begin++
		}
	}
	if begin == end {
		return 0, false
	}
	first, last := l.Ops[begin], l.Ops[end-1]
	due, took := last.Due-first.Due, last.Start-first.Start
	return end - begin, due >= l.Drill.Steady && due*10 >= took*9
}

// healthy says whether the last change of health was for the better.
func (l *Ledger) healthy() bool {
	for _, e := range slices.Backward(l.Events) {
		switch e.Kind {
		case HealthGood, HealthRestored:
			return true
		case HealthLost:
			return false
		}
	}
	return false
}

func (l *Ledger) lastNote(kind EventKind) string {
	for _, e := range slices.Backward(l.Events) {
		if e.Kind == kind {
			return e.Note
		}
	}
	return ""
}

// inject injects the fault. The function that it returns heals it, once.
func (p *player) inject(ctx context.Context) (heal func() error, err error) {
	none := func() error { return nil }
	if t, ok := p.Workload.(Tracker); ok {
		if err := p.sample(ctx, t); err != nil { // what clients knew at the fault
			return none, fmt.Errorf("read progress before the fault: %w", err)
		}
	}
	heal = sync.OnceValue(func() error {
		if err := call(context.WithoutCancel(ctx), closingLimit, p.Fault.Heal); err != nil {
			return fmt.Errorf("heal %v: %w", p.Fault, err)
		}
		return nil
	})
	var receipt Receipt
	in := Interval{Lo: p.now()}
	err = call(ctx, p.Deadline, func(ctx context.Context) (err error) {
		if receipt, err = p.Fault.Inject(ctx); err == nil && receipt != "" {
			in.Hi = onset(p.Fault).Sub(p.start)
		}
		return err
	})
	if err != nil {
		return heal, fmt.Errorf("inject %v: %w", p.Fault, err)
	}
	if receipt == "" {
		return heal, fmt.Errorf("inject %v: the fault never happened: it returned no receipt", p.Fault)
	}
	if in.Hi < in.Lo {
		return heal, fmt.Errorf("inject %v: it says that it was in effect %v before it was injected", p.Fault, in.Lo-in.Hi)
	}
	p.emit(record{Event: &Event{Kind: FaultInjected, Interval: in, Note: p.Fault.String(), Receipt: receipt, Seen: p.now()}})
	return heal, nil
}

// respond holds and heals the fault, and follows the runbook meanwhile.
func (p *player) respond(ctx context.Context, heal func() error) error {
	done := make(chan error, 2)
	go func() { done <- p.hold(ctx, heal) }()
	go func() { done <- p.followRunbook(ctx) }()
	return errors.Join(<-done, <-done)
}

func (p *player) hold(ctx context.Context, heal func() error) error {
	if p.HealAfter == 0 {
		return nil
	}
	select {
	case <-time.After(p.HealAfter):
	case <-ctx.Done():
		return nil // the drill is over: it is healed on the way out
	}
	lo := p.now()
	if err := heal(); err != nil {
		return err
	}
	p.event(FaultHealed, Interval{lo, p.now()}, "")
	return nil
}

func (p *player) followRunbook(ctx context.Context) error {
	if len(p.Runbook) == 0 {
		return nil
	}
	if p.await(ctx, detected) != nil {
		return nil // nobody noticed, so nobody acted: the objectives judge that
	}
	for _, step := range p.Runbook {
		lo := p.now()
		p.event(StepBegun, Interval{lo, lo}, step.Name)
		if err := call(ctx, p.Deadline, step.Do); err != nil {
			return fmt.Errorf("runbook step %q: %w", step.Name, err)
		}
		p.event(StepDone, Interval{lo, p.now()}, step.Name)
	}
	return nil
}

// detected says whether health has turned bad since the fault.
func detected(l *Ledger) bool {
	fault, injected := l.Event(FaultInjected)
	return injected && slices.ContainsFunc(l.Events, func(e Event) bool { return e.Kind == HealthLost && e.Hi >= fault.Lo })
}

// recover waits until all stages are reached and the system is steady after that, or until the deadline, which is a
// finding and no error.
func (p *player) recover(ctx context.Context) error {
	var settled Interval // from when on the world has been left alone, until it was steady again
	var acked int
	err := p.await(ctx, func(l *Ledger) bool {
		var fault Interval
		for _, e := range l.Events {
			switch e.Kind {
			case FaultInjected:
				fault, settled.Lo = e.Interval, max(e.Hi, e.Seen)
			case FaultHealed, StepDone, StageReached:
				settled.Lo = max(settled.Lo, e.Hi)
			}
		}
		n, steady := l.steady(settled.Lo)
		acked, settled.Hi = n, p.now()
		return steady && settled.Hi >= fault.Hi+p.Watch && len(l.missing()) == 0
	})
	if err == nil {
		p.event(SteadyAgain, settled, fmt.Sprintf("%d requests acked, none failed for %v", acked, p.Load.Steady))
		return nil
	}
	unsteady := "not steady again: " + p.unsteady()
	var why []string
	p.mu.Lock()
	if missing := p.report.Ledger.missing(); len(missing) > 0 {
		why = append(why, "never reached: "+strings.Join(missing, ", "))
	}
	if _, steady := p.report.Ledger.steady(settled.Lo); !steady || len(why) == 0 {
		why = append(why, unsteady)
	}
	p.mu.Unlock()
	return p.atDeadline(ctx, err, strings.Join(why, "; "))
}

// missing returns the stages that have not been reached.
func (l *Ledger) missing() []string {
	return slices.DeleteFunc(slices.Clone(l.Drill.Stages), func(name string) bool {
		return slices.ContainsFunc(l.Events, func(e Event) bool { return e.Kind == StageReached && e.Note == name })
	})
}

// atDeadline turns the end of the drill's time into an event, and leaves an interruption an error.
func (p *player) atDeadline(ctx context.Context, err error, note string) error {
	if err == nil {
		return nil
	}
	if !errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fmt.Errorf("interrupted: %w", err)
	}
	p.event(DeadlinePassed, Interval{p.now(), p.now()}, note)
	return nil
}

// settle lets the accepted work finish and reads the survivors. Work that did not survive cannot finish,
// so it is not waited for.
func (p *player) settle(parent, ctx context.Context) error {
	held, err := p.readSurvivors(parent)
	if err == nil && p.report.Ledger.Drill.Tracked {
		alive := map[string]bool{}
		for _, id := range held {
			alive[id] = true
		}
		var waiting int
		unfinished := p.await(ctx, func(l *Ledger) bool {
			waiting = 0
			for _, op := range l.Ops {
				if op.Outcome == Acked && alive[op.ID] && !p.finished(op.ID) {
					waiting++
				}
			}
			return waiting == 0
		})
		if err := p.atDeadline(ctx, unfinished, fmt.Sprintf("%d accepted units have not finished", waiting)); err != nil {
			return err
		}
		held, err = p.readSurvivors(parent)
	}
	if err := context.Cause(parent); err != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	at := Interval{p.now(), p.now()}
	if err != nil {
		p.event(SurvivorsRead, at, err.Error()) // the verdicts that need them are inconclusive
		return nil
	}
	p.emit(record{Survivors: &survivors{held}})
	p.event(SurvivorsRead, at, fmt.Sprintf("%d units are held, by two readings that agree", len(held)))
	return nil
}

// readSurvivors reads until two successive readings agree, since a slow commit would look like a loss. It
// keeps to the units of this drill.
func (p *player) readSurvivors(ctx context.Context) ([]string, error) {
	limit := max(closingLimit, p.Deadline-p.now())
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no two readings agreed within %v", limit.Round(time.Millisecond)))
	defer cancel()
	var last []string
	var failure error
	for {
		var ids []string
		err := call(ctx, limit, func(ctx context.Context) (err error) {
			ids, err = p.Workload.Survivors(ctx)
			return err
		})
		if err != nil {
			last, failure = nil, err
		} else {
			ids = slices.DeleteFunc(slices.Sorted(slices.Values(ids)), func(id string) bool { return !p.asked[id] })
			if last != nil && slices.Equal(ids, last) {
				return ids, nil
			}
			last, failure = append([]string{}, ids...), nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("read survivors: %w", errors.Join(context.Cause(ctx), failure))
		case <-time.After(2 * p.Load.Every):
		}
	}
}

// bill reads what was paid so far. A workload that cannot say has paid nothing.
func (p *player) bill(ctx context.Context) (Bill, error) {
	payer, ok := p.Workload.(Biller)
	if !ok {
		return Bill{}, nil
	}
	var b Bill
	err := call(ctx, closingLimit, func(ctx context.Context) (err error) {
		b, err = payer.Bill(ctx)
		return err
	})
	if err != nil {
		return Bill{}, err
	}
	return b, nil
}

// settleBill notes what was paid since before.
func (p *player) settleBill(ctx context.Context, before Bill) {
	if !p.report.Ledger.Drill.Billed {
		return
	}
	now, err := p.bill(ctx)
	b := Bill{now.Calls - before.Calls, now.Repeated - before.Repeated, now.Cost - before.Cost, now.RepeatedCost - before.RepeatedCost}
	if err == nil {
		err = b.valid()
	}
	at := Interval{p.now(), p.now()}
	if err != nil {
		p.event(BillRead, at, err.Error()) // the verdicts that need it are inconclusive
		return
	}
	p.emit(record{Bill: &b})
	p.event(BillRead, at, b.String())
}

// prove examines the system, one proof after the other.
func (p *player) prove(parent context.Context) error {
	for _, proof := range p.Proofs {
		var evidence string
		lo := p.now()
		err := call(parent, proofLimit, func(ctx context.Context) (err error) {
			evidence, err = proof.Examine(ctx)
			return err
		})
		if err := context.Cause(parent); err != nil {
			return fmt.Errorf("interrupted: %w", err)
		}
		e := &Event{Kind: Proved, Interval: Interval{lo, p.now()}, Note: proof.Name}
		switch {
		case err != nil:
			e.Kind, e.Evidence = Refuted, cmp.Or(err.Error(), "an error without text")
			if errors.Is(err, ErrInconclusive) || e.Hi-e.Lo >= proofLimit {
				e.Kind = NotProved
			}
		case evidence == "":
			e.Kind, e.Evidence = NotProved, "it gave no evidence"
		default:
			e.Evidence = evidence
		}
		p.emit(record{Event: e})
	}
	return nil
}

func proofNames(proofs []Proof) (names []string) {
	for _, p := range proofs {
		names = append(names, p.Name)
	}
	return names
}

// confirm collects evidence of the fault that appears late.
func (p *player) confirm(parent context.Context) error {
	c, ok := p.Fault.(Confirmer)
	if !ok {
		return nil
	}
	var receipt Receipt
	lo := p.now()
	err := call(parent, closingLimit, func(ctx context.Context) (err error) {
		receipt, err = c.Confirm(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("confirm %v: %w", p.Fault, err)
	}
	if receipt != "" {
		p.emit(record{Event: &Event{Kind: FaultConfirmed, Interval: Interval{lo, p.now()}, Note: p.Fault.String(), Receipt: receipt}})
	}
	return nil
}

// every calls f once in each period, never twice at a time, until ctx ends.
func (p *player) every(ctx context.Context, f func()) {
	tick := time.NewTicker(p.Load.Every)
	defer tick.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// load sends one request when each is due, whether or not earlier ones have answered.
func (p *player) load(ctx context.Context) {
	var requests sync.WaitGroup
	defer requests.Wait()
	prefix := strconv.FormatInt(p.start.UnixMilli()%(36*36*36*36*36*36), 36) // drills share systems, not ids
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		due := time.Duration(n) * p.Load.Every
		timer.Reset(due - p.now())
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		id := fmt.Sprintf("%s-%06d", prefix, n)
		p.mu.Lock()
		p.asked[id] = true
		p.mu.Unlock()
		p.emit(record{Op: &opSent{N: n, ID: id, Due: due, Start: p.now()}})
		requests.Go(func() { p.request(ctx, n, id) })
	}
}

func (p *player) request(ctx context.Context, n int, id string) {
	err := call(context.WithoutCancel(ctx), p.Load.Timeout, func(ctx context.Context) error { return p.Workload.Do(ctx, id) })
	o := &opEnded{N: n, End: p.now(), Outcome: Unknown}
	switch {
	case err == nil:
		o.Outcome = Acked
	case errors.Is(err, ErrRejected):
		o.Outcome = Rejected
	}
	if err != nil {
		o.Err = err.Error()
	}
	p.emit(record{Outcome: o})
}

// watchHealth records each change of what the system says of itself.
func (p *player) watchHealth(ctx context.Context) {
	var good, bad time.Duration // the starts of the last good and the last bad poll
	var well, known bool
	p.every(ctx, func() {
		lo := p.now()
		err := call(ctx, p.Load.Timeout, p.Health)
		if ctx.Err() != nil {
			return
		}
		at := p.now()
		switch {
		case err != nil && (well || !known):
			p.event(HealthLost, Interval{good, at}, err.Error())
		case err == nil && !well: // or nothing is known yet
			kind := HealthRestored
			if !known {
				kind = HealthGood
			}
			p.event(kind, Interval{bad, at}, "")
		}
		if well, known = err == nil, true; well {
			good = lo
		} else {
			bad = lo
		}
	})
	if well {
		p.event(HealthKept, Interval{good, good}, "")
	}
}

// watchStage polls a stage until it is reached.
func (p *player) watchStage(ctx context.Context, stage Stage) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	p.mu.Lock()
	fault, _ := p.report.Ledger.Event(FaultInjected)
	p.mu.Unlock()
	missing := fault.Lo // the start of the last poll that found it so
	reached := false
	p.every(ctx, func() {
		lo := p.now()
		err := call(ctx, p.Load.Timeout, stage.Reached)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			missing = lo
		default:
			p.event(StageReached, Interval{missing, p.now()}, stage.Name)
			reached = true
			done()
		}
	})
	if !reached {
		p.event(StageMissed, Interval{missing, missing}, stage.Name)
	}
}

func stageNames(stages []Stage) (names []string) {
	for _, s := range stages {
		names = append(names, s.Name)
	}
	return names
}

// sources returns where stages are seen, by their names.
func sources(stages []Stage) map[string]string {
	seen := map[string]string{}
	for _, s := range stages {
		if s.Source != "" {
			seen[s.Name] = s.Source
		}
	}
	if len(seen) == 0 {
		return nil // as a journal reads it
	}
	return seen
}

// sample reads progress once and records what changed.
func (p *player) sample(ctx context.Context, t Tracker) error {
	p.sampling <- struct{}{}
	defer func() { <-p.sampling }()
	var units map[string]Progress
	lo := p.now()
	err := call(ctx, p.Load.Timeout, func(ctx context.Context) (err error) {
		units, err = t.Progress(ctx)
		return err
	})
	if err != nil || ctx.Err() != nil {
		return err
	}
	for id, now := range units {
		if err := now.possible(); err != nil {
			return fmt.Errorf("unit %s: %w", id, err)
		}
	}
	s := &Sample{Interval: Interval{lo, p.now()}}
	p.mu.Lock()
	for id, now := range units {
		if was, ok := p.progress[id]; p.asked[id] && (!ok || was != now) {
			if s.Units == nil {
				s.Units = map[string]Progress{}
			}
			s.Units[id] = now
		}
	}
	maps.Copy(p.progress, s.Units)
	p.mu.Unlock()
	p.emit(record{Sample: s})
	return nil
}

// finished says whether the last sample showed a unit finished. The caller holds mu.
func (p *player) finished(id string) bool { return p.progress[id].Finished }
