package formats

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/internal/report"
)

// A query is one of the dashboard, as Prometheus gets it when all drills are chosen.
type query struct{ panel, text string }

// dashboard returns the queries of grafana.json.
func dashboard(t *testing.T) (all []query) {
	t.Helper()
	data, err := os.ReadFile("grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct{ AllValue string }
		}
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	every := board.Templating.List[1].AllValue
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			all = append(all, query{p.Title, strings.ReplaceAll(target.Expr, "$drill", every)})
		}
	}
	return all
}

// exported is what a report and a run that goes on tell Prometheus, each series on a line.
func exported(t *testing.T) (lines []string) {
	t.Helper()
	r := outcomes()
	r.Results = slices.Delete(r.Results, 1, 2) // promtool has no way to write an infinite sample
	live := Live([]Running{{ID: "Good", Phase: Recovering, Elapsed: time.Second, Asked: 3, Acked: 1, Failed: 1}}, &report.Report{})
	for line := range strings.Lines(string(made(t, "report.prom", r)) + string(live)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

var (
	selector = regexp.MustCompile(`(drtest_\w+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)(=~|!=|=)("[^"]*")`)
)

// TestDashboard: each query of the dashboard selects series that are exported.
func TestDashboard(t *testing.T) {
	lines := exported(t)
	selects := func(line string, found []string) bool {
		if name, _, _ := strings.Cut(line, " "); found[1] != strings.SplitN(name, "{", 2)[0] {
			return false
		}
		for _, m := range matcher.FindAllStringSubmatch(found[2], -1) {
			is := strings.Contains(line, m[1]+"="+m[3])
			switch m[2] {
			case "=~": // that of all drills
				is = strings.Contains(line, m[1]+`="`)
			case "!=":
				is = !is && strings.Contains(line, m[1]+`="`)
			}
			if !is {
				return false
			}
		}
		return true
	}
	for _, q := range dashboard(t) {
		found := selector.FindAllStringSubmatch(q.text, -1)
		if len(found) == 0 {
			t.Errorf("%s: %s asks for nothing", q.panel, q.text)
		}
		for _, f := range found {
			if !slices.ContainsFunc(lines, func(line string) bool { return selects(line, f) }) {
				t.Errorf("%s: no series is %s", q.panel, f[0])
			}
		}
	}
	for _, wrong := range []string{"drtest_drill_figure", `drtest_drill_figure_seconds{figure="mttr"}`, `drtest_live_drills{drill=~".+"}`} {
		if f := selector.FindStringSubmatch(wrong); slices.ContainsFunc(lines, func(line string) bool { return selects(line, f) }) {
			t.Errorf("the test takes %s", wrong)
		}
	}
}

// TestDashboardByPromtool: Prometheus's own engine reads each query and finds samples by it.
func TestDashboardByPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian's package prometheus has it)")
	}
	dir := t.TempDir()
	check := func(queries []query) (string, error) {
		type object = map[string]any
		var rules, expected, series []object
		for i, q := range queries {
			name := fmt.Sprintf("query %d: %s", i, q.panel)
			rules = append(rules, object{"alert": name, "expr": "count(" + q.text + ") > 0"})
			expected = append(expected, object{"eval_time": "1m", "alertname": name, "exp_alerts": []object{{}}})
		}
		for _, line := range exported(t) {
			i := strings.LastIndexByte(line, ' ')
			series = append(series, object{"series": line[:i], "values": line[i+1:] + "+0x2"})
		}
		for file, content := range map[string]object{
			"rules.yml": {"groups": []object{{"name": "dashboard", "rules": rules}}},
			"tests.yml": {"rule_files": []string{"rules.yml"}, "tests": []object{{"interval": "1m", "input_series": series, "alert_rule_test": expected}}},
		} {
			data, err := json.Marshal(content) // which is YAML as well
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, file), data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(promtool, "test", "rules", "tests.yml")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	queries := dashboard(t)
	if out, err := check(queries); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	for _, wrong := range []string{"drtest_drill_figure_seconds{", `drtest_drill_figure_seconds{figure="mttr"}`} {
		if out, err := check(append(queries[:len(queries):len(queries)], query{"wrong", wrong})); err == nil {
			t.Errorf("promtool takes %s:\n%s", wrong, out)
		}
	}
}
