package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What new writes is what the page on the first drill shows.
func TestNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "drills")
	var said, errs strings.Builder
	if status := (command{stdout: &said, stderr: &errs}).main([]string{"new", dir}); status != passed {
		t.Fatalf("status %d: %s", status, errs.String())
	}
	page, err := os.ReadFile("../../FIRST_DRILL.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ language, file string }{{"go", "drill_test.go"}, {"dockerfile", "image/Dockerfile"}} {
		_, after, _ := strings.Cut(string(page), "```"+c.language+"\n")
		shown, _, _ := strings.Cut(after, "```")
		wrote, err := os.ReadFile(filepath.Join(dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(shown, string(wrote)); diff != "" {
			t.Errorf("%s (-shown +written):\n%s", c.file, diff)
		}
	}
	if !strings.HasSuffix(said.String(), "go tool drreport run "+dir+"\n") {
		t.Errorf("it says:\n%s", said.String())
	}
}

// The drill of an image that exists builds none.
func TestNewOfAnImage(t *testing.T) {
	dir, err := os.MkdirTemp("testdata", "new") // in this module, so that it compiles
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var errs strings.Builder
	if status := (command{stdout: new(strings.Builder), stderr: &errs}).main([]string{"new", "-image", "acme/shop:1.2", "-port", "3000", dir}); status != passed {
		t.Fatalf("status %d: %s", status, errs.String())
	}
	drill, err := os.ReadFile(filepath.Join(dir, "drill_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"acme/shop:1.2",`, "3000,"} {
		if !strings.Contains(string(drill), want) {
			t.Errorf("it has no %s", want)
		}
	}
	if said, err := exec.CommandContext(t.Context(), "go", "vet", "./"+filepath.ToSlash(dir)).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
	if _, err := os.Stat(filepath.Join(dir, "image")); err == nil {
		t.Error("it wrote a Dockerfile")
	}
}

// What cannot be is refused, and nothing is written over.
func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	drills := filepath.Join(dir, "drills")
	theirs := filepath.Join(drills, "image", "Dockerfile")
	if err := os.MkdirAll(filepath.Dir(theirs), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(theirs, []byte("FROM theirs"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{filepath.Join(dir, "1")}, "a package cannot be named after the directory"},
		{[]string{filepath.Join(dir, "func")}, "a package cannot be named after the directory"},
		{[]string{"-port", "0", drills}, "-port 0: there is no such port"},
		{[]string{"-program", ".", "-image", "shop", drills}, "give one of them"},
		{[]string{drills}, "Dockerfile is there already, and nothing was written"},
	} {
		var errs strings.Builder
		status := command{stdout: new(strings.Builder), stderr: &errs}.main(append([]string{"new"}, c.args...))
		if status != trouble || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%v: status %d: %s", c.args, status, errs.String())
		}
	}
	if _, err := os.Stat(filepath.Join(drills, "drill_test.go")); err == nil {
		t.Error("it wrote a part")
	}
}
