// Package coverage tells which failure modes were drilled, when last and by which drills, and which
// never were. It goes by the faults that were seen to take effect, and gives no score: a mode that
// does not matter to a system weighs nothing.
package coverage

import (
	"bytes"
	"cmp"
	_ "embed" // for the catalogue
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// Catalogue is the list of failure modes that drreport comes with.
//
//go:embed catalogue.json
var Catalogue []byte

// A Mode is one way for a system to fail. A fault is of it when its name, or that of a fault that
// is joined to it by "and", begins as one of the patterns in Faults says.
type Mode struct {
	Mode    string   `json:"mode"`
	Is      string   `json:"is"`
	Why     string   `json:"why"`               // it is worth a drill
	Source  string   `json:"source"`            // where one can read of it
	Systems string   `json:"systems,omitempty"` // only where a system of the run matches; all when empty
	Faults  []string `json:"faults"`

	faults, systems *regexp.Regexp
}

// Parse reads a catalogue.
func Parse(data []byte) (modes []Mode, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&modes); err != nil {
		return nil, fmt.Errorf("read catalogue: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("read catalogue: something stands after its end")
	}
	seen := map[string]bool{}
	for i := range modes {
		m := &modes[i]
		if m.Mode == "" || m.Is == "" || m.Why == "" || m.Source == "" || len(m.Faults) == 0 || slices.Contains(m.Faults, "") || seen[m.Mode] {
			return nil, fmt.Errorf("read catalogue: entry %d (%q) has no mode of its own, is, why, source or faults", i+1, m.Mode)
		}
		seen[m.Mode] = true
		if m.faults, err = regexp.Compile(`(?:^| and )(?:` + strings.Join(m.Faults, "|") + `)`); err != nil {
			return nil, fmt.Errorf("read catalogue: %s: %w", m.Mode, err)
		}
		if m.systems, err = regexp.Compile(m.Systems); err != nil {
			return nil, fmt.Errorf("read catalogue: %s: %w", m.Mode, err)
		}
	}
	return modes, nil
}

// A drill is the latest result of one drill.
type drill struct {
	label, fault, why string
	began             time.Time
	shown             bool
}

// Coverage is what runs drilled of a catalogue.
type Coverage struct {
	modes   []Mode
	systems []string
	known   bool // the systems of each run
	latest  map[string]drill
	left    []string // results that count for nothing, with the reason
}

// New returns the coverage of no run.
func New(modes []Mode) *Coverage {
	return &Coverage{modes: modes, known: true, latest: map[string]drill{}}
}

// Add adds a run. Where a drill was played in several, its latest result counts, whatever it is.
func (c *Coverage) Add(r *report.Report) {
	if r.Run == nil || len(r.Systems) == 0 {
		c.known = false
	} else {
		for _, s := range r.Systems {
			c.systems = append(c.systems, string(s))
		}
	}
	for _, x := range r.Results {
		switch {
		case x.Journal == "":
			c.left = append(c.left, x.Label()+": it left no journal")
		case x.Faulty():
			c.left = append(c.left, x.Label()+": its journal is damaged, missing, or no test's of the run")
		case x.Receipt == "":
			c.left = append(c.left, x.Label()+": its fault was not seen to take effect")
		case string(x.Fault) == drtest.NoFault().Name:
			c.left = append(c.left, x.Label()+": a control, without a fault")
		default:
			d := drill{label: x.Label(), fault: string(x.Fault), began: *x.Began, shown: x.Status == drtest.Pass}
			if d.why = x.Status.String(); x.Untrusted {
				d.why = "untrusted"
			}
			key := x.Label() + "\x00" + d.fault
			if was, ok := c.latest[key]; !ok || was.began.Before(d.began) {
				c.latest[key] = d
			}
		}
	}
}

// String tells all of it.
func (c *Coverage) String() string {
	var b strings.Builder
	drills := []drill{}
	for _, d := range c.latest {
		drills = append(drills, d)
	}
	slices.SortFunc(drills, func(a, b drill) int {
		return cmp.Or(b.began.Compare(a.began), cmp.Compare(a.label, b.label), cmp.Compare(a.fault, b.fault))
	})
	named := map[string]bool{}
	var never, absent []Mode
	fmt.Fprintln(&b, "Drilled, the latest first:")
	for _, m := range c.modes {
		of := slices.DeleteFunc(slices.Clone(drills), func(d drill) bool { return !m.faults.MatchString(d.fault) })
		if len(of) == 0 {
			if c.known && !slices.ContainsFunc(c.systems, m.systems.MatchString) {
				absent = append(absent, m)
			} else {
				never = append(never, m)
			}
			continue
		}
		fmt.Fprintf(&b, "\n  %s: %s\n", clean(m.Mode), clean(m.Is))
		for _, d := range of {
			named[d.label+"\x00"+d.fault] = true
			what := "drilled and passed"
			if !d.shown {
				what = "drilled, not shown: " + d.why
			}
			fmt.Fprintf(&b, "    %s  %s  %s (%s)\n", d.began.UTC().Format(time.DateOnly), what, clean(d.label), clean(d.fault))
		}
	}
	if len(named) == 0 {
		fmt.Fprintln(&b, "\n  nothing")
	}
	list(&b, "Never drilled in these runs", never)
	list(&b, "Not asked for: no such system was announced in these runs", absent)
	other := slices.DeleteFunc(drills, func(d drill) bool { return named[d.label+"\x00"+d.fault] })
	if len(other) > 0 {
		fmt.Fprint(&b, "\nFaults that no mode of the catalogue has:\n\n")
		for _, d := range other {
			fmt.Fprintf(&b, "  %s (%s)\n", clean(d.label), clean(d.fault))
		}
	}
	if len(c.left) > 0 {
		fmt.Fprint(&b, "\nResults that count for nothing here:\n\n")
		for _, l := range c.left {
			fmt.Fprintf(&b, "  %s\n", clean(l))
		}
	}
	fmt.Fprintln(&b, "\nThis goes by the names of faults that left a receipt. Conditions, such as a replica that lags or a\nTTL, are no faults, and are not seen here.")
	return b.String()
}

func list(b *strings.Builder, title string, modes []Mode) {
	if len(modes) == 0 {
		return
	}
	fmt.Fprintf(b, "\n%s:\n\n", title)
	for _, m := range modes {
		fmt.Fprintf(b, "  %s: %s; %s (%s)\n", clean(m.Mode), clean(m.Is), clean(m.Why), clean(m.Source))
	}
}

func clean(text string) string { return foreign.Text(text) }
