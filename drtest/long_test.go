package drtest_test

import (
	"flag"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
)

var operations = flag.Int("operations", 20_000, "TestLongLoad plays a drill of so many requests")

// TestLongLoad plays a drill of many requests, one a millisecond of virtual time, and logs the
// processor time of each, which must not grow with their number: go test -v -run TestLongLoad
// ./drtest -operations 1000000 -cpu 1. With more processors, the time counts in which an idle one
// looks for work.
func TestLongLoad(t *testing.T) {
	length := time.Duration(*operations) * ms
	client := new(system)
	alone := processorTime(t, func(t *testing.T) { // what the system under test and the virtual clock take without a drill
		var requests sync.WaitGroup
		workload := client.scenario(func(*drtest.Scenario) {}).Workload
		due := time.NewTicker(ms)
		defer due.Stop()
		for n := range *operations {
			<-due.C
			requests.Go(func() { _ = workload.Do(t.Context(), fmt.Sprintf("%06d", n)) })
		}
		requests.Wait()
	})
	var l *drtest.Ledger
	played := processorTime(t, func(t *testing.T) {
		var err error
		l, err = drtest.Play(t.Context(), new(system).scenario(func(sc *drtest.Scenario) {
			sc.Load.Every, sc.Load.Steady, sc.HealAfter, sc.Deadline = ms, length*2/5, length/5, 2*length+time.Minute
		}))
		if err != nil {
			t.Fatal(err)
		}
	})
	r := drtest.Judge(l, drtest.RTO(length), drtest.RPO(0))
	if r.Status() != drtest.Pass || len(l.Ops) < *operations*9/10 {
		t.Errorf("%d requests: %v", len(l.Ops), r.Verdicts)
	}
	each, bare := played/time.Duration(len(l.Ops)), alone/time.Duration(*operations)
	t.Logf("%d requests, %v of processor time each: %v without the drill, and %v for it", len(l.Ops), each, bare, each-bare)
}

// processorTime returns what the process takes to run f in virtual time.
func processorTime(t *testing.T, f func(*testing.T)) time.Duration {
	used := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			t.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	before := used()
	synctest.Test(t, f)
	return used() - before
}
