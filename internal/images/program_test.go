package images

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// write writes the files of a text below dir: each begins with a line "-- name --".
func write(t *testing.T, dir, text string) {
	t.Helper()
	for _, file := range strings.Split("\n"+strings.TrimSpace(text), "\n-- ")[1:] {
		name, content, _ := strings.Cut(file, " --\n")
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content+"\n"), 0o644))
	}
}

// shop is a module with a service in it, its drills among its packages.
const shop = `
-- go.mod --
module shop.example/shop

go 1.26
-- server/main.go --
package main

import "shop.example/shop/stock"

func main() { println(stock.Name) }
-- stock/stock.go --
package stock

const Name = "stock of the shop"
-- drills/drills.go --
package drills
`

// Programs are built where, and as, the user's go command builds them, from the folder of the test.
func TestProgram(t *testing.T) {
	const nested = "-- drills/go.mod --\nmodule shop.example/shop/drills\n\ngo 1.26\n"
	for _, c := range []struct {
		reason string
		files  string // beside those of the shop
		env    []string
		run    []string // before
		in     string   // the folder of the test; "": drills
		of     Program
		want   string // a part of the program
		errs   []string
	}{
		{reason: "an import path of the test's module", of: Program{Package: "shop.example/shop/server"}, want: "stock of the shop"},
		{reason: "a folder of the test's module", of: Program{Package: "../server"}, want: "stock of the shop"},
		{reason: "the folder of the test itself", in: "server", of: Program{Package: "."}, want: "stock of the shop"},
		{reason: "drills as a nested module, by folder", files: nested, of: Program{Package: "../server"}, want: "stock of the shop"},
		{
			reason: "drills as a nested module that requires the service's, by import path",
			files:  nested + "\nrequire shop.example/shop v0.0.0\n\nreplace shop.example/shop => ../\n",
			of:     Program{Package: "shop.example/shop/server"}, want: "stock of the shop",
		},
		{
			reason: "drills as a nested module that does not know the service's, by import path",
			files:  nested, of: Program{Name: "server", Package: "shop.example/shop/server"},
			errs: []string{"go build of shop.example/shop/server in ", "/drills: exit status 1:\n", "no required module provides package shop.example/shop/server",
				"\nThe module of the test has to know the package, or the program be named by its folder, such as ../cmd/server"},
		},
		{
			reason: "a workspace, whose drills require nothing", files: nested + "-- go.work --\ngo 1.26\n\nuse (\n\t.\n\t./drills\n)\n",
			of: Program{Package: "shop.example/shop/server"}, want: "stock of the shop",
		},
		{
			reason: "a vendor folder: nothing else has the package any more",
			files: "-- go.mod --\nmodule shop.example/shop\n\ngo 1.26\n\nrequire till.example/till v1.0.0\n\nreplace till.example/till => ./till\n" +
				"-- till/go.mod --\nmodule till.example/till\n\ngo 1.26\n-- till/till.go --\npackage till\n\nconst Name = \"vendored till\"\n" +
				"-- server/main.go --\npackage main\n\nimport \"till.example/till\"\n\nfunc main() { println(till.Name) }\n",
			run: []string{"go mod vendor", "rm -r till"},
			of:  Program{Package: "../server"}, want: "vendored till",
		},
		{
			reason: "build tags", files: "-- server/main.go --\n//go:build special\n\npackage main\n\nfunc main() { println(\"special server\") }\n",
			of: Program{Package: "../server", Tags: "special"}, want: "special server",
		},
		{
			reason: "build tags of the user's own", files: "-- server/main.go --\n//go:build special\n\npackage main\n\nfunc main() { println(\"special server\") }\n",
			env: []string{"GOFLAGS=-mod=mod -tags=special -buildvcs=true"}, of: Program{Package: "../server"}, want: "special server",
		},
		{
			reason: "flags for tests, which no static program can have", env: []string{"GOFLAGS=-race -cover"},
			of: Program{Package: "../server"}, want: "stock of the shop",
		},
		{
			reason: "what does not compile", files: "-- server/main.go --\npackage main\n\nfunc main() { serve() }\n", of: Program{Package: "../server"},
			errs: []string{"go build of . in ", "/server: exit status 1:\n# shop.example/shop/server\n./main.go:3:15: undefined: serve"},
		},
		{
			reason: "what does not compile, by import path", files: "-- server/main.go --\npackage main\n\nfunc main() { serve() }\n",
			of: Program{Package: "shop.example/shop/server"}, errs: []string{"main.go:3:15: undefined: serve"},
		},
		{reason: "no program", of: Program{Package: "../stock"}, errs: []string{"go build of . in ", "/stock makes no program: is it a package main?"}},
		{
			reason: "a program that needs cgo", files: "-- server/main.go --\npackage main\n\nimport \"C\"\n\nfunc main() {}\n", of: Program{Package: "../server"},
			errs: []string{"build constraints exclude all Go files in "},
		},
		{reason: "no such folder", of: Program{Package: "../none"}, errs: []string{"/none"}},
	} {
		t.Run(c.reason, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "Läden & co")
			write(t, dir, shop)
			write(t, dir, c.files)
			isolate(t)
			for _, e := range append([]string{"GOFLAGS=", "GOWORK="}, c.env...) {
				name, value, _ := strings.Cut(e, "=")
				t.Setenv(name, value)
			}
			for _, line := range c.run {
				words := strings.Fields(line)
				cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
				cmd.Dir = dir
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, string(out))
			}
			t.Chdir(filepath.Join(dir, cmp.Or(c.in, "drills")))
			if c.of.Name == "" {
				c.of.Name = "program"
			}
			data, err := c.of.bytes(t.Context(), runtime.GOARCH, t.Logf)
			if c.errs == nil {
				require.NoError(t, err)
				require.Contains(t, string(data), c.want)
				return
			}
			require.Error(t, err)
			for _, part := range c.errs {
				require.ErrorContains(t, err, part)
			}
			if c.of.Name == "program" {
				require.NotContains(t, err.Error(), "has to know the package")
			}
		})
	}
}

