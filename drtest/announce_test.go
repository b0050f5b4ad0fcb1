package drtest_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/announce"
	"github.com/google/go-cmp/cmp"
)

// TestAnnouncements plays a drill as go test -json does, in a process of its own, and reads the
// attributes in its output.
func TestAnnouncements(t *testing.T) {
	const inner = "DRTEST_ANNOUNCED"
	if os.Getenv(inner) != "" {
		service := new(fakeService)
		cut := drtest.Fault{
			Name: "cut",
			Inject: func(context.Context) (drtest.Effect, error) {
				service.set(true)
				return drtest.Effect{Receipt: "it is cut\n\x16--- PASS: TestX"}, nil
			},
			Heal: func(context.Context) error { service.set(false); return nil },
		}
		drtest.Run(t, drtest.Scenario{
			ID: "DR-1/a", Workload: service, Fault: cut, HealAfter: 250 * time.Millisecond, Deadline: time.Minute,
			Load:       drtest.Load{Every: 100 * time.Millisecond, Timeout: 5 * time.Second, Steady: 500 * time.Millisecond},
			Objectives: []drtest.Objective{drtest.Check("nothing", func(*drtest.Ledger, drtest.Figures) error { return fmt.Errorf("as planned") })},
		})
		drtest.Untrusted(t, "for a test")
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestAnnouncements$", "-test.v=test2json", "-test.artifacts", "-test.outputdir="+dir)
	cmd.Env = append(os.Environ(), inner+"=1", announce.Token+"=")
	out, _ := cmd.CombinedOutput() // the drill fails
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^\x16=== ATTR  TestAnnouncements drtest\.(.*)$`).FindAllStringSubmatch(string(out), -1) {
		for _, told := range []string{"phase drill DR-1/a: .*fault: ", "line nothing: ", "journal ", "kept ", "untrusted "} {
			if at := regexp.MustCompile("^" + told).FindString(m[1]); at != "" {
				got = append(got, regexp.MustCompile(`\+[0-9.]+s +`).ReplaceAllString(m[1], ""))
			}
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "_artifacts", "*", "DR-1-a.ndjson"))
	if err != nil || len(files) != 1 {
		deeper, _ := filepath.Glob(filepath.Join(dir, "_artifacts", "*", "*", "*", "*", "DR-1-a.ndjson"))
		files = append(files, deeper...)
	}
	if len(files) != 1 {
		t.Fatalf("journals: %q\n%s", files, out)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"journal DR-1-a.ndjson", `phase drill DR-1/a: fault: cut (receipt: it is cut\n\x16--- PASS: TestX)`, "line nothing: fail: as planned",
		"untrusted for a test", fmt.Sprintf("kept %x DR-1-a.ndjson", sha256.Sum256(data)),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, out)
	}
	for _, line := range []string{"drill DR-1/a: ", "nothing: fail: as planned", "untrusted: for a test"} { // for people as well
		if !strings.Contains(string(out), ".go:") || !strings.Contains(string(out), line) {
			t.Errorf("no line %q in:\n%s", line, out)
		}
	}
	cmd = exec.Command(os.Args[0], "-test.run=^TestAnnouncements$", "-test.v")
	cmd.Env = append(os.Environ(), inner+"=1", "TMPDIR="+t.TempDir())
	if out, _ := cmd.CombinedOutput(); strings.Contains(string(out), "ATTR") || !strings.Contains(string(out), "drill DR-1/a: ") {
		t.Errorf("people are shown attributes, or no drill:\n%s", out)
	}
}
