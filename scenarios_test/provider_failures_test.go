package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
)

// The LLM provider refuses all calls, or answers none, for five seconds. What DR-LLM-001 demands of
// an outage holds here as well. No call that was refused is paid for, so none is paid for twice.
func TestProviderFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		scenario func(*testing.T, *orchestrator) drtest.Scenario
	}{{"429, with Retry-After", providerRateLimit}, {"5xx", providerError}, {"silent", providerHang}} {
		t.Run(c.name, func(t *testing.T) {
			containertest.Parallel(t, containertest.Light)
			app, _ := startWithProviderLink(t, "")
			drtest.Run(t, c.scenario(t, app))
		})
	}
}

const providerFailsFor = 5 * time.Second

func providerRateLimit(t *testing.T, app *orchestrator) drtest.Scenario {
	fault := app.providerFault("rate limit of the provider", `{"mode": "rate-limit", "retry_after": 2}`, refused(http.StatusTooManyRequests))
	s := providerOutage(t, app, fault, providerFailsFor)
	s.ID, s.Title = "DR-LLM-001/rate-limit", "LLM provider outage: 429, with Retry-After"
	s.Objectives = append(s.Objectives,
		// Calls that were under way are answered, and then nobody calls for the two seconds of
		// Retry-After and an eighth.
		drtest.Detection(3250*time.Millisecond),
		drtest.Repeated("calls", 0),
	)
	return s
}

func providerError(t *testing.T, app *orchestrator) drtest.Scenario {
	fault := app.providerFault("errors of the provider", `{"mode": "error", "status": 503}`, refused(http.StatusServiceUnavailable))
	s := providerOutage(t, app, fault, providerFailsFor)
	s.ID, s.Title = "DR-LLM-001/error", "LLM provider outage: 5xx"
	s.Objectives = append(s.Objectives,
		drtest.Detection(time.Second), // all calls fail at once, and the next poll knows
		drtest.Repeated("calls", 0),
	)
	return s
}

func providerHang(t *testing.T, app *orchestrator) drtest.Scenario {
	fault := app.providerFault("silence of the provider", `{"mode": "hang"}`, silent)
	s := providerOutage(t, app, fault, providerFailsFor)
	s.ID, s.Title = "DR-LLM-001/hang", "LLM provider outage: silent"
	s.Objectives = append(s.Objectives,
		// Silence becomes a failure after the orchestrator's patience only.
		drtest.Detection(providerPatience+time.Second),
		// As it ends, the provider takes up the one call that it has, which may be given up in the
		// same moment.
		drtest.Repeated("calls", 1),
	)
	return s
}

// Whatever fails is tried again at once.
func TestProviderFailuresSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	app, _ := startWithProviderLink(t, "retry-storm")
	requireFailure(t, providerError(t, app), "no stampede", `\d+ calls while the provider was known to be away, want at most \d+`)
}

// providerFault has the provider fail until it is healed. The receipt is what a call of the drill's
// own met.
func (o *orchestrator) providerFault(name, fault string, met func(context.Context, *orchestrator) (drtest.Receipt, error)) drtest.Fault {
	set := func(ctx context.Context, fault string) error {
		status, err := o.askProvider(ctx, "/v1/faults", fault)
		if err == nil && status != http.StatusNoContent {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}
	inject := func(ctx context.Context) (e drtest.Effect, err error) {
		if err = set(ctx, fault); err == nil {
			e.Receipt, err = met(ctx, o)
		}
		return e, err
	}
	heal := func(ctx context.Context) error { return set(ctx, `{"mode": "none"}`) }
	return drtest.Fault{Name: name, Inject: inject, Heal: heal}
}

// refused wants a call to be answered with a status. Such a call is not billed.
func refused(want int) func(context.Context, *orchestrator) (drtest.Receipt, error) {
	return func(ctx context.Context, o *orchestrator) (drtest.Receipt, error) {
		status, err := o.askProvider(ctx, "/v1/completions", `{"prompt": "drill"}`)
		if err != nil {
			return "", err
		}
		if status != want {
			return "", fmt.Errorf("a call is answered with status %d, not %d", status, want)
		}
		return drtest.Receipt(fmt.Sprintf("a call is answered with status %d", status)), nil
	}
}

// silent wants a call to get no answer in twice the time that one takes, from a provider that is
// there. A call that was given up is not billed.
func silent(ctx context.Context, o *orchestrator) (drtest.Receipt, error) {
	limited, cancel := context.WithTimeout(ctx, 2*callLatency)
	defer cancel()
	status, err := o.askProvider(limited, "/v1/completions", `{"prompt": "drill"}`)
	if err == nil {
		return "", fmt.Errorf("a call is answered with status %d", status)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		return "", err
	}
	if err := answersOK("/healthz")(ctx, o.provider); err != nil {
		return "", err
	}
	return drtest.Receipt(fmt.Sprintf("a call has no answer after %v, from a provider that serves", 2*callLatency)), nil
}

// askProvider posts to the provider itself, not through the link, and returns the status of the
// answer.
func (o *orchestrator) askProvider(ctx context.Context, path, body string) (int, error) {
	addr, err := o.provider.HostAddr(ctx)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Idempotency-Key", "drill")
	resp, err := o.client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}
