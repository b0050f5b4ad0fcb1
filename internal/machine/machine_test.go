package machine

import (
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTotals(t *testing.T) {
	before := open(fstest.MapFS{
		"proc/stat":         {Data: []byte("cpu  100 0 50 800 20 0 10 20 7 0\ncpu0 1 2 3\ncpu1 1 2 3\nintr 7\n")},
		"proc/pressure/cpu": {Data: []byte("some avg10=32.90 avg60=21.38 avg300=14.78 total=70986556\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1\n")},
	}).Read()
	want := Totals{Processors: 2, All: 1000, Idle: 820, Stolen: 100 * time.Millisecond, Pressure: true, Waited: 70986556 * time.Microsecond}
	if diff := cmp.Diff(want, before); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	after := Totals{All: 1400, Idle: 920, Stolen: 300 * time.Millisecond, Waited: before.Waited + time.Second}
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

// What cannot be read, or has another form, tells nothing.
func TestRead(t *testing.T) {
	const cpu = "proc/pressure/cpu"
	stall := func(total string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("some avg10=0.00 avg60=0.00 avg300=0.00 total=" + total + "\n")}
	}
	group := func(lines string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(lines)} }
	for _, c := range []struct {
		reason string
		root   fstest.MapFS
		want   Totals
	}{
		{"nothing", fstest.MapFS{}, Totals{}},
		{"all", fstest.MapFS{cpu: stall("1"), "proc/pressure/io": stall("2"), "proc/pressure/memory": stall("3")},
			Totals{Pressure: true, Waited: time.Microsecond, Disk: 2 * time.Microsecond, Memory: 3 * time.Microsecond}},
		{"another form", fstest.MapFS{cpu: stall("many")}, Totals{}},
		{"a container with a quota", fstest.MapFS{cpu: stall("1"), "proc/self/cgroup": group("0::/\n"), "sys/fs/cgroup/cpu.pressure": stall("7")},
			Totals{Pressure: true, Waited: time.Microsecond, GroupWaited: 7 * time.Microsecond}},
		{"a control group of its own, beside those of version 1",
			fstest.MapFS{"proc/self/cgroup": group("3:cpu:/a\n0::/b/c\n"), "sys/fs/cgroup/unified/b/c/cpu.pressure": stall("7"), "sys/fs/cgroup/a/cpu.pressure": stall("9")},
			Totals{GroupWaited: 7 * time.Microsecond}},
		{"a control group that cannot be seen from here", fstest.MapFS{"proc/self/cgroup": group("0::/../../../../x\n"), "x/cpu.pressure": stall("7")}, Totals{}},
	} {
		if diff := cmp.Diff(c.want, open(c.root).ReadAll()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
	busy := Totals{Waited: 90 * time.Millisecond, Stolen: 90 * time.Millisecond}
	if waited, stolen := busy.Lost(Totals{}, 100*time.Millisecond); waited != 90*time.Millisecond || stolen != waited {
		t.Errorf("waited %v and %v were stolen, in a tenth of a second", waited, stolen)
	}
	synctest.Test(t, func(t *testing.T) {
		busy.Virtual = open(fstest.MapFS{}).Read().Virtual
		if waited, stolen := busy.Lost(Totals{}, 100*time.Millisecond); waited != 0 || stolen != 0 {
			t.Errorf("waited %v and %v were stolen, in virtual time", waited, stolen)
		}
	})
	now, before := Totals{Waited: time.Second + time.Millisecond, GroupWaited: 8 * time.Second}, Totals{Waited: time.Second}
	if waited, _ := now.Lost(before, 10*time.Second); waited != 8*time.Second || now.KeptUp(before, 10*time.Second) {
		t.Errorf("waited %v, of a quota that took 8s", waited)
	}
}
