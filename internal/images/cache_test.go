package images

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A program that was cut short in the cache, as when a disk was full, is made again, and so is one
// that was changed there: the go tool takes both for its own.
func TestProgramOfDamagedCache(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program")
	}
	t.Setenv("GOCACHE", goCache(t))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	p := Program{Name: "echo", Package: "github.com/drtest/suite/internal/echo/program"}
	whole, err := p.build(t.Context(), "", runtime.GOARCH)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(cacheDir(), "programs", "*", "echo"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	for name, damage := range map[string]func() error{
		"cut short": func() error { return os.Truncate(files[0], int64(len(whole)/2)) },
		"changed": func() error {
			changed := append([]byte{}, whole...)
			changed[len(changed)/2] ^= 1
			return os.WriteFile(files[0], changed, 0o755)
		},
		"its checksum is gone": func() error { return os.Remove(files[0] + ".sha256") },
		"the program is gone":  func() error { return os.Remove(files[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, damage())
			again, err := p.build(t.Context(), "", runtime.GOARCH)
			require.NoError(t, err)
			require.Equal(t, len(whole), len(again))
			require.True(t, string(whole) == string(again), "it is another program")
			require.True(t, sealed(files[0]))
		})
	}
}

// goCache is the go tool's, which it would look for elsewhere.
func goCache(t *testing.T) string {
	t.Helper()
	dir, err := place{}.goTool(t.Context(), "", "env", "GOCACHE")
	require.NoError(t, err)
	return dir
}
