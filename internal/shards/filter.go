// Package shards divides the drills of a run among machines: it knows which tests go test would
// run, how long each of them took before, and which of the machines gets it.
package shards

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Filter says which tests go test runs, as its flags -run and -skip do.
type Filter struct{ run, skip []elements }

// elements are the parts between the slashes of one alternative of a pattern, and the first of them
// compiled: it is what the name of a top-level test has to match. Without elements, every name
// does.
type elements struct {
	parts []string
	first *regexp.Regexp
}

// NewFilter returns the filter of two patterns, which may be empty.
func NewFilter(run, skip string) (f Filter, err error) {
	f.run = []elements{{}}
	if run != "" {
		if f.run, err = split(run); err != nil {
			return f, fmt.Errorf("pattern of the tests to run: %w", err)
		}
	}
	if skip != "" {
		if f.skip, err = split(skip); err != nil {
			return f, fmt.Errorf("pattern of the tests to skip: %w", err)
		}
	}
	return f, nil
}

// split cuts a pattern as package testing does (match.go, splitRegexp): at each | and / that is in
// no brackets.
func split(pattern string) (all []elements, err error) {
	square, round, begin := 0, 0, 0
	parts := []string{}
	cut := func(end int) {
		parts, begin = append(parts, pattern[begin:end]), end+1
	}
	add := func() error {
		first, err := regexp.Compile(strings.ReplaceAll(parts[0], " ", "_")) // as in the names of tests
		all, parts = append(all, elements{parts, first}), nil
		return err
	}
	for i := 0; i < len(pattern); i++ {
		inside := square > 0 || round > 0
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '[':
			square++
		case c == ']':
			square = max(0, square-1)
		case c == '(' && square == 0:
			round++
		case c == ')' && square == 0:
			round--
		case c == '/' && !inside:
			cut(i)
		case c == '|' && !inside:
			cut(i)
			if err := add(); err != nil {
				return nil, err
			}
		}
	}
	cut(len(pattern))
	return all, add()
}

func (e elements) match(name string) bool { return len(e.parts) == 0 || e.first.MatchString(name) }

// Runs says whether go test runs the top-level test of that name, or a part of it.
func (f Filter) Runs(name string) bool {
	match := func(e elements) bool { return e.match(name) }
	// As in package testing, the first alternative that fits decides; one that goes on after a
	// slash skips parts of the test alone.
	if i := slices.IndexFunc(f.skip, match); i >= 0 && len(f.skip[i].parts) == 1 {
		return false
	}
	return slices.ContainsFunc(f.run, match)
}

// Pattern is what go test -run takes to run of the named top-level tests what the filter lets
// through, and no other test.
func (f Filter) Pattern(names []string) string {
	var whole, more []string
	for _, name := range names {
		var parts []string
		all := false
		for _, e := range f.run {
			if !e.match(name) {
				continue
			}
			all = all || len(e.parts) < 2
			if !all {
				parts = append(parts, "^"+regexp.QuoteMeta(name)+"$/"+strings.Join(e.parts[1:], "/"))
			}
		}
		if all {
			whole = append(whole, regexp.QuoteMeta(name))
		} else {
			more = append(more, parts...)
		}
	}
	switch len(whole) {
	case 0:
	case 1:
		more = append([]string{"^" + whole[0] + "$"}, more...)
	default:
		more = append([]string{"^(" + strings.Join(whole, "|") + ")$"}, more...)
	}
	return strings.Join(more, "|")
}
