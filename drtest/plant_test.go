package drtest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/drtest"
)

// A plant is a service that goes wrong in exactly known ways: the truth that the harness has to
// find. What it does is a function of the time, so its truth holds in virtual and in real time.
type plant struct {
	// The fault takes effect at a moment within Inject.
	injectBefore, injectAfter time.Duration
	// dated says that the fault knows when it took effect, up to some time later.
	dated     bool
	datedLate time.Duration
	// stalls says that units in flight stop at the fault and go on later, without being started
	// anew.
	stalls bool
	// The service is down in these windows, counted from the fault. The last one ends when the
	// fault is healed and lag has passed, if the fault is held.
	down []window
	held bool
	lag  time.Duration
	// hang lets requests wait for their timeout while the service is down, instead of refusing
	// them.
	hang bool
	// rejects says that a refusal is a promise.
	rejects bool
	// detect is how long the service takes to notice that it is down.
	detect time.Duration
	// rejoin is how long after the fault its redundancy is back.
	rejoin time.Duration
	// answer, reading and poll are how long a request, a reading of progress and a health poll
	// take.
	answer, reading, poll time.Duration
	// slow is how much longer every third request or so takes.
	slow time.Duration

	// Units take steps of this length each. At the fault a unit in flight falls back by up to
	// rollback steps, and it resumes when the service has been up for resume.
	steps     int
	step      time.Duration
	rollback  int
	resume    time.Duration
	lose      int // of the units acked last before the fault, so many are lost
	duplicate int // so many units are held twice
	resurrect int // so many rejected units are held

	mu       sync.Mutex
	fault    time.Time // zero until it took effect
	healed   time.Time
	units    map[string]*plantedUnit
	order    []*plantedUnit // by acceptance
	rejected []string
	refused  map[string]bool            // the requests that it failed itself
	unwell   time.Time                  // when it was first asked for its health and said that it is down
	asked    time.Time                  // when Inject was called
	seen     map[string]drtest.Progress // what the last reading before the fault returned
}

type window struct{ from, to time.Duration }

type plantedUnit struct {
	id       string
	accepted time.Time
	acked    time.Time // zero when no client was told
	lost     bool
	from     int // the progress that it resumed from
	redone   int // so many steps were done before the fault, and after it again
	resumed  bool
}

func (p *plant) up(at time.Time) bool {
	if p.fault.IsZero() || at.Before(p.fault) {
		return true
	}
	since := at.Sub(p.fault)
	for i, w := range p.down {
		if i == len(p.down)-1 && p.held {
			if since >= w.from && (p.healed.IsZero() || at.Before(p.healed.Add(p.lag))) {
				return false
			}
		} else if since >= w.from && since < w.to {
			return false
		}
	}
	return true
}

// noticed is how long after the fault it said that it is down, in the first of its windows in which
// it was asked.
func (p *plant) noticed() time.Duration {
	notice := p.detect
	for _, w := range p.down {
		if from := p.fault.Add(w.from); !p.unwell.Before(from) {
			notice = max(p.detect, w.from)
		}
	}
	return notice
}

// served is when the service was up for good.
func (p *plant) served() time.Time {
	if p.held {
		return p.healed.Add(p.lag)
	}
	return p.fault.Add(p.down[len(p.down)-1].to)
}

// Do accepts a unit when the service is up from the request's start to its end.
func (p *plant) Do(ctx context.Context, id string) error {
	refuse := func() error {
		p.fail(id)
		if p.hang {
			<-ctx.Done()
			return ctx.Err()
		}
		if p.rejects {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.rejected = append(p.rejected, id)
			if len(p.rejected) <= p.resurrect {
				p.keep(id)
			}
			return fmt.Errorf("%w: down", drtest.ErrRejected)
		}
		return errors.New("connection refused")
	}
	p.mu.Lock()
	up := p.up(time.Now())
	p.mu.Unlock()
	if !up {
		return refuse()
	}
	time.Sleep(p.answer)
	if p.slow > 0 && id[len(id)-1]%3 == 0 { // some requests take longer than others
		time.Sleep(p.slow)
	}
	p.mu.Lock()
	now := time.Now()
	if !p.up(now) {
		p.mu.Unlock()
		p.fail(id)
		return errors.New("connection reset")
	}
	defer p.mu.Unlock()
	u := p.keep(id)
	u.accepted, u.acked = now, now
	return nil
}

func (p *plant) fail(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == nil {
		p.refused = map[string]bool{}
	}
	p.refused[id] = true
}

