package arch

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// longest is how many lines a scenario may have, so that it is read in one go.
const longest = 150

// longer are the scenarios that have more, each with its reason.
var longer = map[string]string{
	"active_passive_failover_test.go": "it alone wires two regions, each with a service, and three observers that agree on a loss",
	"point_in_time_test.go":           "three ways to name a target, and a fault that has to note it between two commits",
	"provider_outage_test.go":         "it alone reads the provider's record of calls, and judges from it whether there was a stampede",
	"repeated_crashes_test.go":        "its fault is a series of crashes, and its checks follow each workflow through all of them",
}

// helpers are the files of the suite that are no scenario.
var helpers = []string{
	"orchestrator_test.go", "clusters_test.go", "backups_test.go", "suite_test.go", // what scenarios use, at most four
	"control_test.go", "confinement_test.go", "images_test.go", "doc_test.go", // tests of the suite itself
}

// TestScenarioFiles: a scenario is one file that a stranger can read alone, with its requirement,
// its test, and a system that is broken on purpose and has to fail it.
func TestScenarioFiles(t *testing.T) {
	files, err := filepath.Glob("../../scenarios_test/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	scenarios := map[string]bool{}
	for _, file := range files {
		name := filepath.Base(file)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		sabotaged, scenario := false, !slices.Contains(helpers, name)
		for _, decl := range parsed.Decls {
			test, ok := decl.(*ast.FuncDecl)
			if !ok || test.Recv != nil || !strings.HasPrefix(test.Name.Name, "Test") || test.Name.Name == "TestMain" {
				continue
			}
			switch is := strings.HasSuffix(test.Name.Name, "Sabotaged"); {
			case is && !begins(test, "skipUnlessSabotaging"):
				t.Errorf("%s: %s does not begin with skipUnlessSabotaging(t): plain go test has no time for it", name, test.Name.Name)
			case !is && begins(test, "skipUnlessSabotaging"):
				t.Errorf("%s: %s is skipped as if it sabotaged its system, and its name does not end with Sabotaged", name, test.Name.Name)
			case is:
				sabotaged = true
			case scenario && test.Doc == nil:
				t.Errorf("%s: %s does not say what it requires: write it as its doc comment", name, test.Name.Name)
			}
		}
		if !scenario {
			continue
		}
		scenarios[name] = true
		if !sabotaged {
			t.Errorf("%s has no test whose name ends with Sabotaged: nobody knows that a broken system fails it", name)
		}
		switch lines := bytes.Count(text, []byte("\n")); {
		case lines > longest && longer[name] == "":
			t.Errorf("%s has %d lines, want at most %d: split it, or give the reason here", name, lines, longest)
		case lines <= longest && longer[name] != "":
			t.Errorf("%s has %d lines: it needs no reason any more", name, lines)
		}
	}
	for name := range longer {
		if !scenarios[name] {
			t.Errorf("%s has a reason to be long, and is no scenario", name)
		}
	}
}

// begins says whether the first statement of a test calls a function.
func begins(test *ast.FuncDecl, function string) bool {
	if len(test.Body.List) == 0 {
		return false
	}
	statement, ok := test.Body.List[0].(*ast.ExprStmt)
	if !ok {
		return false
	}
	call, ok := statement.X.(*ast.CallExpr)
	if !ok {
		return false
	}
	called, ok := call.Fun.(*ast.Ident)
	return ok && called.Name == function
}
