package drtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/drtest/suite/internal/foreign"
)

// longestDrill is more than any drill or limit takes. It keeps sums of instants far from an
// overflow.
const longestDrill = 10 * 365 * 24 * time.Hour

// A book is a report that is being written, by the player of a drill or by the reader of its
// journal. It takes the records in their order, and refuses what cannot have happened. A record's
// text is made harmless as it enters: see [foreign.Text].
type book struct {
	*Report
	openRequests int             // requests without an outcome
	ids          map[string]bool // of all requests, once one did not come in order
	happened     map[string]bool // the kinds and the names of events that may happen once and did
	steps        map[string]int  // how often a step was begun and not done
	stepsBegun   int             // steps
	steady       *Event          // that before the fault
	fault        *Event
	closed       bool
	interned     map[string]string // of requests, each kept once
}

func newBook() *book {
	return &book{Report: &Report{Ledger: new(Ledger)}, happened: map[string]bool{}, steps: map[string]int{}, interned: map[string]string{}}
}

// reopen turns a report that is not known to be whole into one of a drill that was cut off.
func (b *book) reopen() {
	l := b.Ledger
	l.Ended, l.Machine, l.Broken = false, Machine{}, ""
	b.Verdicts = nil
}

// add applies one record: a ledger that is read from a journal is the same as the one that was
// played. It makes the text of rec harmless.
func (b *book) add(rec record) error {
	if n := rec.fields(); n != 1 {
		return fmt.Errorf("%d records where one is due", n)
	}
	switch {
	case rec.Journal != nil:
		return b.addHeader(rec.Journal)
	case rec.Op != nil:
		return b.addOp(rec.Op)
	case rec.Outcome != nil:
		return b.addOutcome(rec.Outcome)
	case rec.Event != nil:
		return b.addEvent(rec.Event)
	case rec.Sample != nil:
		return b.addSample(*rec.Sample)
	case rec.Reading != nil:
		return b.addReading(*rec.Reading)
	case rec.Survivors != nil:
		return b.addSurvivors(*rec.Survivors)
	case rec.Count != nil:
		return b.addCount(*rec.Count)
	case rec.End != nil:
		return b.addEnd(rec.End)
	default:
		return b.addClosing(rec.Closing)
	}
}

// fields counts the records in a line.
func (rec record) fields() int {
	n := 0
	for _, set := range []bool{rec.Journal != nil, rec.Op != nil, rec.Outcome != nil, rec.Event != nil,
		rec.Sample != nil, rec.Reading != nil, rec.Survivors != nil, rec.Count != nil, rec.End != nil, rec.Closing != nil} {
		if set {
			n++
		}
	}
	return n
}

// checkRunning refuses what is no part of a drill between its header and its end.
func (b *book) checkRunning() error {
	switch {
	case b.Ledger.Drill.ID == "":
		return errors.New("the journal does not begin with its header")
	case b.Ledger.Ended:
		return errors.New("the drill has ended already")
	}
	return nil
}

func (b *book) addHeader(h *header) error {
	switch {
	case !readable(h.Version):
		return wrongVersion(h.Version)
	case h.Version < journalVersion && h.Drill.Phase != nil:
		return fmt.Errorf("a phase of the fault, which version %d does not have", h.Version)
	case b.Ledger.Drill.ID != "":
		return errors.New("a second header: two drills wrote to one journal")
	case h.Drill.ID == "":
		return errors.New("the header names no scenario")
	}
	h.Drill.clean()
	if err := h.Drill.validate(); err != nil {
		return fmt.Errorf("the drill cannot be: %w", err)
	}
	for _, a := range h.Asserted {
		if err := a.validate(); err != nil {
			return fmt.Errorf("what is asserted cannot be: %w", err)
		}
	}
	b.Ledger.Drill, b.Asserted = h.Drill, h.Asserted
	return nil
}

