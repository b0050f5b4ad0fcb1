package formats

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/drtest/suite/internal/report"
)

// Prometheus returns the report in the text format of Prometheus, version 0.0.4, for a file that
// node_exporter's textfile collector reads, or for a Pushgateway.
func Prometheus(r *report.Report) ([]byte, error) { return exposition(families(r)), nil }

// exposition writes metrics in that format.
func exposition(all []family) []byte {
	var b bytes.Buffer
	for _, f := range all {
		name := f.prometheusName()
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, f.help, name)
		for _, s := range f.samples {
			b.WriteString(name)
			if len(s.labels) > 0 {
				var pairs []string
				for _, l := range s.labels {
					pairs = append(pairs, l.name+`="`+escaped.Replace(l.value)+`"`)
				}
				b.WriteString("{" + strings.Join(pairs, ",") + "}")
			}
			b.WriteString(" " + strconv.FormatFloat(s.value, 'f', -1, 64) + "\n")
		}
	}
	return b.Bytes()
}

// prometheusName follows the rules by which collectors translate what OpenTelemetry tells, so that
// a metric has one name in Prometheus, whichever way it takes. See "Prometheus and OpenMetrics
// Compatibility" in the specification of OpenTelemetry.
func (f family) prometheusName() string {
	return strings.ReplaceAll(f.name, ".", "_") + map[string]string{"s": "_seconds", "1": "_ratio"}[f.unit]
}

// escaped writes the value of a label as the format wants it.
var escaped = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
