package main

import (
	"fmt"
	"os"

	"github.com/drtest/suite/internal/coverage"
	"github.com/drtest/suite/internal/report"
)

// coverage tells which failure modes runs have drilled.
func (c command) coverage(args []string) (int, error) {
	fs := c.flags("coverage", "[-catalogue file] dir...")
	file := fs.String("catalogue", "", "the `file` of failure modes to take in the place of the built-in one")
	dirs, err := parse(fs, args, 0)
	if err != nil {
		return trouble, err
	}
	catalogue := coverage.Catalogue
	if *file != "" {
		if catalogue, err = os.ReadFile(*file); err != nil {
			return trouble, err
		}
	}
	modes, err := coverage.Parse(catalogue)
	if err != nil {
		return trouble, err
	}
	of := coverage.New(modes)
	for _, dir := range dirs {
		r, err := report.Collect(dir)
		if err != nil {
			return trouble, err
		}
		of.Add(r)
	}
	fmt.Fprint(c.stdout, of)
	return passed, nil
}
