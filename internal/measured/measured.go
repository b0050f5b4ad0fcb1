// Package measured counts the drills of this process that are being measured: those between their
// fault and the return of service. Whatever else the machine does in that time makes their figures
// worse, so whoever is about to start a system waits until there are none.
package measured

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Register counts the drills of a process. Its zero value has none.
type Register struct{ open atomic.Int64 }

// Drills are those of this process: what is started in it and what is measured in it are on one
// machine.
var Drills Register

// Begin says that a drill is being measured, until end is called, once or more often.
func (r *Register) Begin() (end func()) {
	r.open.Add(1)
	return sync.OnceFunc(func() { r.open.Add(-1) })
}

// Any says whether a drill is being measured.
func (r *Register) Any() bool { return r.open.Load() > 0 }

// every is how often Wait looks. A channel would tie drills in virtual time to each other.
const every = 20 * time.Millisecond

// Wait returns when no drill is being measured, or after a limit, or when ctx ends.
func (r *Register) Wait(ctx context.Context, limit time.Duration) {
	over := time.NewTimer(limit)
	defer over.Stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for r.Any() {
		select {
		case <-tick.C:
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
