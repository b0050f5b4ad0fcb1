package pgtest

import (
	"embed"
	"io/fs"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
)

//go:embed debian server
var files embed.FS

// ServerImage is what a server runs: the image that has PostgreSQL, or Debian's if that is the zero
// value, and upon it a template of the data and the scripts that start a server. The first test
// that needs it builds it, which takes a minute or more; [containertest.Build] does so before.
func ServerImage(t testing.TB, postgres containertest.Image) containertest.Image {
	t.Helper()
	if postgres.Name == "" {
		if postgres.Files != nil {
			t.Fatal("pgtest: an image of your own needs a name")
		}
		postgres = containertest.Image{Name: "drtest/postgres", Files: folder(t, "debian")}
	}
	return containertest.Image{Name: postgres.Name + "-server", Files: folder(t, "server"), Base: &postgres}
}

func folder(t testing.TB, name string) fs.FS {
	t.Helper()
	sub, err := fs.Sub(files, name)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}
