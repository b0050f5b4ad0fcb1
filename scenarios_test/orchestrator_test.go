package scenarios

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/drtest/suite/fixtures/images"
	"github.com/jackc/pgx/v5"
)

// The workflows that clients ask for: six steps of which each takes the provider 300 ms, so 1.8 s
// in all. With a request every 75 ms more than twenty are in flight at any moment.
const (
	steps       = 6
	stepLatency = 300 * time.Millisecond
)

var steadyLoad = drtest.Load{Every: 75 * time.Millisecond, Timeout: time.Second, Steady: 2 * time.Second}

// An orchestrator is the system under test as its clients see it, through a link that stays,
// whatever happens to the container behind it. Every other request takes a new connection, as those
// of new clients do, and the others one that was kept, if there is one, as those of pools do:
// either kind can be out of service alone. Monitors keep theirs.
type orchestrator struct {
	service  *containertest.Service
	provider *containertest.Service
	front    *proxytest.Link
	client   *http.Client   // of new connections
	reused   http.Transport // of the others
	requests atomic.Uint64
	steps    int // of each workflow; 0: as most have

	jobsMu sync.Mutex
	jobs   map[string]job // by id, of requests that asked for something else than the others
	next   []job          // of the next requests

	cursorMu sync.Mutex
	epoch    string // the cursor of Progress
	version  uint64
}

// A variant says in what an orchestrator differs from the one of most drills. Its zero value is
// that one.
type variant struct {
	sabotage     string            // what is wrong with it
	faultBuild   bool              // prompts can have markers, that make it panic or grow
	env          map[string]string // settings of its own
	memory       int64             // its limit, in bytes
	firewall     bool              // it can be partitioned
	unsupervised bool              // nobody starts it again
	resolver     netip.Addr        // whom it asks for names, instead of the host's
	latency      time.Duration     // of the provider; 0: that of most
}

// startOrchestrator starts the provider and an orchestrator on the database's network, and returns
// when it is ready.
func startOrchestrator(t testing.TB, proxy *proxytest.Proxy, database containertest.Upstream, v variant) *orchestrator {
	t.Helper()
	services := containertest.StartAll(t, v.llm(t, database.Network()), v.orchestrator(t, database))
	return newOrchestrator(services[1], services[0], proxy.Link(t, "front", services[1]))
}

func newOrchestrator(service, provider *containertest.Service, front *proxytest.Link) *orchestrator {
	return &orchestrator{
		service:  service,
		provider: provider,
		front:    front,
		client:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
		jobs:     map[string]job{},
	}
}

// llm is the provider.
func (v variant) llm(t testing.TB, network string) containertest.Config {
	t.Helper()
	return containertest.Config{
		Name:    "llm",
		Image:   containertest.Build(t, fakeLLM()),
		Network: network,
		Port:    8080,
		Env:     map[string]string{"LATENCY": cmp.Or(v.latency, stepLatency).String()},
		Ready:   answersOK("/healthz"),
	}
}

func (v variant) orchestrator(t testing.TB, database containertest.Upstream) containertest.Config {
	t.Helper()
	env := map[string]string{
		"DATABASE_URL":        pgtest.DSN(database.Addr()),
		"LLM_URL":             "http://llm:8080",
		"CHECKPOINT_INTERVAL": selected.checkpoint.String(),
		"SABOTAGE":            v.sabotage,
	}
	maps.Copy(env, v.env)
	restart := containertest.RestartOnFailure
	if v.unsupervised {
		restart = containertest.NeverRestart
	}
	return containertest.Config{
		Name:     "orchestrator",
		Image:    containertest.Build(t, v.image()),
		Network:  database.Network(),
		Port:     8080,
		Env:      env,
		Restart:  restart,
		Ready:    answersOK("/readyz"),
		Memory:   v.memory,
		Firewall: v.firewall,
		Resolver: v.resolver,
	}
}

// An address is where something on a network is going to be.
type address struct{ addr, network string }

