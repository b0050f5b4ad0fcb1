package main

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/drtest/suite/drtest"
)

// check judges a saved journal.
func (c command) check(args []string) (int, error) {
	var objectives []drtest.Objective
	fs := c.flags("check", "journal.ndjson [objectives]")
	within := func(name, what string, objective func(time.Duration) drtest.Objective) {
		fs.Func(name, "require "+what+" `limit`, such as 45s", func(s string) error {
			limit, err := time.ParseDuration(s)
			objectives = append(objectives, objective(limit))
			return err
		})
	}
	holds := func(name, what string, objective func() drtest.Objective) {
		fs.BoolFunc(name, "require "+what, func(string) error {
			objectives = append(objectives, objective())
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
	holds("transparent", "that no client sees the fault", drtest.Transparent)
	fs.Func("reached", "require a stage to be reached in time, as `name=limit`, such as promoted=20s", func(s string) error {
		name, text, _ := strings.Cut(s, "=")
		limit, err := time.ParseDuration(text)
		objectives = append(objectives, drtest.Reached(name, limit))
		return err
	})
	fs.Func("all-recovered", "require `n` units in flight at the fault or more, and all to be recovered", func(s string) error {
		n, err := strconv.Atoi(s)
		objectives = append(objectives, drtest.AllRecovered(n))
		return err
	})
	fs.Func("repeated-calls", "require at most `n` paid calls to be repeats", func(s string) error {
		n, err := strconv.Atoi(s)
		objectives = append(objectives, drtest.RepeatedCalls(n))
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
	if len(objectives) > 0 {
		r = drtest.Judge(r.Ledger, objectives...)
	}
	fmt.Fprintln(c.stdout, "\nverdicts:")
	for _, v := range r.Verdicts {
		fmt.Fprintf(c.stdout, "  %v\n", v)
	}
	if len(r.Verdicts) == 0 {
		fmt.Fprintln(c.stdout, "  none was recorded: give objectives to judge by")
	}
	fmt.Fprintf(c.stdout, "status: %v\n", r.Status())
	switch {
	case r.Status() == drtest.Pass:
		return passed, nil
	case r.Untrusted():
		return untrusted, nil
	}
	return notPassed, nil
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
	paid := "not known: " + f.BillWhy
	if f.Bill != nil {
		paid = f.Bill.String()
	}
	fmt.Fprintf(w, "  paid\t%s\n", paid)
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
