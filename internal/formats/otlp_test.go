package formats

import (
	"bytes"
	"strings"
	"testing"

	"github.com/drtest/suite/internal/report"
	"github.com/google/go-cmp/cmp"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// TestOTLP: OpenTelemetry's own messages have room for all that is written, and say the same as
// what Prometheus is told.
func TestOTLP(t *testing.T) {
	empty := outcomes()
	empty.Run, empty.Results = nil, nil
	for reason, r := range map[string]*report.Report{"all outcomes": outcomes(), "passing": passing(), "hostile": hostile(), "empty": empty} {
		text := made(t, "report.otlp", r)
		if bytes.Count(text, []byte("\n")) != 1 {
			t.Errorf("%s: not one line: the receiver of a collector takes each for a message:\n%s", reason, text)
		}
		var read metrics.MetricsData
		if err := protojson.Unmarshal(text, &read); err != nil { // it refuses fields that it does not know
			t.Fatalf("%s: %v\n%s", reason, err, text)
		}
		var told []family
		for _, m := range read.ResourceMetrics[0].ScopeMetrics[0].Metrics {
			f := family{name: m.Name, unit: m.Unit, help: m.Description}
			for _, p := range m.GetGauge().GetDataPoints() {
				var want uint64
				if r.Run != nil {
					want = uint64(r.When.UnixNano())
				}
				if p.TimeUnixNano != want {
					t.Errorf("%s: %s has the time %d, want %d", reason, m.Name, p.TimeUnixNano, want)
				}
				s := sample{value: p.GetAsDouble()}
				for _, a := range p.Attributes {
					s.labels = append(s.labels, label{a.Key, a.Value.GetStringValue()})
				}
				f.samples = append(f.samples, s)
			}
			told = append(told, f)
		}
		if diff := cmp.Diff(string(made(t, "report.prom", r)), string(exposition(told))); diff != "" {
			t.Errorf("%s: Prometheus is told something else (-Prometheus +OpenTelemetry):\n%s", reason, diff)
		}
	}
	broken := strings.Replace(string(made(t, "report.otlp", passing())), `"asDouble"`, `"asdouble"`, 1)
	if err := protojson.Unmarshal([]byte(broken), new(metrics.MetricsData)); err == nil {
		t.Error("the messages take what is wrong")
	}
}
