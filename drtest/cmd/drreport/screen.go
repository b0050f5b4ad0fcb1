package main

import (
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/internal/live"
	"github.com/drtest/suite/internal/report"
	"golang.org/x/term"
)

// A screen is how a run is shown while it goes on.
type screen struct {
	is      bool // a terminal that can erase what it shows
	verbose bool
	plan    live.Plan
}

// screen looks at where standard output goes.
func (c command) screen(verbose bool) screen {
	name := c.env("TERM")
	return screen{is: isTerminal(c.stdout) && name != "" && name != "dumb", verbose: verbose}
}

func isTerminal(w io.Writer) bool {
	file, is := w.(*os.File)
	return is && term.IsTerminal(int(file.Fd()))
}

// show shows a view of a transcript until hide is called. The command that it returns writes above
// that. Without a terminal it does nothing.
func (s screen) show(c command, of *report.Transcript) (shown command, hide func()) {
	if !s.is {
		return c, func() {}
	}
	fd := int(c.stdout.(*os.File).Fd()) // it is a terminal
	view := live.New(c.stdout, func() (width, height int) {
		width, height, err := term.GetSize(fd)
		if err != nil {
			return 0, 0
		}
		return width, height
	}, time.Now, s.plan, s.verbose)
	of.Watch(view.Watch)
	tick := time.NewTicker(time.Second)
	ended, drawn := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(drawn)
		for {
			select {
			case <-tick.C:
				view.Tick()
			case <-ended:
				return
			}
		}
	}()
	c.stdout = view
	if isTerminal(c.stderr) {
		c.stderr = view
	}
	return c, func() {
		tick.Stop()
		close(ended)
		<-drawn
		view.Close()
	}
}

// untrustedTests are the top-level tests that are played again.
func untrustedTests(r *report.Report) (tests []string) {
	for _, x := range r.Results {
		if x.Untrusted && x.Test != "" {
			name, _, _ := strings.Cut(string(x.Test), "/")
			tests = append(tests, name)
		}
	}
	slices.Sort(tests)
	return slices.Compact(tests)
}
