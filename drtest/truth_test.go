package drtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	every   = 50 * time.Millisecond
	timeout = 400 * time.Millisecond
	steady  = 450 * time.Millisecond
)

func millis(t *rapid.T, name string, from, to int) time.Duration {
	return time.Duration(rapid.IntRange(from, to).Draw(t, name)) * time.Millisecond
}

// anyPlant draws a service that goes wrong in known ways. It is down for no less than least
// milliseconds at a time, which must be more than a period of the load and two answers, or all
// requests may pass beside it. Everything else is free.
func anyPlant(t *rapid.T, least int) *plant {
	p := &plant{
		injectBefore: millis(t, "inject before", 0, 90),
		injectAfter:  millis(t, "inject after", 0, 90),
		dated:        rapid.Bool().Draw(t, "dated"),
		datedLate:    millis(t, "dated late", 0, 90),
		stalls:       rapid.Bool().Draw(t, "stalls"),
		slow:         rapid.SampledFrom([]time.Duration{0, 0, 70 * time.Millisecond}).Draw(t, "slow"),
		hang:         rapid.Bool().Draw(t, "hang"),
		rejects:      rapid.Bool().Draw(t, "rejects"),
		held:         rapid.Bool().Draw(t, "held"),
		lag:          millis(t, "lag", 0, 300),
		answer:       millis(t, "answer", 0, 30),
		reading:      millis(t, "reading", 0, 30),
		poll:         millis(t, "poll", 0, 30),
		steps:        rapid.IntRange(1, 6).Draw(t, "steps"),
		step:         millis(t, "step", 40, 200),
		rollback:     rapid.IntRange(0, 4).Draw(t, "rollback"),
		resume:       millis(t, "resume", 0, 200),
		lose:         rapid.SampledFrom([]int{0, 0, 1, 5}).Draw(t, "lose"),
		duplicate:    rapid.SampledFrom([]int{0, 0, 1, 3}).Draw(t, "duplicate"),
		rejoin:       millis(t, "rejoin", 0, 2500),
		resurrect:    rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "resurrect"),
	}
	at := time.Duration(0)
	for range rapid.IntRange(1, 3).Draw(t, "windows") {
		to := at + millis(t, "down", least, least+300)
		p.down = append(p.down, window{at, to})
		at = to + millis(t, "up", 150, 400)
	}
	// The system notices within its first window, and long enough before its end for a poll to see
	// it.
	p.detect = millis(t, "detect", 0, int(p.down[0].to/time.Millisecond)*3/4-100)
	return p
}

func (p *plant) scenario() drtest.Scenario {
	s := drtest.Scenario{
		ID:         "PLANT",
		Workload:   p,
		Load:       drtest.Load{Every: every, Timeout: timeout, Steady: steady},
		Health:     p.Health,
		Fault:      p.trouble(),
		Stages:     []drtest.Stage{{Name: "redundant", Reached: p.Redundant, Source: "GET /redundant"}},
		Model:      drtest.Model{{Name: "down", Worst: time.Minute, Source: "the windows of the plant"}},
		Proofs:     []drtest.Proof{{Name: "nothing was lost", Examine: p.NothingLost}},
		Objectives: []drtest.Objective{drtest.RPO(0)},
		Deadline:   time.Minute,
	}
	if p.held {
		s.HealAfter = p.down[len(p.down)-1].to
	}
	return s
}

// TestPlantedTruth holds the harness against services whose failures are exactly known: every
// interval must contain the truth, every count must be exact.
func TestPlantedTruth(t *testing.T) {
	const batches = 10 // of rapid's hundred checks each
	for batch := range batches {
		t.Run(fmt.Sprint(batch), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(rt *rapid.T) {
				p := anyPlant(rt, 200)
				var wrong []string
				synctest.Test(t, func(t *testing.T) {
					l, err := drtest.Play(t.Context(), p.scenario())
					if err != nil {
						wrong = []string{err.Error()}
						return
					}
					if wrong = p.truth(l); len(wrong) > 0 {
						wrong = append(wrong, l.Timeline())
					}
				})
				if len(wrong) > 0 {
					rt.Fatal(strings.Join(wrong, "\n"))
				}
			})
		})
	}
}

