package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/drtest/suite/internal/formats"
	"github.com/drtest/suite/internal/report"
)

// env returns a variable of the environment.
func (c command) env(name string) (value string) {
	for _, e := range c.environ {
		if v, is := strings.CutPrefix(e, name+"="); is {
			value = v // the last one counts
		}
	}
	return value
}

// onGitHub says whether what is printed is read by GitHub Actions.
func (c command) onGitHub() bool { return c.env("GITHUB_ACTIONS") == "true" }

// mute keeps GitHub Actions from taking what tests and systems print for commands of the workflow,
// until what it returns is called.
func (c command) mute() (unmute func()) {
	if !c.onGitHub() {
		return func() {}
	}
	word := rand.Text()
	fmt.Fprintf(c.stdout, "::stop-commands::%s\n", word)
	return func() { fmt.Fprintf(c.stdout, "::%s::\n", word) }
}

// tellGitHub adds a summary to the step, and marks the tests that did not pass.
func (c command) tellGitHub(r *report.Report, packages []string) error {
	if c.onGitHub() {
		places := c.places(packages)
		_, _ = c.stdout.Write(formats.GitHubAnnotations(r, func(x *report.Result) formats.Place {
			name, _, _ := strings.Cut(string(x.Test), "/")
			return places[string(x.Package)+"."+name]
		}))
	}
	file := c.env("GITHUB_STEP_SUMMARY")
	if file == "" {
		return nil
	}
	text, err := formats.GitHubSummary(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fmt.Errorf("write the summary for GitHub: %w", err)
	}
	return nil
}

// places finds the tests of packages, by the package and the name. What cannot be found has none.
func (c command) places(packages []string) map[string]formats.Place {
	places := map[string]formats.Place{}
	list := c.exec("go", append([]string{"list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles"}, packages...)...)
	out, err := list.Output()
	if err != nil {
		return places
	}
	root := c.env("GITHUB_WORKSPACE")
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath, Dir           string
			TestGoFiles, XTestGoFiles []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) || err != nil {
			return places
		}
		for _, name := range append(p.TestGoFiles, p.XTestGoFiles...) {
			path, set := filepath.Join(p.Dir, name), token.NewFileSet()
			parsed, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
			if err != nil {
				continue
			}
			if below, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(below) {
				path = filepath.ToSlash(below)
			}
			for _, decl := range parsed.Decls {
				if f, is := decl.(*ast.FuncDecl); is && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
					places[p.ImportPath+"."+f.Name.Name] = formats.Place{File: path, Line: set.Position(f.Pos()).Line}
				}
			}
		}
	}
}
