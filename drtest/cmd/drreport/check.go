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
	// The name of a flag is that of its objective, and what a limit is on is said as in reports.
	flagOf := func(o drtest.Objective) (name, meaning string) {
		asserted := drtest.Judge(new(drtest.Ledger), o).Asserted[0].Objective
		for _, fig := range (drtest.Figures{}).Named() {
			if fig.Objective == asserted {
				meaning = fig.Meaning
			}
		}
		return strings.ReplaceAll(strings.ToLower(asserted), " ", "-"), meaning
	}
	for _, objective := range []func(time.Duration) drtest.Objective{drtest.Detection, drtest.RTO, drtest.HealLag, drtest.RPO, drtest.WorkRTO, drtest.LostWork} {
		name, meaning := flagOf(objective(0))
		fs.Func(name, "require at most `limit`, such as 45s: "+meaning, func(s string) error {
			limit, err := parseLimit(s)
			require(objective(limit))
			return err
		})
	}
	holds := func(what string, objective func() drtest.Objective) {
		name, _ := flagOf(objective())
		fs.BoolFunc(name, "require "+what, func(s string) error {
			if s != "true" {
				return errors.New("takes no value")
			}
			require(objective())
			return nil
		})
	}
	holds("that nothing is held twice", drtest.NoDuplicates)
	holds("that no client sees the fault", drtest.NoFailedRequests)
	value := func(o drtest.Objective, what string, objective func(s string) (drtest.Objective, error)) {
		name, _ := flagOf(o)
		fs.Func(name, what, func(s string) error {
			o, err := objective(s)
			if err == nil {
				require(o)
			}
			return err
		})
	}
	value(drtest.AllRecovered(0), "require `n` units in flight at the fault or more, and all to be recovered", func(s string) (drtest.Objective, error) {
		n, err := parseCount(s)
		return drtest.AllRecovered(n), err
	})
	value(drtest.ErrorRate(0.5), "allow this `share` of the requests to fail once service is back, such as 0.01", func(s string) (drtest.Objective, error) {
		share, err := strconv.ParseFloat(s, 64)
		if err == nil && !(share > 0 && share < 1) {
			err = errors.New("want a share between 0 and 1")
		}
		return drtest.ErrorRate(share), err
	})
	value(drtest.Repeated("", 0), "allow so much of what a counter counted to be repeated, as `name=n`, such as calls=3", func(s string) (drtest.Objective, error) {
		name, count := cutLast(s)
		n, err := parseCount(count)
		return drtest.Repeated(name, n), err
	})
	value(drtest.Reached("", 0), "require a stage to be reached in time, as `name=limit`, such as promoted=20s", func(s string) (drtest.Objective, error) {
		stage, limit := cutLast(s)
		d, err := parseLimit(limit)
		return drtest.Reached(stage, d), err
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
	again := r.Rejudge(objectives...)
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

// cutLast cuts text at its last "=", since a name may have one as well.
func cutLast(s string) (name, value string) {
	at := max(0, strings.LastIndex(s, "="))
	return s[:at], strings.TrimPrefix(s[at:], "=")
}

func parseCount(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err
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
	for _, fig := range f.Named() {
		fmt.Fprintf(w, "  %s\t%v\n", fig.Name, fig)
	}
	for _, s := range f.Stages {
		fmt.Fprintf(w, "  stage %s\t%v\n", s.Name, s.Figure)
	}
	if len(l.Drill.Model) > 0 {
		sum := l.Drill.Model.RTO()
		fmt.Fprintf(w, "  model\tof the RTO, by the configuration: %v at best, %v at worst\n", sum.Lo, sum.Hi)
	}
	fmt.Fprintf(w, "  requests\t%d: %d acked, %d rejected, %d unknown; %d failed after the fault\n", f.Due, f.Acked, f.Rejected, f.Unknown, f.Failed)
	held := "not known"
	if l.Survivors != nil {
		held = fmt.Sprintf("%d units; %d of them rejected", f.Held, len(f.Resurrected))
	}
	fmt.Fprintf(w, "  held\t%s\n", held)
	for _, c := range f.Counters {
		fmt.Fprintf(w, "  counter %s\t%v\n", c.Name, c)
	}
	strain := r.Strain()
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
