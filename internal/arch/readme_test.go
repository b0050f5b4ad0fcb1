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
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := snippets.FindAllSubmatch(readme, -1)
	if len(found) == 0 {
		t.Fatal("the README has no Go")
	}
	code := "package scenarios\n\nimport (\n"
	for _, path := range []string{"context", "os", "testing", "time", module + "/drtest", module + "/drtest/containertest", module + "/drtest/pgtest", module + "/drtest/proxytest"} {
		code += "\t\"" + path + "\"\n"
	}
	code += ")\n" + readers
	for _, snippet := range found {
		code += "\n" + tests.ReplaceAllString(string(snippet[1]), "func ${1}InReadme(") // there is one of that name
	}
	scenarios, err := filepath.Abs("../../scenarios_test")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source, overlay := filepath.Join(dir, "readme_test.go"), filepath.Join(dir, "overlay.json")
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(scenarios, "readme_test.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{source: code, overlay: string(replaced)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-overlay", overlay, "-run", "^$", "-list", "InReadme$", ".")
	cmd.Dir = scenarios
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "InReadme\n") {
		t.Errorf("%v: %s", err, out)
	}
}
