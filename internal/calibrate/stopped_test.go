package calibrate

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
)

var stops = flag.Int("stops", 8, "play so many plants over HTTP, and stop the test process in each")

// atOnce is how many drills that are stopped run at the same time.
const atOnce = 10

// serviceAt names the environment variable with which a test process becomes one that plays a
// single drill.
const serviceAt = "DRTEST_CALIBRATE_SERVICE"

func TestMain(m *testing.M) {
	if url := os.Getenv(serviceAt); url != "" {
		if err := playRemote(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// playRemote writes the journal of one drill to standard output.
func playRemote(url string) error {
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 100
	ctx := context.Background()
	s, err := Remote(ctx, url)
	if err != nil {
		return err
	}
	l, err := drtest.Play(ctx, s)
	if l == nil {
		return err
	}
	_, err = (&drtest.Report{Ledger: l}).WriteTo(os.Stdout) // it says itself whether it broke
	return err
}

// stoppable are the classes whose truth is the same whatever happens to the drill.
var stoppable = []string{"refused", "hanging", "late answers", "brief recoveries", "held fault", "no fault", "health", "stage",
	"lost work", "seen late", "held twice"}

// TestStopped plays plants over HTTP by a process that is stopped at a random moment of its drill,
// as by a machine that is paused, while the service goes on.
func TestStopped(t *testing.T) {
	t.Parallel()
	classes := slices.DeleteFunc(Classes(), func(c Class) bool { return !slices.Contains(stoppable, c.Name) })
	type playedDrill struct {
		class    *Class
		findings []Finding
		ledger   *drtest.Ledger
		stop     string // when
		err      error
	}
	drills := make([]playedDrill, *stops)
	room := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for seed := range drills {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			p := playedDrill{class: &classes[seed%len(classes)]}
			p.findings, p.ledger, p.stop, p.err = playStopped(t, p.class, seed)
			drills[seed] = p
		})
	}
	all.Wait()
	var tallies []*Tally
	open := 0
	for seed, p := range drills {
		if p.err != nil {
			t.Errorf("%s, seed %d, stopped %s: %v", p.class.Name, seed, p.stop, p.err)
		}
		for _, f := range p.findings {
			tallies = Count(tallies, p.class, f)
			if f.Timed && (!f.Known || f.Got.Hi == drtest.Forever) {
				open++
			}
			if f.Bad() {
				t.Errorf("%s, seed %d, stopped %s: %v\n%s", p.class.Name, seed, p.stop, f, p.ledger.Timeline())
			}
		}
	}
	slices.SortStableFunc(tallies, func(a, b *Tally) int { return strings.Compare(a.Class.Name, b.Class.Name) })
	t.Logf("%d plants, in which %d times have no interval, or one without an end:\n%s", *stops, open, Tables(tallies))
}

// playStopped plays one plant and stops the player once. The service, which knows the truth, lives
// in this process.
func playStopped(t *testing.T, c *Class, seed int) (findings []Finding, l *drtest.Ledger, stop string, err error) {
	p := c.Seeded(seed)
	begun, once := make(chan struct{}), sync.Once{}
	handler := Handler(p.Scenario)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			once.Do(func() { close(begun) })
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()

	var journal, complaint bytes.Buffer
	player := exec.CommandContext(t.Context(), os.Args[0])
	player.Env = append(os.Environ(), serviceAt+"="+server.URL)
	player.Stdout, player.Stderr = &journal, &complaint
	if err := player.Start(); err != nil {
		return nil, nil, "", err
	}
	r := rand.New(rand.NewPCG(uint64(seed), 20))
	after, lasts := between(r, 0, 2*p.Scenario.Load.Steady+2*time.Second), between(r, 100*ms, 2*time.Second)
	stop = fmt.Sprintf("%v after its first request, for %v", after, lasts)
	select {
	case <-begun:
	case <-t.Context().Done():
	}
	wait(after)
	stopped := time.Now()
	if err := player.Process.Signal(syscall.SIGSTOP); err == nil {
		wait(lasts)
		stop += fmt.Sprintf(" (%v)", time.Since(stopped))
		_ = player.Process.Signal(syscall.SIGCONT) // the process is there: it has not been waited for
	}
	if err := player.Wait(); err != nil {
		return nil, nil, stop, fmt.Errorf("%w: %s", err, &complaint)
	}
	server.Close() // nothing changes any more
	report, err := drtest.ReadReport(&journal)
	if err != nil {
		return nil, nil, stop, err
	}
	l = report.Ledger
	var broken error
	if l.Broken != "" {
		broken = fmt.Errorf("%s", l.Broken)
	}
	findings, err = p.Find(l, broken)
	return findings, l, stop, err
}
