package drtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// TestSavedLedgers judges ledgers of real drills again, as every later version must be able to. The
// verdicts are those that were given at the time.
func TestSavedLedgers(t *testing.T) {
	files, err := filepath.Glob("testdata/ledgers/*.ndjson")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %d ledgers and %v, want some", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			saved, err := drtest.ReadReport(file)
			if err != nil {
				t.Fatal(err)
			}
			again := saved.Rejudge()
			for i := range again.Verdicts {
				again.Verdicts[i].Recorded = false // those of checks are
			}
			if diff := cmp.Diff(saved.Verdicts, again.Verdicts); diff != "" || len(saved.Verdicts) == 0 {
				t.Error(diff)
			}
		})
	}
}
