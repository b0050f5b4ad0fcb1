package sessions_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/reaper"
	"github.com/drtest/suite/internal/sessions"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// A session without a reaper is dead and is removed whole; one with a reaper is not, were it only
// about to start, and nor is one that gets a reaper meanwhile.
func TestDead(t *testing.T) {
	engine := reaper.Use(t)
	own := docker.Session()
	image := imageOfReaper(t, engine)
	create := func(session, kind string) {
		t.Helper()
		c, err := engine.ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Config: &container.Config{Image: image, Labels: labels(session, kind)},
		})
		require.NoError(t, err)
		t.Cleanup(func() { // those that are removed already are no matter
			engine.ContainerRemove(context.WithoutCancel(t.Context()), c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		})
	}
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
	gone, starting, restarting := rand.Text(), rand.Text(), rand.Text()
	for _, session := range []string{own, gone, starting, restarting} {
		furnish(session)
	}
	create(starting, sessions.KindReaper)
	time.AfterFunc(500*time.Millisecond, func() { create(restarting, sessions.KindReaper) })
	dead, err := sessions.Dead(t.Context(), engine.Client, 2*time.Second)
	require.NoError(t, err)
	found := map[string]sessions.Session{}
	for _, s := range dead { // and others, that are nothing to this test
		found[s.ID] = s
	}
	require.Equal(t, sessions.Session{ID: gone, Containers: 1, Networks: 1, Volumes: 1}, found[gone])
	for _, session := range []string{own, starting, restarting} {
		require.NotContains(t, found, session)
	}

	require.NoError(t, found[gone].Remove(t.Context(), engine.Client))
	list, err := sessions.List(t.Context(), engine.Client)
	require.NoError(t, err)
	left := map[string]sessions.Session{}
	for _, s := range list {
		left[s.ID] = s
	}
	require.NotContains(t, left, gone)
	for _, session := range []string{own, starting, restarting} {
		require.Equal(t, sessions.Session{ID: session, Living: true, Containers: 1, Networks: 1, Volumes: 1}, left[session])
	}
}

// What carries no session is nobody's to remove: the label of its kind is on everything.
func TestRemoveWithoutSession(t *testing.T) {
	require.EqualError(t, sessions.Session{}.Remove(t.Context(), nil), "it is not known whose it is: remove it by hand")
}

func labels(session, kind string) map[string]string {
	return map[string]string{sessions.LabelSession: session, sessions.LabelKind: kind}
}

func imageOfReaper(t *testing.T, engine *reaper.Reaper) string {
	t.Helper()
	list, err := engine.ContainerList(t.Context(), client.ContainerListOptions{
		Filters: make(client.Filters).Add("label", sessions.LabelSession+"="+docker.Session()).Add("label", sessions.LabelKind+"="+sessions.KindReaper),
	})
	require.NoError(t, err)
	require.Len(t, list.Items, 1)
	return list.Items[0].Image
}
