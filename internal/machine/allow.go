package machine

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrBusy marks the end of a context from [Allow] on a machine that did not keep up: what took too long says nothing of what was
// waited for.
var ErrBusy = errors.New("the machine did not keep up")

const (
	allowEvery = 250 * time.Millisecond
	// most is how many times the limit may pass in all.
	most = 5
)

// Allow returns a context that ends when limit has passed, not counting the time in which tasks waited for a processor or the
// host of a virtual machine kept them from it, and in any case when five times the limit has passed. The cause of its end says so, and wraps
// [ErrBusy] where that was much of the time.
func Allow(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return allow(ctx, limit, Read)
}

func allow(ctx context.Context, limit time.Duration, read func() Totals) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	start, first := time.Now(), read()
	go func() {
		tick := time.NewTicker(allowEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			passed := time.Since(start)
			waited, stolen := read().Lost(first, passed)
			lost := min(passed, waited+stolen)
			if passed-lost < limit && passed < most*limit {
				continue
			}
			err := fmt.Errorf("%v have passed", passed.Round(time.Second))
			if float64(lost) > MostWaited*float64(passed) {
				err = fmt.Errorf("%w for %v of %v", ErrBusy, lost.Round(time.Second), passed.Round(time.Second))
			}
			end(errors.Join(err, context.DeadlineExceeded))
			return
		}
	}()
	return ctx, func() { end(context.Canceled) }
}

// Fatal fails t with err, as untrusted where it wraps [ErrBusy]: the report of a run has such a test played again, alone.
func Fatal(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, err error) {
	t.Helper()
	if errors.Is(err, ErrBusy) {
		t.Fatalf("untrusted: %v", err)
		return
	}
	t.Fatalf("%v", err)
}
