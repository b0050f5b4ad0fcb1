package main

import (
	"fmt"
	"time"

	"github.com/drtest/suite/internal/machine"
)

const (
	// calmFor is for how long the machine is looked at.
	calmFor = 5 * time.Second
	// longestWait is how long a run waits for the machine at most.
	longestWait = 5 * time.Minute
)

// awaitCalm returns when the machine keeps up with what others do there, before drills are played
// again, or when it does not for five minutes: what kept it from them may be over soon. It says
// whether it was interrupted.
func (c command) awaitCalm() (interrupted bool) {
	if c.look == nil {
		return false
	}
	start, told := time.Now(), false
	for {
		since, before := time.Now(), c.look()
		select {
		case <-time.After(calmFor):
		case <-c.signals:
			return true
		}
		now := c.look()
		if now.KeptUp(before, time.Since(since)) && now.Busy(before) <= machine.MostBusy {
			return false
		}
		if time.Since(start) >= longestWait {
			fmt.Fprintf(c.stdout, "the machine has not kept up with other work for %v, and the drills are played nevertheless\n", longestWait)
			return false
		}
		if !told {
			told = true
			fmt.Fprintf(c.stdout, "waiting for the machine, which other work keeps busy, for up to %v\n", longestWait)
		}
	}
}
