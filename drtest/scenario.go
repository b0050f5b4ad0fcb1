package drtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Scenario is one disaster, and what must be true of the recovery from it.
type Scenario struct {
	// ID names the scenario in ledgers, reports and baselines, such as "DR-DB-001". Results that
	// share an ID tell themselves apart by a suffix after a slash: "DR-DB-004/async". Required.
	ID string
	// Title says in a few words what happens. It defaults to the ID.
	Title string
	// Category groups scenarios in reports, such as "Database Failures".
	Category string
	// Durability says which losses the fault can and cannot show. A killed container, for instance,
	// keeps its host's page cache, so it says nothing about an fsync that was left out.
	Durability string

	// Workload is what clients do. Required.
	Workload Workload
	// Load is the schedule of the workload. Required.
	Load Load
	// Health is what the system says of itself: nil when it reports that it is well. It is polled
	// every Load.Every and gives the detection time. Without it nothing is ever detected.
	Health func(context.Context) error

	// Fault is the disaster. Required.
	Fault Fault
	// Period is the longest period of what the system does again and again, such as checkpoints or
	// the renewal of a lease, where it matters at which moment of it the fault comes. A drill that
	// is played many times waits before each fault for a random part of it, or of Load.Every where
	// that is longer. One that is played once does not wait.
	Period time.Duration
	// HealAfter is how long the world leaves the fault in place. At zero the fault stays until the
	// drill ends.
	HealAfter time.Duration
	// Watch is the least time for which the drill goes on after the fault, for effects that come
	// late, such as a lease that has to expire first.
	Watch time.Duration
	// Runbook is what an operator or an automation does. It begins once Health has reported the
	// failure; when it is empty, the system recovers alone.
	Runbook []Step
	// Stages are moments of the recovery that are waited for and measured: the load goes on until
	// all are reached.
	Stages []Stage
	// Proofs are examinations of the system once the drill is over. Each is judged always, under
	// its name.
	Proofs []Proof
	// Model is what the configuration alone says of the RTO. The measured RTO is judged by it
	// always.
	Model Model

	// Objectives are what must be true. Required: an objective that is absent is not asserted.
	Objectives []Objective
	// Targets are what was promised for this disaster elsewhere, such as in a service level
	// agreement. They are judged and reported beside the objectives, which must be at least as
	// strict.
	Targets []Objective
	// Deadline bounds the drill, from its fault until the accepted work has finished. At the deadline whatever was seen is judged: a drill that gave up can fail, but not
	// pass. Reading the survivors, confirming and healing the fault may each take ten seconds more,
	// and each proof thirty. The steady state has a minute and Load.Steady to come about, or as long
	// as Deadline where that is less. Required.
	Deadline time.Duration

	_ struct{} // keyed literals only, so that fields can be added
}

// A Workload drives the system as its clients would.
type Workload interface {
	// Do asks for the unit of work named id. A nil error is the system's acknowledgement. An error
	// that wraps [ErrRejected] promises that the work was not taken; after any other error nobody
	// knows.
	Do(ctx context.Context, id string) error
	// Survivors returns the id of every unit that the system holds, once for each time that it
	// holds it.
	Survivors(ctx context.Context) ([]string, error)
}

// A Classifier is a [Workload] whose requests belong to classes, such as a shard, a region or a
// kind of call, that can be down by themselves. Class names the class of a unit by its id. Each
// class has an outage of its own, and service is back when it is back for all, each of which has to
// be asked for again. Without classes one that is down among others looks like a failure rate.
type Classifier interface {
	Class(id string) string
}

// ErrRejected marks work that the system certainly refused.
var ErrRejected = errors.New("rejected")

// A Tracker is a [Workload] whose units take time: accepted now, finished later. Progress is read
// every Load.Every and returns what clients can see of each unit, by id; a unit that is left out
// has not changed since the last reading or is not known.
type Tracker interface {
	Progress(ctx context.Context) (map[string]Progress, error)
}

// Progress is how far one unit of work has come, as its clients see it.
type Progress struct {
	// Done is the number of steps that are finished.
	Done int `json:"done"`
	// Attempt counts the executions of the unit, from 1: each takeover or resumption adds one. Zero
	// means that the workload does not report it, and then nothing can be said about lost work.
	Attempt int `json:"attempt,omitempty"`
	// From is the Done that the present attempt started from: zero, or that of the checkpoint it
	// resumed.
	From int `json:"from,omitempty"`
	// Finished says that the unit has ended and will not change any more.
	Finished bool `json:"finished,omitempty"`
	// Wrong says why a finished unit does not have its right result. Empty means that it has.
	Wrong string `json:"wrong,omitempty"`
}

