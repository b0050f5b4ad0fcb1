// Package machine reads what the machine of this process does: for how long tasks had to wait for a
// processor, and what the host of a virtual machine took from it.
package machine

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

// A machine that loses more than these shares of the time does not keep up with what it is asked
// for.
//
// After its fault a drill by itself on an idle machine of two processors has some task wait for a
// seventh of the time, one of a cluster for a quarter, and a restore with several processes for a
// third. From two fifths on, what is measured is mostly how long tasks wait for each other. In
// stolen time nothing runs at all, so a tenth of it is more than the margin of a limit.
const (
	MostWaited = 0.4
	MostStolen = 0.1
)

// MostBusy is the share of the processors' time from which on there is no room for a drill. Other
// work that keeps all of them in use lets no task wait until another one comes.
const MostBusy = 0.9

// fullShare is the share of the processors' time from which on all of them are in use.
const fullShare = 0.95

// Totals are the kernel's running totals.
type Totals struct {
	// Virtual says that they were read in the time of testing/synctest, which begins with the year
	// 2000: hours of it pass within moments of the machine, and a moment of it may take long.
	Virtual    bool
	Processors int
	All, Idle  float64       // ticks of all processors, and those of them that were idle
	Stolen     time.Duration // that the host of a virtual machine gave to others, on the average of all processors
	// Pressure says whether the kernel tells Waited at all.
	Pressure bool
	// Waited is for how long some task was ready to run and had no processor. Tasks that a quota
	// holds back count as well.
	Waited time.Duration
	// GroupWaited is Waited for the tasks of this process's control group. Of a quota of a container
	// on a large host, which goes on beside it, Waited shows no more than its part of all that the
	// host does.
	GroupWaited time.Duration
	// Disk and Memory are for how long some task could not go on for a disk, or for memory that had
	// to be made free first. A system that recovers waits for its disk on any machine, and one that
	// is short of memory by its drill for that, so they tell whether there is room for another one,
	// and nothing of its figures.
	Disk, Memory time.Duration
}

// A Reader reads what the machine has done.
type Reader struct {
	root          fs.FS
	groupPressure string // the file of the pressure of this process's control group; "" where there is none
}

// Open returns a reader for the machine and the control group of this process.
func Open() *Reader { return open(os.DirFS("/")) }

func open(root fs.FS) *Reader {
	r := &Reader{root: root}
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		group, ok := strings.CutPrefix(strings.TrimSpace(line), "0::/")
		for _, mount := range []string{"sys/fs/cgroup", "sys/fs/cgroup/unified"} { // the latter beside control groups of version 1
			file := path.Join(mount, path.Join("/", group), "cpu.pressure")
			if _, err := fs.Stat(root, file); ok && err == nil {
				r.groupPressure = file
			}
		}
	}
	return r
}

// Read reads /proc/stat (see proc(5)), /proc/pressure/cpu (see the kernel's
// psi.rst), and the pressure of the control group of this process (see its cgroup-v2.rst). Where
// there are none it returns zeros. Disk and Memory are zero.
func (r *Reader) Read() Totals {
	t := Totals{Virtual: time.Now().UTC().Year() == 2000}
	if stat, err := fs.ReadFile(r.root, "proc/stat"); err == nil {
		t.addStat(stat)
	}
	t.Waited, t.Pressure = r.some("proc/pressure/cpu")
	if r.groupPressure != "" {
		t.GroupWaited, _ = r.some(r.groupPressure)
	}
	return t
}

// ReadAll is Read with Disk and Memory, of /proc/pressure.
func (r *Reader) ReadAll() Totals {
	t := r.Read()
	t.Disk, _ = r.some("proc/pressure/io")
	t.Memory, _ = r.some("proc/pressure/memory")
	return t
}

// some is for how long some task was held up, by a file of pressure stall information.
func (r *Reader) some(file string) (held time.Duration, told bool) {
	psi, err := fs.ReadFile(r.root, file)
	if err != nil {
		return 0, false
	}
	for lines := bufio.NewScanner(bytes.NewReader(psi)); lines.Scan(); {
		if some, ok := strings.CutPrefix(lines.Text(), "some "); ok {
			_, total, _ := strings.Cut(some, "total=")
			µs, err := strconv.ParseInt(total, 10, 64)
			held, told = time.Duration(µs)*time.Microsecond, err == nil
		}
	}
	return held, told
}

// tick is the unit of the times in /proc/stat: USER_HZ is 100, see proc(5).
const tick = 10 * time.Millisecond

func (t *Totals) addStat(stat []byte) {
	line, rest, _ := bytes.Cut(stat, []byte("\n"))
	t.Processors = 0
	for each := range bytes.Lines(rest) {
		if bytes.HasPrefix(each, []byte("cpu")) {
			t.Processors++
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
			t.Stolen = time.Duration(n/float64(max(1, t.Processors))) * tick
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

// Lost is for how long, in the time that has passed since an earlier reading, tasks waited for a
// processor or its host kept the processors from the machine, on the average of all processors. In
// virtual time nothing is lost.
func (t Totals) Lost(since Totals, passed time.Duration) (waited, stolen time.Duration) {
	if t.Virtual {
		return 0, 0
	}
	return min(passed, max(0, t.Waited-since.Waited, t.GroupWaited-since.GroupWaited)), min(passed, max(0, t.Stolen-since.Stolen))
}

// Tells says whether the kernel has told since an earlier reading for how long tasks waited. Where
// it has, some have, if only for a moment. Old kernels do not tell, nor do those in which it is
// switched off, and a sandbox in the place of a kernel may always tell the same.
func (t Totals) Tells(since Totals) bool {
	return t.Waited != since.Waited || t.GroupWaited != since.GroupWaited
}

// leastTime is the least time of which ticks tell what share of it the processors were in use.
const leastTime = 10 * tick

// Full says whether all processors were in use in the time that has passed since an earlier
// reading: it is what is known of tasks that waited where nothing tells of them. Of a time that was
// not real, or in which the machine was not counting, or that is only some ticks long, it is not
// known.
func (t Totals) Full(since Totals, passed time.Duration) bool {
	counted := time.Duration(t.All-since.All) * tick
	return !t.Virtual && passed >= leastTime && !t.Tells(since) && 2*counted > passed*time.Duration(t.Processors) && t.Busy(since) >= fullShare
}

// KeptUp says whether the machine did what it was asked for, in the time that has passed since an
// earlier reading.
func (t Totals) KeptUp(since Totals, passed time.Duration) bool {
	waited, stolen := t.Lost(since, passed)
	return float64(waited) <= MostWaited*float64(passed) && float64(stolen) <= MostStolen*float64(passed) && !t.Full(since, passed)
}
