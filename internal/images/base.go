package images

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/client"
)

// A debian is a Debian image to build upon, in its two forms.
type debian struct {
	registry string // what a registry has
	made     string // what mmdebstrap makes where no registry answers
}

var trixie = debian{registry: "debian:trixie-slim", made: "drtest/debian:trixie"}

const (
	// pullSilence is how long an engine that pulls may tell of no progress: a registry that hangs.
	pullSilence = 50 * time.Second
	// makeLimit bounds the work of mmdebstrap, which fetches some 60 MB.
	makeLimit = 15 * time.Minute
	// stepLimit bounds each step of a build.
	stepLimit = 15 * time.Minute
)

// HasBase says whether the base image of all others is in the engine, or in a registry that answers,
// which it is then pulled from.
func HasBase(ctx context.Context, engine *docker.Engine) (bool, error) {
	for _, ref := range []string{trixie.registry, trixie.made} {
		if found, err := exists(ctx, engine, ref); found || err != nil {
			return found, err
		}
	}
	return pull(ctx, engine, trixie.registry, pullSilence) == nil, nil
}

// find returns the reference of a form that is there, and sees to it that one is.
func (d debian) find(ctx context.Context, engine *docker.Engine, logf func(string, ...any)) (string, error) {
	unlock, err := lock(ctx, d.made)
	if err != nil {
		return "", err
	}
	defer unlock()
	for _, ref := range []string{d.registry, d.made} {
		if found, err := exists(ctx, engine, ref); found || err != nil {
			return ref, err
		}
	}
	logf("pulling %s", d.registry)
	noPull := pull(ctx, engine, d.registry, pullSilence)
	if noPull == nil {
		return d.registry, nil
	}
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		return "", fmt.Errorf("base image %s: not in the engine, cannot be pulled (%w), and mmdebstrap, which would make one, is not installed: "+
			"run apt-get install -y mmdebstrap as root", d.registry, noPull)
	}
	logf("no registry answers, making %s with mmdebstrap", d.made)
	if err := d.make(ctx, engine); err != nil {
		return "", fmt.Errorf("base image %s: %w", d.made, err)
	}
	return d.made, nil
}

// pull has the engine fetch an image. However slow that is, it goes on as long as the engine tells
// of some progress.
func pull(ctx context.Context, engine *docker.Engine, ref string, silence time.Duration) error {
	ctx, word, stop := docker.Watch(ctx, silence, "the engine to pull "+ref)
	defer stop()
	err := func() error {
		res, err := engine.ImagePull(ctx, ref, client.ImagePullOptions{})
		if err != nil {
			return err
		}
		defer res.Close()
		for m, err := range res.JSONMessages(ctx) {
			if err != nil {
				return err
			}
			if m.Error != nil {
				return m.Error
			}
			word(m.ID + " " + m.Status)
		}
		return nil
	}()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// make streams a minimal Debian into the engine. When mmdebstrap fails, so does the upload, and no
// image is left.
func (d debian) make(ctx context.Context, engine *docker.Engine) error {
	ctx, _, stop := docker.Watch(ctx, makeLimit, "mmdebstrap to make "+d.made)
	defer stop()
	var stderr strings.Builder
	root, stdout := io.Pipe()
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--variant=apt", "trixie", "-")
	cmd.Stdout, cmd.Stderr = stdout, &stderr
	made := make(chan error, 1)
	go func() {
		err := cmd.Run()
		if err != nil {
			err = fmt.Errorf("mmdebstrap: %w\n%s", err, lastLines(stderr.String()))
		}
		stdout.CloseWithError(err)
		made <- err
	}()
	uploaded := d.upload(ctx, engine, root)
	root.CloseWithError(uploaded) // or mmdebstrap would wait for its reader
	err := <-made
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && uploaded == nil {
		return err
	}
	return uploaded
}

func (d debian) upload(ctx context.Context, engine *docker.Engine, root io.Reader) error {
	// The tag stays with the name: Podman knows no other.
	res, err := engine.ImageImport(ctx, client.ImageImportSource{Source: root, SourceName: "-"}, d.made, client.ImageImportOptions{
		Changes: []string{"LABEL " + docker.LabelKind + "=base", `CMD ["bash"]`},
	})
	if err != nil {
		return err
	}
	defer res.Close()
	return follow(res, func(string, ...any) {})
}
