package reaper

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// The reaper sees all processes of the engine's machine, so it must refuse those that it was not
// meant to kill.
func TestKillSparesOtherProcesses(t *testing.T) {
	r := Use(t)
	err := r.Kill(t.Context(), 1, r.current().ID)
	require.EqualError(t, err, "kill process 1: process does not belong to the container")
}

// A reaper lasts from the first test that uses it to the last, and a later test gets another.
func TestReaperOutlivesNoUser(t *testing.T) {
	needsEngine(t)
	var first, second, third string
	t.Run("users at the same time", func(t *testing.T) {
		first = Use(t).current().ID
		second = Use(t).current().ID
	})
	engine, err := docker.Connect()
	require.NoError(t, err)
	_, err = engine.ContainerInspect(t.Context(), first, client.ContainerInspectOptions{})
	require.ErrorContains(t, err, "No such container")
	t.Run("later user", func(t *testing.T) { third = Use(t).current().ID })
	require.Equal(t, first, second)
	require.NotEqual(t, first, third)
}

// What the cleanup of a test has missed goes with the reaper.
func TestReaperSweeps(t *testing.T) {
	needsEngine(t)
	var left string
	t.Run("forgetful", func(t *testing.T) {
		r := Use(t)
		c, err := r.ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Config: &container.Config{Image: self(t, r), Labels: docker.Labels("forgotten")},
		})
		require.NoError(t, err)
		left = c.ID
	})
	engine, err := docker.Connect()
	require.NoError(t, err)
	_, err = engine.ContainerInspect(t.Context(), left, client.ContainerInspectOptions{})
	require.ErrorContains(t, err, "No such container")
}

func needsEngine(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a container engine, and -short is set")
	}
}

// self returns the reference of an image that is there: the reaper's own.
func self(t *testing.T, r *Reaper) string {
	t.Helper()
	c, err := r.ContainerInspect(t.Context(), r.current().ID, client.ContainerInspectOptions{})
	require.NoError(t, err)
	return c.Container.Config.Image
}

// A process whose reaper is gone starts another: it is by its reaper that others know that it lives.
func TestReaperIsReplaced(t *testing.T) {
	r := Use(t)
	c, err := r.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config: &container.Config{Image: self(t, r), Labels: docker.Labels("kept")},
	})
	require.NoError(t, err)
	first := r.current().ID
	_, err = r.ContainerKill(t.Context(), first, client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, wait.For(ctx, 20*time.Millisecond, func(context.Context) error {
		if r.current().ID == first {
			return errors.New("it is still the first one")
		}
		return nil
	}))
	require.EqualError(t, r.Kill(t.Context(), 1, r.current().ID), "kill process 1: process does not belong to the container")
	_, err = r.ContainerInspect(t.Context(), c.ID, client.ContainerInspectOptions{})
	require.NoError(t, err, "it removed what is in use")
}
