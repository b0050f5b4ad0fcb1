package drtest

import (
	"bufio"
	"bytes"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// cpuTimes are the kernel's running totals: ticks of all processors, those of them that were idle, and
// the microseconds in which some task waited for a processor.
type cpuTimes struct{ all, idle, stalled float64 }

// readCPU reads /proc/stat and /proc/pressure/cpu (see proc(5) and the kernel's psi.rst). Where there are
// none it returns zeros.
func readCPU() cpuTimes {
	var t cpuTimes
	if stat, err := os.ReadFile("/proc/stat"); err == nil {
		line, _, _ := bytes.Cut(stat, []byte("\n"))
		for i, field := range strings.Fields(string(line)) {
			n, err := strconv.ParseFloat(field, 64)
			if err != nil || i > 8 { // "cpu"; guest times are part of user times
				continue
			}
			t.all += n
			if i == 4 || i == 5 { // idle, iowait
				t.idle += n
			}
		}
	}
	if psi, err := os.ReadFile("/proc/pressure/cpu"); err == nil {
		for lines := bufio.NewScanner(bytes.NewReader(psi)); lines.Scan(); {
			if some, ok := strings.CutPrefix(lines.Text(), "some "); ok {
				_, total, _ := strings.Cut(some, "total=")
				t.stalled, _ = strconv.ParseFloat(total, 64)
			}
		}
	}
	return t
}

// since says what the machine did between two readings.
func (t cpuTimes) since(before cpuTimes, elapsed time.Duration) Machine {
	m := Machine{CPUs: runtime.NumCPU()}
	if all := t.all - before.all; all > 0 {
		m.Busy = 1 - (t.idle-before.idle)/all
	}
	if elapsed > 0 {
		m.Stalled = min(1, (t.stalled-before.stalled)/float64(elapsed.Microseconds()+1))
	}
	return m
}
