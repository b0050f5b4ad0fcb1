package drtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/measured"
)

const (
	// steadyLimit bounds the wait for the steady window before the fault.
	steadyLimit = time.Minute
	// closingLimit bounds each of what may be left to do at the deadline: reading the survivors,
	// confirming and healing the fault.
	closingLimit = 10 * time.Second
	// answerGrace is how long a call that should have ended by its context may still take to say
	// why.
	answerGrace = time.Second
	// proofLimit bounds each proof. It is more than the closing limit, since reading the log of a
	// database takes a while.
	proofLimit = 30 * time.Second
)

// Play runs the drill and returns what was seen, also beside an error. Its error means that the
// drill itself broke; a system that failed to recover is not an error but a ledger.
func Play(ctx context.Context, s Scenario) (*Ledger, error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	return play(ctx, s, nil, nil)
}

// play lets the fault wait for its phase, unless that is nil.
func play(ctx context.Context, s Scenario, phase *Phase, sink func(record)) (*Ledger, error) {
	p := &player{
		Scenario:     s,
		phase:        phase,
		start:        time.Now(),
		report:       newBook(),
		progress:     map[string]Progress{},
		changedAt:    map[string]time.Duration{},
		stagesKept:   map[string]bool{},
		stagesMissed: map[string]Interval{},
		prefix:       strings.ToLower(rand.Text()[:10]), // drills share systems, and must not share ids
		sampling:     make(chan struct{}, 1),
	}
	p.clients = p.report.Ledger.followClients()
	p.machine = machine.Open()
	p.startTotals = p.machine.Read()
	if sink != nil {
		p.queue = startQueue(sink)
		defer p.queue.close()
	}
	_, tracked := s.Workload.(Tracker)
	p.emit(record{Journal: &header{Version: journalVersion, Asserted: assertions(s.Objectives, s.Targets), Drill: Drill{
		ID: s.ID, Title: cmp.Or(s.Title, s.ID), Category: s.Category, Durability: s.Durability, Fault: s.Fault.Name,
		Began: p.start.Round(0), Every: s.Load.Every, Timeout: s.Load.Timeout, Steady: s.Load.Steady,
		HealAfter: s.HealAfter, Steps: len(s.Runbook), Stages: stageNames(s.Stages), Sources: sources(s.Stages),
		Proofs: proofNames(s.Proofs), Model: s.Model, Deadline: s.Deadline, Tracked: tracked, Watched: s.Health != nil,
		Counters: withoutRead(counters(s.Workload)), ErrorRate: s.errorRate(), Phase: phase,
	}}})
	err := p.drill(ctx)
	end := &ending{Machine: machineSince(p.startTotals, p.machine.Read(), p.now())}
	if err != nil {
		end.Broken = err.Error()
	}
	p.emit(record{End: end})
	return p.report.Ledger, err
}

// A player plays one drill. What it sees goes through emit, and from there to the ledger and the
// journal alike.
type player struct {
	Scenario
	phase       *Phase // nil: the fault comes at once
	start       time.Time
	machine     *machine.Reader
	startTotals machine.Totals          // at the start
	deadline    time.Duration           // once the drill is steady
	queue       *recordQueue            // if there is a journal
	abort       context.CancelCauseFunc // ends the drill, which is broken
	ticked      atomic.Int64            // when the watchdog last ran, as an offset

	mu           sync.Mutex
	report       *book
	clients      *clients
	awaited      func()              // if there is one, it is called when something was emitted
	prefix       string              // of the ids of requests
	undisturbed  time.Duration       // since when neither the fault nor the runbook has changed anything
	healthy      bool                // what health last said
	healthySince time.Duration       // since when
	flaps        int                 // how often health turned bad before the fault
	stagesKept   map[string]bool     // stages that were there before the fault, and have not been seen missing since
	stagesMissed map[string]Interval // the last poll of each that found it missing while the fault was being injected

	beforeErrors []error // what proofs found before the fault, in their order

	sampling  chan struct{}            // holds one token while a sample is taken
	progress  map[string]Progress      // as of the last sample
	changedAt map[string]time.Duration // when it last changed
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
	if p.queue != nil {
		p.queue.add(rec)
	}
	if rec.Event != nil {
		p.track(*rec.Event)
	}
	p.clients.takeAll()
	if p.awaited != nil && rec.Op == nil { // nobody waits for a request to be sent
		p.awaited()
	}
}

