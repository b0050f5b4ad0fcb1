package containertest_test

import (
	"testing"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/stretchr/testify/require"
)

// What a dead service has left can be read in one that lives.
func TestCopyTo(t *testing.T) {
	left, read := box(t, "dead"), box(t, "alive")
	left.Capabilities, read.Capabilities = []string{"CHOWN", "FOWNER"}, []string{"DAC_OVERRIDE"} // for files of another user
	services := containertest.StartAll(t, left, read)
	dead, alive := services[0], services[1]
	_, err := dead.Exec(t.Context(), "sh", "-c", "mkdir -p /left/deep && echo one >/left/a && echo two >/left/deep/b && chown -R 33:33 /left && chmod 600 /left/a")
	require.NoError(t, err)
	_, err = dead.Kill().Inject(t.Context())
	require.NoError(t, err)

	require.NoError(t, dead.CopyTo(t.Context(), "/left", alive, "/tmp"))
	out, err := alive.Exec(t.Context(), "sh", "-c", "cat /tmp/left/a /tmp/left/deep/b; stat -c '%a %u' /tmp/left/a")
	require.NoError(t, err)
	require.Equal(t, "one\ntwo\n600 33\n", out)
	require.NoError(t, dead.CopyTo(t.Context(), "/left/a", alive, "/tmp"))
	out, err = alive.Exec(t.Context(), "cat", "/tmp/a")
	require.NoError(t, err)
	require.Equal(t, "one\n", out)

	err = dead.CopyTo(t.Context(), "/nothing", alive, "/tmp")
	require.True(t, errdefs.IsNotFound(err), "%v", err)
	require.ErrorContains(t, err, "copy /nothing of dead to alive: ")
}
