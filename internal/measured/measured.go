// Package measured counts the drills of this process that are being measured, from their steady
// state until the return of service, and the systems that are being started. Whatever else the
// machine does while a drill is measured makes its figures worse, so no more are measured at a time
// than it carries, whoever is about to start a system waits until there is none, and a drill that
// is about to be measured waits until the start that goes on is over.
package measured

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Register counts what goes on in a process. Its zero value has nothing, and no limit.
type Register struct{ open, most atomic.Int64 }

// Drills are those of this process that are being measured, and Starts are of the systems that it
// starts: both are on one machine.
var Drills, Starts Register

// Limit is the most that goes on at a time for those who come by Enter. Zero: any number.
func (r *Register) Limit(most int) { r.most.Store(int64(most)) }

// Begin says that something goes on, until end is called, once or more often.
func (r *Register) Begin() (end func()) {
	r.open.Add(1)
	return r.end()
}

func (r *Register) end() func() { return sync.OnceFunc(func() { r.open.Add(-1) }) }

// Any says whether anything goes on.
func (r *Register) Any() bool { return r.open.Load() > 0 }

// Enter is Begin once there is room, or a limit has passed, or ctx ends.
func (r *Register) Enter(ctx context.Context, limit time.Duration) (end func()) {
	entered := false
	await(ctx, limit, func() bool {
		open, most := r.open.Load(), r.most.Load()
		entered = (most == 0 || open < most) && r.open.CompareAndSwap(open, open+1)
		return entered
	})
	if entered {
		return r.end()
	}
	return r.Begin()
}

// Wait returns when nothing goes on, or after a limit, or when ctx ends.
func (r *Register) Wait(ctx context.Context, limit time.Duration) {
	await(ctx, limit, func() bool { return !r.Any() })
}

// every is how often a condition is looked at. A channel would tie drills in virtual time to each
// other.
const every = 20 * time.Millisecond

func await(ctx context.Context, limit time.Duration, condition func() bool) {
	if condition() {
		return
	}
	late := time.NewTimer(limit)
	defer late.Stop()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-late.C:
			return
		case <-ctx.Done():
			return
		}
	}
}
