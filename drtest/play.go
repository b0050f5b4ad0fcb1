package drtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
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
	return play(ctx, s, nil)
}

func play(ctx context.Context, s Scenario, sink func(record)) (*Ledger, error) {
	p := &player{
		Scenario: s,
		start:    time.Now(),
		report:   newBook(),
		progress: map[string]Progress{},
		moved:    map[string]time.Duration{},
		kept:     map[string]bool{},
		missed:   map[string]Interval{},
		prefix:   strings.ToLower(rand.Text()[:10]), // drills share systems, and must not share ids
		sampling: make(chan struct{}, 1),
	}
	p.clients = p.report.Ledger.follow()
	p.machine = machine.Open()
	p.busy = p.machine.Read()
	if sink != nil {
		p.written = tell(sink)
		defer p.written.close()
	}
	_, tracked := s.Workload.(Tracker)
	_, billed := s.Workload.(Biller)
	p.emit(record{Journal: &header{Version: Version, Asserted: assertions(s.Objectives, s.Targets), Drill: Drill{
		ID: s.ID, Title: cmp.Or(s.Title, s.ID), Category: s.Category, Durability: s.Durability, Fault: s.Fault.Name,
		Began: p.start.Round(0), Every: s.Load.Every, Timeout: s.Load.Timeout, Steady: s.Load.Steady,
		HealAfter: s.HealAfter, Steps: len(s.Runbook), Stages: stageNames(s.Stages), Sources: sources(s.Stages),
		Proofs: proofNames(s.Proofs), Model: s.Model, Deadline: s.Deadline, Tracked: tracked, Watched: s.Health != nil, Billed: billed,
		ErrorRate: s.errorRate(),
	}}})
	err := p.drill(ctx)
	end := &ending{Machine: machineSince(p.busy, p.machine.Read(), p.now())}
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
	start   time.Time
	machine *machine.Reader
	busy    machine.Totals          // at the start
	written *teller                 // if there is a journal
	abort   context.CancelCauseFunc // ends the drill, which is broken
	ticked  atomic.Int64            // when the watchdog last ran, as an offset

	mu      sync.Mutex
	report  *book
	clients *clients
	awaited func()              // if there is one, it is called when something was emitted
	prefix  string              // of the ids of requests
	left    time.Duration       // since when the world and the runbook have left the system alone
	well    bool                // what health last said
	cured   time.Duration       // since when
	flaps   int                 // how often health turned bad before the fault
	kept    map[string]bool     // stages that were there before the fault, and have not been seen missing since
	missed  map[string]Interval // the last poll of each that found it missing while the fault was being injected

	unproved []error // what proofs found before the fault, in their order

	sampling chan struct{}            // holds one token while a sample is taken
	progress map[string]Progress      // as of the last sample
	moved    map[string]time.Duration // when it last changed
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
	if p.written != nil {
		p.written.tell(rec)
	}
	if rec.Event != nil {
		p.note(*rec.Event)
	}
	p.clients.takeAll()
	if p.awaited != nil && rec.Op == nil { // nobody waits for a request to be sent
		p.awaited()
	}
}

// note remembers what is asked for after every answer. The caller holds mu.
func (p *player) note(e Event) {
	switch e.Kind {
	case FaultInjected:
		p.left = max(p.left, e.Hi, e.Seen)
		p.clients = p.report.Ledger.follow() // what was answered during Inject was so after the fault
	case FaultHealed, StepDone, StageReached:
		p.left = max(p.left, e.Hi)
	case HealthGood:
		p.well, p.cured = true, 0
	case HealthRestored:
		p.well, p.cured = true, e.Hi
	case HealthLost:
		if p.well && !p.clients.faulted {
			p.flaps++
		}
		p.well = false
	}
}

func (p *player) event(kind EventKind, i Interval, note string) {
	p.emit(record{Event: &Event{Kind: kind, Interval: i, Note: note}})
}

// await waits until what was emitted satisfies cond, which is called while mu is held. One goroutine at a time may wait.
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

// call bounds f by limit, also an f that ignores its context. An f that panics, or that ends its goroutine as FailNow does, breaks the
// drill.
func (p *player) call(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	answer := make(chan error, 1)
	go p.ask(ctx, limit, f, func(err error) { answer <- err })
	return <-answer
}