// Load is an open-loop schedule: a slow answer never delays the next request.
type Load struct {
	// Every is the time between two requests. It is also the resolution of every measured time.
	Every time.Duration
	// Timeout bounds each request, each poll of Health and each reading of Progress.
	Timeout time.Duration
	// Steady is the window that must pass without a failure before the fault is injected, and again
	// before the system counts as recovered. See Deadline for how long it may take to come. A window of n
	// requests excludes a failure rate above 1 - 0.05^(1/n), with a confidence of 95 %: 33 requests
	// exclude 8.7 %. See [ErrorRate].
	Steady time.Duration
	// Settle is how long after its answer a unit may become visible, or vanish: the survivors are
	// read until two readings agree that are apart by this and Timeout.
	Settle time.Duration
}

// A Fault is one way for the world to go wrong, in one drill at a time. What is made of another
// fault copies it and replaces what differs, so that nothing of it is lost.
type Fault struct {
	// Name says what happens, such as "kill primary". Required.
	Name string
	// Inject returns once the fault is in effect and has been seen to be. Required.
	Inject func(context.Context) (Effect, error)
	// Heal undoes the fault. It is called at most once, also after a drill that broke. Nil: there
	// is nothing to undo.
	Heal func(context.Context) error
	// Confirm collects evidence that appears only later, such as the line that a crashed server
	// logs when it starts again. It is called once the system has recovered or the deadline has
	// passed. An empty receipt without an error means that there is nothing to add. Nil: no
	// evidence comes later.
	Confirm func(context.Context) (Receipt, error)
	// Err says why the fault can never be injected, such as for lack of a firewall. The scenario is
	// refused then, before it begins.
	Err error
}

// An Effect is what was seen of a fault as it took effect.
type Effect struct {
	// Receipt is the evidence. Required.
	Receipt Receipt
	// NotBefore and By bound the moment at which the fault took effect, for one that knows better
	// than by the call of Inject: a death that was reported late, a server that went on answering
	// for a while, or evidence that took long to collect. At NotBefore it certainly was not in
	// effect yet, and By that moment it certainly was. Both are times of the test process's clock,
	// with its monotonic reading. The zero time stands for the begin and the end of Inject. A
	// moment before Inject was called breaks the drill, and so do moments in the wrong order.
	NotBefore, By time.Time
}

// A Receipt is the evidence that a fault took effect, such as "exit code 137". An empty receipt
// means that the fault never happened.
type Receipt string

// A Step is one named action of a runbook. What an operator can do to a system of this module is a
// method that returns one, such as pg.Promote(); Step{"promote by hand", f} is one of the
// scenario's own.
type Step struct {
	Name string
	Do   func(context.Context) error
}

// A Stage is a moment of the recovery, such as "promoted" or "redundancy restored". Reached returns
// nil once it is there, or says what is still missing. It is polled every Load.Every, with
// Load.Timeout as its bound, from when the fault is in effect until it first returns nil, and while
// it is injected where it was there before. [Reached] sets a limit on it.
type Stage struct {
	Name    string
	Reached func(context.Context) error
	// Source says where the moment is seen, such as "GET /primary of each node".
	Source string
}

// A Proof is an examination of the system once the drill is over, such as "no acked write on the
// losing side" by reading the log of the old primary. Examine is called once: after the survivors
// were read, also when the deadline has passed, and before the fault is confirmed or, where it is
// still in place, healed. It must leave the system as it is. It returns the evidence, or an error
// that refutes the proof. An error that wraps [ErrInconclusive], no evidence, and an examination
// that takes longer than thirty seconds show nothing either way.
//
// Some of what a proof needs is gone after the fault, such as the settings of a server that dies.
// Before, if it is not nil, is called once, when the system is steady and just before the fault. An
// error that it returns counts as one of Examine, which is not called then.
type Proof struct {
	Name    string
	Before  func(ctx context.Context) error
	Examine func(ctx context.Context) (evidence string, err error)
}

