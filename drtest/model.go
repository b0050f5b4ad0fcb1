package drtest

import (
	"fmt"
	"time"
)

// A Model is what the configuration of a system alone says of its RTO, before anything is measured:
// the sum of its terms.
type Model []Term

// A Term is one part of a [Model], such as "lease runs out", 19 s at best and 20 s at worst.
type Term struct {
	Name  string        `json:"name"`
	Best  time.Duration `json:"best"`
	Worst time.Duration `json:"worst"`
	// Source is the configuration that it follows from, such as "ttl 20s, loop_wait 1s".
	Source string `json:"source"`
}

// RTO returns the sum of the terms, from the best case to the worst.
func (m Model) RTO() Interval {
	var sum Interval
	for _, term := range m {
		sum.Lo += term.Best
		sum.Hi += term.Worst
	}
	return sum
}

// validate names the first term that says nothing.
func (m Model) validate() error {
	for i, term := range m {
		switch {
		case term.Name == "" || term.Source == "":
			return fmt.Errorf("no Name or Source in Model[%d]", i)
		case term.Best < 0 || term.Best > term.Worst:
			return fmt.Errorf("a Best of %v and a Worst of %v in Model[%d]: want 0 <= Best <= Worst", term.Best, term.Worst, i)
		}
	}
	return nil
}

// against points out a limit that is not the worst case of the model.
func (m Model) against(limit time.Duration) string {
	switch worst := m.RTO().Hi; {
	case len(m) == 0 || limit == worst:
		return ""
	case limit > worst:
		return fmt.Sprintf("; the limit allows %v more than the configuration's worst case of %v", limit-worst, worst)
	default:
		return fmt.Sprintf("; the configuration's worst case of %v exceeds the limit", worst)
	}
}

// explains is judged for every drill with a model: a measured RTO that the model does not explain
// means that the model or the system is not understood.
func (m Model) explains() Objective {
	return Objective{name: "model", judge: func(l *Ledger, f Figures) Verdict {
		if !f.RTO.Known {
			return l.notMeasured(f.RTO)
		}
		got, want := f.RTO.Interval, m.RTO()
		v := Verdict{Got: &got, Why: fmt.Sprintf("got %v, want %s..%s by the configuration", got, seconds(want.Lo), seconds(want.Hi))}
		switch {
		case got.Lo >= want.Lo && got.Hi <= want.Hi:
			v.Status = Pass
		case got.Hi < want.Lo || got.Lo > want.Hi:
			v.Status = Fail
		}
		if f.RTO.Why != "" {
			v.Why += ": " + f.RTO.Why
		} else if v.Status == Inconclusive {
			v.Why += ": too coarse to tell, with " + resolution(l)
		}
		if v.Status == Fail && got.Hi < want.Lo { // too fast is no matter of the machine
			return v
		}
		return l.distrust(v, windowSince(FaultInjected)(l, got), got.Lo, want.Hi)
	}}
}
