package shards

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// module has tests that say nothing but their names.
const module = `package p

import "testing"

func run(t *testing.T) {
	for _, name := range []string{"x", "y"} {
		t.Run(name, func(*testing.T) {})
	}
}

func TestA(t *testing.T)    { run(t) }
func TestAB(t *testing.T)   { run(t) }
func TestB(t *testing.T)    { run(t) }
func TestC(t *testing.T)    { run(t) }
func TestCtrl(t *testing.T) { run(t) }
`

// TestFilter: what go test itself runs of a module is what the filter says, and what the patterns of
// two halves run together.
func TestFilter(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module p\n\ngo 1.26\n", "p_test.go": module} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "p.test")
	build := exec.Command("go", "test", "-c", "-vet=off", "-o", binary)
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ran := func(run, skip string) (tests []string) {
		out, err := exec.Command(binary, "-test.v", "-test.run="+run, "-test.skip="+skip).Output()
		if err != nil {
			t.Fatalf("-run %q -skip %q: %v\n%s", run, skip, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if name, is := strings.CutPrefix(line, "=== RUN   "); is {
				tests = append(tests, strings.TrimSpace(name))
			}
		}
		slices.Sort(tests)
		return tests
	}
	all := []string{"TestA", "TestAB", "TestB", "TestC", "TestCtrl"}
	for _, c := range []struct{ run, skip string }{
		{"", ""}, {"", "Ctrl$"}, {"A", ""}, {"^TestA$", ""}, {"TestA$/x", ""}, {"A/x|TestC$", ""}, {"A/x|A", ""}, {"^Test(A|B)$/[x/|]|Ctrl", ""},
		{"", "A/x"}, {"", "A/x|A"}, {"", "A|A/x"}, {"B|C", "C/y|B$"}, {`\|A|B`, ""}, {"Test[A|]B", ""}, {"A|", "C"}, {"A//x", ""}, {"Nothing", ""},
	} {
		f, err := NewFilter(c.run, c.skip)
		if err != nil {
			t.Fatal(err)
		}
		want := ran(c.run, c.skip)
		names := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return !f.Runs(name) })
		if diff := cmp.Diff(slices.DeleteFunc(slices.Clone(want), func(name string) bool { return strings.Contains(name, "/") }), names, cmp.Transformer("none", func(s []string) string { return strings.Join(s, " ") })); diff != "" {
			t.Errorf("-run %q -skip %q: top-level tests (-go test +filter):\n%s", c.run, c.skip, diff)
		}
		var got []string
		for _, half := range Split(names, nil, 2) {
			if len(half) > 0 {
				got = append(got, ran(f.Pattern(half), c.skip)...)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(strings.Join(want, " "), strings.Join(got, " ")); diff != "" {
			t.Errorf("-run %q -skip %q: two halves (-go test +halves):\n%s", c.run, c.skip, diff)
		}
	}
	for _, bad := range []string{"(", "A|[", "A)", "[]|]A"} {
		if _, err := NewFilter(bad, ""); err == nil {
			t.Errorf("%q is taken for a pattern", bad)
		}
	}
}
