// Package measured counts the drills of this process that are being measured, from their wait for a
// steady state until the return of service, and the systems that are being started. Whatever else
// the machine does while a drill is measured makes its figures worse, so whoever is about to start
// a system waits until there is none, and a drill that is about to be measured waits until the
// starts that go on are over.
package measured

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Register counts what goes on in a process. Its zero value has nothing.
type Register struct{ open atomic.Int64 }

// Drills are those of this process that are being measured, and Starts are of the systems that it
// starts: both are on one machine.
var Drills, Starts Register

// Begin says that something goes on, until end is called, once or more often.
func (r *Register) Begin() (end func()) {
	r.open.Add(1)
	return sync.OnceFunc(func() { r.open.Add(-1) })
}

// Any says whether anything goes on.
func (r *Register) Any() bool { return r.open.Load() > 0 }

// every is how often Wait looks. A channel would tie drills in virtual time to each other.
const every = 20 * time.Millisecond

// Wait returns when nothing goes on, or after a limit, or when ctx ends.
func (r *Register) Wait(ctx context.Context, limit time.Duration) {
	if !r.Any() {
		return
	}
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
