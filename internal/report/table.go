package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/drtest/suite/drtest"
)

// Table returns the report as an aligned table for the terminal, with the strict end of each
// figure, and below it why results did not pass.
func (r *Report) Table() []byte {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTITLE\tSTATUS\tDETECTION\tRTO\tRPO\tRECOVERED\tMACHINE")
	for _, x := range r.Results {
		recovered, machine := "-", "-"
		f := x.Figures
		if f.WorkKnown {
			recovered = fmt.Sprintf("%d/%d", len(f.Recovered), len(f.Affected))
		}
		if m := x.Machine; m != nil {
			machine = m.mark(x.Verdicts)
		}
		status := x.Status.String()
		if x.Untrusted {
			status = "untrusted"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cell(x.Label()), cell(x.Title), status,
			strict(f.Detection), strict(f.RTO), strict(f.RPO), recovered, machine)
	}
	_ = w.Flush() // a buffer takes everything
	for _, x := range r.Results {
		if x.FirstRun != nil {
			fmt.Fprintf(&b, "%s: played again, alone, since the first run was untrusted: %s\n", x.Label(), x.FirstRun.Why)
		}
		if x.Reason != "" {
			fmt.Fprintf(&b, "%s: %v: %s\n", x.Label(), x.Status, x.Reason)
		}
		for _, v := range x.Verdicts {
			if v.Status == drtest.Fail || v.Status == drtest.Inconclusive && x.Reason == "" {
				fmt.Fprintf(&b, "%s: %s\n", x.Label(), v.String())
			}
		}
	}
	for i := range r.Repeated {
		g := &r.Repeated[i]
		fmt.Fprintf(&b, "%s: %v: %d of %d plays passed\n", g.Label(), g.Status, g.Passed, g.Plays)
		for _, sentence := range g.Proves() {
			fmt.Fprintf(&b, "  %s\n", sentence)
		}
	}
	for _, note := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	fmt.Fprintln(&b, r.Sum())
	if r.Summary.Results == 0 {
		fmt.Fprintln(&b, "no drill ran, so nothing passed")
	}
	if r.Incomplete != "" {
		fmt.Fprintf(&b, "incomplete: %s\n", r.Incomplete)
	}
	return b.Bytes()
}

// Sum counts the results in a line.
func (r *Report) Sum() string {
	s := r.Summary
	sum := fmt.Sprintf("%d results: %d passed, %d failed, %d inconclusive", s.Results, s.Passed, s.Failed, s.Inconclusive)
	if s.Untrusted > 0 {
		sum += fmt.Sprintf(", %d of them untrusted: the machine did not keep up", s.Untrusted)
	}
	if s.Rerun > 0 {
		sum += fmt.Sprintf("; %d played again, alone", s.Rerun)
	}
	return sum
}

// cell cuts what would make a column too wide to be read. What is below the table has all of it.
func cell(text string) string {
	const most = 80
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// mark says how the machine did, and what that rests on. A verdict may rest on another part of the
// drill than the figures as a whole do.
func (m *Machine) mark(verdicts []Verdict) string {
	var not []string
	for _, v := range verdicts {
		if v.Untrusted && !slices.Contains(not, v.Objective) {
			not = append(not, v.Objective)
		}
	}
	switch {
	case m.Overloaded:
		return "OVERLOADED: " + string(m.Why)
	case len(not) > 0:
		return "did not keep up: see " + strings.Join(not, ", ")
	case m.Late > 0:
		return fmt.Sprintf("%d late", m.Late)
	}
	return "ok"
}

// strict prints the end of an interval that counts.
func strict(f drtest.Figure) string {
	switch {
	case !f.Known:
		return "-"
	case f.Hi == drtest.Forever:
		return ">" + Seconds(f.Lo).String()
	}
	return Seconds(f.Hi).String()
}
