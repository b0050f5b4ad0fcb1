// Package arch tests what no compiler does: who may import whom, and how scenarios are arranged in
// files.
package arch

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/drtest/suite"

// rules are read from the top: the first whose folder holds a package applies.
var rules = []struct {
	folder string
	// allowed are the only packages of this module that may be imported; "/..." takes in those
	// below.
	allowed []string
	// libraries are the only modules from outside that may be imported; nil allows all.
	libraries []string
	// testLibraries are those that only tests may import as well.
	testLibraries []string
	reason        string
}{
	{"internal/html", []string{"drtest", "internal/foreign", "internal/report"}, []string{}, []string{"github.com/google/go-cmp"},
		"a report is made of journals, on any machine, without an engine"},
	{"internal/formats", []string{"drtest", "internal/foreign", "internal/report"}, []string{}, []string{"github.com/google/go-cmp", "github.com/prometheus/client_golang", "go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf"},
		"a report is made of journals, on any machine, without an engine"},
	{"internal/evidence", []string{"internal/report", "internal/foreign", "drtest"}, []string{}, []string{"github.com/google/go-cmp"},
		"a bundle is made and checked on any machine, without an engine; whoever calls it says which forms a report has"},
	{"internal/coverage", []string{"internal/report", "internal/foreign", "drtest"}, []string{}, []string{"github.com/google/go-cmp"},
		"what was drilled is read of reports, on any machine, without an engine"},
	{"internal/report", []string{"drtest", "internal/announce", "internal/foreign", "internal/repeat"}, []string{}, []string{"github.com/google/go-cmp", "github.com/stretchr/testify", "github.com/santhosh-tekuri/jsonschema"},
		"a report is made of journals, on any machine, without an engine"},
	{"internal/drift", []string{"drtest", "internal/foreign", "internal/repeat", "internal/report"}, []string{"github.com/aclements/go-moremath", "golang.org/x/perf"}, []string{"github.com/google/go-cmp"},
		"what changed is told from journals, on any machine, without an engine"},
	{"internal/watch", []string{"drtest", "internal/formats", "internal/report"}, []string{}, []string{"github.com/google/go-cmp", "github.com/prometheus/client_golang"},
		"what is told of a run while it goes on follows from its journals, as its report does"},
	{"internal/shards", []string{"internal/report"}, []string{}, []string{"github.com/google/go-cmp"},
		"drills are divided by what reports have, on any machine, without an engine"},
	{"internal/live", []string{"internal/foreign", "internal/report"}, []string{}, []string{"github.com/google/go-cmp"},
		"it shows what a transcript tells, and nothing of its own"},
	{"drtest/cmd/drengine", []string{"internal/..."}, nil, nil,
		"it looks after the engine, and knows nothing of drills and reports"},
	{"drtest/cmd", []string{"drtest", "internal/coverage", "internal/drift", "internal/evidence", "internal/formats", "internal/html", "internal/report", "internal/watch", "internal/announce", "internal/foreign", "internal/live", "internal/machine", "internal/shards"}, []string{"golang.org/x/term"},
		[]string{"github.com/google/go-cmp", "github.com/stretchr/testify", "golang.org/x/sys"},
		"a report is made of journals, on any machine, without an engine"},
	{"drtest/containertest", []string{"drtest", "internal/..."}, nil, nil,
		"a service as a container knows nothing of what runs in it"},
	{"drtest/hosttest", []string{"drtest", "internal/announce", "internal/machine", "internal/secret", "internal/wait"}, []string{"golang.org/x/sys"}, []string{"github.com/stretchr/testify"},
		"a program on this machine needs no container engine"},
	{"drtest/pgtest", []string{"drtest", "drtest/containertest", "internal/..."}, nil, nil,
		"systems are wired by values, so that each can be used without the others"},
	{"drtest/patronitest", []string{"drtest", "drtest/containertest", "drtest/pgtest", "internal/..."}, nil, nil,
		"a cluster is made of servers, and needs no backups"},
	{"drtest/backuptest", []string{"drtest", "drtest/containertest", "drtest/pgtest", "internal/..."}, nil, nil,
		"backups are those of servers, whoever elects their primary"},
	{"drtest/remotetest", []string{"drtest", "internal/announce", "internal/foreign", "internal/progress", "internal/wait"}, []string{}, []string{"github.com/stretchr/testify"},
		"a system elsewhere is reached by the user's commands, and by nothing else"},
	{"drtest/splitbraintest", []string{"drtest", "drtest/containertest", "drtest/pgtest", "internal/..."}, nil, nil,
		"the instruments look at servers, whoever elects their primary"},
	{"drtest/dnstest", []string{"drtest", "drtest/containertest", "internal/..."}, nil, nil,
		"systems are wired by values, so that each can be used without the others"},
	{"drtest/proxytest", []string{"drtest", "drtest/containertest", "internal/..."}, nil, nil,
		"systems are wired by values, so that each can be used without the others"},
	{"drtest", []string{"internal/announce", "internal/foreign", "internal/machine", "internal/measured"}, []string{}, []string{"github.com/google/go-cmp", "pgregory.net/rapid"},
		"judging is pure and costs its users no dependency"},
	{"internal/announce", []string{"internal/foreign"}, []string{}, []string{},
		"the core uses it, which costs its users no dependency"},
	{"internal/foreign", []string{"internal/secret"}, []string{}, []string{"github.com/google/go-cmp"},
		"the core uses it, which costs its users no dependency"},
	{"internal/secret", []string{}, []string{}, []string{},
		"the core uses it, which costs its users no dependency"},
	{"internal/machine", []string{"internal/announce"}, []string{}, []string{"github.com/google/go-cmp"},
		"the core uses it, which costs its users no dependency"},
	{"internal/measured", []string{}, []string{}, []string{},
		"the core uses it, which costs its users no dependency"},
	{"internal/repeat", []string{}, []string{}, []string{},
		"it is arithmetic, which can be checked by hand"},
	{"internal/calibrate", []string{"drtest"}, []string{}, nil,
		"it is what every user of drtest can do: what it shared with the core could be wrong in both"},
	{"internal", []string{"internal/..."}, nil, nil,
		"what lies below must not know what lies above"},
	{"fixtures", []string{"fixtures/..."}, nil, nil,
		"a system under test must not know that it is tested"},
	{"scenarios_test", []string{"drtest", "drtest/backuptest", "drtest/containertest", "drtest/dnstest", "drtest/patronitest", "drtest/pgtest", "drtest/proxytest", "drtest/splitbraintest", "fixtures/images"}, nil, nil,
		"scenarios use what every user of drtest can use, and fixtures only as images"},
}

