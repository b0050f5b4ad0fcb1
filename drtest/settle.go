package drtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// settle lets the accepted work finish and reads the survivors. Work that did not survive cannot
// finish, so it is not waited for.
func (p *player) settle(parent, ctx context.Context) error {
	r := &survivorReader{player: p}
	limit := max(closingLimit, p.deadline-p.now())
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
		if at, seen := p.changedAt[id]; seen {
			unit += fmt.Sprintf(", unchanged for %s", seconds(p.now()-at))
		}
		units = append(units, unit+")")
	}
	p.mu.Unlock()
	return p.atDeadline(ctx, err, fmt.Sprintf("%d accepted units have not finished: %s", len(waiting), firstTen(units)))
}

// A survivorReader reads the survivors until two readings agree that are apart by more than a slow
// commit takes: by the timeout of a request and the scenario's own settling time. It keeps to the
// units of this drill.
type survivorReader struct {
	*player
	held  []string        // by the last reading
	seen  map[string]bool // held by any reading
	since time.Duration   // the end of the first reading that all since have agreed with
	apart time.Duration   // the last reading and that one
}

// read reads once.
func (r *survivorReader) read(ctx context.Context, limit time.Duration) error {
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
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !r.sent(id) })
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

func (r *survivorReader) settle(ctx context.Context) error {
	least := r.Load.Timeout + r.Load.Settle
	limit := max(closingLimit, r.deadline-r.now()) + least
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
func (r *survivorReader) vanished() []string {
	for _, id := range r.held {
		delete(r.seen, id)
	}
	return slices.Sorted(maps.Keys(r.seen))
}

// prove examines the system, one proof after the other.
func (p *player) prove(parent context.Context) error {
	for i, proof := range p.Proofs {
		var evidence string
		lo := p.now()
		err := p.beforeErrors[i]
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
