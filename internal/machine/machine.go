// Package machine reads what the machine of this process does: for how long tasks had to wait for a processor, and what the host
// of a virtual machine took from it.
package machine

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// A machine that loses more than these shares of the time does not keep up with what it is asked for.
//
// After its fault a drill by itself on an idle machine of two processors has some task wait for a seventh of the time, one of a cluster for a
// quarter, and a restore with several processes for a third. From two fifths on, what is measured is mostly how long tasks stand in line. Time
// that is stolen is lost whole, so a tenth of it is more than the margin of a limit.
const (
	MostWaited = 0.4
	MostStolen = 0.1
)

// Totals are the kernel's running totals.
type Totals struct {
	All, Idle float64       // ticks of all processors, and those of them that were idle
	Stolen    time.Duration // that the host of a virtual machine gave to others, on the average of all processors
	// Pressure says whether the kernel tells Waited at all.
	Pressure bool
	// Waited is for how long some task was ready to run and had no processor. Tasks that a quota holds back count as well.
	Waited time.Duration
}

// Read reads /proc/stat (see proc(5)) and /proc/pressure/cpu (see the kernel's psi.rst). Where there are none it returns zeros.
func Read() Totals {
	var t Totals
	if stat, err := os.ReadFile("/proc/stat"); err == nil {
		t.addStat(stat)
	}
	if psi, err := os.ReadFile("/proc/pressure/cpu"); err == nil {
		t.addPressure(psi)
	}
	return t
}

// tick is that of all times which the kernel tells programs: USER_HZ is 100, see proc(5).
const tick = 10 * time.Millisecond

func (t *Totals) addStat(stat []byte) {
	line, rest, _ := bytes.Cut(stat, []byte("\n"))
	processors := 0
	for each := range bytes.Lines(rest) {
		if bytes.HasPrefix(each, []byte("cpu")) {
			processors++
		}
	}
	for i, field := range strings.Fields(string(line)) {
		n, err := strconv.ParseFloat(field, 64)
		if err != nil || i > 8 { // "cpu"; guest times are part of user times
			continue
		}
		t.All += n
		switch i {
		case 4, 5: // idle, iowait
			t.Idle += n
		case 8:
			t.Stolen = time.Duration(n/float64(max(1, processors))) * tick
		}
	}
}

func (t *Totals) addPressure(psi []byte) {
	for lines := bufio.NewScanner(bytes.NewReader(psi)); lines.Scan(); {
		if some, ok := strings.CutPrefix(lines.Text(), "some "); ok {
			_, total, _ := strings.Cut(some, "total=")
			µs, err := strconv.ParseInt(total, 10, 64)
			t.Waited, t.Pressure = time.Duration(µs)*time.Microsecond, err == nil
		}
	}
}

// Busy is the share of all processor time that was used since an earlier reading, from 0 to 1.
func (t Totals) Busy(since Totals) float64 {
	all := t.All - since.All
	if all <= 0 {
		return 0
	}
	return 1 - (t.Idle-since.Idle)/all
}

// Lost is for how long, in the time that has passed since an earlier reading, tasks waited for a processor or its host kept the
// processors from the machine, on the average of all processors.
func (t Totals) Lost(since Totals, passed time.Duration) (waited, stolen time.Duration) {
	return min(passed, max(0, t.Waited-since.Waited)), min(passed, max(0, t.Stolen-since.Stolen))
}

// KeptUp says whether the machine did what it was asked for, in the time that has passed since an earlier reading.
func (t Totals) KeptUp(since Totals, passed time.Duration) bool {
	waited, stolen := t.Lost(since, passed)
	return float64(waited) <= MostWaited*float64(passed) && float64(stolen) <= MostStolen*float64(passed)
}