func (p *plant) keep(id string) *plantedUnit {
	u := &plantedUnit{id: id, accepted: time.Now()}
	if p.units == nil {
		p.units = map[string]*plantedUnit{}
	}
	p.units[id] = u
	p.order = append(p.order, u)
	return u
}

// done is the progress of a unit at a time.
func (p *plant) done(u *plantedUnit, at time.Time) int {
	switch {
	case u.resumed && !at.Before(p.fault) && p.held && p.healed.IsZero():
		return u.from
	case !u.resumed || at.Before(p.fault):
		return min(p.steps, int(at.Sub(u.accepted)/p.step))
	}
	on := at.Sub(p.served().Add(p.resume)) // negative while it is still down
	return min(p.steps, u.from+max(0, int(on/p.step)))
}

func (p *plant) progress(u *plantedUnit, at time.Time) drtest.Progress {
	g := drtest.Progress{Done: p.done(u, at), Attempt: 1}
	g.Finished = g.Done == p.steps
	if u.resumed && !p.stalls && !at.Before(p.fault) {
		g.Attempt, g.From = 2, u.from
	}
	return g
}

func (p *plant) Progress(context.Context) (map[string]drtest.Progress, error) {
	all, err := p.look()
	if err == nil {
		p.told(all)
	}
	return all, err
}

func (p *plant) look() (map[string]drtest.Progress, error) {
	time.Sleep(p.reading / 2)
	p.mu.Lock()
	now := time.Now()
	if !p.up(now) {
		p.mu.Unlock()
		return nil, errors.New("down")
	}
	all := map[string]drtest.Progress{}
	for id, u := range p.units {
		if !u.lost {
			all[id] = p.progress(u, now)
		}
	}
	p.mu.Unlock()
	time.Sleep(p.reading / 2)
	return all, nil
}

// told notes what a reading has returned. On a busy machine a client may have stopped waiting for
// its answer.
func (p *plant) told(all map[string]drtest.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked.IsZero() || !time.Now().After(p.not()) {
		p.seen = all
	}
}

func (p *plant) Health(context.Context) error {
	time.Sleep(p.poll / 2)
	defer time.Sleep(p.poll / 2)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.up(now) || now.Before(p.fault.Add(p.detect)) {
		return nil
	}
	if p.unwell.IsZero() {
		p.unwell = now
	}
	return errors.New("database: down")
}

// Redundant is a stage of the recovery.
func (p *plant) Redundant(context.Context) error {
	time.Sleep(p.poll / 2)
	defer time.Sleep(p.poll / 2)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fault.IsZero() || time.Now().Before(p.fault.Add(p.rejoin)) {
		return errors.New("one node is missing")
	}
	return nil
}

func (p *plant) Survivors(context.Context) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var ids []string
	for i, u := range p.order {
		if u.lost {
			continue
		}
		ids = append(ids, u.id)
		if i < p.duplicate {
			ids = append(ids, u.id)
		}
	}
	return ids, nil
}

// NothingLost is a proof that no acked unit was lost.
func (p *plant) NothingLost(context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.order {
		if u.lost {
			return "", fmt.Errorf("%s is lost", u.id)
		}
	}
	return fmt.Sprintf("%d units", len(p.order)), nil
}

// Counters counts a call for each step of a unit that was done, once before the fault and again
// after it if need be, and a cost of ten for each call. There were others before the drill.
func (p *plant) Counters() []drtest.Counter {
	return []drtest.Counter{
		{Name: "calls", Read: func(context.Context) (drtest.Count, error) { return p.calls(1), nil }},
		{Name: "cost", Unit: "cents", Read: func(context.Context) (drtest.Count, error) { return p.calls(10), nil }},
	}
}

func (p *plant) calls(each int) drtest.Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := drtest.Count{Total: 70 * each, Repeated: 7 * each}
	for _, u := range p.order {
		n.Total += each * (p.done(u, time.Now()) + u.redone)
		n.Repeated += each * u.redone
	}
	return n
}

func (p *plant) trouble() drtest.Fault {
	return drtest.Fault{Name: "plant", Inject: p.begin, Heal: p.end}
}

