package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/drtest/suite/internal/foreign"
)

// verify checks a bundle, or the directory of a run.
func (c command) verify(args []string) (int, error) {
	fs := c.flags("verify", "[-statement file] bundle")
	statement := fs.String("statement", "", "the `file` to write an in-toto statement about the bundle to, for a signature")
	paths, err := parse(fs, args, 1)
	if err != nil {
		return trouble, err
	}
	checked, err := maker().Verify(paths[0])
	if err != nil {
		return c.refused(err)
	}
	if *statement != "" {
		if info, err := os.Stat(paths[0]); err == nil && info.IsDir() {
			return trouble, errors.New("a statement is about a file: give the bundle, not a directory")
		}
		text, err := checked.Statement(paths[0])
		if err == nil {
			err = os.WriteFile(*statement, text, 0o644)
		}
		if err != nil {
			return trouble, err
		}
	}
	fmt.Fprintf(c.stdout, "%s", checked.Report.Table())
	for _, note := range checked.Notes {
		fmt.Fprintf(c.stdout, "note: %s\n", foreign.Text(note))
	}
	if checked.Files > 0 {
		fmt.Fprintf(c.stdout, "whole: run %s, %d files, as its manifest says, and its reports and its record are what its journals say. Who made it is for a signature to say.\n", foreign.Text(checked.Run), checked.Files)
	} else {
		fmt.Fprintf(c.stdout, "run %s: journals, transcript and reports agree\n", foreign.Text(checked.Run))
	}
	return passed, nil
}
