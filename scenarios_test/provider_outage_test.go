package scenarios

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/stretchr/testify/require"
)

// providerPatience is LLM_TIMEOUT: how long the orchestrator waits for a completion.
const providerPatience = 2 * time.Second

// Workflows take as long as those of most drills, with shorter calls, so that a stampede can be
// told from the calls of before.
const (
	callLatency = 150 * time.Millisecond
	callSteps   = 12
)

// The link to the LLM provider is cut for ten seconds. Clients notice nothing as they hand in work,
// nothing that was accepted is lost, every workflow goes on within six seconds of the repair, and
// no call is paid for twice but those that were under way as the link broke. While the provider is
// away it is asked about once a second, and once it is back there are no more calls than before the
// outage, and a thirty-second more with each round of them.
func TestProviderOutage(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	app, link := startWithProviderLink(t, "")
	drtest.Run(t, providerCutOff(t, app, link))
}

func providerCutOff(t *testing.T, app *orchestrator, link *proxytest.Link) drtest.Scenario {
	s := providerOutage(t, app, link.Cut(), 10*time.Second)
	s.ID = "DR-LLM-001"
	s.Title = "LLM provider outage: cut off"
	s.Objectives = append(s.Objectives,
		drtest.Detection(time.Second), // all calls fail at once, and the next poll knows
		// What was under way the provider has done and charged for, and nobody got it.
		drtest.Check("paid twice", underWayOnly),
	)
	return s
}

// providerOutage has what holds for each way in which the provider can be gone for a while.
func providerOutage(t *testing.T, app *orchestrator, fault drtest.Fault, hold time.Duration) drtest.Scenario {
	t.Helper()
	began, err := app.arrivals(t.Context())
	require.NoError(t, err)
	load := steadyLoad
	// The orchestrator comes back to the most calls that were under way lately, and forgets a 256th
	// with each answer: of what was under way after an outage before a sixth is left after three
	// seconds of load, some 450 answers.
	load.Steady = 3 * time.Second
	return drtest.Scenario{
		Category:   "LLM Provider Failures",
		Durability: "no process ends, so nothing can be lost that was ever written",
		Workload:   app,
		Load:       load,
		Health:     app.providerAnswers(),
		Fault:      app.withCallRecord(fault, began),
		HealAfter:  hold,
		Objectives: []drtest.Objective{
			drtest.NoFailedRequests(), // work is accepted without the provider
			drtest.RPO(0),
			drtest.LostWork(0), // the orchestrator keeps running
			// One call after at most LLM_BACKOFF_MAX and an eighth, 2.25 s, and it is answered.
			// Then each of the 250 workflows that have come in has its turn: 6 rounds of 0.15 s
			// until there are thirty calls at a time, and 6 more, so 2 s: 4.3 s, and a margin for a
			// busy machine.
			drtest.WorkRTO(hold + 6*time.Second),
			drtest.AllRecovered(10),
			drtest.NoDuplicates(),
			drtest.Check("no stampede", noStampede),
		},
		Deadline: time.Minute,
	}
}

// Whatever fails is tried again at once.
func TestProviderOutageSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	app, link := startWithProviderLink(t, "retry-storm")
	s := providerCutOff(t, app, link)
	s.HealAfter = 5 * time.Second // the storm is a load on everybody's machine
	requireFailure(t, s, "no stampede", `\d+ calls in a tenth of a second, \d+ tenths after the first one that came again, want at most \d+`)
}

