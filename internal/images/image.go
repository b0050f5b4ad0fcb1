// Package images builds the container images that drills run on, when they are missing and only
// then: each is named after the hash of its content, with or without an image registry in reach.
package images

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/internal/docker"
)

// An Image is built from a Dockerfile, the files beside it and Go programs, and named after the
// hash of all of them. A Dockerfile that begins with "ARG BASE=debian:trixie-slim" and "FROM
// ${BASE}" is given a base image that is there: Debian, or the image's own base.
type Image struct {
	// Name is the image's name without a tag, such as "drtest/postgres".
	Name string
	// Files is the build context, with a Dockerfile at its root. Each change of a file makes another
	// image; a .dockerignore beside the Dockerfile leaves files out, as docker build has it. Files
	// arrive readable and executable for all, since go:embed keeps no modes.
	Files fs.FS
	// Programs are added to the root of the build context.
	Programs []Program
	// Base is the image to build upon, which is built first where it is missing. A change of it
	// changes the name of this one. Nil: Debian.
	Base *Image
}

// Build returns the reference of the image, name and tag, and builds it first if the engine does
// not have it. Processes that want the same image at the same time build it once. Progress goes to
// logf. An error of a build holds the output of the step that failed.
func (i Image) Build(ctx context.Context, logf func(format string, args ...any)) (string, error) {
	ref, err := i.build(ctx, logf)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", i.Name, err)
	}
	return ref, nil
}

func (i Image) build(ctx context.Context, logf func(string, ...any)) (string, error) {
	engine, err := docker.Connect()
	if err != nil {
		return "", err
	}
	files, err := i.files()
	if err != nil {
		return "", err
	}
	base := ""
	if i.Base != nil {
		if base, err = i.Base.Build(ctx, logf); err != nil {
			return "", err
		}
	}
	here, err := os.Getwd() // programs may be named from there
	if err != nil {
		return "", err
	}
	known := fmt.Sprintf("%s %s %v %s %x", i.Name, base, i.Programs, here, sha256.Sum256(archive(files)))
	if ref, ok := found.Load(known); ok {
		return ref.(string), nil
	}
	ref, err := i.buildFrom(ctx, engine, files, base, logf)
	if err == nil {
		found.Store(known, ref)
	}
	return ref, err
}

// found holds the references of the images that this process has found or built, by what they are
// made of: programs are built once in the life of a process, and to hash them again for each
// service would take longer than to start it.
var found sync.Map

func (i Image) buildFrom(ctx context.Context, engine *docker.Engine, files map[string][]byte, base string, logf func(string, ...any)) (string, error) {
	dockerfile := files["Dockerfile"]
	if err := buildPrograms(ctx, engine, i.Programs, files, logf); err != nil {
		return "", err
	}
	buildContext := archive(files)
	sum := sha256.Sum256(append(buildContext, base...))
	ref := i.Name + ":" + hex.EncodeToString(sum[:6])
	if found, err := exists(ctx, engine, ref); found || err != nil {
		return ref, err
	}
	unlock, err := lock(ctx, ref)
	if err != nil {
		return "", err
	}
	defer unlock()
	if found, err := exists(ctx, engine, ref); found || err != nil {
		return ref, err
	}
	args := map[string]*string{}
	if bytes.Contains(dockerfile, []byte("ARG BASE=")) {
		if base == "" {
			if base, err = trixie.find(ctx, engine, logf); err != nil {
				return "", err
			}
		}
		args["BASE"] = &base
	}
	start := time.Now()
	logf("building image %s", ref)
	if n, first := tests(files); n > 0 {
		logf("  its files include tests, %d of them, such as %s: each edit of one makes another image, unless a %s leaves it out", n, first, ignoreFile)
	}
	if err := run(ctx, engine, ref, buildContext, args, logf); err != nil {
		return "", err
	}
	logf("built image %s in %v", ref, time.Since(start).Round(100*time.Millisecond))
	return ref, nil
}

func exists(ctx context.Context, engine *docker.Engine, ref string) (bool, error) {
	_, err := engine.ImageInspect(ctx, ref)
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// archive returns a build context as a tar archive that depends on the names and the contents of
// the files alone, so that its hash can serve as a name.
func archive(files map[string][]byte) []byte {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		// A buffer takes everything.
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name])), Format: tar.FormatPAX})
		_, _ = w.Write(files[name])
	}
	_ = w.Close()
	return buf.Bytes()
}
