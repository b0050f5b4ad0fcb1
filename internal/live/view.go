// Package live shows at the bottom of a terminal what a run is doing now, while what it says scrolls
// by above that.
package live

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
)

// A View is what is shown. It is safe for concurrent use.
type View struct {
	out     io.Writer
	size    func() (width, height int) // asked each time: terminals are resized
	now     func() time.Time
	plan    Plan
	verbose bool

	mu      sync.Mutex
	began   time.Time
	running []*test
	ended   map[string]bool // names of tests
	done    int
	drawn   []int // columns of the lines that are on the terminal
	closed  bool
}

// A Plan is what is known of a run before it begins.
type Plan struct {
	Tests []string // the top-level tests to be played
	// Took is how long tests took before, and SideBySide how many ran at a time then. Without them
	// the view does not say how much time is left.
	Took       map[string]time.Duration
	SideBySide float64
}

// A test is a top-level test that runs.
type test struct {
	pkg, name string
	spent     time.Duration // until it paused
	since     time.Time     // zero while it pauses
	phase     string
}

func (t *test) elapsed(now time.Time) time.Duration {
	if t.since.IsZero() {
		return t.spent
	}
	return t.spent + now.Sub(t.since)
}

// New returns a view on a terminal that has so many columns and lines. A verbose one leaves the
// phases of drills to what scrolls by as well.
func New(out io.Writer, size func() (width, height int), now func() time.Time, plan Plan, verbose bool) *View {
	return &View{out: out, size: size, now: now, plan: plan, verbose: verbose, began: now(), ended: map[string]bool{}}
}

// Write writes whole lines above the view. What comes from outside has to be harmless.
func (v *View) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	text := string(p)
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return len(p), v.draw(text)
}

// Watch takes in an event of a test, and says whether the view shows it, so that nothing else has
// to.
func (v *View) Watch(m report.TestEvent) (taken bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	name, _, part := strings.Cut(m.Test, "/")
	i := slices.IndexFunc(v.running, func(t *test) bool { return t.pkg == m.Package && t.name == name })
	if i < 0 {
		i = len(v.running)
		v.running = append(v.running, &test{pkg: m.Package, name: name})
	}
	t, above := v.running[i], ""
	switch {
	case m.What == report.Reached:
		t.phase = strings.TrimPrefix(m.Text, "drill ")
		taken = !v.verbose
	case part: // the whole test tells the time
		return false
	case m.What == report.Began:
		t.since = v.now()
	case m.What == report.Paused:
		t.spent, t.since = t.elapsed(v.now()), time.Time{}
	default:
		v.running = slices.Delete(v.running, i, i+1)
		v.ended[name] = true
		v.done++
		if m.What != report.Skipped { // which is told with its reason
			above = fmt.Sprintf("%s %s %s\n", m.What, foreign.Text(name), short(t.elapsed(v.now())))
		}
	}
	_ = v.draw(above) // a terminal that is gone changes nothing of the run
	return taken
}

// Tick draws the view again, since time has passed.
func (v *View) Tick() {
	v.mu.Lock()
	defer v.mu.Unlock()
	_ = v.draw("") // as in Watch
}

// Close takes the view off the terminal. What is written later is shown without it.
func (v *View) Close() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	_ = v.draw("") // as in Watch
}

// draw writes text above the view, and the view as it is now.
func (v *View) draw(above string) error {
	var b bytes.Buffer
	width, height := v.size()
	if rows := v.rows(width); rows > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\r\x1b[J", rows) // up to its first line, and erase from there
	}
	b.WriteString(above)
	v.drawn = v.drawn[:0]
	for _, line := range v.lines(height) {
		line, columns := fit(line, width-1) // a full line may wrap
		b.WriteString(line + "\n")
		v.drawn = append(v.drawn, columns)
	}
	_, err := v.out.Write(b.Bytes())
	return err
}

// rows are the rows of the terminal that the view takes: a terminal that has become narrower has
// wrapped its lines.
func (v *View) rows(width int) (rows int) {
	for _, columns := range v.drawn {
		rows += max(1, (columns+width-1)/max(1, width))
	}
	return rows
}

// mostTests is the most tests that are shown at a time.
const mostTests = 8

// lines are what the view shows on a terminal of that height: nothing where that is not known.
func (v *View) lines(height int) []string {
	if v.closed || height < 2 {
		return nil
	}
	now := v.now()
	var running []*test
	for _, t := range v.running {
		if !t.since.IsZero() {
			running = append(running, t)
		}
	}
	head := fmt.Sprintf("%d done", v.done)
	if n := len(v.plan.Tests); n > 0 {
		head = fmt.Sprintf("%d of %d done", v.done, n)
	}
	head += fmt.Sprintf(", %d running, %s", len(running), short(now.Sub(v.began)))
	if left := v.left(now); left > 0 {
		head += fmt.Sprintf(", about %s left by the last run", short(left))
	}
	lines := []string{head}
	most := min(mostTests, max(0, height-3)) // the cursor has a line, and so have those left out
	for i, t := range running {
		if i == most {
			lines = append(lines, fmt.Sprintf("  and %d more", len(running)-most))
			break
		}
		lines = append(lines, strings.TrimRight(fmt.Sprintf("  %s %s  %s", foreign.Text(t.name), short(t.elapsed(now)), foreign.Text(t.phase)), " "))
	}
	return lines[:min(len(lines), height-1)]
}

// left is how much longer the run lasts if the tests take as long as before, and run side by side as
// they did. It is zero when a test that is left has no duration.
func (v *View) left(now time.Time) time.Duration {
	var sum, longest time.Duration
	for _, name := range v.plan.Tests {
		if v.ended[name] {
			continue
		}
		d, known := v.plan.Took[name]
		if !known {
			return 0
		}
		for _, t := range v.running {
			if t.name == name {
				d = max(0, d-t.elapsed(now))
			}
		}
		sum, longest = sum+d, max(longest, d)
	}
	return max(longest, time.Duration(float64(sum)/max(1, v.plan.SideBySide)))
}

// short is a duration in whole seconds: "4m10s".
func short(d time.Duration) string { return d.Round(time.Second).String() }

// fit cuts a line at a number of columns.
func fit(line string, most int) (cut string, columns int) {
	for i, r := range line {
		width := 1
		if r >= 0x1100 { // it may be wide, as Chinese is
			width = 2
		}
		if columns+width > most {
			return line[:i], columns
		}
		columns += width
	}
	return line, columns
}
