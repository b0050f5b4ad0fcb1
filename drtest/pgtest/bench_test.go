package pgtest

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
)

// BenchmarkStartPair measures how long a test waits for a synchronous pair, once the image is
// there, and what for. The reaper, which the first pair of a process starts, is not counted. The
// containers stay until the benchmark ends, so few iterations tell more than many: -benchtime=5x.
func BenchmarkStartPair(b *testing.B) {
	PairConfig{}.primary(b)
	var network, boot, stream time.Duration
	for b.Loop() {
		start := time.Now()
		c := PairConfig{Replication: Sync, Config: Config{Network: containertest.NewNetwork(b)}}
		made := time.Now()
		pair := c.start(b)
		booted := time.Now()
		if err := pair.streams(b.Context(), Sync); err != nil {
			b.Fatal(err)
		}
		network += made.Sub(start)
		boot += booted.Sub(made)
		stream += time.Since(booted)
	}
	report := func(d time.Duration, unit string) {
		b.ReportMetric(float64(d.Milliseconds())/float64(b.N), unit)
	}
	report(network, "network-ms/op")
	report(boot, "boot-ms/op")
	report(stream, "stream-ms/op")
}
