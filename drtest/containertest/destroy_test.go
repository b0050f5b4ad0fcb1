package containertest_test

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/stretchr/testify/require"
)

// A node that is destroyed takes its files along, and leaves those in a volume to another.
func TestDestroy(t *testing.T) {
	volume := containertest.NewVolume(t)
	c := echoService(t, "server", "")
	c.Restart = containertest.RestartOnFailure
	c.Volumes = map[string]string{"/kept": volume, "/own": ""}
	s := containertest.Start(t, c)
	d := echoService(t, "heir", s.Network())
	d.Volumes = map[string]string{"/kept": volume}
	heir := containertest.Start(t, d)
	require.NoError(t, s.CopyTo(t.Context(), "/etc/hostname", s, "/kept"))

	f := s.Destroy()
	require.Equal(t, "destroy server", f.Name)
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("exit code 137; its container is gone"), effect.Receipt)
	confirmed, err := f.Confirm(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("its files are gone"), confirmed)
	_, err = s.HostAddr(t.Context())
	require.ErrorContains(t, err, "No such container")
	log, err := s.Logs(t.Context())
	require.NoError(t, err)
	require.Equal(t, "echo starts\n", log)
	_, err = f.Inject(t.Context())
	require.Error(t, err, "a second time")
	require.Nil(t, f.Heal)
	require.NoError(t, heir.CopyTo(t.Context(), "/kept/hostname", heir, "/"), "the file in the volume")
}
