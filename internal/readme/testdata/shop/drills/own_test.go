package drills

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
)

// TestOwnContainers is a test that has nothing to do with drills, in the process of drills: the
// service without its database, started by testcontainers.
func TestOwnContainers(t *testing.T) {
	app := containertest.Build(t, containertest.Image{
		Name:     "acme/app",
		Files:    os.DirFS("image"),
		Programs: []containertest.Program{{Name: "app", Package: "../cmd/app"}},
	})
	c, err := testcontainers.Run(t.Context(), app,
		testcontainers.WithEnv(map[string]string{"DATABASE_URL": "postgres://nowhere.invalid/app"}),
		testcontainers.WithExposedPorts("8080/tcp"),
		testcontainers.WithWaitStrategy(wait.ForHTTP("/readyz").WithStatusCodeMatcher(func(status int) bool { return status == http.StatusServiceUnavailable }).WithStartupTimeout(30*time.Second)))
	testcontainers.CleanupContainer(t, c)
	if err != nil {
		t.Fatal(err)
	}
}

// TestWholeModule says how an image is called that has the module for its files, but for what its
// .dockerignore lists.
func TestWholeModule(t *testing.T) {
	t.Log(containertest.Build(t, containertest.Image{
		Name:     "acme/module",
		Files:    os.DirFS(".."),
		Programs: []containertest.Program{{Name: "app", Package: "../cmd/app"}},
	}))
}