// track remembers what is asked for after every answer. The caller holds mu.
func (p *player) track(e Event) {
	switch e.Kind {
	case FaultInjected:
		p.undisturbed = max(p.undisturbed, e.Hi, e.Seen)
		p.clients = p.report.Ledger.followClients() // what was answered during Inject was so after the fault
	case FaultHealed, StepDone, StageReached:
		p.undisturbed = max(p.undisturbed, e.Hi)
	case HealthGood:
		p.healthy, p.healthySince = true, 0
	case HealthRestored:
		p.healthy, p.healthySince = true, e.Hi
	case HealthLost:
		if p.healthy && !p.clients.faulted {
			p.flaps++
		}
		p.healthy = false
	}
}

func (p *player) event(kind EventKind, i Interval, note string) {
	p.emit(record{Event: &Event{Kind: kind, Interval: i, Note: note}})
}

// await waits until what was emitted satisfies cond, which is called while mu is held. One
// goroutine at a time may wait.
func (p *player) await(ctx context.Context, cond func(*Ledger) bool) error {
	met := make(chan struct{})
	p.mu.Lock()
	p.awaited = func() {
		if cond(p.report.Ledger) {
			close(met)
			p.awaited = nil
		}
	}
	p.awaited()
	p.mu.Unlock()
	select {
	case <-met:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.awaited == nil { // at the last moment
		return nil
	}
	p.awaited = nil
	return context.Cause(ctx)
}

// longestStarts is how long a drill waits, under load and before it has to be steady, for the starts
// of other systems that go on.
const longestStarts = 30 * time.Second

// drill takes the drill through its phases.
func (p *player) drill(parent context.Context) (err error) {
	parent, p.abort = context.WithCancelCause(context.WithValue(parent, playerKey{}, p))
	defer p.abort(nil)
	loading, stopLoad := context.WithCancel(parent)
	observing, stopObserving := context.WithCancel(context.WithoutCancel(parent))
	watching, stopWatching := context.WithCancel(observing)
	defer stopWatching()
	var load, observers, counting sync.WaitGroup
	end := func() { // what is seen of the healing is no part of the drill
		stopLoad()
		load.Wait()
		stopObserving()
		observers.Wait()
		counting.Wait()
	}
	defer end()
	observers.Go(func() { p.watchMachine(observing, p.startTotals) }) // first: what follows may break on a busy one
	observers.Go(func() { p.watchStalls(observing) })

	meters, err := p.openMeters(parent)
	if err != nil {
		return err
	}
	load.Go(func() { p.load(loading) })
	for _, m := range meters {
		counting.Go(func() { m.watch(watching) })
	}
	if p.Health != nil {
		observers.Go(func() { p.watchHealth(observing) })
	}
	if t, ok := p.Workload.(Tracker); ok {
		observers.Go(func() { p.eachPeriod(observing, func() { _ = p.sample(observing, t) }) })
	}

	served := measured.Drills.Begin() // holds back the starts that have not begun
	defer served()
	measured.Starts.Wait(parent, longestStarts)
	if err := p.reachSteady(parent); err != nil {
		return err
	}
	if err := p.phase.wait(parent); err != nil {
		return err
	}
	looking, looked := context.WithTimeout(parent, p.Deadline)
	err = p.lookBeforeFault(looking)
	looked()
	if err != nil {
		return err
	}
	p.deadline = p.now() + p.Deadline
	ctx, cancel := context.WithTimeout(parent, p.Deadline)
	defer cancel()
	injecting, injected := context.WithCancel(observing)
	defer injected()
	for _, stage := range p.Stages {
		observers.Go(func() {
			p.watchStageInInject(injecting, stage)
			if p.injected() {
				p.watchStage(observing, stage)
			}
		})
	}
	heal, err := p.inject(ctx)
	injected()
	defer func() {
		end()
		if failed := heal(); failed != nil && !errors.Is(err, failed) { // it may be known already
			err = errors.Join(err, failed)
		}
	}()
	if err != nil {
		return err
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
	stopWatching()
	counting.Wait() // before the last reading
	p.settleCounters(parent, meters)
	if err := p.prove(parent); err != nil { // before confirming, which can break the drill
		return err
	}
	return p.confirm(parent)
}
