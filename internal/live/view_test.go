package live

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/internal/report"
	"github.com/google/go-cmp/cmp"
)

// A terminal is what a person sees of one: its rows, which wrap, and a cursor. It knows the escape
// codes that views use, and no other.
type terminal struct {
	t             *testing.T
	width, height int
	rows          []string // of which the last height are seen
	row, column   int
}

var code = regexp.MustCompile(`^\x1b\[(\d*)([AJ])`)

func (s *terminal) Write(p []byte) (int, error) {
	for text := string(p); text != ""; {
		for len(s.rows) <= s.row {
			s.rows = append(s.rows, "")
		}
		if m := code.FindStringSubmatch(text); m != nil {
			n, _ := strconv.Atoi(m[1])
			if m[2] == "A" {
				s.row = max(s.row-n, 0, len(s.rows)-s.height)
			} else {
				s.rows = append(s.rows[:s.row], s.rows[s.row][:min(s.column, len(s.rows[s.row]))])
			}
			text = text[len(m[0]):]
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch {
		case r == '\r':
			s.column = 0
		case r == '\n':
			s.row, s.column = s.row+1, 0
		case r < ' ' || r == 0x7f:
			s.t.Errorf("the control character %q reaches the terminal", r)
		default:
			if s.column == s.width {
				s.row, s.column = s.row+1, 0
				s.rows = append(s.rows, "")
			}
			if s.column != len([]rune(s.rows[s.row])) {
				s.t.Errorf("%q is written over what is there", r)
			}
			s.rows[s.row] += string(r)
			s.column++
		}
	}
	return len(p), nil
}

// narrow makes the terminal narrower. Its rows wrap, as those of most terminals do.
func (s *terminal) narrow(width int) {
	var rows []string
	for _, r := range s.rows {
		for len(r) > width {
			rows, r = append(rows, r[:width]), r[width:]
		}
		rows = append(rows, r)
	}
	s.row += len(rows) - len(s.rows)
	s.rows, s.width = rows, width
}

func (s *terminal) text() string { return strings.Join(s.rows, "\n") }

func TestView(t *testing.T) {
	s := &terminal{t: t, width: 60, height: 10}
	now := time.Date(2025, 11, 14, 9, 30, 0, 0, time.UTC)
	plan := Plan{
		Tests: []string{"TestA", "TestB", "TestC", "TestD"}, SideBySide: 2,
		Took: map[string]time.Duration{"TestA": 10 * time.Second, "TestB": 20 * time.Second, "TestC": 30 * time.Second, "TestD": 0},
	}
	v := New(s, func() (int, int) { return s.width, s.height }, func() time.Time { return now }, plan, false)
	happens := func(what report.What, test, text string) (taken bool) {
		return v.Watch(report.TestEvent{Package: "p", Test: test, What: what, Text: text})
	}
	after := func(d time.Duration, reason, want string) {
		t.Helper()
		now = now.Add(d)
		v.Tick()
		if diff := cmp.Diff(strings.TrimSpace(want), s.text()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", reason, diff)
		}
	}
	happens(report.Began, "TestA", "")
	happens(report.Paused, "TestA", "")
	after(5*time.Second, "a pause is none of its time", `
0 of 4 done, 0 running, 5s, about 30s left by the last run
`)
	happens(report.Began, "TestA", "")
	happens(report.Began, "TestB", "")
	fmt.Fprint(v, "go: downloading it\n")
	after(time.Second, "what is written goes by above", `
go: downloading it
0 of 4 done, 2 running, 6s, about 30s left by the last run
  TestA 1s
  TestB 1s
`)
	if !happens(report.Reached, "TestB/part", "drill DR-1: +1.020s   \x1b[31mfault: "+strings.Repeat("long-", 20)) {
		t.Error("a phase that is shown is not taken")
	}
	after(0, "a phase is cut and harmless", `
go: downloading it
0 of 4 done, 2 running, 6s, about 30s left by the last run
  TestA 1s
  TestB 1s  DR-1: +1.020s   \x1b[31mfault: long-long-long-l
`)
	s.narrow(30)
	fmt.Fprint(v, "no end of line")
	after(0, "a narrower terminal", `
go: downloading it
no end of line
0 of 4 done, 2 running, 6s, a
  TestA 1s
  TestB 1s  DR-1: +1.020s   \
`)
	s.width = 60
	happens(report.Passed, "TestA", "")
	happens(report.Skipped, "TestD", "")
	after(25*time.Second, "tests end, and one takes longer than before", `
go: downloading it
no end of line
pass TestA 1s
2 of 4 done, 1 running, 31s, about 30s left by the last run
  TestB 26s  DR-1: +1.020s   \x1b[31mfault: long-long-long-
`)
	s.height = 6
	for i := range 9 {
		happens(report.Began, fmt.Sprintf("TestMore%d", i), "")
	}
	after(0, "a low terminal", `
go: downloading it
no end of line
pass TestA 1s
2 of 4 done, 10 running, 31s, about 30s left by the last ru
  TestB 26s  DR-1: +1.020s   \x1b[31mfault: long-long-long-
  TestMore0 0s
  TestMore1 0s
  and 7 more
`)
	happens(report.Failed, "TestB", "")
	v.Close()
	fmt.Fprint(v, "\nthe report\n")
	v.Tick()
	after(0, "nothing of it stays", `
go: downloading it
no end of line
pass TestA 1s
fail TestB 26s

the report
`)
}

// Without a size, or what is known of the run, little is shown.
func TestLittleIsKnown(t *testing.T) {
	s := &terminal{t: t, width: 60, height: 10}
	width, height := 0, 0
	v := New(s, func() (int, int) { return width, height }, func() time.Time { return time.Unix(1, 0) }, Plan{Tests: []string{"TestA", "TestNew"}, Took: map[string]time.Duration{"TestA": time.Second}}, true)
	v.Watch(report.TestEvent{Package: "p", Test: "TestA", What: report.Began})
	fmt.Fprint(v, "a line\n")
	if diff := cmp.Diff("a line\n", s.text()+"\n"); diff != "" {
		t.Errorf("no size (-want +got):\n%s", diff)
	}
	width, height = 60, 10
	if v.Watch(report.TestEvent{Package: "p", Test: "TestA", What: report.Reached, Text: "drill DR-1: fault"}) {
		t.Error("a verbose view takes a phase")
	}
	if diff := cmp.Diff("a line\n0 of 2 done, 1 running, 0s\n  TestA 0s  DR-1: fault", s.text()); diff != "" {
		t.Errorf("a test without a duration (-want +got):\n%s", diff)
	}
}
