package drtest

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// watchHealth records each change of what the system says of itself.
func (p *player) watchHealth(ctx context.Context) {
	var good, bad time.Duration // the starts of the last good and the last bad poll
	var well, known bool
	var last time.Duration // the end of the last poll
	var blind bool         // health may have been bad since the last good poll without being seen
	p.eachPeriod(ctx, func() {
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
		// It was good when it was asked, and may have been bad since: the answer may have waited
		// here.
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

// watchStageInInject polls a stage that was there before the fault while it is being injected: when
// Inject returns it may be there again.
func (p *player) watchStageInInject(ctx context.Context, stage Stage) {
	p.mu.Lock()
	kept := p.stagesKept[stage.Name]
	p.mu.Unlock()
	if !kept {
		<-ctx.Done()
		return
	}
	p.eachPeriod(ctx, func() {
		lo := p.now()
		err := p.call(ctx, p.Load.Timeout, stage.Reached)
		if at := p.now(); err != nil && ctx.Err() == nil && at-lo < p.Load.Timeout {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.stagesMissed[stage.Name] = Interval{lo, at}
		}
	})
}

// watchStage polls a stage until it is reached. One that was there before the fault has to be seen
// missing first.
func (p *player) watchStage(ctx context.Context, stage Stage) {
	ctx, done := context.WithCancel(ctx)
	defer done()
	p.mu.Lock()
	last, kept := p.clients.fault.Lo, p.stagesKept[stage.Name]
	if missed, ok := p.stagesMissed[stage.Name]; ok && missed.Lo >= last {
		last, kept = missed.Lo, false
		delete(p.stagesKept, stage.Name)
	}
	p.mu.Unlock()
	reached, silent := false, 0 // so many polls in a row had no answer
	p.eachPeriod(ctx, func() {
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
				delete(p.stagesKept, stage.Name)
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
		if err := now.validate(); err != nil {
			return fmt.Errorf("unit %s: %w", id, err)
		}
	}
	s := &Sample{Interval: Interval{lo, p.now()}}
	p.mu.Lock()
	for id, now := range units {
		if was, ok := p.progress[id]; p.sent(id) && (!ok || was != now) {
			p.changedAt[id] = s.Hi
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

// sent says whether a request with this id was sent. The caller holds mu.
func (p *player) sent(id string) bool {
	number, ours := strings.CutPrefix(id, p.prefix+"-")
	n, err := strconv.Atoi(number)
	return ours && err == nil && n >= 0 && n < len(p.report.Ledger.Ops) && id == p.report.Ledger.Ops[n].ID
}

// finished says whether the last sample showed a unit finished. The caller holds mu.
func (p *player) finished(id string) bool { return p.progress[id].Finished }
