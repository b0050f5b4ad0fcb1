package images

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/progress"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// mayBuild skips the test with -short and returns the engine.
func mayBuild(t *testing.T) *docker.Engine {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a container engine, and -short is set")
	}
	engine, err := docker.Connect()
	require.NoError(t, err)
	return engine
}

// remove removes an image when the test ends.
func remove(t *testing.T, engine *docker.Engine, ref string) {
	t.Cleanup(func() {
		_, err := engine.ImageRemove(context.Background(), ref, client.ImageRemoveOptions{Force: true, PruneChildren: true})
		require.NoError(t, err)
	})
}

// removeLabelled removes the images of steps when the test ends.
func removeLabelled(t *testing.T, engine *docker.Engine, label string) {
	t.Cleanup(func() {
		list, err := engine.ImageList(context.Background(), client.ImageListOptions{Filters: make(client.Filters).Add("label", label)})
		require.NoError(t, err)
		for _, i := range list.Items {
			_, err := engine.ImageRemove(context.Background(), i.ID, client.ImageRemoveOptions{PruneChildren: true})
			require.NoError(t, err)
		}
	})
}

const nonceVariable = "DRTEST_TEST_NONCE"

// unique is an image that no engine has.
func unique(nonce string) Image {
	return Image{Name: "drtest/test-unique", Files: fstest.MapFS{"Dockerfile": {Data: []byte("FROM scratch\nCOPY Dockerfile /" + nonce + "\n")}}}
}

// TestChild is run by TestBuildOnce in processes of its own.
func TestChild(t *testing.T) {
	nonce := os.Getenv(nonceVariable)
	if nonce == "" {
		t.Skip("is run by TestBuildOnce")
	}
	var builders sync.WaitGroup
	for range 2 {
		builders.Go(func() {
			ref, err := unique(nonce).Build(context.Background(), progress.Say)
			fmt.Println("result", ref, err)
		})
	}
	builders.Wait()
}

// Processes, and goroutines in them, that want the same image at the same time build it once.
func TestBuildOnce(t *testing.T) {
	engine := mayBuild(t)
	nonce := rand.Text()
	outs := make([]string, 3)
	var processes sync.WaitGroup
	for i := range outs {
		processes.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
			cmd.Env = append(os.Environ(), nonceVariable+"="+nonce)
			out, _ := cmd.CombinedOutput()
			outs[i] = string(out)
		})
	}
	processes.Wait()
	ref, err := unique(nonce).Build(t.Context(), t.Logf)
	require.NoError(t, err)
	remove(t, engine, ref)
	all := strings.Join(outs, "")
	require.Equal(t, 1, strings.Count(all, "drtest: building image "+ref), all)
	require.Equal(t, 6, strings.Count(all, "result "+ref+" <nil>"), all)
}

// The error of a build has what the failing step printed, and leaves no container of a step.
func TestBuildError(t *testing.T) {
	engine := mayBuild(t)
	label := "drtest.nonce=" + rand.Text()
	dockerfile := "ARG BASE=debian:trixie-slim\nFROM ${BASE}\nLABEL " + label + "\nRUN echo first\nRUN echo the reason; exit 7\n"
	removeLabelled(t, engine, label)
	before := containers(t, engine)
	_, err := Image{Name: "drtest/test-broken", Files: fstest.MapFS{"Dockerfile": {Data: []byte(dockerfile)}}}.Build(t.Context(), t.Logf)
	require.ErrorContains(t, err, "image drtest/test-broken: ")
	require.ErrorContains(t, err, "returned a non-zero code: 7")
	require.ErrorContains(t, err, "RUN echo the reason; exit 7")
	require.ErrorContains(t, err, "\nthe reason")
	require.NotContains(t, err.Error(), "echo first")
	require.Equal(t, before, containers(t, engine))

	_, err = Image{Name: "drtest/test-broken", Files: fstest.MapFS{"Dockerfile": {Data: []byte("FORM x")}}}.Build(t.Context(), t.Logf)
	require.ErrorContains(t, err, "FORM")
}

// containers counts the containers that a build of TestBuildError left: those made by its last
// step.
func containers(t *testing.T, engine *docker.Engine) int {
	t.Helper()
	list, err := engine.ContainerList(t.Context(), client.ContainerListOptions{All: true})
	require.NoError(t, err)
	n := 0
	for _, c := range list.Items {
		if strings.Contains(c.Command, "the reason") {
			n++
		}
	}
	return n
}

// An image upon another is built upon that one, and has another name when that one changes.
func TestBuildUpon(t *testing.T) {
	engine := mayBuild(t)
	build := func(base Image) string {
		upon := Image{Name: "drtest/test-upon", Base: &base, Files: fstest.MapFS{"Dockerfile": {Data: []byte("ARG BASE=debian:trixie-slim\nFROM ${BASE}\nCOPY Dockerfile /upon\n")}}}
		ref, err := upon.Build(t.Context(), t.Logf)
		require.NoError(t, err)
		under, err := base.Build(t.Context(), t.Logf)
		require.NoError(t, err)
		remove(t, engine, under)
		remove(t, engine, ref)
		upper, err := engine.ImageInspect(t.Context(), ref)
		require.NoError(t, err)
		lower, err := engine.ImageInspect(t.Context(), under)
		require.NoError(t, err)
		require.Equal(t, lower.RootFS.Layers, upper.RootFS.Layers[:len(lower.RootFS.Layers)])
		return ref
	}
	require.NotEqual(t, build(unique(rand.Text())), build(unique(rand.Text())))
}
