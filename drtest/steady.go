package drtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// reachSteady waits for the precondition of the fault: a window in which no request failed and
// health was good.
func (p *player) reachSteady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.longestUntilSteady())
	defer cancel()
	var acked int
	err := p.await(ctx, func(*Ledger) bool {
		ended := p.ready() || p.flaps >= mostFlaps
		if ended {
			acked = p.clients.acked(0)
		}
		return ended
	})
	switch why := p.unsteady(); {
	case p.flapped():
		return fmt.Errorf("no steady state before the fault: health flaps, it turned bad %d times before any fault: %s", mostFlaps, p.lastNote(HealthLost))
	case err != nil:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.clients.steady(0) && p.Health != nil {
			why = "health is bad: " + cmp.Or(p.report.Ledger.lastNote(HealthLost), "it was never good")
			if p.healthy {
				why = "health was bad within the window: " + p.report.Ledger.lastNote(HealthLost)
			}
		}
		return fmt.Errorf("no steady state before the fault: %s: %w", why, err)
	}
	note := fmt.Sprintf("%d requests acked, one every %v, none failed for %v", acked, p.Load.Every, p.Load.Steady)
	if p.phase != nil {
		note += "; the fault waits for " + p.phase.String()
	}
	p.event(SteadyReached, Interval{p.now(), p.now()}, note)
	return nil
}

// ready says whether the system is fit for the fault: the last requests were acked for a steady
// window, none looks as if it would fail, and health was good all the time. The caller holds mu.
func (p *player) ready() bool {
	return p.clients.steady(p.healthySince) && p.clients.noneOverdue(p.now()) && (p.Health == nil || p.healthy)
}

func (p *player) flapped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flaps >= mostFlaps
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

// lookBeforeFault notes what has to be known just before the fault: which stages are reached
// already, and what clients know of their work. The system has to stay steady meanwhile: a failure
// would be taken for one that the fault caused.
func (p *player) lookBeforeFault(ctx context.Context) (err error) {
	var polls sync.WaitGroup
	for _, stage := range p.Stages {
		polls.Go(func() {
			lo := p.now()
			err := p.call(ctx, p.Load.Timeout, stage.Reached)
			if answered := p.now()-lo < p.Load.Timeout; err == nil || !answered && p.stalledSince(lo) {
				p.mu.Lock()
				defer p.mu.Unlock()
				p.stagesKept[stage.Name] = true
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
	p.sampling <- struct{}{} // so that no reading is under way when the fault is injected
	defer func() {
		if err != nil {
			<-p.sampling
		}
	}()
	ready := false
	err = p.await(ctx, func(l *Ledger) bool {
		ready = p.ready()
		return ready || p.clients.window < 0 || p.Health != nil && !p.healthy
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		return fmt.Errorf("the look at the system before the fault came to no end: %w", err)
	case !ready && p.Health != nil && !p.healthy:
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

// proveBefore has proofs look at the system before the fault.
func (p *player) proveBefore(ctx context.Context) {
	p.beforeErrors = make([]error, len(p.Proofs))
	for i, proof := range p.Proofs {
		if proof.Before == nil {
			continue
		}
		lo := p.now()
		err := p.call(ctx, proofLimit, proof.Before)
		if err != nil && p.now()-lo >= proofLimit {
			err = fmt.Errorf("%w: %w", ErrInconclusive, err)
		}
		p.beforeErrors[i] = err
	}
}