func (b *book) addOp(op *opSent) error {
	l := b.Ledger
	op.Class = foreign.Text(op.Class)
	if err := b.checkRunning(); err != nil {
		return err
	}
	var last Op
	if n := len(l.Ops); n > 0 {
		last = l.Ops[n-1]
	}
	switch {
	case op.N != len(l.Ops):
		return fmt.Errorf("op %d where op %d is due", op.N, len(l.Ops))
	case op.ID == "" || foreign.Text(op.ID) != op.ID:
		return fmt.Errorf("op %d has no id that can be shown", op.N)
	case op.Start > longestDrill:
		return tooLate(fmt.Sprintf("op %d", op.N), op.Start)
	case op.Due < 0 || op.Start < op.Due:
		return fmt.Errorf("op %d is sent before it is due, or before the drill begins", op.N)
	case op.Due < last.Due || op.Start < last.Start:
		return fmt.Errorf("op %d is due or sent before the one before it", op.N)
	case !b.unusedID(op.ID, last.ID):
		return fmt.Errorf("op %d has the id %s, which another one has", op.N, op.ID)
	}
	if len(l.Ops) == cap(l.Ops) { // append adds a quarter, and would copy a long ledger often
		l.Ops = slices.Grow(l.Ops, max(1000, len(l.Ops)))
	}
	l.Ops = append(l.Ops, Op{ID: op.ID, Class: op.Class, Due: op.Due, Start: op.Start, End: Forever, Outcome: Unknown})
	b.openRequests++
	return nil
}

// unusedID says whether no request has the id yet. Ids that come in order, the shorter ones first,
// need no memory.
func (b *book) unusedID(id, last string) bool {
	if b.ids == nil && cmp.Or(cmp.Compare(len(id), len(last)), cmp.Compare(id, last)) > 0 {
		return true
	}
	if b.ids == nil {
		b.ids = map[string]bool{}
		for _, op := range b.Ledger.Ops {
			b.ids[op.ID] = true
		}
	}
	taken := b.ids[id]
	b.ids[id] = true
	return !taken
}

func (b *book) addOutcome(o *opEnded) error {
	l := b.Ledger
	o.Err = foreign.Text(o.Err)
	if err := b.checkRunning(); err != nil {
		return err
	}
	if o.N < 0 || o.N >= len(l.Ops) {
		return fmt.Errorf("an outcome of op %d, which was never sent", o.N)
	}
	op := &l.Ops[o.N]
	switch {
	case o.Outcome != Acked && o.Outcome != Rejected && o.Outcome != Unknown:
		return fmt.Errorf("unknown outcome %q", foreign.Text(string(o.Outcome)))
	case op.End != Forever:
		return fmt.Errorf("a second outcome of op %d", o.N)
	case o.End < op.Start:
		return fmt.Errorf("op %d ends before it starts", o.N)
	case o.End > longestDrill:
		return tooLate(fmt.Sprintf("the end of op %d", o.N), o.End)
	case o.Outcome == Acked && o.Err != "":
		return fmt.Errorf("op %d is acked with an error", o.N)
	}
	op.End, op.Outcome, op.Err = o.End, o.Outcome, o.Err
	b.openRequests--
	return nil
}

func (b *book) addEvent(e *Event) error {
	l := b.Ledger
	if err := b.checkRunning(); err != nil {
		return err
	}
	e.Note, e.Evidence, e.Receipt = foreign.Text(e.Note), foreign.Text(e.Evidence), Receipt(foreign.Text(string(e.Receipt)))
	switch {
	case e.Lo < 0:
		return fmt.Errorf("%s is before the drill", e.shownKind())
	case e.Lo > e.Hi:
		return fmt.Errorf("%s ends before it begins", e.shownKind())
	case e.Seen != 0 && e.Seen < e.Hi:
		return fmt.Errorf("%s was seen before it was in effect", e.shownKind())
	case max(e.Hi, e.Seen) > longestDrill:
		return tooLate(e.shownKind(), max(e.Hi, e.Seen))
	}
	if err := b.checkOrder(e); err != nil {
		return err
	}
	l.Events = append(l.Events, *e)
	return nil
}

// shownKind is the kind of an event, which a journal may have made up.
func (e *Event) shownKind() string { return foreign.Text(string(e.Kind)) }

