package containertest

import (
	"testing"

	"github.com/drtest/suite/internal/firewall"
	"github.com/drtest/suite/internal/images"
	"github.com/drtest/suite/internal/reaper"
)

// An Image is built from a Dockerfile, the files beside it and Go programs, and named after the hash of all
// of them.
type Image = images.Image

// A Program is a Go command that becomes part of an [Image].
type Program = images.Program

// FirewallImage returns the image of the firewall of a service, for [Build]. The first test that needs it builds it otherwise.
func FirewallImage() Image { return firewall.Image }

// Build returns the reference of the image, for [Config], and builds it first if the engine does not have it.
// Test processes that want the same image build it once. What it does is told on standard error, since it may
// take minutes. It fails t with the output of the step that failed.
func Build(t testing.TB, i Image) string {
	t.Helper()
	reaper.Use(t)
	ref, err := i.Build(t.Context(), images.Progress)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}
