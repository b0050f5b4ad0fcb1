// Package readme tests that what the README, FIRST_DRILL.md and CONTRIBUTING.md show can be done as
// it stands.
package readme

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const module = "github.com/drtest/suite"

var (
	snippets = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```")
	tests    = regexp.MustCompile(`func (Test\w+)\(`)
)

// show returns the snippets of a document in a language.
func show(t *testing.T, document, language string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, s := range snippets.FindAllStringSubmatch(string(text), -1) {
		if s[1] == language {
			found = append(found, s[2])
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s shows no %s", document, language)
	}
	return found
}

// wholeFile returns the file of Go that a document has its reader copy.
func wholeFile(t *testing.T, document string) string {
	t.Helper()
	for _, s := range show(t, document, "go") {
		if strings.HasPrefix(s, "package ") {
			return s
		}
	}
	t.Fatalf("%s has no file of Go", document)
	return ""
}

// firstDrill is what the README has the owner of a service copy.
const firstDrill = "drtest/FIRST_DRILL.md"

// drill returns the file of Go there.
func drill(t *testing.T) string { return wholeFile(t, firstDrill) }

// TestSnippetsCompile compiles the Go of all three documents: a file as it is, and parts of one as a
// part of the scenarios, where the reader would put them.
func TestSnippetsCompile(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	parts := "package scenarios\n\nimport (\n"
	for _, path := range []string{"testing", "time", "context", module + "/drtest", module + "/drtest/containertest", module + "/drtest/pgtest", module + "/drtest/proxytest"} {
		parts += fmt.Sprintf("\t%q\n", path)
	}
	parts += ")\n"
	for _, document := range []string{"README.md", firstDrill, "CONTRIBUTING.md"} {
		for _, s := range show(t, document, "go") {
			if strings.HasPrefix(s, "package ") {
				continue
			}
			if strings.HasSuffix(strings.TrimSpace(s), "{") { // the rest is the reader's
				s += "panic(0)\n}\n"
			}
			parts += "\n" + tests.ReplaceAllString(s, "func ${1}InDocument(") // there may be one of that name
		}
	}
	overlay := map[string]string{}
	dir := t.TempDir()
	for path, text := range map[string]string{
		"scenarios_test/documents_test.go":                   parts,
		"scenarios_test/contributing_test.go":                wholeFile(t, "CONTRIBUTING.md"),
		"internal/readme/testdata/shop/drills/drill_test.go": drill(t),
	} {
		source := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		overlay[filepath.Join(root, path)] = source
	}
	replaced, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, replaced, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ pkg, named, want string }{
		{"./scenarios_test", "InDocument$|^TestDatabasePause", "TestDatabasePause\nTestDatabasePauseSabotaged\nTestPrimaryFailoverInDocument\nok "},
		{"./internal/readme/testdata/shop/drills", ".", "TestDatabaseCrash\nTestOwnContainers\nTestWholeModule\nok "},
	} {
		cmd := exec.CommandContext(t.Context(), "go", "test", "-overlay", file, "-list", c.named, c.pkg)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), c.want) {
			t.Errorf("go test -list of %s: %v: %s", c.pkg, err, out)
		}
	}
}
