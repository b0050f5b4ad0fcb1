package drtest

import "sync"

// A recordQueue passes records on in their order, from a goroutine of its own: a slow disk or log
// must not hold up the load. It keeps what it could not pass on yet.
type recordQueue struct {
	mu     sync.Mutex
	queue  []record
	closed bool
	wake   chan struct{} // holds one token while there is something to do
	done   chan struct{}
}

// startQueue makes a queue that passes records on to sink.
func startQueue(sink func(record)) *recordQueue {
	t := &recordQueue{wake: make(chan struct{}, 1), done: make(chan struct{})}
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

func (t *recordQueue) add(rec record) {
	t.mu.Lock()
	t.queue = append(t.queue, rec)
	t.mu.Unlock()
	t.signal()
}

// close returns when everything was passed on.
func (t *recordQueue) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.signal()
	<-t.done
}

func (t *recordQueue) signal() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}
