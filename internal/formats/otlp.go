package formats

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// The messages of OTLP 1.x in their JSON form, as far as gauges need them: see
// opentelemetry/proto/metrics/v1/metrics.proto. The SDK of OpenTelemetry, which would write them as
// well, is made for processes that go on, and brings fifty packages along.
type (
	otlpData struct {
		Resources []otlpResource `json:"resourceMetrics"`
	}
	otlpResource struct {
		Resource otlpAttributes `json:"resource"`
		Scopes   []otlpScope    `json:"scopeMetrics"`
	}
	otlpAttributes struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScope struct {
		Scope   otlpName     `json:"scope"`
		Metrics []otlpMetric `json:"metrics"`
	}
	otlpName struct {
		Name string `json:"name"`
	}
	otlpMetric struct {
		Name        string    `json:"name"`
		Description string    `json:"description"`
		Unit        string    `json:"unit,omitempty"`
		Gauge       otlpGauge `json:"gauge"`
	}
	otlpGauge struct {
		Points []otlpPoint `json:"dataPoints"`
	}
	otlpPoint struct {
		Attributes []otlpAttribute `json:"attributes,omitempty"`
		Time       string          `json:"timeUnixNano"` // 64 bits are a string in the JSON of protocol buffers
		Value      otlpDouble      `json:"asDouble"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		Text string `json:"stringValue"`
	}
	otlpDouble float64
)

// MarshalJSON writes a number, or the word that the JSON of protocol buffers has for what is none.
func (d otlpDouble) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(d), 1) {
		return []byte(`"Infinity"`), nil
	}
	return json.Marshal(float64(d))
}

func attribute(key, value string) otlpAttribute {
	return otlpAttribute{key, otlpValue{foreign.Text(value)}}
}

// OTLP returns the report as metrics of OpenTelemetry, one line of the JSON of OTLP. It is what the
// otlpjsonfile receiver of a collector reads from a file, and what its otlp receiver takes by HTTP
// at /v1/metrics. Each point has the time at which the run began.
func OTLP(r *report.Report) ([]byte, error) {
	began := time.Time{}
	for _, x := range r.Results {
		if x.Began != nil && x.Began.After(began) {
			began = *x.Began
		}
	}
	resource := []otlpAttribute{attribute("service.name", "drtest")}
	if r.Run != nil {
		began = r.When
		resource = append(resource, attribute("os.type", r.OS), attribute("host.arch", r.Arch), attribute("vcs.ref.head.revision", string(r.Commit)))
	}
	at := "0" // not known
	if !began.IsZero() {
		at = strconv.FormatInt(began.UnixNano(), 10)
	}
	scope := otlpScope{Scope: otlpName{"github.com/drtest/suite"}}
	for _, f := range families(r) {
		m := otlpMetric{Name: f.name, Description: f.help, Unit: f.unit}
		for _, s := range f.samples {
			p := otlpPoint{Time: at, Value: otlpDouble(s.value)}
			for _, l := range s.labels {
				p.Attributes = append(p.Attributes, attribute(l.name, l.value))
			}
			m.Gauge.Points = append(m.Gauge.Points, p)
		}
		scope.Metrics = append(scope.Metrics, m)
	}
	text, err := json.Marshal(otlpData{[]otlpResource{{otlpAttributes{resource}, []otlpScope{scope}}}})
	if err != nil {
		return nil, fmt.Errorf("write metrics of OpenTelemetry: %w", err)
	}
	return append(text, '\n'), nil
}