func (a address) Addr() string    { return a.addr }
func (a address) Network() string { return a.network }

// A job is what one request asks for.
type job struct {
	steps   int
	prompt  string // beside the id
	wantErr string // a part of the reason with which it has to fail; "": it must not
}

// askNext makes the next requests of the load ask for these jobs.
func (o *orchestrator) askNext(next ...job) {
	o.jobsMu.Lock()
	defer o.jobsMu.Unlock()
	o.next = append(o.next, next...)
}

// assignJob returns what the request with that id is to ask for, and settles it.
func (o *orchestrator) assignJob(id string) job {
	o.jobsMu.Lock()
	if len(o.next) > 0 {
		o.jobs[id], o.next = o.next[0], o.next[1:]
	}
	o.jobsMu.Unlock()
	return o.jobOf(id)
}

// jobOf returns what the request with that id has asked for.
func (o *orchestrator) jobOf(id string) job {
	o.jobsMu.Lock()
	defer o.jobsMu.Unlock()
	if j, ok := o.jobs[id]; ok {
		return j
	}
	return job{steps: cmp.Or(o.steps, steps)}
}

// image is that of the orchestrator as it is released, or of its fault build.
func (v variant) image() containertest.Image {
	program := containertest.Program{Name: "orchestrator", Package: "github.com/drtest/suite/fixtures/orchestrator"}
	name := "drtest/orchestrator"
	if v.sabotage != "" || v.faultBuild {
		program.Tags, name = "fault", "drtest/orchestrator-fault"
	}
	return containertest.Image{Name: name, Files: images.Orchestrator(), Programs: []containertest.Program{program}}
}

func fakeLLM() containertest.Image {
	return containertest.Image{Name: "drtest/fakellm", Files: images.FakeLLM(), Programs: []containertest.Program{
		{Name: "fakellm", Package: "github.com/drtest/suite/fixtures/fakellm"},
	}}
}

// answersOK asks the container itself, before there is a link to it.
func answersOK(path string) func(context.Context, *containertest.Service) error {
	return func(ctx context.Context, s *containertest.Service) error {
		addr, err := s.HostAddr(ctx)
		if err != nil {
			return err
		}
		return get(ctx, withoutKeepAlive, "http://"+addr+path, nil)
	}
}

// get reads a JSON answer, or only its status.
func get(ctx context.Context, c *http.Client, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(resp.Body)
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(why[:min(len(why), 1000)])))
	}
	answer, err := io.ReadAll(resp.Body) // to its end, so that the connection can be used again
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// pooled is a client that keeps connections.
func (o *orchestrator) pooled() *http.Client { return &http.Client{Transport: &o.reused} }

func (o *orchestrator) url(path string) string { return "http://" + o.front.HostAddr() + path }

// Do has a workflow accepted. Its id is the idempotency key and begins the prompt.
func (o *orchestrator) Do(ctx context.Context, id string) error {
	j := o.assignJob(id)
	order := fmt.Sprintf(`{"steps": %d, "prompt": %q}`, j.steps, id+j.prompt)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.url("/v1/workflows"), strings.NewReader(order))
	if err != nil {
		return err
	}
	req.Header.Set("Idempotency-Key", id)
	req.GetBody = nil // or net/http would repeat a request whose connection broke
	client := o.client
	if o.requests.Add(1)%2 == 0 {
		client = o.pooled()
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body) // to its end, so that the connection can be used again
	if err != nil {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	answer := struct {
		Error    string
		Accepted any
	}{}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("%s: %w", resp.Status, err)
	}
	switch {
	case resp.StatusCode == http.StatusCreated || resp.StatusCode == http.StatusOK:
		return nil
	case answer.Accepted == false:
		return fmt.Errorf("%w: %s: %s", drtest.ErrRejected, resp.Status, answer.Error)
	}
	return fmt.Errorf("%s: %s", resp.Status, answer.Error)
}

