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
	want := Totals{All: 1000, Idle: 820, Stolen: 100 * time.Millisecond, Pressure: true, Waited: 70986556 * time.Microsecond}
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
