package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// baselineFile writes a baseline of one drill with the RTOs and a class of machine.
func baselineFile(t *testing.T, id, machine string, untrusted int, milliseconds ...int) string {
	t.Helper()
	var samples []string
	for _, ms := range milliseconds {
		samples = append(samples, fmt.Sprintf(`"%dms..%dms"`, ms, ms+20))
	}
	path := filepath.Join(t.TempDir(), "baseline.json")
	text := fmt.Sprintf(`{"version": 1, "runs": [], "drills": [{"id": %q, "profile": "", "machine": %q, "plays": %d, "untrusted": %d, "broken": 0,
		"figures": [{"name": "RTO", "samples": [%s]}]}]}`, id, machine, len(samples)+untrusted, untrusted, strings.Join(samples, ","))
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCompare(t *testing.T) {
	six := []int{900, 910, 920, 930, 940, 950}
	old := baselineFile(t, "A", "2 processors", 0, six...)
	for name, x := range map[string]struct {
		args []string
		want int
		says string
	}{
		"the same":        {[]string{old, old}, passed, "no change"},
		"faster":          {[]string{old, baselineFile(t, "A", "2 processors", 0, 500, 510, 520, 530, 540, 550)}, passed, "faster by 0.400s (-43 %), p=0.0022"},
		"slower":          {[]string{old, baselineFile(t, "A", "2 processors", 0, 1200, 1210, 1220, 1230, 1240, 1250)}, notPassed, "slower by 0.300s (+32 %), p=0.0022"},
		"too few":         {[]string{old, baselineFile(t, "A", "2 processors", 0, 1200)}, untrusted, "too few samples: 6 and 1, where 5 on each side are needed"},
		"untrusted":       {[]string{old, baselineFile(t, "A", "2 processors", 5, 1200)}, untrusted, "untrusted: 6 and 1 plays are left, 5 on each side are needed"},
		"another drill":   {[]string{old, baselineFile(t, "B", "2 processors", 0, six...)}, incomplete, "missing: A was played in OLD, and not in NEW"},
		"another machine": {[]string{old, baselineFile(t, "A", "8 processors", 0, six...)}, trouble, "OLD was measured with no profile that is known, on 2 processors; NEW with no profile that is known, on 8 processors"},
		"across machines": {[]string{"-across-machines", old, baselineFile(t, "A", "8 processors", 0, six...)}, passed, "no change"},
		"one side":        {[]string{old}, trouble, "usage: drreport compare"},
		"nothing there":   {[]string{old, t.TempDir()}, trouble, "no journal of a drill is below"},
	} {
		var said bytes.Buffer
		c := command{stdout: &said, stderr: &said}
		if got := c.main(append([]string{"compare"}, x.args...)); got != x.want || !strings.Contains(said.String(), x.says) {
			t.Errorf("%s: got status %d, want %d, and %q in:\n%s", name, got, x.want, x.says, &said)
		}
	}
}

// TestBaselineAndHistory makes both of one journal.
func TestBaselineAndHistory(t *testing.T) {
	dir := t.TempDir()
	run := filepath.Join(dir, "run")
	if err := os.Mkdir(run, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(run, "A.ndjson"), journal(drill()), 0o644); err != nil {
		t.Fatal(err)
	}
	c := command{stdout: io.Discard, stderr: os.Stderr}
	file, page := filepath.Join(dir, "baseline.json"), filepath.Join(dir, "history.html")
	for _, args := range [][]string{{"baseline", "-out", file, run}, {"history", "-out", page, dir}} {
		if got := c.main(args); got != passed {
			t.Errorf("%v: status %d", args, got)
		}
	}
	for path, holds := range map[string]string{file: `"name": "RTO"`, page: "<svg"} {
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), holds) {
			t.Errorf("%s: %v:\n%s", path, err, text)
		}
	}
	if got := c.main([]string{"compare", file, run}); got != untrusted { // one play tells nothing
		t.Errorf("compare: status %d", got)
	}
	quiet := command{stdout: io.Discard, stderr: io.Discard}
	for _, args := range [][]string{{"baseline", run}, {"baseline", "-out", file, file}, {"history", file, run}, {"history", "-runs", "0", dir}, {"history", t.TempDir()}} {
		if got := quiet.main(args); got != trouble {
			t.Errorf("%v: status %d", args, got)
		}
	}
}