// validate names the first field without which the drill would be meaningless.
func (s Scenario) validate() error {
	switch {
	case s.ID == "":
		return errors.New("scenario has no ID: set Scenario.ID, reports key on it")
	case s.Workload == nil:
		return s.lacks("Workload: without clients nothing is measured")
	case s.Fault.Inject == nil:
		return s.lacks("Fault with a function Inject: use NoFault to measure a system that is left alone")
	case s.Fault.Name == "":
		return s.lacks("Fault.Name: what happens")
	case s.Fault.Err != nil:
		return fmt.Errorf("scenario %s: %s: %w", s.ID, s.Fault.Name, s.Fault.Err)
	case s.Load.Every <= 0:
		return s.lacks("Load.Every: the time between two requests")
	case s.Load.Timeout <= 0:
		return s.lacks("Load.Timeout: the bound of each request")
	case s.Load.Steady < s.Load.Every:
		return s.lacks("Load.Steady of at least Load.Every: the window without failures that makes a steady state")
	case s.Deadline <= 0:
		return s.lacks("Deadline: when to give up and judge what was seen")
	case s.HealAfter < 0 || s.Watch < 0 || s.Load.Settle < 0 || s.Period < 0:
		return fmt.Errorf("scenario %s has a negative HealAfter, Watch, Period or Load.Settle", s.ID)
	case s.Load.Timeout > s.Deadline || s.Load.Steady+max(s.HealAfter, s.Watch) > s.Deadline:
		return fmt.Errorf("scenario %s has a Deadline of %v, too short for Load.Timeout, a window of Load.Steady, HealAfter and Watch", s.ID, s.Deadline)
	case len(s.Objectives) == 0:
		return s.lacks("Objectives: a drill that asserts nothing cannot fail")
	case len(s.Runbook) > 0 && s.Health == nil:
		return s.lacks("Health: its runbook begins once Health has reported the failure")
	}
	for i, st := range s.Runbook {
		if st.Name == "" || st.Do == nil {
			return s.lacks(fmt.Sprintf("Name or Do in Runbook[%d]", i))
		}
	}
	taken := builtinNames()
	for i, st := range s.Stages {
		if st.Reached == nil || !taken.claim(st.Name) {
			return s.lacks(fmt.Sprintf("Reached, or no Name of its own, in Stages[%d]", i))
		}
	}
	for _, o := range slices.Concat(s.Objectives, s.Targets) {
		if o.kind != repeated { // those take the name of a counter
			taken.claim(o.name)
		}
	}
	for i, p := range s.Proofs {
		if p.Examine == nil || !taken.claim(p.Name) {
			return s.lacks(fmt.Sprintf("Examine, or no Name of its own, in Proofs[%d]", i))
		}
	}
	for i, c := range counters(s.Workload) {
		if c.Name == "" || c.Read == nil || !taken.claim(repeatedName(c.Name)) {
			return s.lacks(fmt.Sprintf("Read, or no Name of its own, in Counters()[%d] of its Workload", i))
		}
	}
	if err := s.Model.validate(); err != nil {
		return fmt.Errorf("scenario %s has %w", s.ID, err)
	}
	for _, o := range slices.Concat(s.Objectives, s.Targets) {
		if o.judge == nil {
			return fmt.Errorf("scenario %s: objective %q judges nothing: make it with RTO, RPO... or a Check of a function", s.ID, o.name)
		}
		if o.needs == nil {
			continue
		}
		if lacks := o.needs(s); lacks != "" {
			return fmt.Errorf("scenario %s: objective %q could never be judged: %s", s.ID, o.name, lacks)
		}
	}
	return cmp.Or(s.validateLimits(), s.recordable())
}

// errorRate returns the lowest that the objectives ask for, or 0.
func (s Scenario) errorRate() (lowest float64) {
	for _, o := range slices.Concat(s.Objectives, s.Targets) {
		if o.share != nil && (lowest == 0 || *o.share < lowest) {
			lowest = *o.share
		}
	}
	return lowest
}

// nameSet are those that verdicts, figures and stages have already. Reports key on them in lower
// case, with underscores.
type nameSet map[string]bool

// builtinNames returns the names of the figures and of the objectives of this package.
func builtinNames() nameSet {
	taken := nameSet{}
	for _, fig := range (Figures{}).Named() {
		taken.claim(fig.Name)
	}
	for _, o := range slices.Concat(everyObjective("", 0, 0, 0), []Objective{staysRejected(), staysHeld(), rightResults(), Model{}.explains()}) {
		if o.kind == "" {
			taken.claim(o.name)
		}
	}
	return taken
}

// claim takes a name, unless it is empty or taken.
func (n nameSet) claim(name string) bool {
	key := strings.ReplaceAll(strings.ToLower(name), " ", "_")
	free := key != "" && !n[key]
	n[key] = true
	return free
}

// longestUntilSteady is how long a drill waits for its steady state.
func (s Scenario) longestUntilSteady() time.Duration {
	return min(s.Load.Steady+steadyLimit, s.Deadline)
}

func (s Scenario) lacks(what string) error {
	return fmt.Errorf("scenario %s has no %s", s.ID, what)
}

// validateLimits refuses an objective that is looser than the target of the same name.
func (s Scenario) validateLimits() error {
	for _, target := range s.Targets {
		for _, o := range s.Objectives {
			if o.name == target.name && o.bounded && target.bounded && o.limit > target.limit {
				return fmt.Errorf("scenario %s: objective %s allows %v, looser than its target of %v",
					s.ID, o.name, o.limit, target.limit)
			}
		}
	}
	return nil
}
