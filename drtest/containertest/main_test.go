package containertest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/wait"
	"github.com/stretchr/testify/require"
)

func TestMain(m *testing.M) { os.Exit(containertest.Main(m)) }

// A test process whose machine takes 50 ms for each process plays one test at a time, and one that cannot be measured as many as it
// was told.
func TestMainLimits(t *testing.T) {
	const child = "CONTAINERTEST_CHILD"
	if os.Getenv(child) != "" {
		crowd(t, 3)
		return
	}
	slow, unmeasured := t.TempDir(), t.TempDir()
	sleep, err := exec.LookPath("sleep")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(slow, "true"), []byte("#!/bin/sh\nexec "+sleep+" 0.05\n"), 0o755))
	for _, c := range []struct{ name, path, want string }{
		{"slow", slow, "1 of 3 came together\n"},
		{"unmeasured", unmeasured, "3 of 3 came together\n"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMainLimits$", "-test.parallel=3")
		cmd.Env = append(os.Environ(), child+"=1", "PATH="+c.path)
		said, err := cmd.Output()
		require.NoError(t, err, string(said))
		require.Regexp(t, c.want, string(said))
	}
}

// crowd prints how many of n tests that wait for each other come together.
func crowd(t *testing.T, n int) {
	var here, most atomic.Int64
	t.Run("all", func(t *testing.T) {
		for i := range n {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				here.Add(1)
				defer here.Add(-1)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				wait.For(ctx, time.Millisecond, func(context.Context) error {
					most.Store(max(most.Load(), here.Load()))
					if most.Load() < int64(n) {
						return errors.New("not all")
					}
					return nil
				})
			})
		}
	})
	fmt.Printf("%d of %d came together\n", most.Load(), n)
}
