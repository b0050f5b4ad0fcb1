package reaper

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/google/go-cmp/cmp"
)

// An engine that cannot start a reaper at once may do so soon, as one does that was restarted. One
// that cannot for two minutes is given up.
func TestReplace(t *testing.T) {
	const refused = "connection refused"
	for _, c := range []struct {
		reason   string
		fails    int // attempts, before one succeeds
		stopsAt  int // the attempt after which the reaper is told to stop; 0: it is not
		want     string
		replaced bool
		attempts int
		took     time.Duration
	}{
		{reason: "at once", replaced: true, attempts: 1},
		{reason: "the engine comes back", fails: 7, replaced: true, attempts: 8, took: 7 * time.Second},
		{reason: "it does not", fails: 1000, want: "not within 2m0s: connection refused (context deadline exceeded)", attempts: 121, took: 2 * time.Minute},
		{reason: "the test ends meanwhile", fails: 1000, stopsAt: 3, attempts: 3, took: 3 * time.Second},
	} {
		t.Run(c.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				first, second := &docker.Helper{ID: "first"}, &docker.Helper{ID: "second"}
				r := &Reaper{helper: first}
				attempts, begin := 0, time.Now()
				next, err := r.replace(func() (*docker.Helper, error) {
					attempts++
					if attempts == c.stopsAt {
						r.stopping = true
					}
					if attempts <= c.fails {
						return nil, errors.New(refused)
					}
					return second, nil
				})
				got := ""
				if err != nil {
					got = err.Error()
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Error(diff)
				}
				if (next == second) != c.replaced || (r.current() == second) != c.replaced {
					t.Errorf("next is %v, current is %v", next, r.current())
				}
				// At the last moment either of two may come first.
				if took := time.Since(begin); took != c.took || attempts != c.attempts && attempts != c.attempts-1 {
					t.Errorf("%d attempts in %v, want %d in %v", attempts, took, c.attempts, c.took)
				}
			})
		})
	}
}
