// Package announce passes facts of a drill from the test process to the report of its run, as
// attributes of the test: what tests print could be printed by a system under test as well.
package announce

import (
	"flag"
	"os"
	"slices"
	"strings"

	"github.com/drtest/suite/internal/foreign"
)

// The keys of what is told, as attributes of a test: see testing.T.Attr. Go test marks them in the
// output of the test process by a control character. A system whose answers are logged may know
// that: so drreport gives the test process a [Token], which is a part of each key.
const (
	Phase     = "drtest.phase"     // a phase of a drill, to be shown at once; the same line is logged next
	Line      = "drtest.line"      // a line of the harness's own, which is logged next
	Journal   = "drtest.journal"   // the name of a journal that the test begins, in its artifact directory
	Kept      = "drtest.kept"      // the SHA-256 of that journal as the test leaves it, a space, and its name
	System    = "drtest.system"    // a part of what is tested, or of what that runs on, with its version
	Untrusted = "drtest.untrusted" // why the failure of the test says nothing of the system
)

// Token is the variable of the environment that has what makes the keys of a run its own. Systems
// under test do not see it. Without it, keys are as they are.
const Token = "DRTEST_TOKEN"

// Key is a key with a token, which may be empty.
func Key(key, token string) string {
	if token == "" {
		return key
	}
	return key + "." + token
}

// Environ returns the environment of this process for programs that are no part of the harness: it
// has no token.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, Token+"=") })
}

// T is the part of testing.TB that is needed.
type T interface{ Attr(key, value string) }

// Tell tells a value. It does nothing without go test -json, since people have no use for it.
func Tell(t T, key, value string) {
	Attr(t, Key(key, os.Getenv(Token)), value)
}

// Attr sets an attribute for whoever reads go test -json. Its key is as it is, so that others know
// it: drreport believes none without a token.
func Attr(t T, key, value string) {
	if v := flag.Lookup("test.v"); v != nil && v.Value.String() == "test2json" {
		t.Attr(key, foreign.Text(value))
	}
}

// Lines tells each line of a text that is logged next.
func Lines(t T, text string) {
	for line := range strings.Lines(text) {
		Tell(t, Line, strings.TrimSpace(line))
	}
}
