package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
)

// A Result is what one drill showed, or a test that left no journal of a drill. In JSON, what was
// not measured is null.
type Result struct {
	ID       string        `json:"id"`
	Title    string        `json:"title"`
	Category string        `json:"category"`
	Status   drtest.Status `json:"status"`
	// Untrusted says of an inconclusive result that nothing but the machine stands between it and a
	// verdict.
	Untrusted bool      `json:"untrusted"`
	FirstRun  *FirstRun `json:"first_run"` // the run before this one, where the drill was played again
	Reason    Text      `json:"reason"`    // why the drill broke, was cut off, or left no journal
	Test      Text      `json:"test"`
	Package   Text      `json:"package"` // of the test
	// Play counts from 1, and is 0 when the drills were played once.
	Play       int                `json:"play,omitempty"`
	Phase      *Phase             `json:"phase,omitempty"` // for which the fault waited
	Journal    Text               `json:"journal"`         // relative to the report
	Began      *time.Time         `json:"began"`
	Fault      Text               `json:"fault"`
	Receipt    Text               `json:"receipt"`
	Confirmed  Text               `json:"confirmed"`
	Durability Text               `json:"durability"`
	Figures    Figures            `json:"figures"`
	Why        map[string]string  `json:"why"` // by figure: why it is null, or what is remarkable about it
	Limits     map[string]Seconds `json:"limits"`
	Targets    map[string]Seconds `json:"targets"`
	Verdicts   []Verdict          `json:"verdicts"`
	LostIDs    []string           `json:"lost_ids"` // at most ten
	Counters   []Counter          `json:"counters"`
	Requests   *Requests          `json:"requests"`
	Held       *Span              `json:"held"` // fault to healed
	Steps      []Step             `json:"steps"`
	Stages     []Stage            `json:"stages"`
	Recovery   []Moment           `json:"recovery"`
	Model      *Model             `json:"model"`
	GaveUp     Text               `json:"gave_up"` // what was still missing at the deadline
	Machine    *Machine           `json:"machine"`

	passesInFailedTest bool // its verdicts pass, and its test failed

	cutOff         bool   // something of it did not come to its end
	journalFault   string // what is wrong with what was kept of it
	aroundFailures bool   // it is of a test or a package that failed around parts that did
	of             *test  // that left the journal, or nil
	label          string // tells it from results of the same ID
	plays          int    // how many there are of each drill
	unsound        bool   // what it measured does not count: the drill broke or was cut off, or its journal is damaged
}

// setTest notes which test a result is of.
func (r *Result) setTest(t *test) { r.of, r.Test, r.Package = t, Text(t.name), Text(t.pkg) }

// Label is the ID, with what tells the result from others of the same ID: "DR-DB-004 (play 3 of
// 20)".
func (r Result) Label() string {
	name := r.Drill()
	if r.Play == 0 {
		return name
	}
	play := fmt.Sprintf("play %d of %d", r.Play, r.plays)
	if before, is := strings.CutSuffix(name, ")"); is && r.label != "" {
		return before + ", " + play + ")"
	}
	return name + " (" + play + ")"
}

// Drill is the label of all plays of the drill.
func (r Result) Drill() string { return cmp.Or(r.label, r.ID) }

// named is the label of the drill in one play.
func (r Result) named() string { return fmt.Sprint(r.Play, " ", r.Drill()) }

// A Phase is how long the fault waited once the drill was steady: see [drtest.Phase].
type Phase struct {
	Seed Text    `json:"seed"`
	Of   Seconds `json:"of"`
	Wait Seconds `json:"wait"`
}

// Faulty says whether what was kept of the drill is damaged, missing, or no test's of the run.
func (r Result) Faulty() bool { return r.journalFault != "" }

// FirstRun is how the first run of a drill ended that was played again, alone, since that run was
// untrusted.
type FirstRun struct {
	Why     Text `json:"why"`
	Journal Text `json:"journal"` // relative to the report
}

