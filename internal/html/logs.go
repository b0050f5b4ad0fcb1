package html

import (
	"bufio"
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
)

// An excerpt is what one container logged when it mattered. Its lines have the container's own
// times, of the wall clock: they are beside the figures, and no figure is made of them.
type excerpt struct {
	Name  string
	About string
	Lines []logLine
}

type logLine struct{ At, Text string }

// mostLines is how many lines of a log are shown, and mostLog how many bytes of it are looked at.
const (
	mostLines = 40
	mostLog   = 16 << 20
)

// logs reads the logs that lie beside the journal of a drill, as they do where it failed.
func logs(dir, beside string, r *drtest.Report) (all []excerpt) {
	in := filepath.FromSlash(beside)
	if !filepath.IsLocal(in) {
		return nil
	}
	names, err := fs.Glob(os.DirFS(filepath.Join(dir, in)), "*.log")
	if err != nil {
		return nil
	}
	for _, name := range names {
		if x, ok := excerptOf(filepath.Join(dir, in, name), r); ok {
			x.Name = strings.TrimSuffix(name, ".log")
			all = append(all, x)
		}
	}
	return all
}

// excerptOf keeps what was logged from shortly before the fault until service was back, or the end.
// Of a log without times it is the end.
func excerptOf(path string, r *drtest.Report) (x excerpt, ok bool) {
	file, err := os.Open(path)
	if err != nil {
		return x, false
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return x, false
	}
	l := r.Ledger
	fault, injected := l.Event(drtest.FaultInjected)
	from, to := fault.Lo-500*time.Millisecond, fault.Lo+time.Minute
	if f := r.Figures.RTO; f.Known && f.Hi != drtest.Forever {
		to = fault.Lo + f.Hi + 500*time.Millisecond
	}
	type dated struct {
		at   time.Duration
		text string
	}
	var found []dated
	var last []string
	timed, lines := false, 0
	at := time.Duration(0)
	in := bufio.NewScanner(&limited{file, mostLog})
	in.Buffer(make([]byte, 64<<10), 1<<20)
	for in.Scan() {
		lines++
		text := in.Text()
		if when, is := timeOf(text); is {
			timed, at = true, when.Sub(l.Drill.Began)
		}
		if timed && at >= from && at <= to { // a line without a time belongs to the one before it
			found = append(found, dated{at, text})
		}
		last = append(last, text)
		last = last[max(0, len(last)-mostLines):]
	}
	switch {
	case lines == 0:
		return x, false
	case !timed || !injected:
		x.About = fmt.Sprintf("the last %d of %d lines; they have no times", len(last), lines)
		for _, text := range last {
			x.Lines = append(x.Lines, logLine{"", shorten(text, 300)})
		}
	case len(found) == 0:
		return x, false
	default:
		slices.SortStableFunc(found, func(a, b dated) int { return cmp.Compare(a.at, b.at) })
		x.About = fmt.Sprintf("from half a second before the fault, by the container's clock: %d lines", len(found))
		if n := len(found); n > mostLines { // the beginning and the end say most
			x.About += fmt.Sprintf(", %d of them left out", n-mostLines)
			found = slices.Concat(found[:mostLines/2], []dated{{-1, "…"}}, found[n-mostLines/2:])
		}
		for _, f := range found {
			at := ""
			if f.at >= 0 {
				at = offset((f.at - fault.Lo).Round(time.Millisecond))
			}
			x.Lines = append(x.Lines, logLine{at, shorten(f.text, 300)})
		}
	}
	return x, true
}

// limited reads no more than so many bytes.
type limited struct {
	file *os.File
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("the log is longer than %d bytes", mostLog)
	}
	n, err := l.file.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// stamped finds the time of a line of a log: "2026-11-29 11:05:08.123 UTC", as PostgreSQL writes it,
// and "2026-11-29T11:05:08.123Z", as most others do, also within JSON.
var stamped = regexp.MustCompile(`(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:[.,]\d{1,9})?) ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?`)

func timeOf(line string) (time.Time, bool) {
	found := stamped.FindStringSubmatch(line[:min(len(line), 120)])
	if found == nil {
		return time.Time{}, false
	}
	zone := found[3]
	if zone == "" || zone == "UTC" || zone == "GMT" {
		zone = "Z"
	}
	if len(zone) == 5 {
		zone = zone[:3] + ":" + zone[3:]
	}
	when, err := time.Parse(time.RFC3339Nano, found[1]+"T"+strings.Replace(found[2], ",", ".", 1)+zone)
	return when, err == nil
}
