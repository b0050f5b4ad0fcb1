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

// A test process whose machine takes 50 ms for each process, or cannot be measured, plays one test at a time and says so. One that
// only lists its tests says nothing else.
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
	for _, c := range []struct{ name, path, arg, want string }{
		{"slow", slow, "-test.parallel=3", `^drtest: note: tests side by side: 1 instead of 3, since this machine starts \d+ processes a second and each test needs 250
1 of 3 came together
PASS
`},
		{"unmeasured", unmeasured, "-test.parallel=3", `^drtest: note: tests side by side: 1 instead of 3, since this machine cannot be measured: exec: "true": executable file not found in \$PATH
1 of 3 came together
PASS
`},
		{"lists", slow, "-test.list=^TestMainLimits$", `^TestMainLimits\n$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestMainLimits$", c.arg)
			cmd.Env = append(os.Environ(), child+"=1", "PATH="+c.path, "GOMAXPROCS=2") // at most 40 starts a second
			said, err := cmd.Output()
			require.NoError(t, err, string(said))
			require.Regexp(t, c.want, string(said))
		})
	}
}

// crowd prints how many of n tests that wait for each other come together.
func crowd(t *testing.T, n int64) {
	var here, most atomic.Int64
	t.Run("all", func(t *testing.T) {
		for i := range n {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				now := here.Add(1)
				defer here.Add(-1)
				for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				wait.For(ctx, time.Millisecond, func(context.Context) error {
					if most.Load() < n {
						return errors.New("not all")
					}
					return nil
				})
			})
		}
	})
	fmt.Printf("%d of %d came together\n", most.Load(), n)
}
