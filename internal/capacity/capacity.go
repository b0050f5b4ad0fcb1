// Package capacity measures how much of the work of drills a machine can do. Most of it is to start processes: containers, their
// helpers, a server's process for each connection. That is slow on a virtual machine whose host keeps its page tables, and there no
// faster with a second processor, however fast either one computes.
package capacity

import (
	"context"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// window is how long processes are started.
const window = 300 * time.Millisecond

// ProcessStarts returns how many processes a second the machine starts and ends on all processors together, now and beside all else
// that it does. It takes a third of a second. It returns an error where there is no program "true" to start.
func ProcessStarts(ctx context.Context) (perSecond float64, err error) {
	program, err := exec.LookPath("true")
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, window, nil)
	defer cancel()
	var started atomic.Int64
	var failure atomic.Pointer[error]
	var workers sync.WaitGroup
	began := time.Now()
	for range runtime.NumCPU() {
		workers.Go(func() {
			for ctx.Err() == nil {
				if err := exec.Command(program).Run(); err != nil {
					failure.Store(&err)
					return
				}
				started.Add(1)
			}
		})
	}
	workers.Wait()
	if err := failure.Load(); err != nil {
		return 0, *err
	}
	return float64(started.Load()) / time.Since(began).Seconds(), nil
}