// ask is call for a goroutine that may have to wait for an f that ignores its context: told gets in time what call returns.
func (p *player) ask(ctx context.Context, limit time.Duration, f func(context.Context) error, told func(error)) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	var once sync.Once
	tell := func(err error) { once.Do(func() { told(err) }) }
	answered := context.AfterFunc(ctx, func() {
		time.AfterFunc(answerGrace, func() { tell(fmt.Errorf("no answer, and its context is ignored: %w", context.Cause(ctx))) })
	})
	defer cancel()
	defer answered()
	returned := false
	defer func() {
		if !returned {
			tell(fmt.Errorf("it %w", p.abandoned(recover())))
		}
	}()
	err := f(ctx)
	returned = true
	tell(err)
}

// abandoned breaks the drill after a function of the scenario that did not return, and says why: it panicked with this, or, if it is
// nil, ended its goroutine.
func (p *player) abandoned(with any) error {
	err := errors.New("ended its goroutine, as FailNow does: return an error instead")
	if with != nil {
		err = fmt.Errorf("panicked: %v, at %s", with, origin())
	}
	p.abort(fmt.Errorf("a function of the scenario %w", err))
	return err
}

// class returns that of a unit.
func (p *player) class(id string) string {
	c, ok := p.Workload.(Classifier)
	if !ok {
		return ""
	}
	returned := false
	defer func() {
		if !returned {
			_ = p.abandoned(recover())
		}
	}()
	class := c.Class(id)
	returned = true
	return class
}

// origin returns where the panic began that is being recovered from: "service.go:17 (example.com/shop.(*Client).Do)".
func origin() string {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs)])
	for panicked := false; ; {
		frame, more := frames.Next()
		switch {
		case strings.HasPrefix(frame.Function, "runtime."):
			panicked = panicked || frame.Function == "runtime.gopanic"
		case panicked:
			return fmt.Sprintf("%s:%d (%s)", filepath.Base(frame.File), frame.Line, frame.Function)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// drill takes the drill through its phases.
func (p *player) drill(parent context.Context) (err error) {
	parent, p.abort = context.WithCancelCause(context.WithValue(parent, playerKey{}, p))
	defer p.abort(nil)
	ctx, cancel := context.WithTimeout(parent, p.Deadline)
	defer cancel()

	loading, stopLoad := context.WithCancel(ctx)
	observing, stopObserving := context.WithCancel(context.WithoutCancel(ctx))
	watching, stopWatching := context.WithCancel(observing)
	defer stopWatching()
	var load, observers, bill sync.WaitGroup
	end := func() { // what is seen of the healing is no part of the drill
		stopLoad()
		load.Wait()
		stopObserving()
		observers.Wait()
		bill.Wait()
	}
	defer end()
	observers.Go(func() { p.watchMachine(observing, p.busy) }) // first: what follows may break on a busy one
	observers.Go(func() { p.watchStalls(observing) })

	paid := &account{call: p.call}
	paid.workload, _ = p.Workload.(Biller)
	if err := paid.read(ctx); err != nil {
		return fmt.Errorf("read the bill before the load: %w", err)
	}
	paid.first, paid.anew = paid.last, nil
	load.Go(func() { p.load(loading) })
	bill.Go(func() { paid.watch(watching) })
	if p.Health != nil {
		observers.Go(func() { p.watchHealth(observing) })
	}
	if t, ok := p.Workload.(Tracker); ok {
		observers.Go(func() { p.every(observing, func() { _ = p.sample(observing, t) }) })
	}

	if err := p.reachSteady(ctx); err != nil {
		return err
	}
	if err := p.lookAhead(ctx); err != nil {
		return err
	}
	served := measured.Drills.Begin()
	defer served()
	injecting, injected := context.WithCancel(observing)
	defer injected()
	for _, stage := range p.Stages {
		observers.Go(func() {
			p.missStage(injecting, stage)
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
	bill.Wait() // whoever reads the account next is alone
	p.settleBill(parent, paid)
	if err := p.prove(parent); err != nil { // before confirming, which can break the drill
		return err
	}
	return p.confirm(parent)
}

// reachSteady waits for the precondition of the fault: a window in which no request failed and health was good.
func (p *player) reachSteady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(p.Load.Steady+steadyLimit, p.Deadline))
	defer cancel()
	var acked int
	err := p.await(ctx, func(*Ledger) bool {
		ended := p.ready() || p.flaps >= flapping
		if ended {
			acked = p.clients.acked(0)
		}
		return ended
	})
	switch why := p.unsteady(); {
	case p.flapped():
		return fmt.Errorf("no steady state before the fault: health flaps, it turned bad %d times before any fault: %s", flapping, p.lastNote(HealthLost))
	case err != nil:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.clients.steady(0) && p.Health != nil {
			why = "health is bad: " + cmp.Or(p.report.Ledger.lastNote(HealthLost), "it was never good")
			if p.well {
				why = "health was bad within the window: " + p.report.Ledger.lastNote(HealthLost)
			}
		}
		return fmt.Errorf("no steady state before the fault: %s: %w", why, err)
	}
	p.event(SteadyReached, Interval{p.now(), p.now()},
		fmt.Sprintf("%d requests acked, one every %v, none failed for %v", acked, p.Load.Every, p.Load.Steady))
	return nil
}

// ready says whether the system is fit for the fault: the last requests were acked for a steady window, none looks as if it would
// fail, and health was good all the time. The caller holds mu.
func (p *player) ready() bool {
	return p.clients.steady(p.cured) && p.clients.fresh(p.now()) && (p.Health == nil || p.well)
}

func (p *player) flapped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flaps >= flapping
}

func (p *player) lastNote(kind EventKind) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.report.Ledger.lastNote(kind)
}

// unsteady says what stood in the way of a steady state.
func (p *player) unsteady() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.report.Ledger
	failed, last := 0, "none has an answer yet"
	for _, op := range l.Ops {
		if op.End != Forever && l.unserved(op) {
			failed, last = failed+1, fmt.Sprintf("the last one: %s: %s", op.Outcome, cmp.Or(op.Err, "later than a client waits"))
		}
	}
	if late, worst, _ := l.Late(); failed == 0 && len(l.Ops) > 0 && late > 0 {
		return fmt.Sprintf("no request failed, but %d left late, by up to %v: the machine is too busy", late, worst)
	}
	return fmt.Sprintf("%d of %d requests failed, %s", failed, len(l.Ops), last)
}

