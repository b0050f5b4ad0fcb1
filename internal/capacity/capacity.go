// Package capacity measures how much of the work of drills a machine can do. Most of it is to start processes: containers, their
// helpers, a server's process for each connection. That is slow on a virtual machine whose host keeps its page tables, and there no
// faster with a second processor, however fast either one computes.
package capacity

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// window is how long processes are started.
const window = 300 * time.Millisecond

// ProcessStarts returns how many processes a second the machine starts and ends on the processors that this process may use, now and
// beside all else that the machine does. It takes a third of a second. It returns an error where not one was: there is no program
// "true", or it does not run.
func ProcessStarts() (perSecond float64, err error) {
	program, err := exec.LookPath("true")
	if err != nil {
		return 0, err
	}
	var started atomic.Int64
	var failure atomic.Value
	var workers sync.WaitGroup
	began := time.Now()
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for time.Since(began) < window {
				if err := exec.Command(program).Run(); err != nil {
					failure.Store(err.Error())
				} else {
					started.Add(1)
				}
			}
		})
	}
	workers.Wait()
	if started.Load() == 0 {
		return 0, fmt.Errorf("no process was started: %v", failure.Load())
	}
	return float64(started.Load()) / time.Since(began).Seconds(), nil
}
