package images

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

func TestBase(t *testing.T) {
	engine := mayBuild(t)
	tag := strings.ToLower(rand.Text())
	d := debian{registry: "drtest.invalid/debian:" + tag, made: "drtest/test-base:" + tag}

	t.Run("nothing there and no mmdebstrap", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		_, err := d.find(t.Context(), engine, t.Logf)
		require.ErrorContains(t, err, "base image "+d.registry+": not in the engine, cannot be pulled (")
		require.ErrorContains(t, err, "and mmdebstrap, which would make one, is not installed: run apt-get install -y mmdebstrap as root")
	})

	t.Run("mmdebstrap fails", func(t *testing.T) {
		fakeMmdebstrap(t, "head -c 100000 /dev/zero; echo no such mirror >&2; exit 25")
		_, err := d.find(t.Context(), engine, t.Logf)
		require.ErrorContains(t, err, "mmdebstrap: exit status 25\nno such mirror")
		found, err := exists(t.Context(), engine, d.made)
		require.NoError(t, err)
		require.False(t, found, "half an image is left")
	})

	t.Run("mmdebstrap makes it", func(t *testing.T) {
		fakeMmdebstrap(t, "tar -c -C / etc/hostname")
		remove(t, engine, d.made)
		ref, err := d.find(t.Context(), engine, t.Logf)
		require.NoError(t, err)
		require.Equal(t, d.made, ref)
		image, err := engine.ImageInspect(t.Context(), ref)
		require.NoError(t, err)
		require.Equal(t, "base", image.Config.Labels["drtest"])

		fakeMmdebstrap(t, "exit 1")
		ref, err = d.find(t.Context(), engine, t.Logf)
		require.NoError(t, err, "it is not made again")
		require.Equal(t, d.made, ref)

		// What a registry has, or someone has tagged so, is preferred.
		_, err = engine.ImageTag(t.Context(), client.ImageTagOptions{Source: d.made, Target: d.registry})
		require.NoError(t, err)
		remove(t, engine, d.registry)
		ref, err = d.find(t.Context(), engine, t.Logf)
		require.NoError(t, err)
		require.Equal(t, d.registry, ref)
	})
}

// fakeMmdebstrap puts a script of that name first in the path.
func fakeMmdebstrap(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "mmdebstrap"), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}