// Survivors reads the keys that the database holds, one for each row.
func (o *orchestrator) Survivors(ctx context.Context) ([]string, error) {
	var ledger struct{ Keys []string }
	if err := get(ctx, o.pooled(), o.url("/v1/ledger"), &ledger); err != nil {
		return nil, err
	}
	return append([]string{}, ledger.Keys...), nil
}

// Progress reads what changed since the last call.
func (o *orchestrator) Progress(ctx context.Context) (map[string]drtest.Progress, error) {
	o.cursorMu.Lock()
	defer o.cursorMu.Unlock()
	var list struct {
		Epoch     string
		Version   uint64
		Workflows []struct {
			Key, State, Result, Error string
			Step, Attempt, From       int
		}
	}
	since := url.Values{"epoch": {o.epoch}, "since": {strconv.FormatUint(o.version, 10)}}
	if err := get(ctx, o.pooled(), o.url("/v1/workflows?"+since.Encode()), &list); err != nil {
		return nil, err
	}
	o.epoch, o.version = list.Epoch, list.Version
	units := map[string]drtest.Progress{}
	for _, w := range list.Workflows {
		p := drtest.Progress{Done: w.Step, Attempt: w.Attempt, From: w.From, Finished: w.State == "finished" || w.State == "failed"}
		if p.Finished {
			p.Wrong = o.jobOf(w.Key).judge(w.Key, w.Result, w.Error)
		}
		units[w.Key] = p
	}
	return units, nil
}

// metrics reads the page that Prometheus would.
func (o *orchestrator) metrics(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url("/metrics"), nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept-Encoding", "identity") // to compress it takes longer than to send it
	resp, err := o.pooled().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("metrics: %s", resp.Status)
	}
	return string(page), err
}

// metric finds the value of a metric, by its name and labels.
func metric(page, name string) (value float64, found bool) {
	for line := range strings.Lines(page) {
		if text, is := strings.CutPrefix(strings.TrimSpace(line), name+" "); is {
			value, err := strconv.ParseFloat(text, 64)
			return value, err == nil
		}
	}
	return 0, false
}

// Ready asks the orchestrator what it says of itself.
func (o *orchestrator) Ready(ctx context.Context) error {
	return get(ctx, o.pooled(), o.url("/readyz"), nil)
}

// Uncorrupted asks the orchestrator whether it has found a corrupt checkpoint, as the rule
// OrchestratorCheckpointCorrupt of its alerts.yaml does. It stays ready then, and should: a bad
// state of one run is no reason to send clients of others away. An instance that does not answer
// has not found anything.
func (o *orchestrator) Uncorrupted(ctx context.Context) error {
	const counter = "orchestrator_checkpoints_corrupt_total"
	page, err := o.metrics(ctx)
	if err != nil {
		return nil
	}
	switch value, found := metric(page, counter); {
	case !found:
		return fmt.Errorf("no %s among the metrics", counter)
	case value != 0:
		return fmt.Errorf("%s is %v", counter, value)
	}
	return nil
}

// judge says what is wrong with the end of a workflow, or nothing. The provider's completion of a
// prompt is its hash, and each is the prompt of the next step.
func (j job) judge(id, result, failure string) string {
	want := id + j.prompt
	for range j.steps {
		sum := sha256.Sum256([]byte(want))
		want = hex.EncodeToString(sum[:])[:16]
	}
	switch {
	case j.wantErr != "" && !strings.Contains(failure, j.wantErr):
		return fmt.Sprintf("it ended with %q, and should have failed: %s", cmp.Or(failure, result), j.wantErr)
	case j.wantErr != "":
		return ""
	case failure != "":
		return "failed: " + failure
	case result != want:
		return fmt.Sprintf("its result is %q, not %q", result, want)
	}
	return ""
}

