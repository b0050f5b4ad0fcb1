package sessions_test

import (
	"context"
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/echo"
	"github.com/drtest/suite/internal/images"
	"github.com/drtest/suite/internal/reaper"
	"github.com/drtest/suite/internal/sessions"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A session without a reaper is dead and is removed whole, and so is one whose reaper has not
// started in its time; one with a reaper is not, nor is one that gets one meanwhile.
func TestDead(t *testing.T) {
	engine := reaper.Use(t)
	own := docker.Session()
	image := build(t)
	create := func(session, kind string) string { return create(t, engine, image, session, kind) }
	start := func(id string) { start(t, engine, id) }
	furnish := func(session string) {
		t.Helper()
		create(session, "service")
		n, err := engine.NetworkCreate(t.Context(), "drtest-"+session, client.NetworkCreateOptions{Labels: labels(session, "network")})
		require.NoError(t, err)
		v, err := engine.VolumeCreate(t.Context(), client.VolumeCreateOptions{Labels: labels(session, "volume")})
		require.NoError(t, err)
		t.Cleanup(func() {
			engine.NetworkRemove(context.WithoutCancel(t.Context()), n.ID, client.NetworkRemoveOptions{})
			engine.VolumeRemove(context.WithoutCancel(t.Context()), v.Volume.Name, client.VolumeRemoveOptions{})
		})
	}
	gone, late, starting, restarting := rand.Text(), rand.Text(), rand.Text(), rand.Text()
	for _, session := range []string{own, gone, late, starting, restarting} {
		furnish(session)
	}
	const grace, startTime = 2 * time.Second, 8 * time.Second
	create(late, sessions.KindReaper)
	begun := create(starting, sessions.KindReaper)
	var changes sync.WaitGroup
	changes.Go(func() {
		<-time.After(grace / 4)
		start(create(restarting, sessions.KindReaper))
		<-time.After(grace)
		start(begun)
	})
	dead, err := sessions.DeadSince(t.Context(), engine.Client, grace, startTime)
	changes.Wait()
	require.NoError(t, err)
	found := map[string]sessions.Session{}
	for _, s := range dead { // and others, that are nothing to this test
		found[s.ID] = s
	}
	require.Equal(t, sessions.Session{ID: gone, Containers: 1, Networks: 1, Volumes: 1}, found[gone])
	require.Equal(t, sessions.Session{ID: late, Containers: 1, Networks: 1, Volumes: 1}, found[late])
	for _, session := range []string{own, starting, restarting} {
		require.NotContains(t, found, session)
	}

	require.NoError(t, found[gone].Remove(t.Context(), engine.Client))
	require.NoError(t, found[late].Remove(t.Context(), engine.Client))
	list, err := sessions.List(t.Context(), engine.Client)
	require.NoError(t, err)
	left := map[string]sessions.Session{}
	for _, s := range list {
		left[s.ID] = s
	}
	require.NotContains(t, left, gone)
	require.NotContains(t, left, late)
	for _, session := range []string{own, starting, restarting} {
		require.Equal(t, sessions.Session{ID: session, Living: true, Containers: 1, Networks: 1, Volumes: 1}, left[session])
	}
}

// A session that has lost its reaper between the two looks is given the time to start another.
func TestDeadLately(t *testing.T) {
	engine := reaper.Use(t)
	image := build(t)
	gone, losing := rand.Text(), rand.Text()
	create(t, engine, image, gone, "service")
	create(t, engine, image, losing, "service")
	its := create(t, engine, image, losing, sessions.KindReaper)
	start(t, engine, its)
	const grace = 2 * time.Second
	var loss sync.WaitGroup
	loss.Go(func() {
		<-time.After(grace / 2)
		_, err := engine.ContainerKill(t.Context(), its, client.ContainerKillOptions{Signal: "KILL"})
		assert.NoError(t, err)
	})
	dead, err := sessions.DeadSince(t.Context(), engine.Client, grace, 0) // so nobody is waited for who is starting
	loss.Wait()
	require.NoError(t, err)
	require.Contains(t, dead, sessions.Session{ID: gone, Containers: 1})
	require.NotContains(t, dead, sessions.Session{ID: losing, Containers: 1})
	list, err := sessions.List(t.Context(), engine.Client)
	require.NoError(t, err)
	require.Contains(t, list, sessions.Session{ID: losing, Containers: 1}, "it has not lost its reaper")
}

// What carries no session is nobody's to remove: the label of its kind is on everything.
func TestRemoveWithoutSession(t *testing.T) {
	require.EqualError(t, sessions.Session{}.Remove(t.Context(), nil), "it is not known whose it is: remove it by hand")
}

// A container of others, which a session has had join its network, stays when that is removed.
func TestRemoveSparesWhatWasBorrowed(t *testing.T) {
	engine := reaper.Use(t)
	image := build(t)
	for _, state := range []container.ContainerState{container.StateRunning, container.StateExited} {
		t.Run(string(state), func(t *testing.T) {
			gone := rand.Text()
			id := create(t, engine, image, docker.Session(), "service")
			n, err := engine.NetworkCreate(t.Context(), "drtest-"+gone, client.NetworkCreateOptions{Labels: labels(gone, "network")})
			require.NoError(t, err)
			_, err = engine.NetworkConnect(t.Context(), n.ID, client.NetworkConnectOptions{Container: id})
			require.NoError(t, err)
			start(t, engine, id)
			if state == container.StateExited {
				ended := engine.ContainerWait(t.Context(), id, client.ContainerWaitOptions{})
				_, err := engine.ContainerKill(t.Context(), id, client.ContainerKillOptions{Signal: "KILL"})
				require.NoError(t, err)
				<-ended.Result
			}
			require.NoError(t, sessions.Session{ID: gone}.Remove(t.Context(), engine.Client))
			c, err := engine.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
			require.NoError(t, err)
			require.NotContains(t, c.Container.NetworkSettings.Networks, "drtest-"+gone)
			require.Equal(t, state, c.Container.State.Status)
		})
	}
}

func labels(session, kind string) map[string]string {
	return map[string]string{sessions.LabelSession: session, sessions.LabelKind: kind}
}

// build returns an image whose containers run until they are killed.
func build(t *testing.T) string {
	t.Helper()
	ref, err := images.Image{
		Name: "drtest/echo", Files: echo.Files, Programs: []images.Program{{Name: "echo", Package: echo.Package}},
	}.Build(t.Context(), t.Logf)
	require.NoError(t, err)
	return ref
}

func create(t *testing.T, engine *reaper.Reaper, image, session, kind string) (id string) {
	t.Helper()
	c, err := engine.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Config: &container.Config{Image: image, Labels: labels(session, kind)},
	})
	assert.NoError(t, err)
	t.Cleanup(func() { // those that are removed already are no matter
		engine.ContainerRemove(context.WithoutCancel(t.Context()), c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	})
	return c.ID
}

func start(t *testing.T, engine *reaper.Reaper, id string) {
	t.Helper()
	_, err := engine.ContainerStart(t.Context(), id, client.ContainerStartOptions{})
	assert.NoError(t, err)
}
