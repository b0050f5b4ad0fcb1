package pgtest

import (
	"embed"
	"io/fs"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
)

//go:embed image
var files embed.FS

// build returns the reference of the image that every node runs, and builds it first where it is missing.
func build(t testing.TB) string {
	t.Helper()
	sub, err := fs.Sub(files, "image")
	if err != nil {
		t.Fatal(err)
	}
	return containertest.Build(t, containertest.Image{Name: "drtest/postgres", Files: sub})
}
