package capacity

import "testing"

// BenchmarkProcessStarts reports the rate by which containertest.Main decides.
func BenchmarkProcessStarts(b *testing.B) {
	var sum float64
	for b.Loop() {
		rate, err := ProcessStarts(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		sum += rate
	}
	b.ReportMetric(sum/float64(b.N), "starts/s")
}
