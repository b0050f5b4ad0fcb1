//go:build linux

package remotetest_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/remotetest"
	"github.com/drtest/suite/internal/wait"
	"github.com/stretchr/testify/require"
)

func sh(script string) []string { return []string{"/bin/sh", "-c", script} }

// A shop is a service that keeps orders, and its clients.
type shop struct{ addr string }

// TestServer is the service, in a process of its own.
func TestServer(t *testing.T) {
	if os.Getenv("SHOP") == "" {
		t.Skip("is run by other tests")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	fmt.Println("listens", l.Addr())
	var mu sync.Mutex
	var orders []string
	t.Fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method == http.MethodPost {
			orders = append(orders, strings.TrimPrefix(r.URL.Path, "/"))
		}
		fmt.Fprint(w, strings.Join(orders, "\n"))
	})))
}

func startShop(t *testing.T) (s shop, pid int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServer$")
	cmd.Env = append(os.Environ(), "SHOP=1")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Wait() }) // the end of the context has killed it
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscanf(said, "listens %s", &s.addr)
	require.NoError(t, err)
	return s, cmd.Process.Pid
}

func (s shop) Do(ctx context.Context, id string) error {
	_, err := s.ask(ctx, http.MethodPost, id)
	return err
}

func (s shop) Survivors(ctx context.Context) ([]string, error) {
	all, err := s.ask(ctx, http.MethodGet, "")
	return strings.Fields(all), err
}

func (s shop) Ready(ctx context.Context) error {
	_, err := s.ask(ctx, http.MethodGet, "")
	return err
}

func (s shop) ask(ctx context.Context, method, id string) (string, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+"/"+id, nil)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// child returns the command that runs TestChild in a role, with a file that stands for the system:
// it is hurt while the file is there.
func child(t *testing.T, role, file string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v", "-test.timeout=20s")
	cmd.Env = append(os.Environ(), "DRTEST_TEST_ROLE="+role, "DRTEST_TEST_FILE="+file, remotetest.Variable+"=staging", "TMPDIR="+t.TempDir())
	return cmd
}

// TestChild is what other tests run in processes of their own.
func TestChild(t *testing.T) {
	role, file := os.Getenv("DRTEST_TEST_ROLE"), os.Getenv("DRTEST_TEST_FILE")
	if role == "" {
		t.Skip("is run by other tests")
	}
	a := remotetest.Action{
		Name: "hurt", Inject: sh("echo hurt > " + file), Receipt: sh("cat " + file), Heal: sh("rm -f " + file), Limit: 5 * time.Second,
	}
	if role == "cannot be healed" {
		a.Heal = sh("echo no way >&2; exit 7")
	}
	s := remotetest.Open(t, remotetest.Config{Identify: sh("echo staging"), Allow: []string{"staging"}})
	effect, err := s.Fault(a).Inject(t.Context())
	require.NoError(t, err)
	fmt.Println("receipt:", effect.Receipt)
	switch role {
	case "panics":
		panic("on purpose")
	case "panics elsewhere":
		go panic("on purpose")
		<-t.Context().Done()
	case "exits":
		os.Exit(3)
	case "hangs":
		<-t.Context().Done()
	}
}

// However a test process stops, the system is healed at once.
func TestHealedAtOnce(t *testing.T) {
	for _, c := range []struct {
		role   string
		signal syscall.Signal
		says   string
	}{
		{"ends", 0, "PASS"},
		{"panics", 0, "panic: on purpose"},
		{"panics elsewhere", 0, "drtest: the test process is gone: healing hurt\ndrtest: healed hurt\n"},
		{"exits", 0, "drtest: healed hurt\n"},
		{"hangs", syscall.SIGINT, "drtest: healed hurt\n"},
		{"hangs", syscall.SIGKILL, "drtest: healed hurt\n"},
	} {
		t.Run(fmt.Sprint(c.role, " ", c.signal), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "hurt")
			cmd := child(t, c.role, file)
			var said bytes.Buffer
			cmd.Stdout, cmd.Stderr = &said, &said
			require.NoError(t, cmd.Start())
			if c.signal != 0 {
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				defer cancel()
				require.NoError(t, wait.For(ctx, 10*time.Millisecond, func(context.Context) error {
					_, err := os.Stat(file)
					return err
				}))
				require.NoError(t, cmd.Process.Signal(c.signal))
			}
			err := cmd.Wait() // for the guard as well, which holds the output
			require.Equal(t, c.role == "ends", err == nil, said.String())
			require.NoFileExists(t, file)
			require.Contains(t, said.String(), c.says)
		})
	}
}

