package drtest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// EvidenceDir returns the directory for the evidence of t: its ledgers and the logs of its
// containers. With `go test -artifacts` it is t.ArtifactDir(), and everything in it is kept.
// Without, it lies in the system's directory for temporary files: [Run] removes it when the test
// passes and leaves it, with its path printed, when it fails.
func EvidenceDir(t TB) (string, error) {
	if keepsArtifacts() {
		return t.ArtifactDir(), nil
	}
	name := strings.Map(func(r rune) rune {
		if r == '/' || r == '\\' || r == os.PathSeparator {
			return '-'
		}
		return r
	}, t.Name())
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("drtest-%d-%s", os.Getpid(), name))
	return dir, os.MkdirAll(dir, 0o755)
}

// keepsArtifacts says whether `go test -artifacts` is on. The flag is looked up, since a package
// that is no test may not import testing.
func keepsArtifacts() bool {
	f := flag.Lookup("test.artifacts")
	return f != nil && f.Value.String() == "true"
}
