package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// TestCount: each play is a run of its own. What ends one of them loses nothing of the others, and
// one that does not pass is enough.
func TestCount(t *testing.T) {
	for _, c := range []struct {
		how    string
		signal os.Signal
		status int
		want   []string // ends of lines of the last table, and what follows
		plays  int      // of which there is a whole journal
		rerun  bool
	}{
		{how: "pass", status: passed, plays: 3, want: []string{
			"DR-DB-001 (play 3 of 3)  Connection loss  pass    0.130s     0.610s  0.000s  -          ok",
			"DR-DB-001: pass: 3 of 3 plays passed",
			"  Acknowledged work was lost in 0 of 3 plays: at most 64 % of such disasters lose some, at 95 %.",
			"3 results: 3 passed, 0 failed, 0 inconclusive",
		}},
		{how: "fail in play-002", status: notPassed, plays: 3, want: []string{
			"DR-DB-001 (play 2 of 3): fail: the verdicts pass, but the test failed: a_test.go:9: breaker never opened",
			"DR-DB-001: fail: 2 of 3 plays passed",
			"3 results: 2 passed, 1 failed, 0 inconclusive",
		}},
		{how: "die in play-002", status: incomplete, plays: 2, want: []string{
			"DR-DB-001: inconclusive: 2 of 3 plays passed",
			"3 results: 2 passed, 0 failed, 1 inconclusive",
			"incomplete: play 2: DR-DB-001 did not come to its end; play 2: the journal play-002/_artifacts/1/DR-DB-001.ndjson is damaged; play 2: go test did not come to its end: signal: killed",
		}},
		{how: "hang in play-002", signal: syscall.SIGTERM, status: incomplete, plays: 1, want: []string{
			"2 results: 1 passed, 0 failed, 1 inconclusive",
			"incomplete: not played: play 3; play 2: DR-DB-001 did not come to its end; play 2: the journal play-002/_artifacts/1/DR-DB-001.ndjson is damaged; play 2: go test did not come to its end: interrupted: terminated",
		}},
		{how: "refuse in play-002", status: incomplete, plays: 2, want: []string{
			"go test (play 2 of 3): inconclusive: go test failed with exit status 2: go: no such tool",
			"incomplete: DR-DB-001 has no result in play 2",
		}},
		{how: "busy in play-002", status: passed, plays: 3, rerun: true, want: []string{
			"played again, alone, since the machine did not keep up: ^TestLoss$",
			"DR-DB-001: pass: 3 of 3 plays passed",
			"3 results: 3 passed, 0 failed, 0 inconclusive; 1 played again, alone",
		}},
		{how: "always busy in play-002", status: untrusted, plays: 3, rerun: true, want: []string{
			"DR-DB-001: inconclusive: 2 of 3 plays passed",
			"3 results: 2 passed, 0 failed, 1 inconclusive, 1 of them untrusted: the machine did not keep up; 1 played again, alone",
		}},
	} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			status, stdout, stderr := callAt(t, []string{"DRTEST_SEED=abc"}, c.how, c.signal, "abc.2", "run", "-out", dir, "-count", "3", "./scenarios_test")
			if status != c.status {
				t.Errorf("exit status %d, want %d: %s%s", status, c.status, stdout, stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(stdout, want+"\n") {
					t.Errorf("there is no %q in %s", want, stdout)
				}
			}
			whole := 0
			for k := 1; k <= 3; k++ {
				play := filepath.Join(dir, "latest", "play-00"+string(rune('0'+k)))
				data, err := os.ReadFile(filepath.Join(play, "_artifacts", "1", "DR-DB-001.ndjson"))
				if err != nil {
					continue
				}
				if r, err := drtest.ReadReport(bytes.NewReader(data)); err == nil && r.Ledger.Ended {
					whole++
				}
				run, err := os.ReadFile(filepath.Join(play, "run.json"))
				if want := `"command": "DRTEST_PROFILE=production DRTEST_SEED=abc.` + string(rune('0'+k)) + ` go test `; err != nil || !strings.Contains(string(run), want) {
					t.Errorf("play %d: %v, no %s in %s", k, err, want, run)
				}
			}
			if whole != c.plays {
				t.Errorf("%d plays left a whole journal, want %d", whole, c.plays)
			}
			if _, err := os.Stat(filepath.Join(dir, "latest", "play-002", "rerun")); (err == nil) != c.rerun {
				t.Errorf("play 2 was played again: %v", err == nil)
			}
			data, err := os.ReadFile(filepath.Join(dir, "latest", "report.json"))
			if err != nil {
				t.Fatal(err)
			}
			call(t, "", nil, "write", "-out", filepath.Join(dir, "again.json"), filepath.Join(dir, "latest"))
			again, _ := os.ReadFile(filepath.Join(dir, "again.json"))
			if diff := cmp.Diff(string(data), string(again)); diff != "" {
				t.Errorf("written again, the report differs (-first +second):\n%s", diff)
			}
		})
	}
}

// TestSeeds: each play has a seed of its own, which the test process is given, and each run others.
func TestSeeds(t *testing.T) {
	seeds := map[string]bool{}
	line := regexp.MustCompile(`(?m)^play \d of 2, with the seed (\S+)$`)
	for range 2 {
		_, stdout, _ := call(t, "pass", nil, "run", "-out", t.TempDir(), "-count", "2", "./scenarios_test")
		for _, found := range line.FindAllStringSubmatch(stdout, -1) {
			seeds[found[1]] = true
		}
	}
	if len(seeds) != 4 {
		t.Errorf("two runs of two plays have the seeds %v", seeds)
	}
	if status, _, stderr := call(t, "pass", nil, "run", "-out", t.TempDir(), "-count", "0", "./scenarios_test"); status != trouble || !strings.Contains(stderr, "-count 0 plays nothing") {
		t.Errorf("-count 0: exit status %d, %s", status, stderr)
	}
	if _, stdout, _ := call(t, "pass", nil, "run", "-out", t.TempDir(), "./scenarios_test"); strings.Contains(stdout, "seed") {
		t.Errorf("what is played once has a seed: %s", stdout)
	}
}
