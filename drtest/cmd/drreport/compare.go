package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/drtest/suite/internal/drift"
)

// compare judges two results.
func (c command) compare(args []string) (int, error) {
	var o drift.Options
	fs := c.flags("compare", "[-across-machines] old new")
	fs.BoolVar(&o.AcrossMachines, "across-machines", false, "compare also what other profiles or classes of machine measured: the difference may be theirs")
	sides, err := parse(fs, args, 2)
	if err != nil {
		return trouble, err
	}
	if len(sides) < 2 {
		fs.Usage()
		return trouble, errUsage
	}
	old, err := drift.Gather(sides[0])
	if err != nil {
		return trouble, err
	}
	now, err := drift.Gather(sides[1])
	if err != nil {
		return trouble, err
	}
	found, err := drift.Compare(old, now, o)
	if err != nil {
		return trouble, err
	}
	fmt.Fprint(c.stdout, found.Table())
	switch {
	case found.Count(drift.Slower) > 0:
		return notPassed, nil
	case len(found.Missing) > 0:
		return incomplete, nil
	case found.Count(drift.TooFew)+found.Count(drift.Untrusted) > 0 || len(found.Lines) == 0:
		return untrusted, nil
	}
	return passed, nil
}

// baseline writes the file that later runs are compared with.
func (c command) baseline(args []string) (int, error) {
	fs := c.flags("baseline", "-out file dir...")
	out := fs.String("out", "", "the `file` to write, which is meant for git")
	dirs, err := parse(fs, args, 0)
	if err != nil {
		return trouble, err
	}
	if *out == "" {
		fs.Usage()
		return trouble, errUsage
	}
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return trouble, errors.New(dir + " is no directory of results")
		}
	}
	b, err := drift.Gather(dirs...)
	if err != nil {
		return trouble, err
	}
	data, err := b.Encode()
	if err == nil {
		err = os.WriteFile(*out, data, 0o644)
	}
	if err != nil {
		return trouble, err
	}
	fmt.Fprint(c.stdout, b.Summary())
	fmt.Fprintf(c.stdout, "wrote %s\n", *out)
	for _, r := range b.Runs {
		if r.Incomplete != "" {
			return incomplete, nil
		}
	}
	return passed, nil
}
