package calibrate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/drtest/suite/drtest"
)

// A spec is what a drill must know of a service that runs elsewhere.
type spec struct {
	Load                drtest.Load
	HealAfter, Deadline time.Duration
	Watched             bool
	Stages              []string
}

// Handler serves what a scenario calls, for a drill in another process.
func Handler(s drtest.Scenario) http.Handler {
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, body any, err error) {
		switch {
		case errors.Is(err, drtest.ErrRejected):
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		default:
			_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
		}
	}
	mux.HandleFunc("GET /drill", func(w http.ResponseWriter, _ *http.Request) {
		told := spec{Load: s.Load, HealAfter: s.HealAfter, Deadline: s.Deadline, Watched: s.Health != nil}
		for _, stage := range s.Stages {
			told.Stages = append(told.Stages, stage.Name)
		}
		reply(w, told, nil)
	})
	mux.HandleFunc("PUT /units/{id}", func(w http.ResponseWriter, r *http.Request) {
		reply(w, "kept", s.Workload.Do(r.Context(), r.PathValue("id")))
	})
	mux.HandleFunc("GET /units", func(w http.ResponseWriter, r *http.Request) {
		ids, err := s.Workload.Survivors(r.Context())
		reply(w, ids, err)
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) { reply(w, "well", s.Health(r.Context())) })
	mux.HandleFunc("GET /stages/{name}", func(w http.ResponseWriter, r *http.Request) {
		i := slices.IndexFunc(s.Stages, func(stage drtest.Stage) bool { return stage.Name == r.PathValue("name") })
		reply(w, "reached", s.Stages[i].Reached(r.Context()))
	})
	mux.HandleFunc("PUT /fault", func(w http.ResponseWriter, r *http.Request) {
		effect, err := s.Fault.Inject(r.Context())
		reply(w, effect.Receipt, err)
	})
	mux.HandleFunc("DELETE /fault", func(w http.ResponseWriter, r *http.Request) { reply(w, "healed", s.Fault.Heal(r.Context())) })
	return mux
}

// remote calls a service that a Handler serves.
type remote struct{ url string }

func (c remote) call(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %s", drtest.ErrRejected, body)
	case resp.StatusCode != http.StatusOK:
		return errors.New(resp.Status)
	}
	return json.Unmarshal(body, into)
}

func (c remote) Do(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPut, "/units/"+id, new(string))
}

func (c remote) Survivors(ctx context.Context) (ids []string, err error) {
	err = c.call(ctx, http.MethodGet, "/units", &ids)
	return ids, err
}

func (c remote) Health(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/health", new(string))
}

// Remote is the scenario of a service that a Handler serves at that address.
func Remote(ctx context.Context, url string) (drtest.Scenario, error) {
	c, told := remote{url}, spec{}
	if err := c.call(ctx, http.MethodGet, "/drill", &told); err != nil {
		return drtest.Scenario{}, err
	}
	s := drtest.Scenario{
		ID: "PLANT", Workload: c, Load: told.Load,
		Fault: drtest.Fault{
			Name: "planted trouble",
			Inject: func(ctx context.Context) (e drtest.Effect, err error) {
				err = c.call(ctx, http.MethodPut, "/fault", &e.Receipt)
				return e, err
			},
			Heal: func(ctx context.Context) error { return c.call(ctx, http.MethodDelete, "/fault", new(string)) },
		},
		HealAfter: told.HealAfter, Deadline: told.Deadline,
		Objectives: []drtest.Objective{drtest.RPO(0)},
	}
	if told.Watched {
		s.Health = c.Health
	}
	for _, name := range told.Stages {
		s.Stages = append(s.Stages, drtest.Stage{Name: name, Reached: func(ctx context.Context) error {
			return c.call(ctx, http.MethodGet, "/stages/"+name, new(string))
		}})
	}
	return s, nil
}
