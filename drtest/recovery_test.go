package drtest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

func TestRecovery(t *testing.T) {
	event := func(kind drtest.EventKind, lo, hi time.Duration, note string) drtest.Event {
		return drtest.Event{Kind: kind, Interval: drtest.Interval{Lo: lo * ms, Hi: hi * ms}, Note: note}
	}
	events := func(more ...drtest.Event) func(*drtest.Ledger) {
		return func(l *drtest.Ledger) {
			l.Drill.Sources = map[string]string{"promoted": "GET /primary"}
			l.Events = append(l.Events, more...)
		}
	}
	for _, c := range []struct {
		reason string
		ledger *drtest.Ledger
		want   string
	}{
		{"in the order of time, whatever the order of the ledger", hand(2000*ms, healed, events(
			event(drtest.StageReached, 2500, 2600, "redundant"), event(drtest.SteadyAgain, 1910, 2510, ""),
			event(drtest.StepBegun, 1210, 1210, "promote"), event(drtest.StepDone, 1210, 1500, "promote"),
			event(drtest.StageReached, 1400, 1450, "promoted"), event(drtest.HealthLost, 2700, 2800, "again"))),
			`fault: 0.000s (0.000s..0.000s), 0.000s (0.000s..0.000s) later, it is dark
first failure: 0.110s (0.000s..0.110s), 0.110s (0.000s..0.110s) later, clients
detected: 0.210s (0.080s..0.210s), 0.210s (0.000s..0.210s) later, Health
promoted: 0.450s (0.380s..0.450s), 0.350s (0.190s..0.350s) later, GET /primary
promote: 0.500s (0.190s..0.500s), 0.100s (0.000s..0.100s) later, runbook
healed: 0.910s (0.880s..0.910s), 0.700s (0.400s..0.700s) later, heal
served again: 1.010s (0.880s..1.010s), 0.110s (0.000s..0.110s) later, clients
steady again: 1.510s (0.890s..1.510s), 0.610s (0.000s..0.610s) later, clients
redundant: 1.600s (1.480s..1.600s), 0.690s (0.000s..0.690s) later, ` + "\n"},
		{"what never came is last, and nothing comes after it", hand(time.Hour, events(
			event(drtest.StageMissed, 2800, 2800, "promoted"), event(drtest.StepBegun, 1210, 1210, "promote"))),
			`fault: 0.000s (0.000s..0.000s), 0.000s (0.000s..0.000s) later, it is dark
first failure: 0.110s (0.000s..0.110s), 0.110s (0.000s..0.110s) later, clients
detected: 0.210s (0.080s..0.210s), 0.210s (0.000s..0.210s) later, Health
promote: more than 0.190s, more than 0.000s later, runbook
promoted: more than 1.780s, more than 1.590s later, GET /primary
served again: more than 1.880s, more than 1.690s later, clients
`},
		{"nobody was hurt", hand(0), `fault: 0.000s (0.000s..0.000s), 0.000s (0.000s..0.000s) later, it is dark
detected: 0.210s (0.080s..0.210s), 0.210s (0.080s..0.210s) later, Health
`},
		{"no fault", hand(0, func(l *drtest.Ledger) { l.Events = nil }), ""},
	} {
		var got strings.Builder
		for _, m := range c.ledger.Recovery() {
			fmt.Fprintf(&got, "%s: %v, %v later, %s\n", m.Name, m.Since, m.After, m.Source)
		}
		if diff := cmp.Diff(c.want, got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
}
