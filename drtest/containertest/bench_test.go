package containertest_test

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
)

// BenchmarkService measures what a service costs a drill: until it is ready, and how long the injection of a
// death takes, which is the uncertainty of every time that is measured from it. Run it with -benchtime=10x.
func BenchmarkService(b *testing.B) {
	network := containertest.NewNetwork(b)
	var start, crash, kill time.Duration
	took := func(sum *time.Duration, f func()) {
		begin := time.Now()
		f()
		*sum += time.Since(begin)
	}
	inject := func(f drtest.Fault) func() {
		return func() {
			if _, err := f.Inject(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		var s [2]*containertest.Service
		c := echoService(b, "server", network)
		took(&start, func() { s[0] = containertest.Start(b, c) })
		s[1] = containertest.Start(b, c)
		took(&crash, inject(s[0].Crash()))
		took(&kill, inject(s[1].Kill()))
	}
	for name, sum := range map[string]time.Duration{"start": start, "crash": crash, "kill": kill} {
		b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), name+"-ms")
	}
}
