package drtest_test

import (
	"flag"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
)

var operations = flag.Int("operations", 20_000, "TestLongLoad plays a drill of so many requests")

// TestLongLoad plays a drill of many requests, one a millisecond of virtual time, and logs the processor time of each, which must
// not grow with their number: go test -v -run TestLongLoad ./drtest -operations 1000000
func TestLongLoad(t *testing.T) {
	before := processorTime(t)
	var l *drtest.Ledger
	synctest.Test(t, func(t *testing.T) {
		var err error
		l, err = drtest.Play(t.Context(), new(system).scenario(func(sc *drtest.Scenario) {
			length := time.Duration(*operations) * ms
			sc.Load.Every, sc.Load.Steady, sc.HealAfter, sc.Deadline = ms, length*2/5, length/5, 2*length+time.Minute
		}))
		if err != nil {
			t.Fatal(err)
		}
	})
	took := processorTime(t) - before
	r := drtest.Judge(l, drtest.RTO(time.Duration(*operations)*ms), drtest.RPO(0))
	if r.Status() != drtest.Pass || len(l.Ops) < *operations*9/10 {
		t.Errorf("%d requests: %v", len(l.Ops), r.Verdicts)
	}
	t.Logf("%d requests, %v of processor time each", len(l.Ops), took/time.Duration(len(l.Ops)))
}

func processorTime(t *testing.T) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