// TestPlantedTruthOverHTTP does the same in real time, with clients and services that talk over
// loopback. On a machine that does not keep up, requests fail that the plant has not failed, so that
// its truth is no longer known: such drills show nothing.
func TestPlantedTruthOverHTTP(t *testing.T) {
	t.Parallel()
	var strained atomic.Int64
	plants := rapid.Custom(func(t *rapid.T) *plant { return anyPlant(t, 400) })
	var all sync.WaitGroup // subtests would run only as many at a time as there are processors
	for seed := range 20 {
		p := plants.Example(seed)
		all.Go(func() {
			server := httptest.NewServer(p.handler())
			defer server.Close()
			s := p.scenario()
			client := httpWorkload{p, server.URL, server.Client()}
			s.Workload, s.Health = client, client.Health
			s.Stages[0].Reached = client.Redundant
			l, err := drtest.Play(t.Context(), s)
			var wrong []string
			if err != nil {
				wrong = []string{err.Error()}
			} else {
				wrong = p.truth(l)
			}
			strain := drtest.Judge(l).Strain()
			switch {
			case len(wrong) == 0:
			case !strain.KeptUp():
				strained.Add(1)
				t.Logf("plant %d: %s: the machine did not keep up: %s", seed, wrong[0], strain.Why())
			default:
				t.Errorf("plant %d: %s\n%s", seed, strings.Join(wrong, "\n"), l.Timeline())
			}
		})
	}
	all.Wait()
	if n := strained.Load(); n == 20 {
		t.Error("the machine kept up with none of the drills")
	}
}

// handler serves the plant over HTTP.
func (p *plant) handler() http.Handler {
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, body any, err error) {
		if err == nil {
			err = json.NewEncoder(w).Encode(body)
		}
		switch {
		case errors.Is(err, drtest.ErrRejected):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
	mux.HandleFunc("PUT /units/{id}", func(w http.ResponseWriter, r *http.Request) {
		reply(w, "accepted", p.Do(r.Context(), r.PathValue("id")))
	})
	mux.HandleFunc("GET /units", func(w http.ResponseWriter, r *http.Request) {
		ids, err := p.Survivors(r.Context())
		reply(w, ids, err)
	})
	mux.HandleFunc("GET /redundant", func(w http.ResponseWriter, r *http.Request) { reply(w, "redundant", p.Redundant(r.Context())) })
	for _, c := range p.Counters() {
		mux.HandleFunc("GET /counters/"+c.Name, func(w http.ResponseWriter, r *http.Request) {
			n, err := c.Read(r.Context())
			reply(w, n, err)
		})
	}
	mux.HandleFunc("GET /progress", func(w http.ResponseWriter, r *http.Request) {
		units, err := p.look()
		reply(w, units, err)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) { reply(w, "well", p.Health(r.Context())) })
	return mux
}

// httpWorkload is the plant's client.
type httpWorkload struct {
	plant  *plant
	url    string
	client *http.Client
}

func (c httpWorkload) get(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
		return json.NewDecoder(resp.Body).Decode(into)
	case http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %s", drtest.ErrRejected, resp.Status)
	}
	return errors.New(resp.Status)
}

func (c httpWorkload) Do(ctx context.Context, id string) error {
	return c.get(ctx, http.MethodPut, "/units/"+id, new(string))
}

func (c httpWorkload) Health(ctx context.Context) error {
	return c.get(ctx, http.MethodGet, "/health", new(string))
}

func (c httpWorkload) Redundant(ctx context.Context) error {
	return c.get(ctx, http.MethodGet, "/redundant", new(string))
}

func (c httpWorkload) Counters() []drtest.Counter {
	counters := c.plant.Counters()
	for i, counter := range counters {
		counters[i].Read = func(ctx context.Context) (n drtest.Count, err error) {
			err = c.get(ctx, http.MethodGet, "/counters/"+counter.Name, &n)
			return n, err
		}
	}
	return counters
}

func (c httpWorkload) Survivors(ctx context.Context) (ids []string, err error) {
	err = c.get(ctx, http.MethodGet, "/units", &ids)
	return ids, err
}

func (c httpWorkload) Progress(ctx context.Context) (units map[string]drtest.Progress, err error) {
	if err = c.get(ctx, http.MethodGet, "/progress", &units); err == nil {
		c.plant.told(units)
	}
	return units, err
}

// TestJournalHoldsThePlantedDrills writes and reads back what was played.
func TestJournalHoldsThePlantedDrills(t *testing.T) {
	plants := rapid.Custom(func(t *rapid.T) *plant { return anyPlant(t, 200) })
	for seed := range 10 {
		var l *drtest.Ledger
		synctest.Test(t, func(t *testing.T) { l, _ = drtest.Play(t.Context(), plants.Example(seed).scenario()) })
		var file strings.Builder
		if _, err := (&drtest.Report{Ledger: l}).WriteTo(&file); err != nil {
			t.Fatal(err)
		}
		read, err := drtest.ReadReport(strings.NewReader(file.String()))
		if err != nil {
			t.Fatal(err)
		}
		l.Drill.Began = read.Ledger.Drill.Began // the wall clock loses its time zone
		if diff := cmp.Diff(l, read.Ledger); diff != "" {
			t.Error(diff)
		}
	}
}
