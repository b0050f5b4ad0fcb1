package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/internal/announce"
	"github.com/google/go-cmp/cmp"
)

// A start has a minute of a machine that keeps up, and five where it does not.
func TestAllow(t *testing.T) {
	for _, c := range []struct {
		waited, stolen float64 // shares of the time
		ends           time.Duration
		busy           bool
	}{{0, 0, time.Minute, false}, {0.25, 0, 80 * time.Second, false}, {0.5, 0, 2 * time.Minute, true}, {1, 0, 5 * time.Minute, true}, {0, 0.25, 80 * time.Second, true}} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			part := func(share float64) time.Duration { return time.Duration(share * float64(time.Since(start))) }
			read := func() Totals { return Totals{Waited: part(c.waited), Stolen: part(c.stolen)} }
			ctx, cancel := allow(t.Context(), time.Minute, read)
			defer cancel()
			<-ctx.Done()
			if got := time.Since(start); got < c.ends || got > c.ends+allowEvery {
				t.Errorf("waited %v, stolen %v: it ends after %v, want %v", c.waited, c.stolen, got, c.ends)
			}
			if err := context.Cause(ctx); errors.Is(err, ErrBusy) != c.busy || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("waited %v, stolen %v: its end is %v", c.waited, c.stolen, err)
			}
		})
	}
}

// Where the kernel tells of no task that waited, all processors are in use on a machine that does
// not keep up.
func TestAllowWithoutPressure(t *testing.T) {
	for _, c := range []struct {
		idle float64
		ends time.Duration
	}{{0, 5 * time.Minute}, {0.2, time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			read := func() Totals {
				ticks := 200 * time.Since(start).Seconds()
				return Totals{Processors: 2, All: ticks, Idle: c.idle * ticks, Waited: time.Hour} // that stands still
			}
			ctx, cancel := allow(t.Context(), time.Minute, read)
			defer cancel()
			<-ctx.Done()
			if got := time.Since(start); got != c.ends || errors.Is(context.Cause(ctx), ErrBusy) != (c.idle == 0) {
				t.Errorf("idle %v: it ends after %v, want %v: %v", c.idle, got, c.ends, context.Cause(ctx))
			}
		})
	}
}

// What gives up before the limit does is the machine's doing as well; what fails at once is not.
func TestBlame(t *testing.T) {
	died := errors.New("its container has ended")
	for _, c := range []struct {
		waited float64
		after  time.Duration
		want   string
	}{
		{0.9, 10 * time.Second, "its container has ended: the machine did not keep up for 9s of 10s"},
		{0.3, 10 * time.Second, "its container has ended"},
		{0.9, 100 * time.Millisecond, "its container has ended"},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			read := func() Totals { return Totals{Waited: time.Duration(c.waited * float64(time.Since(start)))} }
			ctx, cancel := allow(t.Context(), time.Minute, read)
			defer cancel()
			<-time.After(c.after)
			err := Blame(ctx, died)
			if diff := cmp.Diff(c.want, fmt.Sprint(err)); diff != "" || !errors.Is(err, died) || Blame(ctx, nil) != nil || Blame(t.Context(), died) != died {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if again := Blame(ctx, err); again != err && errors.Is(err, ErrBusy) {
				t.Errorf("blamed twice: %v", again)
			}
		})
	}
}

// The report is told of what is untrusted, and of nothing else that fails.
func TestFatalTells(t *testing.T) {
	if inner := os.Getenv("DRTEST_FATAL"); inner != "" {
		err := errors.New("start app\nlog of app:\npanic: no database")
		if inner == "busy" {
			err = fmt.Errorf("%w\n%w", ErrBusy, err)
		}
		Fatal(t, err)
	}
	for inner, want := range map[string][]string{
		"quiet": nil,
		"busy": {`drtest.untrusted the machine did not keep up\nstart app\nlog of app:\npanic: no database`, "drtest.line untrusted: the machine did not keep up",
			"drtest.line start app", "drtest.line log of app:", "drtest.line panic: no database"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFatalTells$", "-test.v=test2json")
		cmd.Env = append(os.Environ(), "DRTEST_FATAL="+inner, announce.Token+"=")
		out, err := cmd.CombinedOutput()
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^\x16=== ATTR  TestFatalTells (.*)$`).FindAllStringSubmatch(string(out), -1) {
			got = append(got, m[1])
		}
		if diff := cmp.Diff(want, got); diff != "" || err == nil {
			t.Errorf("%s: %v (-want +got):\n%s", inner, err, diff)
		}
	}
}

func TestFatal(t *testing.T) {
	for err, want := range map[error]string{
		errors.New("no such image"):          "no such image",
		fmt.Errorf("start app: %w", ErrBusy): "untrusted: start app: the machine did not keep up",
	} {
		var got said
		Fatal(&got, err)
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

type said string

func (s *said) Helper()                        {}
func (s *said) Attr(string, string)            {}
func (s *said) Fatalf(format string, a ...any) { *s = said(fmt.Sprintf(format, a...)) }