// jobsEnded is reached when the requests that asked for something else than the others have ended,
// as they should.
func (o *orchestrator) jobsEnded(ctx context.Context) error {
	o.jobsMu.Lock()
	jobs := maps.Clone(o.jobs)
	o.jobsMu.Unlock()
	if len(jobs) == 0 {
		return errors.New("none was asked for")
	}
	for id, j := range jobs {
		var w struct{ State, Result, Error string }
		if err := get(ctx, o.pooled(), o.url("/v1/workflows/"+id), &w); err != nil {
			return err
		}
		if w.State != "finished" && w.State != "failed" {
			return fmt.Errorf("%s is %s", id, w.State)
		}
		if wrong := j.judge(id, w.Result, w.Error); wrong != "" {
			return fmt.Errorf("%s: %s", id, wrong)
		}
	}
	return nil
}

// Counters are those of the provider's account: calls, and what they cost in millionths of a dollar.
func (o *orchestrator) Counters() []drtest.Counter {
	return []drtest.Counter{
		{Name: "calls", Read: func(ctx context.Context) (drtest.Count, error) {
			a, err := o.account(ctx)
			return drtest.Count{Total: a.Count, Repeated: a.Repeated}, err
		}},
		{Name: "cost", Unit: "µUSD", Read: func(ctx context.Context) (drtest.Count, error) {
			a, err := o.account(ctx)
			return drtest.Count{Total: a.Cost, Repeated: a.RepeatedCost}, err
		}},
	}
}

// A providerAccount is what the provider has billed.
type providerAccount struct {
	Count, Repeated, Cost int
	RepeatedCost          int `json:"repeated_cost"`
}

func (o *orchestrator) account(ctx context.Context) (a providerAccount, err error) {
	addr, err := o.provider.HostAddr(ctx)
	if err != nil {
		return a, err
	}
	if err := get(ctx, o.client, "http://"+addr+"/v1/calls", &a); err != nil {
		return a, fmt.Errorf("provider's account: %w", err)
	}
	return a, nil
}

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
		Ready:   answersOK("/healthz"),
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
			Ready:   answersOK("/readyz"),
		})
	}
	services := containertest.StartAll(t, configs...)
	app := &instances{seen: map[string]drtest.Progress{}}
	for i, s := range services[1:] {
		front := proxy.Link(t, names[i], s)
		app.each = append(app.each, &orchestrator{service: s, provider: services[0], front: front, client: withoutKeepAlive})
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

// pending is how many workflows wait for a place in the instances that answer.
func (a *instances) pending(ctx context.Context) (int, error) {
	waiting, answered := 0, false
	var errs []error
	for _, o := range a.each {
		page, err := o.metrics(ctx)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		n, found := metric(page, "orchestrator_workflows_pending")
		if !found {
			return 0, errors.New("an instance does not tell how many workflows wait")
		}
		answered = true
		waiting += int(n)
	}
	if !answered {
		return 0, errors.Join(errs...)
	}
	return waiting, nil
}

// withoutKeepAlive is for addresses that another container may have soon: it keeps no connections.
var withoutKeepAlive = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// A storedState is what the database holds of a run's progress.
type storedState struct{ Key, State, Checksum string }

// damageStates runs an UPDATE that returns the keys of the runs that it does harm to, and reads
// back what is stored of them: before the commit, since afterwards the orchestrator may have
// repaired it. Fewer than five are an error.
func damageStates(ctx context.Context, conn *pgx.Conn, update string) (rows []storedState, err error) {
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		result, err := tx.Query(ctx, update)
		if err != nil {
			return err
		}
		keys, err := pgx.CollectRows(result, pgx.RowTo[string])
		if err != nil {
			return err
		}
		result, err = tx.Query(ctx, `SELECT key, state, checksum FROM workflows WHERE key = ANY ($1) ORDER BY key`, keys)
		if err != nil {
			return err
		}
		rows, err = pgx.CollectRows(result, pgx.RowToStructByPos[storedState])
		return err
	})
	if err == nil && len(rows) < 5 {
		err = errors.New("fewer than five open runs have a checkpoint beyond their beginning")
	}
	return rows, err
}
