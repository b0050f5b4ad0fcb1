package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// instances are orchestrators on one database as their clients see them, who turn to the next one
// when one fails.
type instances struct {
	each []*orchestrator
	turn atomic.Uint64

	mu   sync.Mutex
	seen map[string]drtest.Progress
}

// startInstances starts two orchestrators with a database and a provider.
func startInstances(t testing.TB, sabotage string) *instances {
	t.Helper()
	return startInstancesOn(t, pgtest.StartPrimary(t, pgtest.Config{}), sabotage)
}

// startInstancesOn starts them on a database that is there.
func startInstancesOn(t testing.TB, pg *pgtest.Node, sabotage string) *instances {
	t.Helper()
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	configs := []containertest.Config{{
		Name:    "llm",
		Image:   containertest.Build(t, fakeLLM()),
		Network: pg.Network(),
		Port:    8080,
		Env:     map[string]string{"LATENCY": slowSteps.String()},
		Ready:   answers("/healthz"),
	}}
	names := []string{"orchestrator-a", "orchestrator-b"}
	for _, name := range names {
		configs = append(configs, containertest.Config{
			Name:    name,
			Image:   containertest.Build(t, variant{sabotage: sabotage}.image()),
			Network: pg.Network(),
			Port:    8080,
			Env: map[string]string{
				"DATABASE_URL":        pg.DSN(),
				"LLM_URL":             "http://llm:8080",
				"INSTANCE":            name,
				"CHECKPOINT_INTERVAL": "500ms", // in every profile: crashes come every three seconds
				"MAX_ATTEMPTS":        "100",   // more than there are crashes: none of them is a workflow's fault
				"SABOTAGE":            sabotage,
			},
			Restart: containertest.RestartOnFailure,
			Ready:   answers("/readyz"),
		})
	}
	services := containertest.StartAll(t, configs...)
	app := &instances{seen: map[string]drtest.Progress{}}
	for i, s := range services[1:] {
		app.each = append(app.each, &orchestrator{service: s, provider: services[0], front: proxy.Link(t, names[i], s), client: withoutKeepAlive})
	}
	return app
}

func (a *instances) services() []*containertest.Service {
	var all []*containertest.Service
	for _, o := range a.each {
		all = append(all, o.service)
	}
	return all
}

// Do asks the instances in turn, until one accepts. The request may be repeated, since its key
// makes it one. It counts as rejected only if none of them can have accepted it.
func (a *instances) Do(ctx context.Context, id string) error {
	rejected := true
	var errs []error
	first := int(a.turn.Add(1))
	for i := range a.each {
		err := a.each[(first+i)%len(a.each)].Do(ctx, id)
		if err == nil {
			return nil
		}
		rejected = rejected && errors.Is(err, drtest.ErrRejected)
		errs = append(errs, err)
	}
	if rejected {
		return errors.Join(errs...)
	}
	return fmt.Errorf("%v", errs) // one of them may have rejected it
}

// Survivors reads what the database holds through any instance.
func (a *instances) Survivors(ctx context.Context) ([]string, error) {
	var errs []error
	for _, o := range a.each {
		ids, err := o.Survivors(ctx)
		if err == nil {
			return ids, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// Progress is what the instances that answer say together. What an instance says of another one's
// workflows is late, so within one attempt the most counts.
func (a *instances) Progress(ctx context.Context) (map[string]drtest.Progress, error) {
	units := make([]map[string]drtest.Progress, len(a.each))
	errs := make([]error, len(a.each))
	var all sync.WaitGroup
	for i, o := range a.each {
		all.Go(func() { units[i], errs[i] = o.Progress(ctx) })
	}
	all.Wait()
	if !slices.Contains(errs, nil) {
		return nil, errors.Join(errs...)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := map[string]drtest.Progress{}
	for _, said := range units {
		for id, p := range said {
			was, known := a.seen[id]
			newer := p.Attempt > was.Attempt || p.Attempt == was.Attempt && (p.Done > was.Done || p.Finished && !was.Finished)
			if !known || newer {
				a.seen[id], changed[id] = p, p
			}
		}
	}
	return changed, nil
}

// Ready is good while every instance says that it is ready.
func (a *instances) Ready(ctx context.Context) error {
	errs := make([]error, len(a.each))
	var all sync.WaitGroup
	for i, o := range a.each {
		all.Go(func() {
			if err := o.Ready(ctx); err != nil {
				errs[i] = fmt.Errorf("%s: %w", o.service.Name(), err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// Counters are the provider's, for all of them.
func (a *instances) Counters() []drtest.Counter { return a.each[0].Counters() }

// withoutKeepAlive is for addresses that another container may have soon: it keeps no connections.
var withoutKeepAlive = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
