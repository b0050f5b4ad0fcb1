package machine

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTotals(t *testing.T) {
	var before, after Totals
	before.addStat([]byte("cpu  100 0 50 800 20 0 10 20 7 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 7\n"))
	before.addPressure([]byte("some avg10=32.90 avg60=21.38 avg300=14.78 total=70986556\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n"))
	want := Totals{Processors: 2, All: 1000, Idle: 820, Stolen: 100 * time.Millisecond, Pressure: true, Waited: 70986556 * time.Microsecond}
	if diff := cmp.Diff(want, before); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	after = Totals{All: 1400, Idle: 920, Stolen: 300 * time.Millisecond, Waited: before.Waited + time.Second}
	if got := after.Busy(before); got != 0.75 {
		t.Errorf("busy %v, want three quarters", got)
	}
	if waited, stolen := after.Lost(before, 2*time.Second); waited != time.Second || stolen != 200*time.Millisecond {
		t.Errorf("waited %v, stolen %v, want 1s and 200ms", waited, stolen)
	}
	if waited, _ := after.Lost(before, 500*time.Millisecond); waited != 500*time.Millisecond {
		t.Errorf("waited %v, of half a second", waited)
	}
	var none Totals
	if waited, stolen := none.Lost(none, time.Second); waited != 0 || stolen != 0 || none.Busy(none) != 0 {
		t.Error("a kernel that tells nothing has told something")
	}
}

// All processors are in use where the kernel tells of no task that waited, and has counted.
func TestFull(t *testing.T) {
	for _, c := range []struct {
		reason string
		all    float64 // ticks of two processors
		idle   float64
		waited time.Duration
		passed time.Duration
		want   bool
	}{
		{"in use", 50, 2, 0, 250 * time.Millisecond, true},
		{"not all of them", 50, 5, 0, 250 * time.Millisecond, false},
		{"it tells who waited", 50, 0, time.Millisecond, 250 * time.Millisecond, false},
		{"a tick in virtual time", 2, 0, 0, 250 * time.Millisecond, false},
		{"no time at all", 0, 0, 0, 0, false},
	} {
		since := Totals{Processors: 2, All: 1e6, Idle: 1e5, Waited: time.Hour}
		now := Totals{Processors: 2, All: since.All + c.all, Idle: since.Idle + c.idle, Waited: since.Waited + c.waited}
		if got := now.Full(since, c.passed); got != c.want || now.KeptUp(since, c.passed) == c.want {
			t.Errorf("%s: full %v, want %v; kept up %v", c.reason, got, c.want, now.KeptUp(since, c.passed))
		}
	}
}