// isolate has the go tool ask nobody, and what is built go with the test.
func isolate(t *testing.T) {
	t.Helper()
	kept, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	require.NoError(t, err)
	t.Setenv("GOCACHE", strings.TrimSpace(string(kept)))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("GOPROXY", "off")
}

// A program of this module is built in this module, as its go.sum allows, whatever module the test
// belongs to.
func TestProgramOfThisModule(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	if os.Getenv(nonceVariable) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProgramOfThisModule$", "-test.v")
		cmd.Env = append(os.Environ(), nonceVariable+"=other module")
		out, err := cmd.CombinedOutput() // the module is asked for once in a process
		require.NoError(t, err, string(out))
		return
	}
	isolate(t)
	dir := t.TempDir()
	write(t, dir, "-- go.mod --\nmodule shop.example/shop\n\ngo 1.26\n\nrequire "+module+" v0.0.0\n\nreplace "+module+" => "+strconv.Quote(root)+"\n")
	t.Chdir(dir)
	data, err := Program{Name: "echo", Package: module + "/internal/echo/program"}.bytes(t.Context(), runtime.GOARCH, t.Logf)
	require.NoError(t, err)
	require.NotEmpty(t, data)
}

// What is built in no time is not worth a line, and what takes long is told before it is done.
func TestAloud(t *testing.T) {
	for took, want := range map[time.Duration]string{
		time.Second:     "",
		7 * time.Second: "at 2s: building the program\nat 7s: built the program in 7s\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			begin, said := time.Now(), ""
			logf := func(format string, args ...any) {
				said += fmt.Sprintf("at %v: "+format+"\n", append([]any{time.Since(begin)}, args...)...)
			}
			err := aloud(logf, "the program", func() error { <-time.After(took); return nil })
			require.NoError(t, err)
			if diff := gocmp.Diff(want, said); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
