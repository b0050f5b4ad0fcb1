package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drtest/suite/drtest"
)

// check judges a saved journal by what its test asserted, with the limits that are given in the
// place of those.
func (c command) check(args []string) (int, error) {
	var objectives []drtest.Objective
	fs := c.flags("check", "journal.ndjson [objectives]")
	require := func(o drtest.Objective) { objectives = append(objectives, o) }
	within := func(name, what string, objective func(time.Duration) drtest.Objective) {
		fs.Func(name, "require "+what+" `limit`, such as 45s", func(s string) error {
			limit, err := parseLimit(s)
			require(objective(limit))
			return err
		})
	}
	counted := func(name, what string, objective func(int) drtest.Objective) {
		fs.Func(name, "require "+what, func(s string) error {
			n, err := strconv.ParseUint(s, 10, 31)
			require(objective(int(n)))
			return err
		})
	}
	holds := func(name, what string, objective func() drtest.Objective) {
		fs.BoolFunc(name, "require "+what, func(s string) error {
			if s != "true" {
				return errors.New("takes no value")
			}
			require(objective())
			return nil
		})
	}
	within("detection", "health to turn bad within", drtest.Detection)
	within("rto", "service to be back within", drtest.RTO)
	within("heal-lag", "service to be back, once the fault is healed, within", drtest.HealLag)
	within("rpo", "acked work to survive unless it was acked before the fault within", drtest.RPO)
	within("work-rto", "work in flight to be past its progress at the fault within", drtest.WorkRTO)
	within("lost-work", "no unit in flight to be rolled back by more than", drtest.LostWork)
	holds("no-duplicates", "that nothing is held twice", drtest.NoDuplicates)
	holds("no-failed-requests", "that no client sees the fault", drtest.NoFailedRequests)
	counted("all-recovered", "`n` units in flight at the fault or more, and all to be recovered", drtest.AllRecovered)
	fs.Func("repeated", "allow `name=n` of what a counter counted to be repeated, such as calls=3", func(s string) error {
		at := max(0, strings.LastIndex(s, "="))
		n, err := strconv.ParseUint(strings.TrimPrefix(s[at:], "="), 10, 31)
		require(drtest.Repeated(s[:at], int(n)))
		return err
	})
	fs.Func("error-rate", "allow this `share` of the requests to fail once service is back, such as 0.01", func(s string) error {
		share, err := strconv.ParseFloat(s, 64)
		if err == nil && !(share > 0 && share < 1) {
			err = errors.New("want a share between 0 and 1")
		}
		require(drtest.ErrorRate(share))
		return err
	})
	fs.Func("reached", "require a stage to be reached in time, as `name=limit`, such as promoted=20s", func(s string) error {
		at := max(0, strings.LastIndex(s, "="))
		limit, err := parseLimit(strings.TrimPrefix(s[at:], "="))
		require(drtest.Reached(s[:at], limit))
		return err
	})
	files, err := parse(fs, args, 1)
	if err != nil {
		return trouble, err
	}
	file, err := os.Open(files[0])
	if err != nil {
		return trouble, err
	}
	defer file.Close()
	r, damage := drtest.ReadReport(file)
	c.show(r)
	if damage != nil {
		return trouble, fmt.Errorf("%s: %w", files[0], damage)
	}
	again := r.Again(objectives...)
	fmt.Fprintln(c.stdout, "\nverdicts:")
	for _, v := range again.Verdicts {
		fmt.Fprintf(c.stdout, "  %v\n", v)
	}
	if len(objectives) == 0 {
		for _, v := range r.Disputed() {
			fmt.Fprintf(c.stdout, "  recorded was: %v\n", v)
		}
	}
	status := again.Status()
	if len(again.Asserted) == 0 {
		fmt.Fprintln(c.stdout, "  nothing was asserted: give objectives to judge by")
		status = drtest.Inconclusive
	}
	fmt.Fprintf(c.stdout, "status: %v\n", status)
	switch {
	case status == drtest.Pass:
		return passed, nil
	case again.Untrusted():
		return untrusted, nil
	}
	return notPassed, nil
}

func parseLimit(s string) (time.Duration, error) {
	limit, err := time.ParseDuration(s)
	if err == nil && limit < 0 {
		err = errors.New("a limit is not negative")
	}
	return limit, err
}

// show prints what a ledger holds, whatever it is judged by.
func (c command) show(r *drtest.Report) {
	l, f := r.Ledger, r.Figures
	fmt.Fprintf(c.stdout, "%s  %s\nfault: %s\n", l.Drill.ID, l.Drill.Title, l.Drill.Fault)
	switch {
	case l.Broken != "":
		fmt.Fprintf(c.stdout, "the drill broke: %s\n", l.Broken)
	case !l.Ended:
		fmt.Fprintln(c.stdout, "the drill was cut off before its end")
	}
	fmt.Fprintln(c.stdout, "\nfigures:")
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	figures := []drtest.StageFigure{
		{Name: "detection", Figure: f.Detection}, {Name: "RTO", Figure: f.RTO}, {Name: "outage", Figure: f.Outage},
		{Name: "heal lag", Figure: f.HealLag}, {Name: "RPO", Figure: f.RPO}, {Name: "work RTO", Figure: f.WorkRTO},
		{Name: "lost work", Figure: f.LostWork},
	}
	for _, fig := range append(figures, f.Stages...) {
		measured := "not measured"
		if fig.Known {
			measured = fig.Interval.String()
		}
		if fig.Why != "" {
			measured += ": " + fig.Why
		}
		fmt.Fprintf(w, "  %s\t%s\n", fig.Name, measured)
	}
	if len(l.Drill.Model) > 0 {
		sum := l.Drill.Model.RTO()
		fmt.Fprintf(w, "  model\tof the RTO, by the configuration: %v at best, %v at worst\n", sum.Lo, sum.Hi)
	}
	fmt.Fprintf(w, "  requests\t%d: %d acked, %d rejected, %d unknown; %d failed after the fault\n", f.Due, f.Acked, f.Rejected, f.Unknown, f.Failed)
	work := "not known: " + f.WorkWhy
	if f.WorkKnown {
		work = fmt.Sprintf("%d of %d in flight at the fault", len(f.Recovered), len(f.Affected))
	}
	fmt.Fprintf(w, "  recovered\t%s\n", work)
	held := "not known"
	if l.Survivors != nil {
		held = fmt.Sprintf("%d units; %d lost, %d held more than once, %d rejected and held", f.Held, len(f.Lost), len(f.Duplicates), len(f.Resurrected))
	}
	fmt.Fprintf(w, "  held\t%s\n", held)
	for _, c := range f.Counters {
		fmt.Fprintf(w, "  counter %s\t%v\n", c.Name, c)
	}
	strain := r.Strained()
	kept := "kept up"
	if !strain.KeptUp() {
		kept = "did not keep up: " + strain.Why()
	}
	if strain.Known {
		kept += fmt.Sprintf("; of %.3fs from the fault until service was back up to %.3fs were its doing", strain.Over.Seconds(), strain.Machine().Seconds())
	}
	fmt.Fprintf(w, "  machine\t%s\n", kept)
	_ = w.Flush()
	fmt.Fprintf(c.stdout, "\ntimeline, counted from the fault:\n%s", cmp.Or(l.Timeline(), "  nothing happened\n"))
}
