package measured

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Register
		waits := func(limit time.Duration) time.Duration {
			start := time.Now()
			r.Wait(t.Context(), limit)
			return time.Since(start)
		}
		if got := waits(time.Hour); got != 0 || r.Any() {
			t.Errorf("nothing is measured, and it waits %v", got)
		}
		first, second := r.Begin(), r.Begin()
		time.AfterFunc(2*time.Second, first)
		time.AfterFunc(3*time.Second, first) // again
		time.AfterFunc(5*time.Second, second)
		if got := waits(time.Second); got != time.Second || !r.Any() {
			t.Errorf("waited %v, want no more than a second", got)
		}
		if got := waits(time.Minute); got < 4*time.Second || got > 4*time.Second+every || r.Any() {
			t.Errorf("waited %v, want 4s until the second has ended", got)
		}
		defer r.Begin()()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		r.Wait(ctx, time.Minute)
		if got := time.Since(start); got != time.Second {
			t.Errorf("waited %v, want a second, until its context ends", got)
		}
	})
}
