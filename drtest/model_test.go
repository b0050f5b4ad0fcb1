package drtest_test

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// modelled gives a drill a model of two terms.
func modelled(best, worst time.Duration) func(*drtest.Ledger) {
	return func(l *drtest.Ledger) {
		l.Drill.Model = drtest.Model{
			{Name: "lease runs out", Best: best - 100*ms, Worst: worst - 200*ms, Source: "ttl and loop_wait"},
			{Name: "leader race", Best: 100 * ms, Worst: 200 * ms, Source: "loop_wait"},
		}
	}
}

// The RTO of these drills is 1.010s (0.880s..1.010s).
func TestModel(t *testing.T) {
	const got = "got 1.010s (0.880s..1.010s), "
	const coarse = ": too coarse to tell, with a fault that took 0.020s, Load.Every 100ms (also of the health poll) and Load.Timeout 500ms"
	const since = "; 10 requests acked since exclude a failure rate above 25.9 %"
	for _, c := range []struct {
		reason string
		ledger *drtest.Ledger
		limit  time.Duration
		want   []string // RTO and model
	}{
		{"within", hand(2000*ms, modelled(880*ms, 1010*ms)), 1010 * ms,
			[]string{"RTO: pass: " + got + "want at most 1.01s" + since, "model: pass: " + got + "want 0.880s..1.010s by the configuration"}},
		{"faster than the configuration allows", hand(2000*ms, modelled(1011*ms, 2*time.Second)), 2 * time.Second,
			[]string{"RTO: pass: " + got + "want at most 2s" + since, "model: fail: " + got + "want 1.011s..2.000s by the configuration"}},
		{"slower than the configuration allows, and a loose limit", hand(2000*ms, modelled(500*ms, 879*ms)), 2 * time.Second,
			[]string{"RTO: pass: " + got + "want at most 2s" + since + "; the limit allows 1.121s more than the configuration's worst case of 879ms",
				"model: fail: " + got + "want 0.500s..0.879s by the configuration"}},
		{"perhaps faster, and a tight limit", hand(2000*ms, modelled(900*ms, 3*time.Second)), 2 * time.Second,
			[]string{"RTO: pass: " + got + "want at most 2s" + since + "; the configuration's worst case of 3s exceeds the limit",
				"model: inconclusive: " + got + "want 0.900s..3.000s by the configuration" + coarse}},
		{"perhaps slower", hand(2000*ms, modelled(500*ms, 1*time.Second)), time.Second,
			[]string{"RTO: inconclusive: " + got + "want at most 1s" + coarse + since, "model: inconclusive: " + got + "want 0.500s..1.000s by the configuration" + coarse}},
		{"never back", hand(time.Hour, modelled(500*ms, time.Second)), time.Second,
			[]string{"RTO: fail: got more than 1.880s, want at most 1s: never served again",
				"model: fail: got more than 1.880s, want 0.500s..1.000s by the configuration: never served again"}},
		{"never back, but it may be later than the drill's end", hand(time.Hour, modelled(500*ms, time.Minute)), time.Minute,
			[]string{"RTO: inconclusive: got more than 1.880s, want at most 1m0s: never served again",
				"model: inconclusive: got more than 1.880s, want 0.500s..60.000s by the configuration: never served again"}},
		{"nobody was hurt", hand(0, modelled(500*ms, time.Second)), time.Second,
			[]string{"RTO: inconclusive: no client saw an outage, so nothing was recovered from",
				"model: inconclusive: no client saw an outage, so nothing was recovered from"}},
		{"cut off", hand(2000*ms, modelled(500*ms, 2*time.Second), func(l *drtest.Ledger) { l.Ended = false }), 2 * time.Second,
			[]string{"RTO: inconclusive: " + got + "want at most 2s" + since + ", but the drill was cut off before its end",
				"model: inconclusive: " + got + "want 0.500s..2.000s by the configuration, but the drill was cut off before its end"}},
	} {
		v := drtest.Judge(c.ledger, drtest.RTO(c.limit)).Verdicts
		if diff := cmp.Diff(c.want, []string{v[0].String(), v[len(v)-1].String()}); diff != "" {
			t.Errorf("%s: %s", c.reason, diff)
		}
	}
}