// notMeasured is the category of what has no journal that names one.
const notMeasured = "Not Measured"

// Figures are those of a drill. In JSON each stands under its [Key]: a time as a [Span], any other
// as a number, and null where it is not known.
type Figures struct{ drtest.Figures }

// MarshalJSON writes the figures in their order.
func (f Figures) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for _, fig := range f.Named() {
		var value any
		switch {
		case fig.Known && fig.IsTime():
			value = Span(fig.Interval)
		case fig.Known:
			value = fig.Number
		}
		data, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%c%q:%s", "{,"[min(b.Len(), 1)], Key(fig.Name), data)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Key is the name of a figure or of an objective in JSON: "heal_lag" for "heal lag".
func Key(name string) string { return strings.ReplaceAll(strings.ToLower(name), " ", "_") }

// A Verdict is the judgement of one objective, or of one target.
type Verdict struct {
	Objective string        `json:"objective"`
	Status    drtest.Status `json:"status"`
	Why       string        `json:"why"`
	Target    bool          `json:"target"`
	Untrusted bool          `json:"untrusted"`
}

// String reads "RTO: fail: got 38.412s (38.391s..38.412s), want at most 10s".
func (v Verdict) String() string {
	return drtest.Verdict{Objective: v.Objective, Status: v.Status, Target: v.Target, Why: v.Why, Untrusted: v.Untrusted}.String()
}

// Requests counts the requests of the load.
type Requests struct {
	Due      int `json:"due"`
	Acked    int `json:"acked"`
	Rejected int `json:"rejected"`
	Unknown  int `json:"unknown"`
	Failed   int `json:"failed"` // not acked, and ended after the fault
}

// A Counter is what one counter of the workload counted in the drill. The numbers are nil when they
// are not known.
type Counter struct {
	Name     string `json:"name"`
	Unit     Text   `json:"unit"`
	Total    *int   `json:"total"`
	Repeated *int   `json:"repeated"` // the part of it that had been counted before
	Why      Text   `json:"why"`      // why they are not known

	shown string // as text
}

// A Step is one step of the runbook. Began counts from the fault; Took is nil when it never ended.
type Step struct {
	Name  string   `json:"name"`
	Began Seconds  `json:"began"`
	Took  *Seconds `json:"took"`
}

// A Stage is a moment of the recovery, counted from the fault. Reached is nil when it is not known.
type Stage struct {
	Name    string `json:"name"`
	Reached *Span  `json:"reached"`
}

// A Moment is one instant of the recovery, in their order. The spans are nil for the fault itself.
type Moment struct {
	Name   string `json:"name"`
	Since  *Span  `json:"since_fault"`
	After  *Span  `json:"since_previous"` // from the last moment before it that came
	Source Text   `json:"source"`
}

// Machine is what the test machine was doing. The readings of the kernel are nil for a drill that
// was cut off.
type Machine struct {
	CPUs      *int     `json:"cpus"`
	Busy      *float64 `json:"busy"`
	Stalled   *float64 `json:"stalled"`
	Late      int      `json:"late_requests"`
	WorstLate Seconds  `json:"worst_lateness"`
	LateP99   Seconds  `json:"lateness_p99"`
	// Overloaded says that the machine could not keep up between the fault and the return of
	// service, and Why says why.
	Overloaded bool   `json:"overloaded"`
	Why        Text   `json:"why"`
	Share      *Share `json:"share"` // nil for a drill without a fault, or without readings of the machine
}

// Share is what the time from the fault until service was back, or the end of the drill, was made
// of.
type Share struct {
	Over    Seconds `json:"over"`
	Waited  Seconds `json:"waited"`           // some task waited for a processor
	Stolen  Seconds `json:"stolen"`           // by the host of a virtual machine
	Stopped Seconds `json:"stopped"`          // the test process stood still
	Starts  Seconds `json:"container_starts"` // the engine was starting a container
	Machine Seconds `json:"machine"`          // the most of it that can have been the machine's doing
}

// System is the least that is the system's.
func (s Share) System() Seconds { return s.Over - s.Machine }

// Text is a string that is null in JSON when it is empty.
type Text string

// MarshalJSON writes the string or null.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// Seconds is a duration that is a decimal number of seconds in JSON.
type Seconds time.Duration

// MarshalJSON writes the seconds with as many decimals as they have.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', -1, 64), nil
}

// String prints milliseconds: "2.413s".
func (s Seconds) String() string { return fmt.Sprintf("%.3fs", time.Duration(s).Seconds()) }

// Span is a measured interval. In JSON its ends are seconds, and hi is null when it was never seen.
type Span drtest.Interval

// MarshalJSON writes both ends.
func (s Span) MarshalJSON() ([]byte, error) {
	ends := struct {
		Lo Seconds  `json:"lo"`
		Hi *Seconds `json:"hi"`
	}{Lo: Seconds(s.Lo)}
	if s.Hi != drtest.Forever {
		ends.Hi = new(Seconds(s.Hi))
	}
	return json.Marshal(ends)
}

// newResult returns a result that shows nothing yet.
func newResult(id, title, category string) Result {
	return Result{
		ID: id, Title: title, Category: category,
		Why: map[string]string{}, Limits: map[string]Seconds{}, Targets: map[string]Seconds{},
		Verdicts: []Verdict{}, LostIDs: []string{}, Steps: []Step{}, Stages: []Stage{}, Counters: []Counter{}, Recovery: []Moment{},
	}
}

// String gives the strict end first: "2.413s (2.391s..2.413s)".
func (s Span) String() string { return drtest.Interval(s).String() }

// resultOf reads a result from the report of a drill. Damage is the error of reading its journal.
func resultOf(r *drtest.Report, damage error) Result {
	l, f := r.Ledger, r.Figures
	res := newResult(l.Drill.ID, l.Drill.Title, l.Drill.Category)
	res.Status, res.Untrusted, res.Began = r.Status(), r.Untrusted(), &l.Drill.Began
	res.Fault, res.Durability = Text(l.Drill.Fault), Text(l.Drill.Durability)
	res.Requests = &Requests{Due: f.Due, Acked: f.Acked, Rejected: f.Rejected, Unknown: f.Unknown, Failed: f.Failed}
	res.LostIDs = append(res.LostIDs, f.Lost[:min(10, len(f.Lost))]...)
	switch {
	case damage != nil:
		res.markBroken(damage.Error())
		res.journalFault = "is damaged"
	case l.Broken != "":
		res.markBroken("the drill broke: " + l.Broken)
	case !l.Ended:
		res.markBroken("the drill was cut off before its end")
	}
	res.unsound = res.Reason != ""
	if p := l.Drill.Phase; p != nil {
		res.Phase = &Phase{Text(p.Seed), Seconds(p.Of), Seconds(p.Wait)}
	}
	for _, v := range r.Disputed() {
		res.unsound = true
		res.markBroken(fmt.Sprintf("its journal does not bear the verdict that it records (%v)", v))
		res.Untrusted = false
	}
	res.cutOff = !l.Ended
	res.Figures = Figures{f}
	for _, fig := range f.Named() {
		if fig.Why != "" {
			res.Why[Key(fig.Name)] = fig.Why
		}
	}
	for _, v := range r.Verdicts {
		res.Verdicts = append(res.Verdicts, Verdict{v.Objective, v.Status, v.Why, v.Target, v.Untrusted})
		switch {
		case v.Limit == nil:
		case v.Target:
			strictest(res.Targets, v.Objective, *v.Limit)
		default:
			strictest(res.Limits, v.Objective, *v.Limit)
		}
	}
	for _, c := range f.Counters {
		counter := Counter{Name: c.Name, Unit: Text(c.Unit), Why: Text(c.Why), shown: c.String()}
		if c.Known {
			counter.Total, counter.Repeated = &c.Total, &c.Repeated
		}
		res.Counters = append(res.Counters, counter)
	}
	for _, s := range f.Stages {
		stage := Stage{Name: s.Name}
		if s.Known {
			stage.Reached = new(Span(s.Interval))
		}
		res.Stages = append(res.Stages, stage)
	}
	for i, m := range l.Recovery() {
		moment := Moment{Name: m.Name, Source: Text(m.Source)}
		if i > 0 { // the fault comes first
			moment.Since, moment.After = new(Span(m.Since)), new(Span(m.After))
		}
		res.Recovery = append(res.Recovery, moment)
	}
	doubted := r.Untrusted() || slices.ContainsFunc(r.Verdicts, func(v drtest.Verdict) bool { return v.Objective == "model" && v.Untrusted })
	res.Model = newModel(l.Drill.Model, f.RTO, doubted)
	res.addEvents(l)
	late, worst, p99 := l.Late()
	strain := r.Strain()
	res.Machine = &Machine{Late: late, WorstLate: Seconds(worst), LateP99: Seconds(p99), Overloaded: !strain.KeptUp(), Why: Text(strain.Why())}
	if _, injected := l.Event(drtest.FaultInjected); injected && strain.Known {
		res.Machine.Share = &Share{Seconds(strain.Over), Seconds(strain.Waited), Seconds(strain.Stolen), Seconds(strain.Stopped),
			Seconds(strain.Starts), Seconds(strain.Machine())}
	}
	if l.Ended {
		m := l.Machine
		res.Machine.CPUs, res.Machine.Busy, res.Machine.Stalled = &m.CPUs, &m.Busy, &m.Stalled
	}
	return res
}

// addEvents reads what was done to the system, and by whom.
func (r *Result) addEvents(l *drtest.Ledger) {
	fault, _ := l.Event(drtest.FaultInjected)
	for _, e := range l.Events {
		switch e.Kind {
		case drtest.FaultInjected:
			r.Receipt = Text(e.Receipt)
		case drtest.FaultConfirmed:
			r.Confirmed = Text(e.Receipt)
		case drtest.FaultHealed:
			r.Held = &Span{Lo: max(0, e.Lo-fault.Hi), Hi: max(0, e.Hi-fault.Lo)}
		case drtest.StepBegun:
			r.Steps = append(r.Steps, Step{Name: e.Note, Began: Seconds(e.Lo - fault.Lo)})
		case drtest.StepDone:
			if i := slices.IndexFunc(r.Steps, func(s Step) bool { return s.Name == e.Note && s.Took == nil }); i >= 0 {
				r.Steps[i].Took = new(Seconds(e.Hi - e.Lo))
			}
		case drtest.DeadlinePassed:
			r.GaveUp = Text(e.Note)
		}
	}
}

// markBroken notes why a result shows less than its verdicts say. It never passes then.
func (r *Result) markBroken(why string) {
	if r.Status == drtest.Pass {
		r.Status = drtest.Inconclusive
	}
	if r.Reason != "" {
		why = string(r.Reason) + "; " + why
	}
	r.Reason = Text(why)
}

// verdict returns the judgement of an objective or of a target, or nil when it was not asserted. It
// is the worst one where several have the name, such as two checks.
func (r *Result) verdict(objective string, target bool) (worst *Verdict) {
	badness := []drtest.Status{drtest.Pass, drtest.Inconclusive, drtest.Fail}
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		if v.Objective == objective && v.Target == target &&
			(worst == nil || slices.Index(badness, v.Status) > slices.Index(badness, worst.Status) || v.Status == worst.Status && worst.Untrusted && !v.Untrusted) {
			worst = v
		}
	}
	return worst
}

// strictest adds a limit, unless there is a stricter one of the same name.
func strictest(limits map[string]Seconds, objective string, limit time.Duration) {
	if known, ok := limits[Key(objective)]; !ok || Seconds(limit) < known {
		limits[Key(objective)] = Seconds(limit)
	}
}