// lookAhead notes what there is to know just before the fault, for as long as the system stays steady: which stages are
// there already, and what clients know of their work. A system that fails meanwhile would be taken for one that the fault brought down.
func (p *player) lookAhead(ctx context.Context) (err error) {
	var polls sync.WaitGroup
	for _, stage := range p.Stages {
		polls.Go(func() {
			lo := p.now()
			err := p.call(ctx, p.Load.Timeout, stage.Reached)
			if answered := p.now()-lo < p.Load.Timeout; err == nil || !answered && p.stalledSince(lo) {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.kept[stage.Name] = true
			}
		})
	}
	polls.Wait()
	if t, ok := p.Workload.(Tracker); ok {
		err = p.sample(ctx, t)
		for tries := 1; err != nil && tries < 5 && ctx.Err() == nil; tries++ { // a busy machine answers late
			err = p.sample(ctx, t)
		}
		if err != nil {
			return fmt.Errorf("read progress before the fault: %w", err)
		}
	}
	p.proveBefore(ctx)
	p.sampling <- struct{}{} // no reading is under way at the fault, which would be neither before nor after it
	defer func() {
		if err != nil {
			<-p.sampling
		}
	}()
	ready := false
	err = p.await(ctx, func(l *Ledger) bool {
		ready = p.ready()
		return ready || p.clients.window < 0 || p.Health != nil && !p.well
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		return fmt.Errorf("no steady state before the fault: interrupted: %w", err)
	case !ready && p.Health != nil && !p.well:
		return errors.New("the system failed before the fault: health turned bad: " + p.report.Ledger.lastNote(HealthLost))
	case !ready:
		return errors.New("the system failed before the fault: " + p.report.Ledger.failedBefore(p.now()))
	}
	return nil
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
	heal = sync.OnceValue(func() error {
		if err := p.call(context.WithoutCancel(ctx), closingLimit, p.Fault.heal); err != nil {
			return fmt.Errorf("heal %s: %w", p.Fault.Name, err)
		}
		return nil
	})
	var effect Effect
	<-p.sampling
	err = p.call(ctx, p.Deadline, func(ctx context.Context) (err error) {
		effect, err = p.Fault.inject(ctx)
		return err
	})
	if err != nil {
		return heal, fmt.Errorf("inject %s: %w", p.Fault.Name, err)
	}
	in := Interval{effect.NotBefore.Sub(p.start), effect.By.Sub(p.start)}
	p.emit(record{Event: &Event{Kind: FaultInjected, Interval: in, Note: p.Fault.Name, Receipt: effect.Receipt, Seen: p.now()}})
	return heal, nil
}

// respond holds and heals the fault, and follows the runbook meanwhile.
func (p *player) respond(ctx context.Context, heal func() error) error {
	holding, broke := context.WithCancel(ctx)
	defer broke()
	held := make(chan error, 1)
	go func() { held <- p.hold(holding, heal) }()
	err := p.followRunbook(ctx)
	if err != nil {
		broke() // nothing is measured any more
	}
	return errors.Join(err, <-held)
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
		switch err := p.call(ctx, p.Deadline, step.Do); {
		case err != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
			return nil // the deadline is a finding, and all that was seen is judged
		case err != nil:
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
		settled = Interval{p.left, max(p.left, p.now())}
		if !p.clients.over() || !p.clients.steady(settled.Lo) || settled.Hi < p.clients.fault.Hi+p.Watch || len(p.missing()) > 0 {
			return false
		}
		acked = p.clients.acked(settled.Lo)
		return acked >= p.clients.needed()
	})
	if err == nil {
		p.event(SteadyAgain, settled, fmt.Sprintf("%d requests acked, none failed for %v", acked, p.Load.Steady))
		return nil
	}
	unsteady := "not steady again: " + p.unsteady()
	var why []string
	p.mu.Lock()
	if step := p.report.Ledger.undone(); step != "" {
		why = append(why, "never done: "+step)
	}
	if missing := p.missing(); len(missing) > 0 {
		why = append(why, "never reached: "+strings.Join(missing, ", "))
	}
	acked = p.clients.acked(settled.Lo)
	switch steady := p.clients.steady(settled.Lo); {
	case !steady:
		why = append(why, unsteady)
	case !p.clients.over():
		why = append(why, "not served again for certain: "+p.clients.lacking())
	case acked < p.clients.needed():
		why = append(why, fmt.Sprintf("%d requests were acked in a row, and the error rate asks for %d", acked, p.clients.needed()))
	case len(why) == 0:
		why = append(why, "steady again only now")
	}
	p.mu.Unlock()
	return p.atDeadline(ctx, err, strings.Join(why, "; "))
}

