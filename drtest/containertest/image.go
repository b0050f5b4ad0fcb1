package containertest

import (
	"io/fs"
	"testing"

	"github.com/drtest/suite/internal/firewall"
	"github.com/drtest/suite/internal/images"
	"github.com/drtest/suite/internal/progress"
	"github.com/drtest/suite/internal/reaper"
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

// A Program is a Go command that becomes part of an [Image], built by the host's go tool as a
// static program for the engine's machine, so without cgo. One that needs cgo is built by a
// Dockerfile, or by whoever makes the image that [Config] names.
type Program struct {
	// Name is the file's name in the build context.
	Name string
	// Package is the command as the go tool knows it in the working directory, which go test makes
	// the folder of the test: an import path, or a folder such as "../cmd/app". A folder is built
	// in the module that it belongs to, which need not be that of the test. Workspaces, vendor
	// folders, replacements and GOFLAGS count as they do for go build.
	Package string
	// Tags is a comma-separated list of build tags. Empty: those of GOFLAGS, if any.
	Tags string
	// Version is that of a module which the test's does not require, such as "v1.8.0": the program
	// is then built as go install Package@Version has it, with the requirements of its own module.
	Version string
}

// FirewallImage returns the image of the firewall of a service, for [Build]. The first test that
// needs it builds it otherwise.
func FirewallImage() Image { return published(firewall.Image) }

// published is an image of this module's own as others see it.
func published(i images.Image) Image {
	p := Image{Name: i.Name, Files: i.Files}
	for _, program := range i.Programs {
		p.Programs = append(p.Programs, Program(program))
	}
	return p
}

// recipe is the image as the builder knows it.
func (i Image) recipe() images.Image {
	r := images.Image{Name: i.Name, Files: i.Files}
	for _, program := range i.Programs {
		r.Programs = append(r.Programs, images.Program(program))
	}
	if i.Base != nil {
		base := i.Base.recipe()
		r.Base = &base
	}
	return r
}

// Build returns the reference of the image, for [Config], and builds it first if the engine does
// not have it. Test processes that want the same image build it once. What it does is told on
// standard error, since it may take minutes. It fails t with the output of the step that failed.
func Build(t testing.TB, i Image) string {
	t.Helper()
	reaper.Use(t)
	ref, err := i.recipe().Build(t.Context(), progress.Say)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}