// checkOrder refuses an event that cannot come after those before it.
func (b *book) checkOrder(e *Event) error {
	drill := &b.Ledger.Drill
	single, afterFault := string(e.Kind), true
	switch e.Kind {
	case SteadyReached, FaultInjected, HealthGood, HealthKept, SurvivorsRead:
		afterFault = false
	case HealthLost, HealthRestored, ContainerStarted, DeadlinePassed, Stalled:
		single, afterFault = "", false
	case FaultConfirmed, FaultHealed, SteadyAgain:
	case StepBegun, StepDone:
		single = ""
		if err := b.checkStep(e); err != nil {
			return err
		}
	case StageReached, StageMissed, StageKept:
		single = "the end of stage " + e.Note
		if !slices.Contains(drill.Stages, e.Note) {
			return fmt.Errorf("%s: the drill has no stage %q", e.Kind, e.Note)
		}
	case Proved, Refuted, NotProved:
		single = "the examination of " + e.Note
		if !slices.Contains(drill.Proofs, e.Note) {
			return fmt.Errorf("%s: the drill has no proof %q", e.Kind, e.Note)
		}
	case CounterRead:
		single, afterFault = "the reading of counter "+e.Note, false
		if _, ok := named(drill.Counters, e.Note); !ok {
			return fmt.Errorf("%s: the drill has no counter %q", e.Kind, e.Note)
		}
	default:
		return fmt.Errorf("unknown event %q", e.shownKind())
	}
	if single != "" && b.happened[single] {
		return fmt.Errorf("%s stands there twice", single)
	}
	switch {
	case afterFault && (b.fault == nil || e.Lo < b.fault.Lo):
		return fmt.Errorf("%s is before the fault", e.Kind)
	case e.Kind == FaultInjected && b.steady != nil && e.Lo < b.steady.Hi:
		return errors.New("the fault is before the steady state that it waited for")
	case e.Kind == FaultInjected && b.steady != nil && drill.Phase != nil && e.Lo-b.steady.Hi < drill.Phase.Wait:
		return errors.New("the fault is before the end of its wait for a random phase")
	case e.Seen != 0 && e.Kind != FaultInjected:
		return fmt.Errorf("%s has a moment at which a fault was seen", e.Kind)
	}
	switch e.Kind {
	case SteadyReached:
		b.steady = e
	case FaultInjected:
		b.fault = e
	}
	if single != "" {
		b.happened[single] = true
	}
	return nil
}

// checkStep refuses a step that is none of the runbook, or that is done before it is begun.
func (b *book) checkStep(e *Event) error {
	if e.Kind == StepBegun {
		if b.stepsBegun++; b.stepsBegun > b.Ledger.Drill.Steps {
			return fmt.Errorf("%d steps of a runbook of %d", b.stepsBegun, b.Ledger.Drill.Steps)
		}
		b.steps[e.Note]++
		return nil
	}
	if b.steps[e.Note]--; b.steps[e.Note] < 0 {
		return fmt.Errorf("step %q is done before it is begun", e.Note)
	}
	return nil
}

func (b *book) addSample(s Sample) error {
	l := b.Ledger
	if err := b.checkRunning(); err != nil {
		return err
	}
	var last Sample
	if n := len(l.Samples); n > 0 {
		last = l.Samples[n-1]
	}
	switch {
	case s.Lo > s.Hi:
		return errors.New("a sample ends before it begins")
	case s.Lo < last.Hi: // or before the drill
		return errors.New("a sample begins before the end of the one before it")
	case s.Hi > longestDrill:
		return tooLate("a sample", s.Hi)
	case !l.Drill.Tracked:
		return errors.New("a sample of a workload that does not report progress")
	}
	for id, p := range s.Units {
		if foreign.Text(id) != id {
			return errors.New("a sample of a unit without an id that can be shown")
		}
		if err := p.validate(); err != nil {
			return fmt.Errorf("unit %s: %w", id, err)
		}
		if wrong := foreign.Text(p.Wrong); wrong != p.Wrong {
			p.Wrong = wrong
			s.Units[id] = p
		}
	}
	l.Samples = append(l.Samples, s)
	return nil
}

func (b *book) addReading(r Reading) error {
	l := b.Ledger
	if err := b.checkRunning(); err != nil {
		return err
	}
	if err := r.checkAfter(l.Readings); err != nil {
		return err
	}
	if most := max(r.At, r.Waited, r.Stolen, r.Stopped); most > longestDrill {
		return tooLate("a reading of the machine", most)
	}
	l.Readings = append(l.Readings, r)
	return nil
}

