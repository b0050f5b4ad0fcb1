package drtest

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// A Ledger is the record of one drill. It is plain data: judging needs nothing else. All instants
// count from the start of the drill on the test process's monotonic clock.
type Ledger struct {
	Drill   Drill
	Ops     []Op     // in the order in which they were due
	Events  []Event  // in the order in which they were seen
	Samples []Sample // of running work, where the workload is a [Tracker]
	// Readings are of the machine, in their order. Ledgers of older versions have none.
	Readings []Reading
	// Survivors holds every unit that the system held at the end, repeats included. It is nil when
	// two successive readings never agreed.
	Survivors []string
	// Vanished holds the units that the system held in one reading and not in a later one.
	Vanished []string
	// Counts holds what was counted during the drill, by the name of the [Counter], of those that
	// could be read.
	Counts  map[string]Count
	Machine Machine
	// Ended says that the drill came to its end. A ledger without it was cut off, by a crash of the
	// test process for instance, and cannot pass.
	Ended bool
	// Broken says why the drill itself broke, if it did.
	Broken string
}

// Drill is what was played.
type Drill struct {
	ID         string        `json:"id"`
	Title      string        `json:"title"`
	Category   string        `json:"category,omitempty"`
	Durability string        `json:"durability,omitempty"`
	Fault      string        `json:"fault"`
	Began      time.Time     `json:"began"` // the wall clock at offset zero, for people
	Every      time.Duration `json:"every"`
	Timeout    time.Duration `json:"timeout"`
	Steady     time.Duration `json:"steady"`
	HealAfter  time.Duration `json:"healAfter,omitempty"`
	Steps      int           `json:"steps,omitempty"` // of the runbook
	Stages     []string      `json:"stages,omitempty"`
	// Sources says where stages are seen, by their names.
	Sources  map[string]string `json:"sources,omitempty"`
	Model    Model             `json:"model,omitempty"`
	Proofs   []string          `json:"proofs,omitempty"`
	Deadline time.Duration     `json:"deadline"`
	Tracked  bool              `json:"tracked,omitempty"` // the workload reports progress
	Watched  bool              `json:"watched,omitempty"` // the system reports health
	Counters []Counter         `json:"counters,omitempty"`
	// ErrorRate is the lowest that an objective asks for: see the function of that name. The drill
	// goes on until it can be excluded.
	ErrorRate float64 `json:"errorRate,omitempty"`
	// Phase is nil when the fault came as soon as the drill was steady.
	Phase *Phase `json:"phase,omitempty"`
}

// An Op is one request as a client saw it.
type Op struct {
	ID      string
	Due     time.Duration // when the schedule wanted it; Start - Due is how late the load was
	Start   time.Duration
	End     time.Duration // [Forever] while no outcome is known
	Class   string        // see [Classifier]
	Outcome Outcome
	Err     string
}

// Outcome is what a client may conclude about an [Op].
type Outcome string

const (
	Unknown  Outcome = "unknown"  // no answer, or one that proves nothing
	Acked    Outcome = "acked"    // the system promised to keep it
	Rejected Outcome = "rejected" // the system promised that it did not take it
)

// An Event is something that happened once, within its interval.
type Event struct {
	Kind EventKind `json:"kind"`
	Interval
	Note    string  `json:"note,omitempty"`
	Receipt Receipt `json:"receipt,omitempty"` // of FaultInjected and FaultConfirmed
	// Seen is when Inject returned: not before the end of FaultInjected, which may be [Effect].By.
	// 0 stands for that end.
	Seen time.Duration `json:"seen,omitempty"`
	// Evidence is what a proof found, of Proved, Refuted and NotProved; and what a counter said.
	Evidence string `json:"evidence,omitempty"`
}

// String returns the kind of the event, its note, its receipt and its evidence on one line.
func (e Event) String() string {
	line := string(e.Kind)
	if e.Note != "" {
		line += ": " + e.Note
	}
	if e.Receipt != "" {
		line += fmt.Sprintf(" (receipt: %s)", e.Receipt)
	}
	if e.Evidence != "" {
		line += ": " + e.Evidence
	}
	return line
}

