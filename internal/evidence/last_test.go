package evidence

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
	"github.com/google/go-cmp/cmp"
)

// Each play of a run is compared with the same play of the last test.
func TestLastTestOfPlays(t *testing.T) {
	then := &lastTest{"last", []lastResult{{ID: "DR-1", Play: 1, Status: "pass"}, {ID: "DR-1", Play: 2, Status: "fail"}}}
	now := &report.Report{Results: []report.Result{{ID: "DR-1", Play: 2, Status: drtest.Pass}, {ID: "DR-1", Play: 3, Status: drtest.Pass}}}
	got := then.compare(now)
	var rows []string
	for _, r := range got.Rows {
		rows = append(rows, string(r.Then)+" -> "+string(r.Now))
	}
	if diff := cmp.Diff([]string{"fail -> pass", "not played -> pass"}, rows); diff != "" || len(got.Gone) != 1 {
		t.Errorf("gone %v (-want +got):\n%s", got.Gone, diff)
	}
}
