package containertest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/echo"
	"github.com/drtest/suite/internal/wait"
	"github.com/stretchr/testify/require"
)

// echoService describes a service that answers each line with its name and the line.
func echoService(t testing.TB, name, network string) containertest.Config {
	return containertest.Config{
		Name: name,
		Image: containertest.Build(t, containertest.Image{
			Name: "drtest/echo", Files: echo.Files, Programs: []containertest.Program{{Name: "echo", Package: echo.Package}},
		}),
		Network: network,
		Env:     map[string]string{"NAME": name},
		Port:    echo.Port,
		Ready:   func(ctx context.Context, s *containertest.Service) error { return ask(ctx, s) },
	}
}

// ask returns nil if the service answers.
func ask(ctx context.Context, s *containertest.Service) error {
	addr, err := s.HostAddr(ctx)
	if err != nil {
		return err
	}
	answer, err := echo.Ask(ctx, addr, "hello")
	if err != nil {
		return err
	}
	if want := s.Name() + ": hello"; answer != want {
		return fmt.Errorf("the answer is %q, not %q", answer, want)
	}
	return nil
}

// hasLogged returns nil if the service has printed text.
func hasLogged(ctx context.Context, s *containertest.Service, text string) error {
	log, err := s.Logs(ctx)
	if err == nil && !strings.Contains(log, text) {
		err = fmt.Errorf("%q is not in the log: %q", text, log)
	}
	return err
}

// eventually waits for a condition that has to come within ten seconds.
func eventually(t *testing.T, probe func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, wait.For(ctx, 20*time.Millisecond, probe))
}

// roleVariable tells a process of this test binary which child of another it is.
const roleVariable = "DRTEST_TEST_ROLE"

// child returns the command of a process that runs TestChild in a role. Its evidence lies in tmp.
func child(ctx context.Context, tmp, role string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{"-test.run=^TestChild$", "-test.v", "-test.parallel=1"}, args...)...)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "TMPDIR="+tmp)
	return cmd
}
