package main

import (
	"fmt"
	"os"

	"github.com/drtest/suite/internal/drift"
)

// history shows the trend of many runs.
func (c command) history(args []string) (int, error) {
	fs := c.flags("history", "[-runs n] [-out file.html] dir")
	most := fs.Int("runs", 8, "how many runs the table shows, the last ones")
	out := fs.String("out", "", "a `file` for a page of HTML that shows all of them")
	dirs, err := parse(fs, args, 1)
	if err != nil {
		return trouble, err
	}
	if *most < 1 {
		fs.Usage()
		return trouble, errUsage
	}
	t, err := drift.History(dirs[0])
	if err != nil {
		return trouble, err
	}
	fmt.Fprint(c.stdout, t.Table(*most))
	if *out == "" {
		return passed, nil
	}
	page, err := t.Page()
	if err == nil {
		err = os.WriteFile(*out, []byte(page), 0o644)
	}
	if err != nil {
		return trouble, err
	}
	fmt.Fprintf(c.stdout, "wrote %s\n", *out)
	return passed, nil
}
