package drift

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
)

var realTime = flag.Bool("real", false, "play drills over HTTP in real time, with all processors busy beside one side: two minutes")

// busyFor names the variable of the environment with which a test process only keeps a processor
// busy, for that long.
const busyFor = "DRTEST_DRIFT_BUSY"

func TestMain(m *testing.M) {
	if d, err := time.ParseDuration(os.Getenv(busyFor)); err == nil {
		for end := time.Now().Add(d); time.Now().Before(end); {
			work(1000)
		}
		return
	}
	os.Exit(m.Run())
}

// work takes a processor, and the longer the busier the machine is.
func work(rounds int) {
	sum := sha256.Sum256(nil)
	for range rounds {
		sum = sha256.Sum256(sum[:])
	}
}

// remote is a shop behind HTTP.
type remote struct {
	*shop
	url string
}

func (r remote) ask(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	return body, err
}

func (r remote) Do(ctx context.Context, id string) error {
	_, err := r.ask(ctx, "/do/"+id)
	return err
}

func (r remote) Health(ctx context.Context) error {
	_, err := r.ask(ctx, "/health")
	return err
}

func (r remote) Progress(ctx context.Context) (all map[string]drtest.Progress, err error) {
	body, err := r.ask(ctx, "/progress")
	if err == nil {
		err = json.Unmarshal(body, &all)
	}
	return all, err
}

// serve serves a shop.
func serve(s *shop) http.Handler {
	mux := http.NewServeMux()
	say := func(w http.ResponseWriter, err error) {
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	}
	mux.HandleFunc("/do/{id}", func(w http.ResponseWriter, r *http.Request) { say(w, s.Do(r.Context(), r.PathValue("id"))) })
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) { say(w, s.Health(r.Context())) })
	mux.HandleFunc("/progress", func(w http.ResponseWriter, r *http.Request) {
		all, err := s.Progress(r.Context())
		if err == nil {
			err = json.NewEncoder(w).Encode(all)
		}
		say(w, err)
	})
	return mux
}

// playReal plays drills whose recovery takes half a second on a quiet machine, one after the other.
// The half of that is work for a processor.
func playReal(t *testing.T, rounds int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for i := range ten {
		s := &shop{down: 250*ms + rand.N(30*ms), notice: 50 * ms, recover: func() { work(rounds) }}
		server := httptest.NewServer(serve(s))
		sc := s.scenario("HTTP")
		sc.Workload, sc.Health = remote{s, server.URL}, remote{s, server.URL}.Health
		l, err := drtest.Play(t.Context(), sc)
		server.Close()
		if err != nil {
			t.Logf("play %d: %v", i, err)
		}
		keep(t, dir, fmt.Sprint("HTTP-", i), drtest.Judge(l, sc.Objectives...))
	}
	return dir
}

// TestBusyMachine: with its processors kept busy by others, what is slower is untrusted.
func TestBusyMachine(t *testing.T) {
	if !*realTime {
		t.Skip("it takes two minutes of a quiet machine: make drift")
	}
	const sample = 200_000
	began := time.Now()
	work(sample)
	rounds := int(float64(sample) * float64(250*ms) / float64(time.Since(began)))
	quiet := playReal(t, rounds)
	for range 2 {
		loop := exec.CommandContext(t.Context(), os.Args[0])
		loop.Env = append(os.Environ(), busyFor+"=1m")
		if err := loop.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			_ = loop.Process.Kill()
			_ = loop.Wait() // it was killed
		}()
	}
	c := compared(t, quiet, playReal(t, rounds))
	t.Logf("two busy loops beside NEW:\n%s", c.Table())
	if c.Count(Slower) > 0 {
		t.Error("the machine's slowness is told as the system's")
	}
	for _, l := range c.Lines {
		if l.Figure == "RTO" && (l.Verdict != Untrusted || !strings.HasPrefix(l.Change, "untrusted: ")) {
			t.Errorf("the RTO: %s", l.Change)
		}
	}
}
