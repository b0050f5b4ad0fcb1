package drtest

import "sync"

// A teller passes records on in their order, from a goroutine of its own: a slow disk or log must
// not hold up the load. It keeps what it could not pass on yet.
type teller struct {
	mu     sync.Mutex
	queue  []record
	closed bool
	wake   chan struct{} // holds one token while there is something to do
	done   chan struct{}
}

// tell makes a teller that passes records on to sink.
func tell(sink func(record)) *teller {
	t := &teller{wake: make(chan struct{}, 1), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		for {
			t.mu.Lock()
			queue, closed := t.queue, t.closed
			t.queue = nil
			t.mu.Unlock()
			for _, rec := range queue {
				sink(rec)
			}
			if len(queue) > 0 {
				continue
			}
			if closed {
				return
			}
			<-t.wake
		}
	}()
	return t
}

func (t *teller) tell(rec record) {
	t.mu.Lock()
	t.queue = append(t.queue, rec)
	t.mu.Unlock()
	t.poke()
}

// close returns when everything was passed on.
func (t *teller) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.poke()
	<-t.done
}

func (t *teller) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
