package images

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// run builds an image with the classic builder, which every engine has.
func run(ctx context.Context, engine *docker.Engine, ref string, buildContext []byte, args map[string]*string, logf func(string, ...any)) error {
	ctx, word, stop := docker.Watch(ctx, stepLimit, "the engine to build "+ref)
	defer stop()
	res, err := engine.ImageBuild(ctx, bytes.NewReader(buildContext), client.ImageBuildOptions{
		Tags:        []string{ref},
		BuildArgs:   args,
		Labels:      map[string]string{docker.LabelKind: "image"},
		Remove:      true,
		ForceRemove: true, // of the containers of steps, also after a failure
	})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	err = follow(res.Body, func(format string, args ...any) {
		word(fmt.Sprintf(format, args...))
		logf(format, args...)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// follow reads the engine's account of a build or an import: each step is told to logf, and an
// error holds what was said since the last step began.
func follow(r io.Reader, logf func(string, ...any)) error {
	var step strings.Builder
	for messages := json.NewDecoder(r); ; {
		var m jsonstream.Message
		if err := messages.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the engine's answer: %w", err)
		}
		if m.Error != nil {
			return fmt.Errorf("%s\n%s", m.Error.Message, lastLines(step.String()))
		}
		if strings.HasPrefix(m.Stream, "Step ") {
			step.Reset()
			line, _, _ := strings.Cut(strings.TrimSpace(m.Stream), "\n")
			logf("  %.120s", line)
		}
		step.WriteString(m.Stream)
	}
}

// lastLines returns the end of a step's output.
func lastLines(s string) string {
	const most = 60
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if n := len(lines) - most; n > 0 {
		lines = append([]string{fmt.Sprintf("(%d lines left out)", n)}, lines[n:]...)
	}
	return strings.Join(lines, "\n")
}
