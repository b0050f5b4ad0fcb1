// Package machine reads what the machine of this process does: for how long tasks had to wait for a processor, and what the host
// of a virtual machine took from it. It needs the standard library alone.
package machine

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"
)

// Totals are the kernel's running totals.
type Totals struct {
	All, Idle float64 // ticks of all processors, and those of them that were idle
	Stolen    float64 // ticks that the host of a virtual machine gave to others
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

func (t *Totals) addStat(stat []byte) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
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
			t.Stolen = n
		}
	}
}

func (t *Totals) addPressure(psi []byte) {
	for lines := bufio.NewScanner(bytes.NewReader(psi)); lines.Scan(); {
		if some, ok := strings.CutPrefix(lines.Text(), "some "); ok {
			_, total, _ := strings.Cut(some, "total=")
			µs, _ := strconv.ParseInt(total, 10, 64)
			t.Waited = time.Duration(µs) * time.Microsecond
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
	if all := t.All - since.All; all > 0 {
		stolen = max(0, time.Duration((t.Stolen-since.Stolen)/all*float64(passed)))
	}
	return min(passed, max(0, t.Waited-since.Waited)), stolen
}
