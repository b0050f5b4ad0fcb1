package capacity

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkProcessStarts reports the rate by which containertest.Main decides.
func BenchmarkProcessStarts(b *testing.B) {
	var sum float64
	for b.Loop() {
		rate, err := ProcessStarts()
		if err != nil {
			b.Fatal(err)
		}
		sum += rate
	}
	b.ReportMetric(sum/float64(b.N), "starts/s")
}

// A machine is not measured without the program, nor with one that does not start.
func TestProcessStarts(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	if _, err := ProcessStarts(); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("without the program: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "true"), []byte("not a program"), 0o755); err != nil {
		t.Fatal(err)
	}
	if rate, err := ProcessStarts(); rate != 0 || err == nil || !strings.Contains(err.Error(), "exec format error") {
		t.Errorf("with a program that does not start: %v a second, %v", rate, err)
	}
}
