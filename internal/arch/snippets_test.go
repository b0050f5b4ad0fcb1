package arch

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	snippets = regexp.MustCompile("(?s)```go\n(.*?)```")
	tests    = regexp.MustCompile(`func (Test\w+)\(`)
)

// readers is what the README leaves to its reader.
const readers = `
type clients struct {
	drtest.Workload
	url string
}

func ready(context.Context, *containertest.Service) error { return nil }
`

// TestReadmeCompiles compiles the Go of the README as a part of the scenarios, where its reader
// would put it.
func TestReadmeCompiles(t *testing.T) {
	code := "package scenarios\n\nimport (\n"
	for _, path := range []string{"context", "os", "testing", "time", module + "/drtest", module + "/drtest/containertest", module + "/drtest/pgtest", module + "/drtest/proxytest"} {
		code += "\t\"" + path + "\"\n"
	}
	code += ")\n" + readers
	for _, snippet := range snippetsOf(t, "README.md") {
		code += "\n" + tests.ReplaceAllString(snippet, "func ${1}InReadme(") // there is one of that name
	}
	requireCompiles(t, "readme_test.go", code)
}

// TestContributingCompiles compiles the scenario of CONTRIBUTING, which is a whole file.
func TestContributingCompiles(t *testing.T) {
	found := snippetsOf(t, "CONTRIBUTING.md")
	if len(found) != 1 {
		t.Fatalf("CONTRIBUTING.md has %d pieces of Go, want one: the whole file of a scenario", len(found))
	}
	requireCompiles(t, "contributing_test.go", found[0])
}

func snippetsOf(t *testing.T, file string) (code []string) {
	t.Helper()
	text, err := os.ReadFile("../../" + file)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range snippets.FindAllSubmatch(text, -1) {
		code = append(code, string(found[1]))
	}
	if len(code) == 0 {
		t.Fatalf("%s has no Go", file)
	}
	return code
}

// requireCompiles compiles the scenarios with one more file, and demands that go test knows its
// tests.
func requireCompiles(t *testing.T, name, code string) {
	t.Helper()
	scenarios, err := filepath.Abs("../../scenarios_test")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, name), filepath.Join(dir, "overlay.json")
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(scenarios, name): source}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{source: code, overlay: string(replaced)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for _, found := range tests.FindAllStringSubmatch(code, -1) {
		names = append(names, found[1])
	}
	cmd := exec.Command("go", "test", "-overlay", overlay, "-run", "^$", "-list", "^("+strings.Join(names, "|")+")$", ".")
	cmd.Dir = scenarios
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range names {
		if !strings.Contains(string(out), name+"\n") {
			t.Errorf("go test does not know %s: %s", name, out)
		}
	}
}
