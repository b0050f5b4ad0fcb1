package pgtest

import (
	"testing"
	"time"
)

// BenchmarkStartPair measures how long a test waits for a synchronous pair, once the image is
// there, and what for. The reaper, which the first pair of a process starts, is not counted. The
// containers stay until the benchmark ends, so few iterations tell more than many: -benchtime=5x.
func BenchmarkStartPair(b *testing.B) {
	gather(b, nil)
	var image, boot, stream time.Duration
	for b.Loop() {
		start := time.Now()
		o := gather(b, nil)
		gathered := time.Now()
		pair := o.startPair(b, Sync)
		booted := time.Now()
		if err := pair.streams(b.Context(), Sync); err != nil {
			b.Fatal(err)
		}
		image += gathered.Sub(start)
		boot += booted.Sub(gathered)
		stream += time.Since(booted)
	}
	report := func(d time.Duration, unit string) {
		b.ReportMetric(float64(d.Milliseconds())/float64(b.N), unit)
	}
	report(image, "image+network-ms/op")
	report(boot, "boot-ms/op")
	report(stream, "stream-ms/op")
}
