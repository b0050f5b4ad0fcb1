package machine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A start has a minute of a machine that keeps up, and five where it does not.
func TestAllow(t *testing.T) {
	for _, c := range []struct {
		waited float64 // share of the time
		ends   time.Duration
		busy   bool
	}{{0, time.Minute, false}, {0.25, 80 * time.Second, false}, {0.5, 2 * time.Minute, true}, {1, 5 * time.Minute, true}} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			read := func() Totals { return Totals{Waited: time.Duration(c.waited * float64(time.Since(start)))} }
			ctx, cancel := allow(t.Context(), time.Minute, read)
			defer cancel()
			<-ctx.Done()
			if got := time.Since(start); got < c.ends || got > c.ends+allowEvery {
				t.Errorf("waited %v: it ends after %v, want %v", c.waited, got, c.ends)
			}
			if err := context.Cause(ctx); errors.Is(err, ErrBusy) != c.busy || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("waited %v: its end is %v", c.waited, err)
			}
		})
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
func (s *said) Fatalf(format string, a ...any) { *s = said(fmt.Sprintf(format, a...)) }
