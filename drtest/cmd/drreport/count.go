package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// seedSetting is the variable of the environment from which drills draw the phase of their faults:
// see the documentation of package drtest.
const seedSetting = "DRTEST_SEED"

// A plan is what one play of the drills runs, and where it keeps what that leaves.
type plan struct {
	dir   string // for the play
	shown string // the same, as the report shows it
	seed  string // of the phases of its faults, or nothing
	test  []string
	again []string // without the pattern of what is played again

	screen screen
	shard  *report.Shard // nil unless the run is a part of one
}

// playOnce plays the drills, and again, alone, what was untrusted.
func (c command) playOnce(p plan) (r *report.Report, interrupted bool, err error) {
	r, interrupted, err = c.play(p, ".", p.test)
	if err != nil || interrupted || !r.Complete {
		return r, interrupted, err
	}
	pattern := r.UntrustedTests()
	if pattern == "" {
		return r, false, nil
	}
	fmt.Fprintf(c.stdout, "\n%splayed again, alone, since the machine did not keep up: %s\n", r.Table(), pattern)
	if c.awaitCalm() {
		return r, true, nil
	}
	p.screen.plan.Tests, p.shard = untrustedTests(r), nil
	return c.play(p, report.RerunDir, append([]string{"-run", pattern}, p.again...))
}

// playMany plays the drills so many times, one play after the other. Each has a directory and go
// test processes of its own, so whatever ends one of them leaves the others as they are. An
// interrupt ends them all.
func (c command) playMany(p plan, count int) (*report.Report, error) {
	all := report.Plays{Plays: count, Seed: report.Text(c.seed())}
	data, err := json.MarshalIndent(all, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(p.dir, report.PlaysFile), append(data, '\n'), 0o644)
	}
	if err != nil {
		return nil, err
	}
	environ := slices.DeleteFunc(slices.Clone(c.environ), func(e string) bool { return strings.HasPrefix(e, seedSetting+"=") })
	for k := 1; k <= count; k++ {
		one := p
		one.dir, one.shown = filepath.Join(p.dir, report.PlayDir(k)), filepath.Join(p.shown, report.PlayDir(k))
		one.seed = fmt.Sprintf("%s.%d", all.Seed, k)
		c.environ = append(slices.Clone(environ), seedSetting+"="+one.seed) // as the report shows it
		fmt.Fprintf(c.stdout, "\nplay %d of %d, with the seed %s\n", k, count, foreign.Text(one.seed))
		r, interrupted, err := c.playOnce(one)
		if err != nil {
			return nil, fmt.Errorf("play %d of %d: %w", k, count, err)
		}
		fmt.Fprintf(c.stdout, "play %d of %d: %s\n", k, count, r.Sum())
		if interrupted {
			break
		}
	}
	return report.Collect(p.dir)
}

// seed is that from which the seeds of all plays are made: of the environment, or a new one.
func (c command) seed() string {
	for _, e := range slices.Backward(c.environ) {
		if seed, is := strings.CutPrefix(e, seedSetting+"="); is && seed != "" {
			return seed
		}
	}
	return strings.ToLower(rand.Text()[:8])
}
