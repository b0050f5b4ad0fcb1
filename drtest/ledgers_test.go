package drtest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// TestSavedLedgers judges ledgers of real drills again, as every later version must be able to. The verdicts
// are those that were given at the time.
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
			judges := map[string]func(drtest.Verdict) drtest.Objective{
				"RTO":           func(v drtest.Verdict) drtest.Objective { return drtest.RTO(*v.Limit) },
				"RPO":           func(v drtest.Verdict) drtest.Objective { return drtest.RPO(*v.Limit) },
				"detection":     func(v drtest.Verdict) drtest.Objective { return drtest.Detection(*v.Limit) },
				"heal lag":      func(v drtest.Verdict) drtest.Objective { return drtest.HealLag(*v.Limit) },
				"work RTO":      func(v drtest.Verdict) drtest.Objective { return drtest.WorkRTO(*v.Limit) },
				"lost work":     func(v drtest.Verdict) drtest.Objective { return drtest.LostWork(*v.Limit) },
				"all recovered": func(drtest.Verdict) drtest.Objective { return drtest.AllRecovered(1) },
				"no duplicates": func(drtest.Verdict) drtest.Objective { return drtest.NoDuplicates() },
				// Of a drill whose recovery may not repeat any.
				"repeated calls": func(drtest.Verdict) drtest.Objective { return drtest.RepeatedCalls(0) },
			}
			for _, stage := range saved.Ledger.Drill.Stages {
				judges[stage] = func(v drtest.Verdict) drtest.Objective { return drtest.Reached(stage, *v.Limit) }
			}
			judged := 0
			for _, v := range saved.Verdicts {
				judge, ok := judges[v.Objective]
				if !ok {
					continue
				}
				again := drtest.Judge(saved.Ledger, judge(v)).Verdicts[0]
				again.Target = v.Target
				if diff := cmp.Diff(v, again); diff != "" {
					t.Error(diff)
				}
				judged++
			}
			if judged == 0 {
				t.Error("nothing was judged")
			}
		})
	}
}