// undone returns the step of the runbook that was begun and not done, if there is one.
func (l *Ledger) undone() (step string) {
	for _, e := range l.Events {
		switch e.Kind {
		case StepBegun:
			step = e.Note
		case StepDone:
			step = ""
		}
	}
	return step
}

// missing returns the stages that have not been reached. Those that were there all the time are not waited for: nothing says that
// they will ever go. The caller holds mu.
func (p *player) missing() []string {
	return slices.DeleteFunc(slices.Clone(p.report.Ledger.Drill.Stages), func(name string) bool {
		return p.kept[name] || slices.ContainsFunc(p.report.Ledger.Events, func(e Event) bool { return e.Kind == StageReached && e.Note == name })
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
	r := &reader{player: p}
	limit := max(closingLimit, p.Deadline-p.now())
	if p.report.Ledger.Drill.Tracked {
		err := r.read(parent, limit)
		for ; err != nil && ctx.Err() == nil; err = r.read(parent, limit) { // it may only just have come back
			select {
			case <-ctx.Done():
			case <-time.After(2 * p.Load.Every):
			}
		}
		if err == nil {
			err = p.finish(ctx, r.held)
		} else {
			err = p.atDeadline(ctx, err, "nobody knows which accepted units there are to wait for: "+err.Error())
		}
		if err != nil {
			return err
		}
	}
	err := r.settle(parent)
	if err := context.Cause(parent); err != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	at := Interval{p.now(), p.now()}
	if err != nil {
		p.event(SurvivorsRead, at, err.Error()) // the verdicts that need them are inconclusive
		return nil
	}
	p.emit(record{Survivors: &survivors{IDs: r.held, Vanished: r.vanished()}})
	p.event(SurvivorsRead, at, fmt.Sprintf("%d units are held, by two readings that agree, %s apart", len(r.held), seconds(r.apart)))
	return nil
}

// finish waits until the acked units that are held have finished.
func (p *player) finish(ctx context.Context, held []string) error {
	alive := map[string]bool{}
	for _, id := range held {
		alive[id] = true
	}
	p.mu.Lock()
	var waiting []string
	for _, op := range p.report.Ledger.Ops {
		if op.Outcome == Acked && alive[op.ID] {
			waiting = append(waiting, op.ID)
		}
	}
	p.mu.Unlock()
	err := p.await(ctx, func(l *Ledger) bool {
		waiting = slices.DeleteFunc(waiting, p.finished)
		return len(waiting) == 0
	})
	var units []string
	p.mu.Lock()
	for _, id := range waiting {
		unit := fmt.Sprintf("%s (%d steps done", id, p.progress[id].Done)
		if attempt := p.progress[id].Attempt; attempt > 0 {
			unit += fmt.Sprintf(" in attempt %d", attempt)
		}
		if at, seen := p.moved[id]; seen {
			unit += fmt.Sprintf(", unchanged for %s", seconds(p.now()-at))
		}
		units = append(units, unit+")")
	}
	p.mu.Unlock()
	return p.atDeadline(ctx, err, fmt.Sprintf("%d accepted units have not finished: %s", len(waiting), some(units)))
}

// A reader reads the survivors until two readings agree that are apart by more than a slow commit takes: by the timeout of
// a request and the scenario's own settling time. It keeps to the units of this drill.
type reader struct {
	*player
	held  []string        // by the last reading
	seen  map[string]bool // held by any reading
	since time.Duration   // the end of the first reading that all since have agreed with
	apart time.Duration   // the last reading and that one
}

// read reads once.
func (r *reader) read(ctx context.Context, limit time.Duration) error {
	var ids []string
	lo := r.now()
	err := r.call(ctx, limit, func(ctx context.Context) (err error) {
		ids, err = r.Workload.Survivors(ctx)
		return err
	})
	if err != nil {
		r.held = nil
		return err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !r.asked(id) })
	slices.Sort(ids)
	if r.held == nil || !slices.Equal(ids, r.held) {
		r.since = r.now()
		if r.seen == nil {
			r.seen = map[string]bool{}
		}
		for _, id := range ids {
			r.seen[id] = true
		}
	}
	r.held, r.apart = append([]string{}, ids...), lo-r.since
	return nil
}

func (r *reader) settle(ctx context.Context) error {
	least := r.Load.Timeout + r.Load.Settle
	limit := max(closingLimit, r.Deadline-r.now()) + least
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("no two readings agreed within %v", limit.Round(time.Millisecond)))
	defer cancel()
	for {
		failure, pause := r.read(ctx, limit), least
		switch {
		case failure != nil:
			pause = 2 * r.Load.Every
		case r.apart >= least:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("read survivors: %w", errors.Join(context.Cause(ctx), failure))
		case <-time.After(pause):
		}
	}
}

