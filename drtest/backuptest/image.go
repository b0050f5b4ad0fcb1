package backuptest

import (
	"embed"
	"io/fs"
	"strings"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
)

//go:embed backup objects
var files embed.FS

// Images returns the images of all that this package starts, for [containertest.Build]: that of
// servers with a repository, upon Debian's PostgreSQL 17, and that of the object store. The first
// test that needs one builds it otherwise, which takes a minute or more.
func Images(t testing.TB) []containertest.Image {
	t.Helper()
	return []containertest.Image{image(pgtest.ServerImage(t, containertest.Image{})), objectsImage()}
}

// image adds the tools of the backups to the image of a server, which must be built on Debian.
func image(server containertest.Image) containertest.Image {
	return containertest.Image{Name: strings.TrimSuffix(server.Name, "-server") + "-backup", Files: folder("backup"), Base: &server}
}

// objectsImage is what an object store runs: versitygw, whose requirements this module does not
// carry.
func objectsImage() containertest.Image {
	return containertest.Image{Name: "drtest/objects", Files: folder("objects"), Programs: []containertest.Program{
		{Name: "versitygw", Package: "github.com/versity/versitygw/cmd/versitygw", Version: "v1.8.0"},
	}}
}

func folder(name string) fs.FS {
	sub, err := fs.Sub(files, name)
	if err != nil {
		panic(err) // only for a name that is no path
	}
	return sub
}
