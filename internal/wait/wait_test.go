package wait

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFor(t *testing.T) {
	refused := errors.New("connection refused")
	tests := []struct {
		name   string
		reason string
		probe  func(ctx context.Context, n int) error // n counts the calls, from 1
		want   string                                 // empty: nil
		took   time.Duration
	}{{
		name:   "at once",
		reason: "a condition that holds costs no waiting",
		probe:  func(context.Context, int) error { return nil },
	}, {
		name:   "in time",
		reason: "the interval passes between probes",
		probe: func(_ context.Context, n int) error {
			if n < 4 {
				return refused
			}
			return nil
		},
		took: 3 * time.Second,
	}, {
		name:   "never",
		reason: "the last reason and the end of the wait are both told",
		probe:  func(context.Context, int) error { return refused },
		want:   "not within 5.5s: connection refused (context deadline exceeded)",
		took:   5500 * time.Millisecond,
	}, {
		name:   "cut short",
		reason: "a probe that the deadline interrupts does not hide why the one before it failed",
		probe: func(ctx context.Context, n int) error {
			if n == 1 {
				return refused
			}
			<-ctx.Done()
			return ctx.Err()
		},
		want: "not within 5.5s: connection refused (context deadline exceeded)",
		took: 5500 * time.Millisecond,
	}, {
		name:   "cut short by a deadline of its own",
		reason: "neither does one that takes over the deadline, as a dial does, and ends at the same moment",
		probe: func(ctx context.Context, n int) error {
			if n == 1 {
				return refused
			}
			deadline, _ := ctx.Deadline()
			<-time.After(time.Until(deadline))
			return errors.New("i/o timeout")
		},
		want: "not within 5.5s: connection refused (context deadline exceeded)",
		took: 5500 * time.Millisecond,
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5500*time.Millisecond)
				defer cancel()
				start, n := time.Now(), 0
				err := For(ctx, time.Second, func(ctx context.Context) error {
					n++
					return tt.probe(ctx, n)
				})
				got := ""
				if err != nil {
					got = err.Error()
					if !errors.Is(err, refused) || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%v wraps not both reasons", err)
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", tt.reason, diff)
				}
				if diff := cmp.Diff(tt.took, time.Since(start)); diff != "" {
					t.Errorf("%s: (-want +got)\n%s", tt.reason, diff)
				}
			})
		})
	}
}
