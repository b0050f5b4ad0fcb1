package report

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
)

// TestWhatIf: half of a term is taken from the sum, and the model says how far it is off itself.
func TestWhatIf(t *testing.T) {
	const s = Seconds(time.Second)
	model := drtest.Model{
		{Name: "lease runs out", Best: 18 * time.Second, Worst: 20 * time.Second, Source: "ttl 20s, loop_wait 1s"},
		{Name: "promotion", Worst: time.Second, Source: "loop_wait 1s"},
	}
	const (
		none = "No RTO was measured that could be compared with it, so nothing here says how far the model is off."
		off  = " The model does not explain this run, so what it says of another configuration is not to be relied on."
	)
	measured := func(hi time.Duration) drtest.Figure {
		return drtest.Figure{Known: true, Interval: drtest.Interval{Hi: hi}}
	}
	for _, c := range []struct {
		reason    string
		rto       drtest.Figure
		untrusted bool
		deviation *Deviation
		trust     string
	}{
		{"it lies within", measured(19 * time.Second), false, &Deviation{s, 2 * s}, "The measured RTO was 1.000s above the best case and 2.000s below the worst case."},
		{"it is above", measured(25 * time.Second), false, &Deviation{7 * s, -4 * s}, "The measured RTO was 7.000s above the best case and 4.000s above the worst case." + off},
		{"it is below", measured(10 * time.Second), false, &Deviation{-8 * s, 11 * s}, "The measured RTO was 8.000s below the best case and 11.000s below the worst case." + off},
		{"the machine may be part of it", measured(25 * time.Second), true, nil, none},
		{"it has no end", measured(drtest.Forever), false, nil, none},
		{"it is not known", drtest.Figure{}, false, nil, none},
	} {
		want := &Model{18 * s, 21 * s, []Term{
			{"lease runs out", 18 * s, 20 * s, "ttl 20s, loop_wait 1s", Range{9 * s, 11 * s}},
			{"promotion", 0, s, "loop_wait 1s", Range{18 * s, 20*s + s/2}},
		}, c.deviation}
		got := newModel(model, c.rto, c.untrusted)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		if diff := cmp.Diff(c.trust, got.Trust()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
	if m := newModel(nil, measured(0), false); m != nil {
		t.Errorf("a drill without a model has %v", m)
	}
}
