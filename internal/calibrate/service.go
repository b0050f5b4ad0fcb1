// Package calibrate holds drtest against services whose truth is exactly known. A [Class] plants
// one kind of trouble, a thousand times with other numbers; a [Truth] is what a drill must then
// have measured, or must not have concluded. It uses what every user of drtest can use and shares
// no code with it, so that a mistake there is not repeated here.
package calibrate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/drtest/suite/drtest"
)

// A Service keeps units of work, and goes wrong from the moment at which it is told to. What it
// does depends on the time by its own clock alone, so its truth holds on a busy machine as well.
type Service struct {
	// Fails says whether a request fails that is looked at so long after the fault. Requests are
	// looked at when they arrive and again when they are answered. Before the fault none fails.
	Fails func(Request) bool
	// Failure is what a request does that fails. It defaults to Refuse.
	Failure Failure
	// Answer is how long an answer takes, the time since the fault given. It defaults to none.
	Answer func(since time.Duration) time.Duration
	// Deaf has answers come after the client has given up, and count.
	Deaf bool
	// InjectBefore and InjectAfter are the time between the call of Inject, the fault, and the
	// return.
	InjectBefore, InjectAfter time.Duration
	// Sick says whether the service says of itself that it is unwell, at a time since the fault,
	// which is negative before it, and at an age, which is the time since the first request. It
	// defaults to never.
	Sick func(since, age time.Duration) bool
	// Held says how often the service holds a unit at an age of that unit, and at a time since the
	// survivors were first read. It defaults to once.
	Held func(u *Unit, age, reading time.Duration) int

	// Patience is how long a client waits. An answer that takes longer is the service's failure.
	Patience time.Duration

	random *rand.Rand

	mu       sync.Mutex
	began    time.Time // the first request
	asked    time.Time // Inject was called
	fault    time.Time // the fault was in effect
	healed   time.Time
	read     time.Time // the survivors, for the first time
	arrivals int
	failed   map[string]bool // the units that it did not keep, or only too late
	units    []*Unit         // in the order in which they were kept
}

// A Request is what decides over its fate.
type Request struct {
	Since time.Duration // the fault
	// Healed is how long ago the fault was healed, and negative while it is not.
	Healed time.Duration
	N      int     // the N-th to arrive, from 0
	Number int     // at the end of its id
	Luck   float64 // drawn from 0 to 1
}

// Failure is one way to fail.
type Failure int

const (
	Refuse Failure = iota // answer with an error at once
	Hang                  // never answer
	Reject                // promise that the unit was not taken
)

// A Unit is what the service has promised to keep.
type Unit struct {
	ID    string
	Kept  time.Time // stamped by the service, before the client is told
	Order int       // among the units that were kept before the fault, from the last one back: 0, 1, 2...; -1 after it
}

// NewService makes a service that nothing ever happens to.
func NewService(random *rand.Rand) *Service {
	return &Service{
		random: random,
		failed: map[string]bool{},
		Fails:  func(Request) bool { return false },
		Answer: func(time.Duration) time.Duration { return 0 },
		Sick:   func(_, _ time.Duration) bool { return false },
		Held:   func(*Unit, time.Duration, time.Duration) int { return 1 },
	}
}

// since returns the time since the fault, and a negative one before it. The caller holds mu.
func (s *Service) since(at time.Time) time.Duration {
	if s.fault.IsZero() {
		return -1
	}
	return at.Sub(s.fault)
}

// fails looks at a request. The caller holds mu.
func (s *Service) fails(r Request, at time.Time) bool {
	r.Since, r.Healed = s.since(at), -1
	if r.Since < 0 {
		return false
	}
	if !s.healed.IsZero() {
		r.Healed = at.Sub(s.healed)
	}
	return s.Fails(r)
}

// Do keeps a unit, unless the request fails.
func (s *Service) Do(ctx context.Context, id string) error {
	s.mu.Lock()
	now := time.Now()
	if s.began.IsZero() {
		s.began = now
	}
	r := Request{N: s.arrivals, Number: number(id), Luck: s.random.Float64()}
	s.arrivals++
	bad, answer := s.fails(r, now), s.Answer(s.since(now))
	if answer >= s.Patience {
		s.failed[id] = true
	}
	s.mu.Unlock()
	if !bad && !s.pause(ctx, answer) {
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); !bad && !s.fails(r, now) {
		s.units = append(s.units, &Unit{ID: id, Kept: now, Order: -1})
		return nil
	}
	s.failed[id] = true
	return s.failure(ctx)
}

// strays counts the requests that failed after the fault though the service did not fail them, and
// though the process that sent them did not stand still: on a busy machine there are some. Until
// when they could have failed, nobody knows.
func (s *Service) strays(l *drtest.Ledger) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fault, _ := l.Event(drtest.FaultInjected)
	for _, op := range l.Ops {
		if op.Outcome == drtest.Acked || op.End <= fault.Lo || s.failed[op.ID] {
			continue
		}
		if !slices.ContainsFunc(l.Events, func(e drtest.Event) bool {
			return e.Kind == drtest.Stalled && e.Lo < op.End && e.Hi > op.Start
		}) {
			n++
		}
	}
	return n
}

// failure is how a request fails. The caller holds mu, which it gives back meanwhile.
func (s *Service) failure(ctx context.Context) error {
	switch s.Failure {
	case Hang:
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return ctx.Err()
	case Reject:
		return fmt.Errorf("%w: not now", drtest.ErrRejected)
	}
	return errors.New("connection refused")
}

// pause waits, and says whether the client is still there, or does not matter.
func (s *Service) pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	gone := ctx.Done()
	if s.Deaf {
		gone = nil
	}
	select {
	case <-time.After(d):
		return true
	case <-gone:
		return false
	}
}

// Survivors returns what the service holds.
func (s *Service) Survivors(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids, now := []string{}, time.Now()
	if s.read.IsZero() {
		s.read = now
	}
	for _, u := range s.units {
		for range s.Held(u, now.Sub(u.Kept), now.Sub(s.read)) {
			ids = append(ids, u.ID)
		}
	}
	return ids, nil
}

// Health is what the service says of itself.
func (s *Service) Health(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.began.IsZero() {
		s.began = now
	}
	if s.Sick(s.since(now), now.Sub(s.began)) {
		return errors.New("unwell")
	}
	return nil
}

// trouble is the fault of the service.
func (s *Service) trouble() drtest.Fault {
	return drtest.Fault{Name: "planted trouble", Inject: s.begin, Heal: s.end}
}

func (s *Service) begin(context.Context) (drtest.Effect, error) {
	s.mu.Lock()
	s.asked = time.Now()
	s.mu.Unlock()
	wait(s.InjectBefore)
	s.mu.Lock()
	s.fault = time.Now()
	for i, u := range s.units {
		u.Order = len(s.units) - 1 - i
	}
	s.mu.Unlock()
	wait(s.InjectAfter)
	return drtest.Effect{Receipt: "planted"}, nil
}

// end ends what lasts until the fault is healed.
func (s *Service) end(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.healed = time.Now()
	return nil
}

// wait is for moments in the life of a service, not for conditions.
func wait(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// number returns the number at the end of an id.
func number(id string) (n int) {
	for i, power := len(id)-1, 1; i >= 0 && id[i] >= '0' && id[i] <= '9' && power < 1e9; i, power = i-1, power*10 {
		n += int(id[i]-'0') * power
	}
	return n
}
