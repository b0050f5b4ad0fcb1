package drtest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"github.com/drtest/suite/internal/foreign"
)

// seedSetting is the variable of the environment that asks [Run] for a fault at a random phase.
// "drreport run -count" sets it, to another value for each play. With the same value a drill waits
// as long again.
const seedSetting = "DRTEST_SEED"

// A Phase is how long the fault waited once the drill was steady, so that it does not come at the
// same moment of what the system and the load do periodically each time.
type Phase struct {
	// Seed is what the wait follows from, together with the names of the test and of the scenario.
	Seed string `json:"seed"`
	// Of is the period that Wait is a random part of.
	Of   time.Duration `json:"of"`
	Wait time.Duration `json:"wait"`
}

// String reads "0.031s, a random part of 0.075s by the seed abc.3".
func (p Phase) String() string {
	return fmt.Sprintf("%s, a random part of %s by the seed %s", seconds(p.Wait), seconds(p.Of), p.Seed)
}

// seededPhase returns the phase of a drill, or nil when no seed is set.
func seededPhase(test string, s Scenario) (*Phase, error) {
	seed := os.Getenv(seedSetting)
	switch {
	case seed == "":
		return nil, nil
	case foreign.Text(seed) != seed:
		return nil, fmt.Errorf("%s has characters that cannot be shown, or is too long", seedSetting)
	}
	return newPhase(seed, test, s), nil
}

// newPhase draws the wait evenly from the whole period. Drills of one seed wait each for itself.
func newPhase(seed, test string, s Scenario) *Phase {
	sum := sha256.Sum256([]byte(seed + "\x00" + test + "\x00" + s.ID))
	const digits = 53 // of a float64
	part := float64(binary.BigEndian.Uint64(sum[:])>>(64-digits)) / (1 << digits)
	of := s.period()
	return &Phase{Seed: seed, Of: of, Wait: time.Duration(part * float64(of))}
}

// period is that of which a fault takes a random part.
func (s Scenario) period() time.Duration { return max(s.Period, s.Load.Every) }

// wait lets the time of the phase pass. The load goes on meanwhile.
func (p *Phase) wait(ctx context.Context) error {
	if p == nil {
		return nil
	}
	timer := time.NewTimer(p.Wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("interrupted while the fault waited for its phase: %w", context.Cause(ctx))
	}
}

// validate names what no phase can be.
func (p *Phase) validate() error {
	if p != nil && (p.Seed == "" || p.Wait < 0 || p.Wait >= p.Of || p.Of > longestDrill) {
		return fmt.Errorf("a wait of %v, as a part of %v by the seed %q", p.Wait, p.Of, foreign.Text(p.Seed))
	}
	return nil
}
