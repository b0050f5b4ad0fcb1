package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/drtest/suite/internal/announce"
)

// ErrBusy marks the end of a context from [Allow] on a machine that did not keep up: what took too
// long says nothing of what was waited for.
var ErrBusy = errors.New("the machine did not keep up")

const (
	allowEvery = 250 * time.Millisecond
	// mostExtensions is how many times the limit may pass in all, on a machine that does not keep
	// up.
	mostExtensions = 5
)

// A watch is since when a context from [Allow] has been waited for, and what the machine had done
// by then.
type watch struct {
	read  func() Totals
	start time.Time
	first Totals
}

type watchKey struct{}

// busy returns how much of the time that has passed was lost, and an error that wraps [ErrBusy]
// where the machine has not kept up so far.
func (w watch) busy() (passed, lost time.Duration, err error) {
	passed = time.Since(w.start)
	now := w.read()
	waited, stolen := now.Lost(w.first, passed)
	if now.Full(w.first, passed) {
		waited = passed
	}
	if lost = min(passed, waited+stolen); !now.KeptUp(w.first, passed) {
		err = fmt.Errorf("%w for %v of %v", ErrBusy, lost.Round(time.Second), passed.Round(time.Second))
	}
	return passed, lost, err
}

// Allow returns a context that ends when limit has passed, not counting the time in which tasks
// waited for a processor or the host of a virtual machine kept them from it, and in any case when
// five times the limit has passed. The cause of its end says so, and wraps [ErrBusy] where the
// machine did not keep up.
func Allow(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return allow(ctx, limit, Open().Read)
}

func allow(ctx context.Context, limit time.Duration, read func() Totals) (context.Context, context.CancelFunc) {
	w := watch{read, time.Now(), read()}
	ctx, end := context.WithCancelCause(context.WithValue(ctx, watchKey{}, w))
	go func() {
		tick := time.NewTicker(allowEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			passed, lost, busy := w.busy()
			if passed-lost < limit && passed < mostExtensions*limit {
				continue
			}
			if busy == nil {
				busy = fmt.Errorf("%v have passed", passed.Round(time.Second))
			}
			end(errors.Join(busy, context.DeadlineExceeded))
			return
		}
	}()
	return ctx, func() { end(context.Canceled) }
}

// soon is the time within which a failure has nothing to do with the machine.
const soon = time.Second

// Blame returns the error of what was given a context from [Allow]. It wraps [ErrBusy] where the
// machine has not kept up since then, whatever the error is: programs that give up on a slow
// machine report that in many ways.
func Blame(ctx context.Context, err error) error {
	w, ok := ctx.Value(watchKey{}).(watch)
	if err == nil || !ok || errors.Is(err, ErrBusy) {
		return err
	}
	if passed, _, busy := w.busy(); busy != nil && passed > soon {
		return fmt.Errorf("%w: %w", err, busy)
	}
	return err
}

// Fatal fails t with err, as untrusted where it wraps [ErrBusy]: the report of a run has such a
// test played again, alone.
func Fatal(t interface {
	Helper()
	Attr(key, value string)
	Fatalf(format string, args ...any)
}, err error) {
	t.Helper()
	if errors.Is(err, ErrBusy) {
		said := fmt.Sprintf("untrusted: %v", err) // with the log of a container, which may hold a panic that is not the test's
		announce.Tell(t, announce.Untrusted, err.Error())
		announce.Lines(t, said)
		t.Fatalf("%s", said)
		return
	}
	t.Fatalf("%v", err)
}