func (p *plant) begin(context.Context) (drtest.Effect, error) {
	p.mu.Lock()
	p.asked = time.Now()
	p.mu.Unlock()
	time.Sleep(p.injectBefore)
	p.mu.Lock()
	p.fault = time.Now()
	var acked []*plantedUnit
	for _, u := range p.order {
		if n := p.done(u, p.fault); n < p.steps {
			u.from, u.resumed = max(0, n-p.rollback), true
			if p.stalls {
				u.from = n
			}
			u.redone = n - u.from
		}
		if !u.acked.IsZero() {
			acked = append(acked, u)
		}
	}
	for _, u := range acked[max(0, len(acked)-p.lose):] {
		u.lost = true
	}
	effect := drtest.Effect{Receipt: "planted"}
	if p.dated {
		effect.NotBefore, effect.By = p.not(), p.fault.Add(p.datedLate)
	}
	p.mu.Unlock()
	time.Sleep(p.injectAfter)
	return effect, nil
}

// not is when it says that the fault was not in effect yet. The caller holds mu.
func (p *plant) not() time.Time {
	if !p.dated {
		return p.asked
	}
	return p.asked.Add(max(0, p.injectBefore-p.datedLate))
}

func (p *plant) end(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.healed = time.Now()
	return nil
}

// truth compares what the harness measured with what the plant did, and returns each difference.
func (p *plant) truth(l *drtest.Ledger) []string {
	var wrong []string
	f := drtest.Measure(l)
	contains := func(name string, fig drtest.Figure, truth time.Duration) {
		if !fig.Known || truth < fig.Lo || truth > fig.Hi || fig.Hi == drtest.Forever {
			wrong = append(wrong, fmt.Sprintf("%s: truth is %v, measured %v..%v (known %v, %s)", name, truth, fig.Lo, fig.Hi, fig.Known, fig.Why))
		}
	}
	exactly := func(name string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			wrong = append(wrong, fmt.Sprintf("%s: truth is %v, measured %v", name, want, got))
		}
	}
	// A busy machine fails requests that the plant does not. For how long it did, nobody knows: but
	// it was no shorter.
	strays := 0
	served := contains
	injected, _ := l.Event(drtest.FaultInjected)
	outcomes := map[string]drtest.Outcome{}
	for _, op := range l.Ops {
		outcomes[op.ID] = op.Outcome
		if op.Outcome != drtest.Acked && op.End > injected.Lo && !p.refused[op.ID] {
			strays++
		}
	}
	if strays > 0 {
		served = func(name string, fig drtest.Figure, truth time.Duration) {
			if !fig.Known || truth > fig.Hi {
				wrong = append(wrong, fmt.Sprintf("%s: truth is %v or more, measured %v..%v (known %v, %s), beside %d requests that the plant did not fail",
					name, truth, fig.Lo, fig.Hi, fig.Known, fig.Why, strays))
			}
		}
	}
	outage, detect := p.served().Sub(p.fault), p.noticed()
	served("RTO", f.RTO, outage)
	served("outage", f.Outage, outage)
	// Nor does anybody know what a service would have said that was asked for its health and got no
	// time to answer.
	answered := func(e drtest.Event) bool {
		return e.Kind != drtest.HealthLost || e.Hi < injected.Lo || !strings.Contains(e.Note, context.DeadlineExceeded.Error())
	}
	polled, quiet := contains, strays == 0
	if slices.ContainsFunc(l.Events, func(e drtest.Event) bool { return !answered(e) }) {
		polled, quiet = func(string, drtest.Figure, time.Duration) {}, false
	}
	polled("detection", f.Detection, detect)
	if len(f.Stages) == 1 {
		contains("redundant", f.Stages[0].Figure, p.rejoin)
	} else {
		exactly("stages", len(f.Stages), 1)
	}
	if p.held {
		served("heal lag", f.HealLag, p.lag)
	}
	model := func(best, worst time.Duration) drtest.Status {
		explained := *l
		explained.Drill.Model = drtest.Model{{Name: "planted", Best: best, Worst: worst, Source: "the plant"}}
		v := drtest.Judge(&explained).Verdicts
		return v[len(v)-1].Status
	}
	exactly("model that says too much time", model(f.RTO.Hi+1, f.RTO.Hi+2), drtest.Fail)
	exactly("model that fits", model(f.RTO.Lo, f.RTO.Hi), drtest.Pass)
	exactly("too short a model passes", model(0, outage-1) == drtest.Pass, false)
	if strays == 0 {
		exactly("true model fails", model(outage, outage) == drtest.Fail, false)
		exactly("too long a model passes", model(outage+1, outage+time.Hour) == drtest.Pass, false)
	}
	moments := map[string]time.Duration{"fault": 0, "first failure": 0, "detected": detect, "redundant": p.rejoin, "served again": outage}
	if p.held {
		moments["healed"] = p.healed.Sub(p.fault)
	}
	previous, found := time.Duration(0), 0
	for i, m := range l.Recovery() {
		truth, ok := moments[m.Name]
		if !ok {
			break // steady again is no moment of the plant
		}
		found++
		check := contains
		switch m.Name {
		case "first failure", "served again":
			check = served
		case "detected":
			check = polled
		}
		check(m.Name, drtest.Figure{Interval: m.Since, Known: true}, truth)
		if i > 0 && quiet {
			contains(m.Name+" after the moment before", drtest.Figure{Interval: m.After, Known: true}, max(0, truth-previous))
		}
		if m.Name == "redundant" {
			exactly("source of redundant", m.Source, "GET /redundant")
		}
		previous = truth
	}
	if p.rejoin < outage { // later, it can come after the clients were steady again
		exactly("moments", found, len(moments))
	}

	var lost, duplicates, rejected, affected, recovered []string
	oldest, proof := time.Duration(0), drtest.Pass
	for i, u := range p.order {
		if i < p.duplicate && !u.lost {
			duplicates = append(duplicates, u.id)
		}
		if u.lost {
			proof = drtest.Fail
		}
		if u.lost && outcomes[u.id] == drtest.Acked { // its answer may have come too late for a client
			lost = append(lost, u.id)
			oldest = max(oldest, p.fault.Sub(u.acked))
		}
	}
	for _, id := range p.rejected[:min(p.resurrect, len(p.rejected))] {
		if outcomes[id] == drtest.Rejected {
			rejected = append(rejected, id)
		}
	}
	contains("RPO", f.RPO, oldest)
	slices.Sort(lost)
	slices.Sort(duplicates)
	exactly("lost", f.Lost, lost)
	for _, v := range drtest.Judge(l).Verdicts {
		if v.Objective == "nothing was lost" {
			exactly("proof", v.Status, proof)
		}
	}
	exactly("duplicates", f.Duplicates, duplicates)
	exactly("resurrected", f.Resurrected, rejected)

	var calls drtest.Count
	for _, u := range p.order {
		calls.Repeated += u.redone
		if !u.lost {
			calls.Total += p.steps + u.redone
		}
	}
	for name, each := range map[string]int{"calls": 1, "cost": 10} {
		c := f.Counter(name)
		exactly(name, cmp.Or(c.Why, "known"), "known")
		exactly("repeated "+name, c.Count.Repeated, each*calls.Repeated)
		if proof == drtest.Pass { // lost work is not waited for
			exactly(name, c.Total, each*calls.Total)
		}
	}

	// Which units were acked before the fault is for the client's clock to say: in real time the
	// answer to some request is on its way when the fault is injected.
	told := map[string]bool{}
	var fault drtest.Event
	for _, e := range l.Events {
		if e.Kind == drtest.FaultInjected {
			fault = e
		}
	}
	for _, op := range l.Ops {
		told[op.ID] = op.Outcome == drtest.Acked && op.Start < fault.Hi && op.End <= fault.Seen
	}
	var lostWork, workRTO time.Duration
	anyLost := false
	for _, u := range p.order {
		if !told[u.id] || p.seen[u.id].Finished {
			continue
		}
		if u.accepted.After(p.fault) {
			affected = append(affected, u.id) // told in the moment between the fault and its receipt
			continue
		}
		affected = append(affected, u.id)
		seen := p.seen[u.id].Done
		switch {
		case u.lost:
			anyLost = true
			continue
		case !slices.Contains(duplicates, u.id):
			recovered = append(recovered, u.id)
		}
		if !u.resumed { // it finished between the last reading and the fault
			continue
		}
		if u.from < seen {
			lostWork = max(lostWork, p.fault.Sub(u.accepted.Add(time.Duration(u.from)*p.step)))
		}
		at := seen // the progress to get past: a client's knowledge, or, of a unit that stalls, its own
		if p.stalls {
			at = max(at, u.from)
		}
		if u.from <= at {
			past := p.served().Add(p.resume + time.Duration(at+1-u.from)*p.step)
			workRTO = max(workRTO, past.Sub(p.fault))
		}
	}
	slices.Sort(affected)
	slices.Sort(recovered)
	exactly("affected", f.Affected, affected)
	exactly("recovered", f.Recovered, recovered)
	if len(affected) > 0 && !anyLost {
		contains("lost work", f.LostWork, lostWork)
		contains("work RTO", f.WorkRTO, workRTO)
	}
	return wrong
}
