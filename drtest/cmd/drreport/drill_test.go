package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestDrillPattern(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.com/shop\n\ngo 1.26\n",
		"disk_test.go": `package shop
			import "testing"
			type scenario struct{ ID, Title string }
			func TestDiskFull(t *testing.T)          { _ = scenario{ID: "DR-1/full", Title: "DR-9"} }
			func TestDiskFullSabotaged(t *testing.T) {}`,
		"node_test.go": `package shop
			import "testing"
			func TestNode(t *testing.T) { var s scenario; suffix := "/x"; s.ID, s.Title = "DR-2" + suffix, "" }
			func TestMain(m *testing.M) {}`,
		"outer_test.go": `package shop_test
			import "testing"
			func TestOuter(t *testing.T) { _ = struct{ ID string }{ID: "DR-2/outer"} }`,
		"helper_test.go": `package shop
			func helper() scenario { return scenario{ID: "DR-3"} }`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := command{stdout: io.Discard, stderr: io.Discard, environ: append(os.Environ(), "GOWORK=off", "GOFLAGS="), exec: func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		return cmd
	}}
	for name, want := range map[string]string{
		"TestDiskFull":   "^TestDiskFull$",
		"TestNode/a (b)": `^TestNode$/^a \(b\)$`,
		"DR-1":           "^(TestDiskFull|TestDiskFullSabotaged)$",
		"DR-1/full":      "^(TestDiskFull|TestDiskFullSabotaged)$",
		"DR-2/outer":     "^(TestNode|TestOuter)$",
		"DR-3":           "the files that give a scenario the ID DR-3 hold no test: name its test instead",
		"DR-9":           "no scenario has the ID DR-9: there are DR-1, DR-2, DR-3",
	} {
		got, err := c.drillPattern(name, []string{"./..."})
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if _, err := c.drillPattern("DR-1", []string{"./nowhere"}); err == nil || !strings.HasPrefix(err.Error(), "go list: ") {
		t.Errorf("a package that is not there: %v", err)
	}
}
