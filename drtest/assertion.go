package drtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/drtest/suite/internal/foreign"
)

// An Assertion is an [Objective] as a journal keeps it, so that the judgement can be repeated from
// the journal alone.
type Assertion struct {
	// Objective is which one it is, as its verdict names it: "RTO", "all recovered"... It is
	// "reached" for every [Reached], "repeated" for every [Repeated] and "check" for every [Check].
	Objective string `json:"objective"`
	// Name is that of the stage, the counter or the check.
	Name   string         `json:"name,omitempty"`
	Limit  *time.Duration `json:"limit,omitempty"`  // of those that have a limit
	Count  *int           `json:"count,omitempty"`  // of [AllRecovered] and [Repeated]
	Share  *float64       `json:"share,omitempty"`  // of [ErrorRate]
	Target bool           `json:"target,omitempty"` // one of Scenario.Targets
}

// The kinds of objectives that take their name from the scenario.
const (
	reached  = "reached"
	repeated = "repeated"
	check    = "check"
)

// String reads "RTO 5s", "promoted 20s", "repeated calls 3" or "target RPO 0s".
func (a Assertion) String() string {
	text := a.verdictName()
	if a.Target {
		text = "target " + text
	}
	if a.Limit != nil {
		text += fmt.Sprintf(" %v", *a.Limit)
	}
	if a.Count != nil {
		text += fmt.Sprintf(" %d", *a.Count)
	}
	if a.Share != nil {
		text += fmt.Sprintf(" %v", *a.Share)
	}
	if a.Objective == check {
		text += " (as recorded)"
	}
	return text
}

// verdictName is the name that its verdict has.
func (a Assertion) verdictName() string {
	switch a.Objective {
	case reached, check:
		return a.Name
	case repeated:
		return repeatedName(a.Name)
	}
	return a.Objective
}

// matches says whether a verdict is of this assertion.
func (a Assertion) matches(v Verdict) bool {
	same := a.Limit == nil && v.Limit == nil || a.Limit != nil && v.Limit != nil && *a.Limit == *v.Limit
	return same && a.verdictName() == v.Objective && a.Target == v.Target
}

// assertions returns what a scenario asserts.
func assertions(objectives, targets []Objective) (all []Assertion) {
	for _, o := range objectives {
		all = append(all, o.assertion())
	}
	for _, o := range targets {
		a := o.assertion()
		a.Target = true
		all = append(all, a)
	}
	return all
}

func (o Objective) assertion() Assertion {
	a := Assertion{Objective: o.name, Count: o.count, Share: o.share}
	if o.kind != "" {
		a.Objective, a.Name = o.kind, o.of
	}
	if o.bounded {
		a.Limit = &o.limit
	}
	return a
}

// validate names what no scenario can assert.
func (a Assertion) validate() error {
	if a.Limit != nil && (*a.Limit < 0 || *a.Limit > longestDrill) {
		return fmt.Errorf("%s has a limit of %v", a.verdictName(), *a.Limit)
	}
	if a.Count != nil && *a.Count < 0 {
		return fmt.Errorf("%s has a count of %d", a.verdictName(), *a.Count)
	}
	if a.Share != nil && !(*a.Share > 0 && *a.Share < 1) {
		return fmt.Errorf("%s has a share of %v", a.verdictName(), *a.Share)
	}
	if name := a.verdictName(); name == "" || a.Objective == repeated && a.Name == "" || foreign.Text(name) != name {
		return errors.New("an objective without a name that can be shown")
	}
	o, err := a.objective()
	if err != nil {
		return err
	}
	if again := o.assertion(); (a.Name == "") != (again.Name == "") || (a.Limit == nil) != (again.Limit == nil) || (a.Count == nil) != (again.Count == nil) ||
		(a.Share == nil) != (again.Share == nil) {
		return fmt.Errorf("%s has a name, a limit, a count or a share, and takes none", a.Objective)
	}
	return nil
}

// objective returns what was asserted. The function of a [Check] is not kept: see asRecorded.
func (a Assertion) objective() (Objective, error) {
	var limit time.Duration
	var count int
	if a.Limit != nil {
		limit = *a.Limit
	}
	if a.Count != nil {
		count = *a.Count
	}
	var share float64
	if a.Share != nil {
		share = *a.Share
	}
	all := everyObjective(a.Name, limit, count, share)
	i := slices.IndexFunc(all, func(o Objective) bool { return o.assertion().Objective == a.Objective })
	if i < 0 {
		return Objective{}, fmt.Errorf("this program knows no objective %q", foreign.Text(a.Objective))
	}
	o := all[i]
	if o.bounded && a.Limit == nil || o.count != nil && a.Count == nil || o.judge == nil {
		return Objective{}, fmt.Errorf("%s has no limit, count or share", a.verdictName())
	}
	return o, nil
}

// recordedCheck is a [Check] that has been judged before.
func recordedCheck(name string, recorded *Verdict) Objective {
	return Objective{name: name, kind: check, of: name, judge: func(*Ledger, Figures) Verdict {
		if recorded == nil {
			return Verdict{Why: "a check is a function, which a journal does not keep, and no verdict of it was recorded"}
		}
		v := *recorded
		v.Recorded = true
		return v
	}}
}

// Rejudge judges the ledger again by all that was asserted, and by the figures as they are. The
// verdict of a [Check] is taken over as it was recorded.
//
// Each of others takes the place of the objective of the same name, with another limit for
// instance, or is judged as well. The targets stay as they were.
func (r *Report) Rejudge(others ...Objective) *Report {
	var objectives, targets []Objective
	others, recorded := slices.Clone(others), slices.Clone(r.Verdicts)
	for _, a := range r.Asserted {
		o, err := a.objective()
		if err != nil {
			o = Objective{name: a.verdictName(), judge: func(*Ledger, Figures) Verdict { return Verdict{Why: err.Error()} }}
		}
		if i := slices.IndexFunc(recorded, a.matches); i >= 0 && a.Objective == check {
			o = recordedCheck(a.Name, &recorded[i])
			recorded = slices.Delete(slices.Clone(recorded), i, i+1)
		}
		if a.Target {
			targets = append(targets, o)
			continue
		}
		if i := slices.IndexFunc(others, func(other Objective) bool { return other.name == o.name }); i >= 0 {
			o = others[i]
			others = slices.Delete(others, i, i+1)
		}
		objectives = append(objectives, o)
	}
	return judge(r.Ledger, r.Figures, append(objectives, others...), targets)
}

// Disputed returns the verdicts as they were given that [Report.Rejudge] gives otherwise: the
// ledger does not bear them. Another version of this package may have given them, or an author who
// rewrote the journal.
func (r *Report) Disputed() (given []Verdict) {
	again := r.Rejudge().Verdicts
	for _, v := range r.Verdicts {
		i := slices.IndexFunc(again, func(a Verdict) bool { return a.Objective == v.Objective && a.Target == v.Target })
		if i < 0 {
			given = append(given, v)
			continue
		}
		if again[i].Status != v.Status || again[i].Untrusted != v.Untrusted {
			given = append(given, v)
		}
		again = slices.Delete(again, i, i+1) // two checks may have one name
	}
	return given
}
