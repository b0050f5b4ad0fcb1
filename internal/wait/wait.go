// Package wait holds the one way in which this module waits for a condition: polling that ends with
// the last reason why the condition did not hold.
package wait

import (
	"context"
	"fmt"
	"time"
)

// For calls probe at once and then every so often until it returns nil. When ctx ends first, the
// error wraps both the last error of a probe and the cause of ctx's end. A probe that fails because
// ctx ended under it does not hide the reason that the probe before it gave.
func For(ctx context.Context, every time.Duration, probe func(context.Context) error) error {
	start := time.Now()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last error
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		if last == nil || !over(ctx) {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w (%w)", time.Since(start).Round(time.Millisecond), last, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// over says whether ctx has ended, or is about to: what has a deadline of its own, such as a dial,
// may end first.
func over(ctx context.Context) bool {
	deadline, bounded := ctx.Deadline()
	return ctx.Err() != nil || bounded && !time.Now().Before(deadline)
}
