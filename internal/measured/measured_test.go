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

func TestEnter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Register
		enters := func(limit time.Duration) (end func(), after time.Duration) {
			start := time.Now()
			return r.Enter(t.Context(), limit), time.Since(start)
		}
		r.Begin()()
		for range 3 { // any number without a limit
			end, after := enters(time.Hour)
			defer end()
			if after != 0 {
				t.Errorf("it waits %v, and there is no limit", after)
			}
		}
		r.Limit(4)
		last, after := enters(time.Hour)
		if after != 0 {
			t.Errorf("the fourth of four waits %v", after)
		}
		late, after := enters(time.Second)
		if after != time.Second {
			t.Errorf("the fifth enters after %v, want a second", after)
		}
		last()
		time.AfterFunc(2*time.Second, late)
		if _, after := enters(time.Hour); after < 2*time.Second || after > 2*time.Second+every {
			t.Errorf("the next one enters after %v, want 2s, when there is room", after)
		}
	})
}
