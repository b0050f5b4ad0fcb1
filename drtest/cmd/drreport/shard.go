package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
	"github.com/drtest/suite/internal/shards"
)

// A part is which of how many machines plays a run; zero is a run that is not divided.
type part struct{ index, of int }

func (p part) String() string { return fmt.Sprintf("%d/%d", p.index, p.of) }

// parsePart reads "1/2".
func parsePart(s string) (p part, err error) {
	index, of, _ := strings.Cut(s, "/")
	if p.index, err = strconv.Atoi(index); err == nil {
		p.of, err = strconv.Atoi(of)
	}
	if err != nil || p.index < 1 || p.index > p.of {
		return part{}, fmt.Errorf("want which part of how many, such as 1/2")
	}
	return p, nil
}

// plan says which top-level tests a run plays, and how long they took before, as far as the screen
// or a division among machines asks for it. The shard is nil for a run that is not divided.
func (c command) plan(s *screen, p part, packages []string, filter shards.Filter, durations, out string) (shard *report.Shard, err error) {
	drills, err := c.topTests(packages, filter)
	if err != nil {
		return nil, err
	}
	s.plan.Tests = namesOf(drills)
	record := new(shards.Record)
	if durations != "" {
		if record, err = shards.ReadRecord(durations); err != nil {
			return nil, err
		}
	} else if last, err := shards.ReadRecord(filepath.Join(out, "latest")); err == nil {
		s.plan.Took, s.plan.SideBySide = last.Took, last.SideBySide // for the screen: it differs between machines
	}
	if p.of == 0 {
		return nil, nil
	}
	if len(s.plan.Tests) < p.of {
		return nil, fmt.Errorf("there are %d drills, too few for %d shards", len(s.plan.Tests), p.of)
	}
	lists := shards.Split(s.plan.Tests, record.Took, p.of)
	shard = &report.Shard{Index: p.index, Of: p.of, Profile: report.Text(c.env("DRTEST_PROFILE")), By: report.Text(saidOf(lists, record.Took, durations))}
	for _, list := range lists {
		part := []report.Drill{}
		for _, d := range drills {
			if slices.Contains(list, d.Test) {
				part = append(part, d)
			}
		}
		shard.Drills = append(shard.Drills, part)
	}
	fmt.Fprintf(c.stdout, "%v, %d of %d drills: %s\n", shard, len(lists[p.index-1]), len(s.plan.Tests), foreign.Text(string(shard.By)))
	if s.plan.Tests = lists[p.index-1]; durations != "" {
		s.plan.Took, s.plan.SideBySide = record.Took, record.SideBySide
	}
	return shard, nil
}

// namesOf are the names of drills, each once.
func namesOf(drills []report.Drill) (names []string) {
	for _, d := range drills {
		names = append(names, d.Test)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// saidOf says how tests were divided.
func saidOf(lists [][]string, took map[string]time.Duration, from string) string {
	all := slices.Concat(lists...)
	unknown, usual := 0, shards.Usual(all, took)
	for _, test := range all {
		if _, is := took[test]; !is {
			unknown++
		}
	}
	switch {
	case from == "":
		return "divided equally by count, since no -durations were given"
	case unknown == len(all):
		return "divided equally by count, since " + from + " has the duration of none"
	}
	var sums []string
	for _, list := range lists {
		var sum time.Duration
		for _, test := range list {
			if d, is := took[test]; is {
				sum += d
			} else {
				sum += usual
			}
		}
		sums = append(sums, sum.Round(time.Second).String())
	}
	by := fmt.Sprintf("divided by the durations in %s into %s", from, strings.Join(sums, " + "))
	if unknown > 0 {
		by += fmt.Sprintf("; %d without a duration count as the median, %v", unknown, usual.Round(time.Millisecond))
	}
	return by
}

// topTests returns the top-level tests of packages that go test runs by a filter, as their source
// has them: those that have to be played.
func (c command) topTests(packages []string, filter shards.Filter) (drills []report.Drill, err error) {
	all, err := c.testPackages(packages)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			tests, err := testsOf(filepath.Join(p.Dir, name))
			if err != nil {
				return nil, err
			}
			for _, test := range tests {
				if filter.Runs(test) {
					drills = append(drills, report.Drill{Package: p.ImportPath, Test: test})
				}
			}
		}
	}
	return drills, nil
}

// testsOf returns what go test runs of a file: tests, fuzz tests with their seeds, and examples
// whose output is compared.
func testsOf(file string) (tests []string, err error) {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	for _, decl := range parsed.Decls {
		if f, is := decl.(*ast.FuncDecl); is && (isTest(f, "Test", "T") || isTest(f, "Fuzz", "F")) {
			tests = append(tests, f.Name.Name)
		}
	}
	for _, e := range doc.Examples(parsed) {
		if e.Output != "" || e.EmptyOutput {
			tests = append(tests, "Example"+e.Name)
		}
	}
	return tests, nil
}

// isTest says whether the go command takes a function for a test, as in its load/test.go: TestX or
// Test, not Testx, with one parameter, a pointer to a T.
func isTest(f *ast.FuncDecl, prefix, kind string) bool {
	rest, is := strings.CutPrefix(f.Name.Name, prefix)
	first, _ := utf8.DecodeRuneInString(rest)
	if !is || f.Recv != nil || rest != "" && unicode.IsLower(first) || f.Type.Results != nil || f.Type.TypeParams != nil ||
		len(f.Type.Params.List) != 1 || len(f.Type.Params.List[0].Names) > 1 {
		return false
	}
	pointer, is := f.Type.Params.List[0].Type.(*ast.StarExpr)
	if !is {
		return false
	}
	switch to := pointer.X.(type) {
	case *ast.Ident:
		return to.Name == kind
	case *ast.SelectorExpr:
		return to.Sel.Name == kind
	}
	return false
}
