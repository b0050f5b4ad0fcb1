package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// drillPattern returns the pattern of go test for one drill. It is named by its test, such as
// "TestShutdown" or "TestShutdown/graceful", or by the ID of its scenario, such as "DR-DB-003":
// then it is all tests of the files that give a scenario this ID, or one that goes on after a
// slash.
func (c command) drillPattern(name string, packages []string) (string, error) {
	if strings.HasPrefix(name, "Test") {
		var parts []string
		for part := range strings.SplitSeq(name, "/") {
			parts = append(parts, "^"+regexp.QuoteMeta(part)+"$")
		}
		return strings.Join(parts, "/"), nil
	}
	files, err := c.testFiles(packages)
	if err != nil {
		return "", err
	}
	id, _, _ := strings.Cut(name, "/")
	known, tests := map[string]bool{}, []string{}
	for _, file := range files {
		ids, own, err := drillsOf(file)
		if err != nil {
			return "", err
		}
		for _, other := range ids {
			known[other] = true
		}
		if slices.Contains(ids, id) {
			tests = append(tests, own...)
		}
	}
	switch {
	case len(tests) > 0:
		return "^(" + strings.Join(tests, "|") + ")$", nil
	case known[id]:
		return "", fmt.Errorf("the files that give a scenario the ID %s hold no test: name its test instead", id)
	}
	return "", fmt.Errorf("no scenario has the ID %s: there are %s", id, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// A testPackage is a package with its test files.
type testPackage struct {
	ImportPath, Dir           string
	TestGoFiles, XTestGoFiles []string
}

// testFiles returns the test files of packages.
func (c command) testFiles(packages []string) (files []string, err error) {
	all, err := c.testPackages(packages)
	for _, p := range all {
		for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			files = append(files, filepath.Join(p.Dir, name))
		}
	}
	return files, err
}

// testPackages asks the go command for packages.
func (c command) testPackages(packages []string) (all []testPackage, err error) {
	list := c.exec("go", append([]string{"list", "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles"}, packages...)...)
	list.Env = c.environ
	list.Stderr = c.stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p testPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		all = append(all, p)
	}
}

// drillsOf returns the IDs that a file gives to scenarios, each until its slash, and the names of
// its tests.
func drillsOf(file string) (ids, tests []string, err error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, err
	}
	for n := range ast.Preorder(parsed) {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") && n.Name.Name != "TestMain" {
				tests = append(tests, n.Name.Name)
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "ID" {
				ids = append(ids, idsIn(n.Value)...)
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				if field, ok := to.(*ast.SelectorExpr); ok && field.Sel.Name == "ID" && len(n.Rhs) == len(n.Lhs) {
					ids = append(ids, idsIn(n.Rhs[i])...)
				}
			}
		}
	}
	return ids, tests, nil
}

// idsIn returns the strings in an expression, each until its slash.
func idsIn(e ast.Expr) (ids []string) {
	for n := range ast.Preorder(e) {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			s, _ := strconv.Unquote(lit.Value) // the parser has read it
			if id, _, _ := strings.Cut(s, "/"); id != "" {
				ids = append(ids, id)
			}
		}
	}
	return ids
}