// vanished returns what was held by a reading and is not any more.
func (r *reader) vanished() []string {
	for _, id := range r.held {
		delete(r.seen, id)
	}
	return slices.Sorted(maps.Keys(r.seen))
}

// An account follows what was paid. A payer that begins anew in mid-drill would hide what was paid before, so it is read all the time.
type account struct {
	workload Biller // or nil
	call     func(ctx context.Context, limit time.Duration, f func(context.Context) error) error
	first    Bill
	last     Bill
	anew     error
}

// read reads what was paid so far. A workload that cannot say has paid nothing.
func (a *account) read(ctx context.Context) error {
	if a.workload == nil {
		return nil
	}
	var now Bill
	err := a.call(ctx, closingLimit, func(ctx context.Context) (err error) {
		now, err = a.workload.Bill(ctx)
		return err
	})
	if err != nil {
		return err
	}
	if now.less(a.last) && a.anew == nil {
		a.anew = fmt.Errorf("the payer began anew: it said %v, and later %v", a.last, now)
	}
	a.last = now
	return nil
}

// watch reads until ctx ends. A payer that does not answer for a while says it later.
func (a *account) watch(ctx context.Context) {
	for a.workload != nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(readingEvery):
			_ = a.read(ctx)
		}
	}
}

// settleBill notes what was paid in the drill.
func (p *player) settleBill(ctx context.Context, a *account) {
	if a.workload == nil {
		return
	}
	err := a.read(ctx)
	b := a.last.minus(a.first)
	if err == nil {
		err = cmp.Or(a.anew, b.valid())
	}
	at := Interval{p.now(), p.now()}
	if err != nil {
		p.event(BillRead, at, err.Error()) // the verdicts that need it are inconclusive
		return
	}
	p.emit(record{Bill: &b})
	p.event(BillRead, at, b.String())
}

