package drtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

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
	go func() { held <- p.holdFault(holding, heal) }()
	err := p.followRunbook(ctx)
	if err != nil {
		broke() // nothing is measured any more
	}
	return errors.Join(err, <-held)
}

func (p *player) holdFault(ctx context.Context, heal func() error) error {
	if p.HealAfter == 0 {
		return nil
	}
	select {
	case <-time.After(p.HealAfter):
	case <-ctx.Done():
		return nil // the drill is over, and heals it as it ends
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
		return nil // without detection no runbook: the objectives judge that
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

// recover waits until all stages are reached and the system is steady after that, or until the
// deadline, which is a finding and no error.
func (p *player) recover(ctx context.Context) error {
	var settled Interval // from the last thing that was done to the system until it was steady again
	var acked int
	err := p.await(ctx, func(l *Ledger) bool {
		settled = Interval{p.undisturbed, max(p.undisturbed, p.now())}
		if !p.clients.outageOver() || !p.clients.steady(settled.Lo) || settled.Hi < p.clients.fault.Hi+p.Watch || len(p.missingStages()) > 0 {
			return false
		}
		acked = p.clients.acked(settled.Lo)
		return acked >= p.clients.acksNeeded()
	})
	if err == nil {
		p.event(SteadyAgain, settled, fmt.Sprintf("%d requests acked, none failed for %v", acked, p.Load.Steady))
		return nil
	}
	unsteady := "not steady again: " + p.unsteady()
	var why []string
	p.mu.Lock()
	if step := p.report.Ledger.unfinishedStep(); step != "" {
		why = append(why, "never done: "+step)
	}
	if missing := p.missingStages(); len(missing) > 0 {
		why = append(why, "never reached: "+strings.Join(missing, ", "))
	}
	acked = p.clients.acked(settled.Lo)
	switch steady := p.clients.steady(settled.Lo); {
	case !steady:
		why = append(why, unsteady)
	case !p.clients.outageOver():
		why = append(why, "not served again for certain: "+p.clients.missingEvidence())
	case acked < p.clients.acksNeeded():
		why = append(why, fmt.Sprintf("%d requests were acked in a row, and the error rate asks for %d", acked, p.clients.acksNeeded()))
	case len(why) == 0:
		why = append(why, "steady again only now")
	}
	p.mu.Unlock()
	return p.atDeadline(ctx, err, strings.Join(why, "; "))
}

// unfinishedStep returns the step of the runbook that was begun and not done, if there is one.
func (l *Ledger) unfinishedStep() (step string) {
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

// missingStages returns the stages that have not been reached. Those that were there all the time
// are not waited for: nothing says that they will ever go. The caller holds mu.
func (p *player) missingStages() []string {
	return slices.DeleteFunc(slices.Clone(p.report.Ledger.Drill.Stages), func(name string) bool {
		return p.stagesKept[name] || slices.ContainsFunc(p.report.Ledger.Events, func(e Event) bool { return e.Kind == StageReached && e.Note == name })
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
