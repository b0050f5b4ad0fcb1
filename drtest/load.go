package drtest

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"
)

// eachPeriod calls f once in each period, never twice at a time, until ctx ends.
func (p *player) eachPeriod(ctx context.Context, f func()) {
	tick := time.NewTicker(p.Load.Every)
	defer tick.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// load sends one request when each is due, whether or not earlier ones have answered.
func (p *player) load(ctx context.Context) {
	var requests sync.WaitGroup
	clients := make(workers)
	defer close(clients)
	defer requests.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	begin := p.now() // reading the counters may have taken long, which makes no request late
	for n := 0; ; n++ {
		due := begin + time.Duration(n)*p.Load.Every
		timer.Reset(due - p.now())
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		number := strconv.Itoa(n)
		id := p.prefix + "-" + "000000"[min(len(number), 6):] + number
		p.emit(record{Op: &opSent{N: n, ID: id, Class: p.class(id), Due: due, Start: p.now()}})
		requests.Add(1)
		clients.run(func() { p.request(ctx, n, id, requests.Done) })
	}
}

// workers run functions, each in a goroutine that waits for the next function when one is done. A
// new goroutine for each request would have to grow its stack first, which takes more time than
// recording the request.
type workers chan func()

// run runs f beside what runs already.
func (w workers) run(f func()) {
	select {
	case w <- f:
	default:
		go func() {
			for ok := true; ok; f, ok = <-w {
				f()
			}
		}()
	}
}

// request sends a request, and calls ended when its outcome is recorded.
func (p *player) request(ctx context.Context, n int, id string, ended func()) {
	do := func(ctx context.Context) error { return p.Workload.Do(ctx, id) }
	p.ask(context.WithoutCancel(ctx), p.Load.Timeout, do, func(err error) {
		o := &opEnded{N: n, End: p.now(), Outcome: Unknown}
		switch {
		case err == nil:
			o.Outcome = Acked
		case errors.Is(err, ErrRejected):
			o.Outcome = Rejected
		}
		if err != nil {
			o.Err = err.Error()
		}
		p.emit(record{Outcome: o})
		ended()
	})
}