// proveBefore has proofs look at the system before the fault.
func (p *player) proveBefore(ctx context.Context) {
	p.unproved = make([]error, len(p.Proofs))
	for i, proof := range p.Proofs {
		if proof.Before == nil {
			continue
		}
		lo := p.now()
		err := p.call(ctx, proofLimit, proof.Before)
		if err != nil && p.now()-lo >= proofLimit {
			err = fmt.Errorf("%w: %w", ErrInconclusive, err)
		}
		p.unproved[i] = err
	}
}

// prove examines the system, one proof after the other.
func (p *player) prove(parent context.Context) error {
	for i, proof := range p.Proofs {
		var evidence string
		lo := p.now()
		err := p.unproved[i]
		if err == nil {
			err = p.call(parent, proofLimit, func(ctx context.Context) (err error) {
				evidence, err = proof.Examine(ctx)
				return err
			})
		}
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
	var receipt Receipt
	lo := p.now()
	err := p.call(parent, closingLimit, func(ctx context.Context) (err error) {
		receipt, err = p.Fault.confirm(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("confirm %s: %w", p.Fault.Name, err)
	}
	if receipt != "" {
		p.emit(record{Event: &Event{Kind: FaultConfirmed, Interval: Interval{lo, p.now()}, Note: p.Fault.Name, Receipt: receipt}})
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
	clients := make(workers)
	defer close(clients)
	defer requests.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	begin := p.now() // the bill may have been long in coming, which makes no request late
	for n := 0; ; n++ {
		due := begin + time.Duration(n)*p.Load.Every
		timer.Reset(due - p.now())
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		number := strconv.Itoa(n)
		id := p.prefix + "-" + "000000"[min(len(number), 6):] + number
		p.emit(record{Op: &opSent{N: n, ID: id, Class: p.class(id), Due: due, Start: p.now()}})
		requests.Add(1)
		clients.run(func() { p.request(ctx, n, id, requests.Done) })
	}
}

// workers run functions, each in a goroutine that waits for the next one when it is done. A new goroutine for each request would grow its
// stack anew, which costs more than all that is recorded of the request.
type workers chan func()

// run runs f beside what runs already.
func (w workers) run(f func()) {
	select {
	case w <- f:
	default:
		go func() {
			for ok := true; ok; f, ok = <-w {
				f()
			}
		}()
	}
}

// request sends a request, and calls ended when its outcome is recorded.
func (p *player) request(ctx context.Context, n int, id string, ended func()) {
	do := func(ctx context.Context) error { return p.Workload.Do(ctx, id) }
	p.ask(context.WithoutCancel(ctx), p.Load.Timeout, do, func(err error) {
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
		ended()
	})
}

// watchHealth records each change of what the system says of itself.
func (p *player) watchHealth(ctx context.Context) {
	var good, bad time.Duration // the starts of the last good and the last bad poll
	var well, known bool
	var last time.Duration // the end of the last poll
	var blind bool         // health may have been bad in between, so that good does not move on
	p.every(ctx, func() {
		lo := p.now()
		blind = blind || known && lo-last > p.report.Ledger.Drill.gap()
		err := p.call(ctx, p.Load.Timeout, p.Health)
		at := p.now()
		last = at
		if ctx.Err() != nil {
			return
		}
		if err != nil && at-lo >= p.Load.Timeout && p.stalledSince(lo) { // it may have been answered in time
			blind = true
			return
		}
		switch {
		case err != nil && (well || !known):
			p.event(HealthLost, Interval{good, at}, err.Error())
			blind = false
		case err == nil && !well: // or nothing is known yet
			kind := HealthRestored
			if !known {
				kind = HealthGood
			}
			p.event(kind, Interval{bad, at}, "")
		}
		switch well, known = err == nil, true; {
		case !well:
			bad = lo
		case !blind:
			good = lo
		}
		// It was good when it was asked, and may have been bad since: the answer may have waited here.
		blind = blind || well && at-lo > p.report.Ledger.Drill.gap() && p.stalledSince(lo)
	})
	if well {
		p.event(HealthKept, Interval{good, good}, "")
	}
}

// injected says whether the fault is in effect.
func (p *player) injected() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clients.faulted
}

// missStage polls a stage that was there before the fault while it is being injected: when Inject returns it may be there again.
func (p *player) missStage(ctx context.Context, stage Stage) {
	p.mu.Lock()
	kept := p.kept[stage.Name]
	p.mu.Unlock()
	if !kept {
		<-ctx.Done()
		return
	}
	p.every(ctx, func() {
		lo := p.now()
		err := p.call(ctx, p.Load.Timeout, stage.Reached)
		if at := p.now(); err != nil && ctx.Err() == nil && at-lo < p.Load.Timeout {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.missed[stage.Name] = Interval{lo, at}
		}
	})
}

// watchStage polls a stage until it is reached. One that was there before the fault has to be seen missing first.
func (p *player) watchStage(ctx context.Context, stage Stage) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	p.mu.Lock()
	last, kept := p.clients.fault.Lo, p.kept[stage.Name]
	if missed, ok := p.missed[stage.Name]; ok && missed.Lo >= last {
		last, kept = missed.Lo, false
		delete(p.kept, stage.Name)
	}
	p.mu.Unlock()
	reached, silent := false, 0 // so many polls in a row had no answer
	p.every(ctx, func() {
		lo := p.now()
		err := p.call(ctx, p.Load.Timeout, stage.Reached)
		answered := err == nil || p.now()-lo < p.Load.Timeout
		if silent++; answered {
			silent = 0
		}
		switch {
		case ctx.Err() != nil || !answered && p.stalledSince(lo):
		case !answered && (!kept || silent < 2): // it may be there
		case err == nil && !kept:
			p.event(StageReached, Interval{last, p.now()}, stage.Name)
			reached = true
			done()
		default:
			if answered {
				last = lo
			}
			if err != nil && kept {
				kept = false
				p.mu.Lock()
				delete(p.kept, stage.Name)
				p.mu.Unlock()
			}
		}
	})
	switch {
	case reached:
	case kept:
		p.event(StageKept, Interval{last, last}, stage.Name)
	default:
		p.event(StageMissed, Interval{last, last}, stage.Name)
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
	err := p.call(ctx, p.Load.Timeout, func(ctx context.Context) (err error) {
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
		if was, ok := p.progress[id]; p.asked(id) && (!ok || was != now) {
			p.moved[id] = s.Hi
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

// asked says whether a request with this id was sent. The caller holds mu.
func (p *player) asked(id string) bool {
	number, ours := strings.CutPrefix(id, p.prefix+"-")
	n, err := strconv.Atoi(number)
	return ours && err == nil && n >= 0 && n < len(p.report.Ledger.Ops) && id == p.report.Ledger.Ops[n].ID
}

// finished says whether the last sample showed a unit finished. The caller holds mu.
func (p *player) finished(id string) bool { return p.progress[id].Finished }
