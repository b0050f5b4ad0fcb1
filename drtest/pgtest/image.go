package pgtest

import (
	"embed"
	"io/fs"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
)

//go:embed image patroni backup objects
var files embed.FS

// Images returns the images of all that this package starts, for [containertest.Build]. The first
// test that needs one builds it otherwise, which takes a minute or more.
func Images(t testing.TB) []containertest.Image {
	t.Helper()
	return []containertest.Image{serverImage(t), clusterImage(t), backupImage(t), objectsImage(t)}
}

// serverImage is what every node runs that is not a member of a cluster and has no repository.
func serverImage(t testing.TB) containertest.Image {
	return containertest.Image{Name: "drtest/postgres", Files: folder(t, "image")}
}

// clusterImage is what the members of a cluster run, and those of its store.
func clusterImage(t testing.TB) containertest.Image {
	base := serverImage(t)
	return containertest.Image{Name: "drtest/patroni", Files: folder(t, "patroni"), Base: &base}
}

// backupImage is what nodes run that have a [Repository].
func backupImage(t testing.TB) containertest.Image {
	base := serverImage(t)
	return containertest.Image{Name: "drtest/backup", Files: folder(t, "backup"), Base: &base}
}

// objectsImage is what an object store runs: versitygw, whose requirements this module does not
// carry.
func objectsImage(t testing.TB) containertest.Image {
	return containertest.Image{Name: "drtest/objects", Files: folder(t, "objects"), Programs: []containertest.Program{
		{Name: "versitygw", Package: "github.com/versity/versitygw/cmd/versitygw", Version: "v1.8.0"},
	}}
}

func folder(t testing.TB, name string) fs.FS {
	t.Helper()
	sub, err := fs.Sub(files, name)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}