// EventKind names an [Event].
type EventKind string

const (
	SteadyReached  EventKind = "steady state"    // the load was acked without a failure for the window
	FaultInjected  EventKind = "fault"           // from just before Inject until it returned its receipt, or between the moments of its [Effect]
	FaultConfirmed EventKind = "confirmed"       // evidence of the fault that appeared later
	FaultHealed    EventKind = "healed"          // from just before Heal until it returned
	HealthGood     EventKind = "health good"     // the first poll, if it was good
	HealthLost     EventKind = "detected"        // from the last good poll to the first bad one
	HealthRestored EventKind = "health restored" // from the last bad poll to the first good one
	HealthKept     EventKind = "health kept"     // the last good poll of a drill that ended in good health
	StepBegun      EventKind = "step begun"
	StepDone       EventKind = "step done" // from the step's start to its end
	StageReached   EventKind = "reached"   // from the last poll that found it missing to the first that did not
	StageMissed    EventKind = "missed"    // the last poll of a stage that was never reached
	StageKept      EventKind = "kept"      // the last poll of a stage that was there before the fault and in each poll since
	// Stalled is a time in which the test process stood still, 35 ms or longer.
	Stalled EventKind = "stall"
	// ContainerStarted is the work of the engine on a container that starts: see [NoteStart].
	ContainerStarted EventKind = "container start"
	SteadyAgain      EventKind = "steady again"
	DeadlinePassed   EventKind = "deadline"
	SurvivorsRead    EventKind = "survivors"
	CounterRead      EventKind = "counter"    // what it counted, or why that is not known
	Proved           EventKind = "proved"     // from the start of the examination to its end
	Refuted          EventKind = "refuted"    // likewise
	NotProved        EventKind = "not proved" // likewise: it showed nothing either way
)

// A Sample is one reading of progress, taken within its interval. Units holds the units that
// changed since the last sample.
type Sample struct {
	Interval
	Units map[string]Progress `json:"units,omitempty"`
}

// Late is how many requests of the load left late: by more than half a period, and by more than ten
// milliseconds, which no schedule of a process can promise; and by how much the worst left late,
// and the worst but one in a hundred.
func (l *Ledger) Late() (ops int, worst, p99 time.Duration) {
	late := make([]time.Duration, len(l.Ops))
	for i, op := range l.Ops {
		if late[i] = op.Start - op.Due; l.Drill.late(op) {
			ops++
		}
	}
	if len(late) == 0 {
		return 0, 0, 0
	}
	slices.Sort(late)
	return ops, late[len(late)-1], late[len(late)-1-len(late)/100]
}

// late says whether a request left later than its schedule allows.
func (d *Drill) late(op Op) bool { return op.Start-op.Due > max(d.Every/2, 10*time.Millisecond) }

// stalls are the times in which the test process stood still, in their order.
func (l *Ledger) stalls() (stalls []Interval) {
	for _, e := range l.Events {
		if e.Kind == Stalled {
			stalls = append(stalls, e.Interval)
		}
	}
	return stalls
}

// during says whether a request was under way in one of these times, which are in their order.
func (op Op) during(times []Interval) bool {
	i, _ := slices.BinarySearchFunc(times, op.Start, func(t Interval, start time.Duration) int { return cmp.Compare(t.Hi, start) })
	return i < len(times) && times[i].Lo < op.End
}

// Event returns the interval of the first event of a kind.
func (l *Ledger) Event(kind EventKind) (Interval, bool) {
	if i := slices.IndexFunc(l.Events, func(e Event) bool { return e.Kind == kind }); i >= 0 {
		return l.Events[i].Interval, true
	}
	return Interval{}, false
}

// noteOf returns what was noted with the first event of a kind.
func (l *Ledger) noteOf(kind EventKind) string {
	if i := slices.IndexFunc(l.Events, func(e Event) bool { return e.Kind == kind }); i >= 0 {
		return l.Events[i].Note
	}
	return ""
}
