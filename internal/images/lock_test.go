package images

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
)

// A lock whose holder shows no life is not waited for without an end; one whose holder does is
// waited for as long as it takes.
func TestLockOfTheLifeless(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lifeless := flock.New(path) // as by a process that is stopped
	require.NoError(t, lifeless.Lock())
	require.NoError(t, os.WriteFile(path, []byte("123"), 0o644))
	_, err := lockFile(t.Context(), path, "drtest/x:1", 300*time.Millisecond)
	require.ErrorContains(t, err, "wait for another process that makes drtest/x:1: not within 3")
	require.ErrorContains(t, err, fmt.Sprintf("process 123 has the lock %s (it gave no sign of life for 300ms: is it stopped? End it, or have it go on)", path))
	require.NoError(t, lifeless.Unlock())

	unlock, err := lockFile(t.Context(), path, "drtest/x:1", signOfLife+time.Second)
	require.NoError(t, err)
	time.AfterFunc(signOfLife+2*time.Second, unlock)
	second, err := lockFile(t.Context(), path, "drtest/x:1", signOfLife+time.Second)
	require.NoError(t, err)
	second()
}