// A system that is not healed is shouted about, with what to run by hand.
func TestHealingFails(t *testing.T) {
	out, err := child(t, "cannot be healed", filepath.Join(t.TempDir(), "hurt")).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), `HEALING FAILED: staging IS STILL HURT BY "hurt": run by hand: /bin/sh -c `)
	require.Contains(t, string(out), "exit status 7: no way")
}

// Nothing is hurt that was not named by a person, allowed, and reached.
func TestOpen(t *testing.T) {
	for _, c := range []struct{ reason, typed, reached, want string }{
		{"nothing is typed", "", "staging", "hurts a system elsewhere, so its name has to be typed: set DRTEST_REMOTE to one of staging, trial"},
		{"it is not allowed", "production", "production", `DRTEST_REMOTE is "production", which may not suffer: allowed are staging, trial`},
		{"another is reached", "staging", "production", `commands reach "production", and DRTEST_REMOTE is "staging": nothing was done`},
		{"another that is allowed is reached", "staging", "trial", `commands reach "trial", and DRTEST_REMOTE is "staging": nothing was done`},
	} {
		t.Run(c.reason, func(t *testing.T) {
			t.Setenv(remotetest.Variable, c.typed)
			r := &refused{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				remotetest.Open(r, remotetest.Config{Identify: sh("echo " + c.reached), Allow: []string{"staging", "trial"}})
			}()
			<-done
			require.Equal(t, c.want, r.why)
		})
	}
}

// Which system is reached is asked again before each fault: a context may have been switched.
func TestReachedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "context")
	require.NoError(t, os.WriteFile(file, []byte("staging"), 0o600))
	t.Setenv(remotetest.Variable, "staging")
	s := remotetest.Open(t, remotetest.Config{Identify: sh("cat " + file), Allow: []string{"staging"}})
	hurt := file + ".hurt"
	f := s.Fault(remotetest.Action{Name: "hurt", Inject: sh("touch " + hurt), Receipt: sh("ls " + hurt), Heal: sh("rm " + hurt)})
	require.NoError(t, os.WriteFile(file, []byte("production"), 0o600))
	const refused = `commands reach "production", and DRTEST_REMOTE is "staging": nothing was done`
	_, err := f.Inject(t.Context())
	require.EqualError(t, err, refused)
	require.EqualError(t, s.Step("restart", "touch", hurt).Do(t.Context()), refused)
	require.NoFileExists(t, hurt)
	require.NoError(t, f.Heal(t.Context()), "there is nothing to heal")
	require.EqualError(t, s.Fault(remotetest.Action{Name: "hurt", Inject: sh("true"), Receipt: sh("true")}).Err,
		"its Action has no Heal: a system elsewhere is hurt with evidence, and put back")
}

// refused is a test that may fail or be skipped.
type refused struct {
	testing.TB
	why string
}

func (r *refused) Fatal(args ...any)                 { r.end(fmt.Sprint(args...)) }
func (r *refused) Fatalf(format string, args ...any) { r.end(fmt.Sprintf(format, args...)) }
func (r *refused) Skipf(format string, args ...any)  { r.end(fmt.Sprintf(format, args...)) }

func (r *refused) end(why string) {
	r.why = why
	runtime.Goexit()
}