func (b *book) addSurvivors(s survivors) error {
	if err := b.checkRunning(); err != nil {
		return err
	}
	if b.Ledger.Survivors != nil {
		return errors.New("a second list of survivors")
	}
	for _, id := range slices.Concat(s.IDs, s.Vanished) {
		if foreign.Text(id) != id {
			return errors.New("a survivor without an id that can be shown")
		}
	}
	b.Ledger.Survivors, b.Ledger.Vanished = append([]string{}, s.IDs...), s.Vanished
	return nil
}

func (b *book) addCount(c counted) error {
	if err := b.checkRunning(); err != nil {
		return err
	}
	if _, ok := named(b.Ledger.Drill.Counters, c.Counter); !ok {
		return fmt.Errorf("a count of a counter that the drill does not have: its counters are %s", counterNames(b.Ledger.Drill.Counters))
	}
	if _, twice := b.Ledger.Counts[c.Counter]; twice {
		return fmt.Errorf("a second count of %s", c.Counter)
	}
	if err := c.Count.validate(); err != nil {
		return fmt.Errorf("the counter of %s: %w", c.Counter, err)
	}
	if b.Ledger.Counts == nil {
		b.Ledger.Counts = map[string]Count{}
	}
	b.Ledger.Counts[c.Counter] = c.Count
	return nil
}

func (b *book) addEnd(end *ending) error {
	l := b.Ledger
	if err := b.checkRunning(); err != nil {
		return err
	}
	if b.openRequests > 0 {
		open := slices.IndexFunc(l.Ops, func(op Op) bool { return op.End == Forever })
		return fmt.Errorf("the drill ends without an outcome of op %d", open)
	}
	if m := end.Machine; m.CPUs < 0 || !share(m.Busy) || !share(m.Stalled) {
		return fmt.Errorf("a machine of %d processors, %v busy, on which tasks waited for %v of the time", m.CPUs, m.Busy, m.Stalled)
	}
	end.Broken = foreign.Text(end.Broken)
	l.Ended, l.Machine, l.Broken = true, end.Machine, end.Broken
	return nil
}

// share says whether a number is a part of a whole.
func share(n float64) bool { return n >= 0 && n <= 1 }

func (b *book) addClosing(c *closing) error {
	switch {
	case !b.Ledger.Ended:
		return errors.New("verdicts before the end of the drill")
	case b.closed:
		return errors.New("the journal is closed already")
	}
	for i := range c.Verdicts {
		c.Verdicts[i].Why = foreign.Text(c.Verdicts[i].Why)
	}
	if err := b.checkVerdicts(c.Verdicts); err != nil {
		return err
	}
	b.Verdicts, b.closed = c.Verdicts, true
	return nil
}

// checkVerdicts refuses verdicts that are not those of what was asserted and of what is judged
// always.
func (b *book) checkVerdicts(verdicts []Verdict) error {
	asserted := slices.Clone(b.Asserted)
	var always []string
	for _, o := range b.Ledger.always() {
		always = append(always, o.name)
	}
	for _, v := range verdicts {
		if err := v.validate(); err != nil {
			return fmt.Errorf("the verdict of %q cannot be: %w", foreign.Text(v.Objective), err)
		}
		i := slices.IndexFunc(asserted, func(a Assertion) bool { return a.matches(v) })
		j := slices.Index(always, v.Objective)
		switch {
		case i >= 0:
			asserted = slices.Delete(asserted, i, i+1)
		case j >= 0 && !v.Target:
			always = slices.Delete(always, j, j+1)
		default:
			return fmt.Errorf("a verdict of %q, which is not asserted, or has been judged already", foreign.Text(v.Objective))
		}
	}
	if len(asserted) > 0 {
		return fmt.Errorf("no verdict of %v", asserted[0])
	}
	return nil
}

func tooLate(what string, at time.Duration) error {
	return fmt.Errorf("%s is at %v: no drill takes that long", what, at)
}

// clean makes the text of a header harmless.
func (d *Drill) clean() {
	texts := []*string{&d.ID, &d.Title, &d.Category, &d.Durability, &d.Fault}
	for i := range d.Model {
		texts = append(texts, &d.Model[i].Name, &d.Model[i].Source)
	}
	for i := range d.Stages {
		texts = append(texts, &d.Stages[i])
	}
	for i := range d.Proofs {
		texts = append(texts, &d.Proofs[i])
	}
	for i := range d.Counters {
		texts = append(texts, &d.Counters[i].Name, &d.Counters[i].Unit)
	}
	if d.Phase != nil {
		texts = append(texts, &d.Phase.Seed)
	}
	for _, text := range texts {
		*text = foreign.Text(*text)
	}
	for stage, source := range d.Sources {
		d.Sources[stage] = foreign.Text(source)
	}
}

