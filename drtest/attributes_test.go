package drtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/announce"
	"github.com/google/go-cmp/cmp"
)

// TestAttributes plays drills in a process of its own, and reads their attributes from what go tool
// test2json makes of its output, as go test -json does.
func TestAttributes(t *testing.T) {
	const inner = "DRTEST_ATTRIBUTES"
	if how := os.Getenv(inner); how != "" {
		service := new(fakeService)
		cut := drtest.Fault{
			Name: "cut",
			Inject: func(context.Context) (drtest.Effect, error) {
				service.set(true)
				return drtest.Effect{Receipt: "it is cut"}, nil
			},
			Heal: func(context.Context) error { service.set(false); return nil },
		}
		limit := time.Minute
		switch how {
		case "fail":
			limit = 0
		case "break":
			cut.Inject = func(context.Context) (drtest.Effect, error) { return drtest.Effect{}, errors.New("no scissors") }
		}
		drtest.Run(t, drtest.Scenario{
			ID: "DR-1/a", Workload: service, Fault: cut, HealAfter: 250 * time.Millisecond, Deadline: time.Minute,
			Load: drtest.Load{Every: 100 * time.Millisecond, Timeout: 5 * time.Second, Steady: 500 * time.Millisecond},
			Objectives: []drtest.Objective{drtest.Check("limit", func(*drtest.Ledger, drtest.Figures) error {
				if limit == 0 {
					return errors.New("as planned")
				}
				return nil
			})},
		})
		return
	}
	const id, lost = `id DR-1/a`, "rto_seconds S|rpo_seconds S|lost_units 0"
	for how, want := range map[string]string{
		"pass":  id + "|status pass|" + lost,
		"fail":  id + "|status fail|" + lost,
		"break": id + "|status inconclusive",
	} {
		cmd := exec.Command("go", "tool", "test2json", "-t", "-p", "p", os.Args[0], "-test.run=^TestAttributes$", "-test.v=test2json", "-test.artifacts", "-test.outputdir="+t.TempDir())
		cmd.Env = append(os.Environ(), inner+"="+how, announce.Token+"=SECRET")
		out, err := cmd.Output()
		if (err == nil) != (how == "pass") {
			t.Errorf("%s: %v", how, err)
		}
		var got []string
		for line := range bytes.Lines(out) {
			var e struct{ Action, Package, Test, Key, Value string }
			if err := json.Unmarshal(line, &e); err != nil {
				t.Fatal(err)
			}
			if how == "break" && e.Value == "untrusted" {
				e.Value = "inconclusive" // so it is on a busy machine
			}
			if e.Action == "attr" && !strings.HasSuffix(e.Key, ".SECRET") {
				got = append(got, fmt.Sprintf("%s.%s %s %s", e.Package, e.Test, e.Key, regexp.MustCompile(`^\d+\.\d{3}$`).ReplaceAllString(e.Value, "S")))
			}
		}
		if diff := cmp.Diff(strings.ReplaceAll("|"+want, "|", "\np.TestAttributes drtest."), "\n"+strings.Join(got, "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", how, diff, out)
		}
	}
}