// startWithProviderLink starts an orchestrator that reaches its provider through a link.
func startWithProviderLink(t *testing.T, sabotage string) (*orchestrator, *proxytest.Link) {
	t.Helper()
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	link := proxy.Link(t, "provider", address{"llm:8080", pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{sabotage: sabotage, latency: callLatency, env: map[string]string{
		"LLM_URL":     "http://" + link.Addr(),
		"LLM_TIMEOUT": providerPatience.String(),
	}})
	app.steps = callSteps
	return app, link
}

// providerAnswers is what a monitor makes of the orchestrator's metrics, since its readiness does
// not depend on the provider: it is bad from the first call that failed while none was answered,
// until one is.
func (o *orchestrator) providerAnswers() func(context.Context) error {
	var answered, failed float64
	var bad error
	return func(ctx context.Context) error {
		ok, no, err := o.providerCalls(ctx)
		if err != nil {
			return err
		}
		switch {
		case ok > answered:
			bad = nil
		case no > failed:
			bad = errors.New("calls of the provider fail, and none is answered")
		}
		answered, failed = ok, no
		return bad
	}
}

// providerCalls reads from the metrics how many calls were answered, and how many failed.
func (o *orchestrator) providerCalls(ctx context.Context) (ok, failed float64, err error) {
	page, err := o.metrics(ctx)
	if err != nil {
		return 0, 0, err
	}
	ok, _ = metric(page, `orchestrator_provider_calls_total{result="ok"}`) // one that never moved is left out
	failed, _ = metric(page, `orchestrator_provider_calls_total{result="failed"}`)
	return ok, failed, nil
}

// underWayOnly allows for one repeated call of each workflow that was in flight, or being accepted,
// at the fault: each makes one at a time.
func underWayOnly(l *drtest.Ledger, f drtest.Figures) error {
	fault, injected := l.Event(drtest.FaultInjected)
	calls := f.Counter("calls")
	if !calls.Known || !f.WorkKnown || !injected {
		return fmt.Errorf("%w: %s %s", drtest.ErrInconclusive, calls.Why, f.WorkWhy)
	}
	underWay := len(f.Affected)
	for _, op := range l.Ops {
		if op.Start <= fault.Hi && op.End > fault.Hi {
			underWay++
		}
	}
	if calls.Repeated > underWay {
		return fmt.Errorf("%v, want at most the %d that can have been under way at the fault", calls, underWay)
	}
	return nil
}

// withCallRecord is an outage with the provider's own record of the calls that reached it. It is
// read before the drill, which is began, just before the fault, just before the healing and at the
// end, so that no two clocks are compared.
func (o *orchestrator) withCallRecord(outage drtest.Fault, began arrivals) drtest.Fault {
	var before, during arrivals
	f := outage
	f.Inject = func(ctx context.Context) (e drtest.Effect, err error) {
		if before, err = o.arrivals(ctx); err != nil {
			return e, err
		}
		return outage.Inject(ctx)
	}
	f.Heal = func(ctx context.Context) (err error) {
		during, err = o.arrivals(ctx)
		return errors.Join(err, outage.Heal(ctx))
	}
	f.Confirm = func(ctx context.Context) (drtest.Receipt, error) {
		all, err := o.arrivals(ctx)
		if err != nil || len(during) == 0 {
			return "", err
		}
		after := all.since(during)
		return after.judge(before.since(began), during.since(before)).receipt(), nil
	}
	return f
}

// arrivals are the calls that reached the provider, by the tenths of a second in which there were
// any.
type arrivals []struct {
	At    time.Time
	Calls int
}

func (o *orchestrator) arrivals(ctx context.Context) (arrivals, error) {
	addr, err := o.provider.HostAddr(ctx) // not through the link
	if err != nil {
		return nil, err
	}
	var record struct{ Buckets arrivals }
	return record.Buckets, get(ctx, o.client, "http://"+addr+"/v1/arrivals", &record)
}

// since leaves out what was recorded earlier.
func (a arrivals) since(earlier arrivals) arrivals {
	last := len(earlier) - 1
	if last < 0 {
		return a
	}
	rest := append(arrivals{}, a[last:]...)
	if rest[0].Calls -= earlier[last].Calls; rest[0].Calls == 0 {
		return rest[1:]
	}
	return rest
}

// traffic is what can be said of the calls of a drill.
type traffic struct {
	usual int // most calls in a fifth of a second, before the outage
	away  int // calls of the outage, once it can be known
	calls int // in the tenth of a second after the outage that comes nearest to what is allowed
	after int // tenths of a second from the first call after the outage to those
}

// knownAfter is when the orchestrator knows the provider to be away: a silent one only as its
// patience ends.
const knownAfter = providerPatience + time.Second

const tenth = 100 * time.Millisecond // in which arrivals are counted

func (a arrivals) judge(before, during arrivals) traffic {
	var t traffic
	for i, b := range before {
		calls := b.Calls
		if i > 0 && b.At.Sub(before[i-1].At) == tenth {
			calls += before[i-1].Calls
		}
		t.usual = max(t.usual, calls)
	}
	for _, b := range during {
		if b.At.Sub(before[len(before)-1].At) > knownAfter {
			t.away += b.Calls
		}
	}
	nearest := 0.0
	for _, b := range a {
		after := int(b.At.Sub(a[0].At) / tenth)
		if near := float64(b.Calls) / t.allowed(after); near > nearest {
			nearest, t.calls, t.after = near, b.Calls, after
		}
	}
	return t
}

// allowed is how many calls may arrive in a tenth of a second, so many tenths after the first one.
// No slot can be used twice in it, so they are at most as many as were under way at once before the
// outage, who all arrived within a fifth of a second; and a thirty-second more for each round of
// one latency.
func (t traffic) allowed(after int) float64 {
	rounds := float64(after+1) * tenth.Seconds() / callLatency.Seconds()
	return float64(t.usual) * math.Pow(33.0/32, rounds)
}

const trafficReceipt = "calls that reached the provider: at most %d in 200ms before the outage, %d in it once it was known, " +
	"after it up to %d in 100ms, %d tenths of a second after the first"

func (t traffic) receipt() drtest.Receipt {
	return drtest.Receipt(fmt.Sprintf(trafficReceipt, t.usual, t.away, t.calls, t.after))
}

// noStampede judges the provider's record of the calls that reached it.
func noStampede(l *drtest.Ledger, _ drtest.Figures) error {
	var t traffic
	for _, e := range l.Events {
		if e.Kind == drtest.FaultConfirmed {
			if _, err := fmt.Sscanf(string(e.Receipt), trafficReceipt, &t.usual, &t.away, &t.calls, &t.after); err != nil {
				return fmt.Errorf("%w: %q: %w", drtest.ErrInconclusive, e.Receipt, err)
			}
		}
	}
	if t.usual == 0 || t.calls == 0 {
		return fmt.Errorf("%w: no calls are known to have reached the provider before the outage, or after it", drtest.ErrInconclusive)
	}
	// One call at a time. By then LLM_BACKOFF has doubled four times, and half of a pause is
	// random: the next one is 0.8 s at least, and all others half of LLM_BACKOFF_MAX.
	atMost := 1 + int(1.25*(l.Drill.HealAfter-knownAfter).Seconds())
	if t.away > atMost {
		return fmt.Errorf("%d calls while the provider was known to be away, want at most %d", t.away, atMost)
	}
	if allowed := int(t.allowed(t.after)); t.calls > allowed {
		return fmt.Errorf("%d calls in a tenth of a second, %d tenths after the first one that came again, want at most %d: "+
			"before the outage there were up to %d in twice the time", t.calls, t.after, allowed, t.usual)
	}
	return nil
}
