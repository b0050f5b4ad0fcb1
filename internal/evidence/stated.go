package evidence

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
)

// Stated is what only people can say: it is kept in a file beside the drills. Drills go by their
// labels in reports, which are their IDs, runs by the names of their directories.
type Stated struct {
	// Scope says which services and functions are tested, and Plan which recovery plan.
	Scope       string             `json:"scope,omitempty"`
	Plan        string             `json:"plan,omitempty"`
	Assumptions []string           `json:"assumptions,omitempty"`
	Drills      map[string]Purpose `json:"drills,omitempty"`
	Runs        map[string]Conduct `json:"runs,omitempty"`
}

// A Purpose is why a drill is played: the requirement, or the risk that it answers.
type Purpose struct {
	Why         string   `json:"why,omitempty"`
	Assumptions []string `json:"assumptions,omitempty"`
}

// Conduct is who had to do with one run, and what became of its deviations.
type Conduct struct {
	Ran        []Person            `json:"ran,omitempty"`
	Watched    []Person            `json:"watched,omitempty"`
	Approved   []Person            `json:"approved,omitempty"`
	Deviations map[string]FollowUp `json:"deviations,omitempty"`
}

// A Person did something, on a day such as 2026-11-30.
type Person struct {
	Name string `json:"name"`
	Role string `json:"role,omitempty"`
	On   string `json:"on,omitempty"`
}

// A FollowUp is who sees to a result that did not pass, how, and on which day it is tested again.
type FollowUp struct {
	Owner  string `json:"owner,omitempty"`
	Action string `json:"action,omitempty"`
	Retest string `json:"retest,omitempty"`
}

// readStated reads the file and refuses what it says of a run that does not fit the report of that
// run: a follow-up of a drill that was not played, or that passed; an approval before the run.
func readStated(data []byte, run string, r *report.Report) (Stated, error) {
	var s Stated
	if err := strict(data, &s); err != nil {
		return s, err
	}
	conduct := s.Runs[run]
	results := map[string]report.Result{}
	for _, x := range r.Results {
		results[x.Label()] = x
	}
	for _, drill := range slices.Sorted(maps.Keys(conduct.Deviations)) {
		up := conduct.Deviations[drill]
		x, known := results[drill]
		switch _, err := day(up.Retest); {
		case !known:
			return s, fmt.Errorf("run %s: %s follows up %q, of which the run has no result", run, cmp.Or(up.Owner, "somebody"), drill)
		case x.Status == drtest.Pass:
			return s, fmt.Errorf("run %s: %s follows up %q, which passed", run, cmp.Or(up.Owner, "somebody"), drill)
		case err != nil:
			return s, fmt.Errorf("run %s: the retest of %q: %w", run, drill, err)
		}
	}
	for _, all := range []struct {
		did    string
		people []Person
	}{{"ran", conduct.Ran}, {"watched", conduct.Watched}, {"approved", conduct.Approved}} {
		for _, p := range all.people {
			on, err := day(p.On)
			if p.Name == "" {
				err = errors.New("a person without a name")
			}
			if err == nil && p.On != "" && all.did == "approved" && on.Before(r.When.UTC().Truncate(24*time.Hour)) {
				err = fmt.Errorf("%s on %s, before the run", p.Name, p.On)
			}
			if err != nil {
				return s, fmt.Errorf("run %s: %s: %w", run, all.did, err)
			}
		}
	}
	return s, nil
}

// day reads a day, or none.
func day(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		err = fmt.Errorf("%q is no day such as 2026-11-30", text)
	}
	return t, err
}
