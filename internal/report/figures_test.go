package report

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// named are all figures, without what was measured.
var named = (drtest.Figures{}).Named()

// schemaOfFigures is what the schema says of figures: all of it follows from drtest.
func schemaOfFigures() string {
	var all, timed, properties []string
	for _, fig := range named {
		kind := map[string]string{"s": `"$ref": "#/$defs/span"`, "units": `"$ref": "#/$defs/count"`, "": `"$ref": "#/$defs/share"`}[fig.Unit]
		name := fmt.Sprintf("%q", Key(fig.Name))
		all = append(all, name)
		if fig.IsTime() {
			timed = append(timed, name)
		}
		properties = append(properties, fmt.Sprintf("        %s: { %s, \"description\": %q }", name, kind, fig.Meaning))
	}
	enum := func(names []string) string { return strings.Join(names, ", ") }
	return `    "figures": {
      "type": "object",
      "description": "The figures of the drill; null means not measured, and the field why of the result has the reason.",
      "additionalProperties": false,
      "required": [` + enum(all) + `],
      "properties": {
` + strings.Join(properties, ",\n") + `
      }
    },
    "figure": { "enum": [` + enum(all) + `], "description": "The name of a figure." },
    "time": { "enum": [` + enum(timed) + `], "description": "The name of a figure that is a time." },
`
}

// TestSchemaOfFigures: the schema has each figure, with its meaning. With -update it is written so.
func TestSchemaOfFigures(t *testing.T) {
	part := regexp.MustCompile(`(?sm)^    "figures": \{\n.*?(\n    "status": )`)
	want := part.ReplaceAllString(Schema, strings.ReplaceAll(strings.TrimSuffix(schemaOfFigures(), "\n"), "$", "$$")+"$1")
	if *update {
		if err := os.WriteFile("schema.json", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		Schema = want // what was embedded is the one before
	}
	if diff := cmp.Diff(want, Schema); diff != "" {
		t.Errorf("go test -update writes it (-want +got):\n%s", diff)
	}
}

// TestEveryFigureIsShown: the JSON, the table of a result and the averages have each figure, also
// one that was not measured.
func TestEveryFigureIsShown(t *testing.T) {
	for _, result := range []Result{resultOf(drills()[0], nil), newResult("TestA", "TestA", notMeasured)} {
		data, err := json.Marshal(result.Figures)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		shown, averaged := rows(result), averages(tally([]Result{result}))
		for _, fig := range named {
			if _, ok := got[Key(fig.Name)]; !ok {
				t.Errorf("%s: the JSON has no figure %q", result.ID, fig.Name)
			}
			if !slices.ContainsFunc(shown, func(r row) bool { return r.Metric == fig.Title }) {
				t.Errorf("%s: the table has no figure %q", result.ID, fig.Name)
			}
			if fig.IsTime() && !slices.ContainsFunc(averaged, func(a struct{ Label, Average string }) bool { return a.Label == fig.Title }) {
				t.Errorf("%s: there is no average of figure %q", result.ID, fig.Name)
			}
		}
	}
}

// TestFiguresOfStatistics: what the statistics by category are of are figures.
func TestFiguresOfStatistics(t *testing.T) {
	for _, name := range statistics() {
		if !slices.ContainsFunc(named, func(f drtest.NamedFigure) bool { return f.Name == name && f.IsTime() }) {
			t.Errorf("%q is no figure", name)
		}
	}
}

// TestFiguresInJSON: a time has two ends, of which the last may never have been seen; a count and a
// share are numbers; what is not known is null.
func TestFiguresInJSON(t *testing.T) {
	f := Figures{drtest.Figures{WorkKnown: true, Affected: []string{"a", "b"}, Recovered: []string{"b"}, Availability: new(0.25)}}
	f.RTO = drtest.Figure{Known: true, Interval: drtest.Interval{Lo: time.Second, Hi: drtest.Forever}}
	data, err := json.Marshal(f)
	want := `{"detection":null,"rto":{"lo":1,"hi":null},"outage":null,"heal_lag":null,"rpo":null,"work_rto":null,"lost_work":null,` +
		`"affected":2,"recovered":1,"lost":null,"duplicates":null,"availability":0.25}`
	if diff := cmp.Diff(want, string(data)); diff != "" || err != nil {
		t.Error(err, diff)
	}
}
