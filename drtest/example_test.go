package drtest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
)

// A fakeService keeps what it is given, unless it is down.
type fakeService struct {
	mu   sync.Mutex
	down bool
	kept []string
}

func (s *fakeService) set(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

func (s *fakeService) Do(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errors.New("connection refused")
	}
	s.kept = append(s.kept, id)
	return nil
}

func (s *fakeService) Survivors(context.Context) ([]string, error) { return s.kept, nil }

// A drill as a test: it fails where an objective is not met, and says why, with what happened.
func ExampleRun() {
	var t *testing.T // that of the test
	service := new(fakeService)

	drtest.Run(t, drtest.Scenario{
		ID:       "DR-1",
		Workload: service,
		Load:     drtest.Load{Every: 50 * time.Millisecond, Timeout: time.Second, Steady: 2 * time.Second},
		Fault: drtest.Fault{
			Name: "cut",
			Inject: func(context.Context) (drtest.Effect, error) {
				service.set(true)
				return drtest.Effect{Receipt: "it is cut"}, nil
			},
			Heal: func(context.Context) error { service.set(false); return nil },
		},
		HealAfter:  5 * time.Second,
		Objectives: []drtest.Objective{drtest.RTO(10 * time.Second), drtest.RPO(0), drtest.NoDuplicates()},
		Deadline:   time.Minute,
	})
}

// A service is cut off for a tenth of a second, and must be back within two.
func ExamplePlay() {
	service := new(fakeService)
	cut := drtest.Fault{
		Name: "cut",
		Inject: func(context.Context) (drtest.Effect, error) {
			service.set(true)
			return drtest.Effect{Receipt: "it is cut"}, nil
		},
		Heal: func(context.Context) error { service.set(false); return nil },
	}

	ledger, err := drtest.Play(context.Background(), drtest.Scenario{
		ID:         "EXAMPLE",
		Workload:   service,
		Load:       drtest.Load{Every: 10 * time.Millisecond, Timeout: time.Second, Steady: 100 * time.Millisecond},
		Fault:      cut,
		HealAfter:  100 * time.Millisecond,
		Objectives: []drtest.Objective{drtest.RTO(2 * time.Second)},
		Deadline:   time.Minute,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range drtest.Judge(ledger, drtest.RTO(2*time.Second), drtest.RPO(0), drtest.NoDuplicates()).Verdicts {
		fmt.Println(v.Objective, v.Status)
	}
	// Output:
	// RTO pass
	// RPO pass
	// no duplicates pass
	// rejected stays rejected pass
}
