// Package capacity measures how much of the work of drills a machine can do. Most of it is to start processes: containers, their
// helpers, a server's process for each connection. That is slow on a virtual machine whose host keeps its page tables, and there no
// faster with a second processor, however fast either one computes.
package capacity

import (
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// window is how long processes are started.
const window = 300 * time.Millisecond

// ProcessStarts returns how many processes a second the machine starts and ends on the processors that this process may use, now and
// beside all else that the machine does. It takes a third of a second. A process that could not be started counts for nothing. It
// returns an error where there is no program "true" to start.
func ProcessStarts() (perSecond float64, err error) {
	program, err := exec.LookPath("true")
	if err != nil {
		return 0, err
	}
	var started atomic.Int64
	var workers sync.WaitGroup
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for time.Since(began) < window {
				if exec.Command(program).Run() == nil {
					started.Add(1)
				}
			}
		})
	}
	workers.Wait()
	return float64(started.Load()) / time.Since(began).Seconds(), nil
}