type goPackage struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range list(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		known := false
		for _, r := range rules {
			if !below(name, r.folder) {
				continue
			}
			known, seen[r.folder] = true, true
			for _, imported := range p.Imports {
				if !permits(name, r.allowed, r.libraries, imported) {
					t.Errorf("%s imports %s: %s", name, imported, r.reason)
				}
			}
			for _, imported := range append(p.TestImports, p.XTestImports...) {
				libraries := r.libraries
				if libraries != nil {
					libraries = append(libraries[:len(libraries):len(libraries)], r.testLibraries...)
				}
				if !permits(name, r.allowed, libraries, imported) {
					t.Errorf("a test of %s imports %s: %s", name, imported, r.reason)
				}
			}
			break
		}
		if !known {
			t.Errorf("%s is in no folder that has a rule: add one, with its reason", name)
		}
	}
	for _, r := range rules {
		if !seen[r.folder] {
			t.Errorf("the rule for %s holds no package", r.folder)
		}
	}
}

// TestCoreIsNoTest: a package that users link into their tests must not drag in testing's flags.
func TestCoreIsNoTest(t *testing.T) {
	for _, p := range list(t) {
		for _, imported := range p.Imports {
			if p.ImportPath == module+"/drtest" && imported == "testing" {
				t.Error("drtest imports testing: it takes what it needs of it as an interface")
			}
		}
	}
}

func permits(name string, allowed, libraries []string, imported string) bool {
	own, isOwn := strings.CutPrefix(imported, module+"/")
	switch first, _, _ := strings.Cut(imported, "/"); {
	case isOwn:
		return own == name || slices.ContainsFunc(allowed, func(a string) bool {
			folder, all := strings.CutSuffix(a, "/...")
			return own == folder || all && below(own, folder)
		})
	case !strings.Contains(first, "."), libraries == nil: // the standard library has no dots
		return true
	}
	for _, l := range libraries {
		if below(imported, l) {
			return true
		}
	}
	return false
}

func below(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", path.Join(module, "..."))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
}
