package patronitest

import (
	"context"
	"sync"
	"time"
)

const (
	// gathering is how long a question waits for others: the stages of a drill look at the same
	// moments.
	gathering = 5 * time.Millisecond
	// questionTimeout bounds a question, whoever waits for its answer.
	questionTimeout = 5 * time.Second
)

// A coalesced question is asked once for all that want its answer at the same moment.
type coalesced[T any] struct {
	mu   sync.Mutex
	next *answer[T] // to a question that has not been asked yet; nil: nobody waits
}

type answer[T any] struct {
	came  chan struct{} // closed
	value T
	err   error
}

// get returns the answer to a question that is asked after the call, at most 5 ms later, for all
// who have called until then. They must not change it.
func (s *coalesced[T]) get(ctx context.Context, ask func(context.Context) (T, error)) (T, error) {
	s.mu.Lock()
	a := s.next
	if a == nil {
		a = &answer[T]{came: make(chan struct{})}
		s.next = a
		time.AfterFunc(gathering, func() {
			s.mu.Lock()
			s.next = nil // who comes now wants to know of a later moment
			s.mu.Unlock()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), questionTimeout)
			defer cancel()
			a.value, a.err = ask(ctx)
			close(a.came)
		})
	}
	s.mu.Unlock()
	select {
	case <-a.came:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
