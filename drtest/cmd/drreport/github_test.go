package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGitHub: on GitHub Actions, what tests print is muted, and the tests that did not pass are
// marked at their place. Elsewhere nothing of this is printed.
func TestGitHub(t *testing.T) {
	word := regexp.MustCompile(`[A-Z2-7]{26}`)
	for _, c := range []struct {
		how     string
		status  int
		want    string // of what GitHub heeds
		summary string
	}{
		{"fail", notPassed, "::stop-commands::WORD\n::WORD::\n::error file=scenarios/loss_test.go,line=7,title=DR-DB-001%3A fail::the verdicts pass, but the test failed: a_test.go:9: breaker never opened\n",
			"<h2>Disaster recovery drills: not passed</h2>"},
		{"always busy", untrusted, "::stop-commands::WORD\n::WORD::\n::warning file=scenarios/loss_test.go,line=7,title=DR-DB-001%3A untrusted::RTO: untrusted: got 0.610s",
			"<h2>Disaster recovery drills: untrusted</h2>"},
		{"pass", passed, "::stop-commands::WORD\n::WORD::\n", "<h2>Disaster recovery drills: passed</h2>"},
	} {
		dir := t.TempDir()
		summary := filepath.Join(dir, "summary.md")
		if err := os.WriteFile(summary, []byte("before\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, "scenarios"), 0o755); err != nil {
			t.Fatal(err)
		}
		test := "package p\n\nimport \"testing\"\n\nfunc helper() {}\n\nfunc TestLoss(t *testing.T) {}\n"
		if err := os.WriteFile(filepath.Join(dir, "scenarios", "loss_test.go"), []byte(test), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Setenv("GITHUB_WORKSPACE", dir) // for the go command, which lists the tests
		on := []string{"GITHUB_ACTIONS=true", "GITHUB_WORKSPACE=" + dir, "GITHUB_STEP_SUMMARY=" + summary}
		status, stdout, stderr := callIn(t, on, c.how, nil, "run", "-out", filepath.Join(dir, "out"), "./scenarios")
		var heeded []string
		for line := range strings.Lines(stdout) {
			if strings.HasPrefix(line, "::") {
				heeded = append(heeded, word.ReplaceAllString(line, "WORD"))
			}
		}
		if got := strings.Join(heeded, ""); !strings.HasPrefix(got, c.want) || len(heeded) != len(strings.Split(strings.TrimSpace(c.want), "\n")) {
			t.Errorf("%s: (-want +got):\n%s", c.how, cmp.Diff(c.want, got))
		}
		if first, last := strings.Index(stdout, "::stop-commands::"), strings.LastIndex(stdout, "report: "); first != 0 || strings.Index(stdout, "\n::") < last {
			t.Errorf("%s: what the tests print is not muted:\n%s", c.how, stdout)
		}
		text, err := os.ReadFile(summary)
		if err != nil || !strings.HasPrefix(string(text), "before\n"+c.summary) || status != c.status || stderr != "" {
			t.Errorf("%s: exit status %d, want %d; %s %v\n%s", c.how, status, c.status, stderr, err, text)
		}
		_, stdout, _ = call(t, c.how, nil, "run", "-out", filepath.Join(dir, "out"), "./scenarios")
		if strings.HasPrefix(stdout, "::") || strings.Contains(stdout, "\n::") {
			t.Errorf("%s: not on GitHub: %s", c.how, stdout)
		}
	}
}