// recordable refuses a scenario that no journal can hold.
func (s Scenario) recordable() error {
	d := Drill{
		Every: s.Load.Every, Timeout: s.Load.Timeout, Steady: s.Load.Steady, HealAfter: s.HealAfter, Deadline: s.Deadline,
		Stages: stageNames(s.Stages), Proofs: proofNames(s.Proofs), Model: s.Model,
		Counters: withoutRead(counters(s.Workload)), Phase: &Phase{Seed: "any", Of: s.period()},
	}
	if err := d.validate(); err != nil {
		return fmt.Errorf("scenario %s cannot be: %w", s.ID, err)
	}
	shown := slices.Concat([]string{s.ID}, d.Stages, d.Proofs)
	for _, c := range d.Counters {
		shown = append(shown, c.Name, c.Unit)
	}
	for _, name := range shown {
		if foreign.Text(name) != name {
			return fmt.Errorf("scenario %s has the name %s, with characters that cannot be shown", foreign.Text(s.ID), foreign.Text(name))
		}
	}
	for _, a := range assertions(s.Objectives, s.Targets) {
		if err := a.validate(); err != nil {
			return fmt.Errorf("scenario %s cannot be: %w", s.ID, err)
		}
	}
	return nil
}

// validate names what no drill can have.
func (d *Drill) validate() error {
	for _, t := range []struct {
		name        string
		value, from time.Duration
	}{
		{"every", d.Every, 1}, {"timeout", d.Timeout, 1}, {"steady", d.Steady, d.Every}, {"healAfter", d.HealAfter, 0}, {"deadline", d.Deadline, 1},
	} {
		if t.value < t.from || t.value > longestDrill {
			return fmt.Errorf("%s is %v", t.name, t.value)
		}
	}
	if d.Steps < 0 {
		return fmt.Errorf("its runbook has %d steps", d.Steps)
	}
	if !(d.ErrorRate >= 0 && d.ErrorRate < 1) {
		return fmt.Errorf("an error rate of %v", d.ErrorRate)
	}
	own := nameSet{}
	for _, name := range slices.Concat(d.Stages, d.Proofs) {
		if !own.claim(name) {
			return fmt.Errorf("a stage or proof %q, whose name is empty or that of another", name)
		}
	}
	for _, c := range d.Counters {
		if c.Name == "" || !own.claim(repeatedName(c.Name)) {
			return fmt.Errorf("a counter %q, whose name is empty or that of another", foreign.Text(c.Name))
		}
	}
	for stage := range d.Sources {
		if !slices.Contains(d.Stages, stage) {
			return fmt.Errorf("a source of %q, which is no stage", foreign.Text(stage))
		}
	}
	if err := d.Phase.validate(); err != nil {
		return err
	}
	if err := d.Model.validate(); err != nil {
		return err
	}
	var worst time.Duration
	for _, term := range d.Model {
		if worst += term.Worst; term.Worst > longestDrill || worst > longestDrill {
			return fmt.Errorf("its model allows %v and more", term.Worst)
		}
	}
	return nil
}

// validate names what no unit can have.
func (p Progress) validate() error {
	if p.Done < 0 || p.Attempt < 0 || p.From < 0 {
		return fmt.Errorf("its progress is less than nothing: %d steps, attempt %d, from %d", p.Done, p.Attempt, p.From)
	}
	return nil
}

// validate names what no judgement gives.
func (v Verdict) validate() error {
	switch {
	case v.Status != Pass && v.Status != Fail && v.Status != Inconclusive:
		return fmt.Errorf("its status is %d", v.Status)
	case v.Untrusted && v.Status != Inconclusive:
		return fmt.Errorf("it is untrusted, and %v", v.Status)
	case v.Held && v.Status != Inconclusive:
		return fmt.Errorf("it held for as long as the drill went, and is %v", v.Status)
	case v.Got != nil && (v.Got.Lo < 0 || v.Got.Lo > v.Got.Hi):
		return fmt.Errorf("it measured %v", *v.Got)
	}
	return nil
}
