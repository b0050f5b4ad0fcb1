package scenarios

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
)

const (
	// slowSteps is the provider's latency here: a workflow takes 6 s, so that some forty are in
	// flight.
	slowSteps = 600 * time.Millisecond
	// crashEvery is the time between two crashes, and crashesFor between the first one and the
	// last.
	crashEvery = 3 * time.Second
	crashesFor = time.Minute
)

// For a minute, one of two orchestrators on one database is killed every three seconds, at random,
// while at least two hundred workflows are handed in. Every workflow that was accepted finishes
// with its right result, and is there once, also those that met several crashes. No call is paid
// for twice but those under way at a kill and those since the last checkpoint, so no workflow is
// ever executed by two at once.
func TestInstanceCrashes(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	drtest.Run(t, instanceCrashes(startInstances(t, ""), rand.Uint64()))
}

func instanceCrashes(app *instances, seed uint64) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-APP-006",
		Title:      "Repeated crashes of one of two instances",
		Category:   application,
		Durability: "the instances keep nothing on disk, so a kill takes all that they have not stored in the database, which is never hurt",
		Workload:   app,
		// Four hundred workflows in the minute, so that two hundred are accepted even if the
		// supervisor is slow to start both again. A client has the time to be sent away by one
		// instance and turn to the other.
		Load:      drtest.Load{Every: 150 * time.Millisecond, Timeout: time.Second, Steady: 5 * time.Second},
		Health:    app.Ready,
		Fault:     (&crashes{services: app.services(), every: crashEvery, seed: seed}).fault(),
		HealAfter: crashesFor,
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), // nobody answers, so the next poll knows
			drtest.RPO(0),
			drtest.AllRecovered(10),
			drtest.NoDuplicates(),
			drtest.Check("all finished", allFinished),
			drtest.Check("executed once", executedOnce),
		},
		Deadline: 3 * time.Minute, // the supervisor may wait for 26 s before a start
	}
}

func TestInstanceCrashesSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	s := instanceCrashes(startInstances(t, "no-lease"), rand.Uint64())
	s.HealAfter = 15 * time.Second
	requireFailure(t, s, "executed once", `\d+ of them repeated, want at most \d+: two for each of the \d+ resumptions`)
}

// allFinished requires that all that was accepted, in the whole drill, is held and has finished
// with its right result, and that it was enough at every moment.
func allFinished(l *drtest.Ledger, _ drtest.Figures) error {
	if l.Survivors == nil {
		return fmt.Errorf("%w: the survivors are not known", drtest.ErrInconclusive)
	}
	held := map[string]int{}
	for _, id := range l.Survivors {
		held[id]++
	}
	last := lastProgress(l)
	var accepted int
	var wrong []string
	for _, op := range l.Ops {
		// Also what may have been accepted has to finish, if it is there.
		if op.Outcome == drtest.Acked {
			accepted++
		} else if held[op.ID] == 0 {
			continue
		}
		switch p := last[op.ID]; {
		case held[op.ID] != 1:
			wrong = append(wrong, fmt.Sprintf("%s (held %d times)", op.ID, held[op.ID]))
		case !p.Finished:
			wrong = append(wrong, op.ID+" (not finished)")
		case p.Wrong != "":
			wrong = append(wrong, fmt.Sprintf("%s (%s)", op.ID, p.Wrong))
		}
	}
	if len(wrong) > 0 {
		some := strings.Join(wrong[:min(10, len(wrong))], " ")
		return fmt.Errorf("%d workflows of %d did not finish as they should: %s", len(wrong), accepted, some)
	}
	least, _, err := inFlight(l)
	if err != nil {
		return err
	}
	if accepted < 200 || least < 20 {
		return fmt.Errorf("%w: %d workflows were accepted and at least %d in flight at any moment, want 200 and 20",
			drtest.ErrInconclusive, accepted, least)
	}
	return nil
}

// executedOnce allows for two repeated calls of each workflow that had to be resumed: the one under
// way, and the one since the last checkpoint, since the interval of checkpoints is shorter than a
// step. No more workflows can be resumed than are in flight at a kill.
func executedOnce(l *drtest.Ledger, f drtest.Figures) error {
	calls := f.Counter("calls")
	if !calls.Known {
		return fmt.Errorf("%w: %s", drtest.ErrInconclusive, calls.Why)
	}
	attempts := map[string]int{}
	for _, s := range l.Samples {
		for id, p := range s.Units {
			attempts[id] = max(attempts[id], p.Attempt)
		}
	}
	resumptions := 0
	for _, n := range attempts {
		resumptions += max(0, n-1)
	}
	if calls.Repeated > 2*resumptions {
		return fmt.Errorf("%v, want at most %d: two for each of the %d resumptions", calls, 2*resumptions, resumptions)
	}
	var kills int
	for _, e := range l.Events {
		if e.Kind == drtest.FaultConfirmed {
			_, _ = fmt.Sscanf(string(e.Receipt), "%d kills", &kills)
		}
	}
	if kills < 10 {
		return fmt.Errorf("%w: %d kills are known of, want at least 10", drtest.ErrInconclusive, kills)
	}
	_, most, err := inFlight(l)
	if err != nil {
		return err
	}
	if resumptions > kills*most {
		return fmt.Errorf("%d resumptions after %d kills, with at most %d in flight", resumptions, kills, most)
	}
	return nil
}

// inFlight returns how many accepted workflows had not finished, at least and at most, as of the
// samples from the first kill to the last.
func inFlight(l *drtest.Ledger) (least, most int, err error) {
	fault, injected := l.Event(drtest.FaultInjected)
	healed, over := l.Event(drtest.FaultHealed)
	if !injected || !over {
		return 0, 0, fmt.Errorf("%w: the kills did not end", drtest.ErrInconclusive)
	}
	finished := map[string]bool{}
	least = len(l.Ops)
	for _, s := range l.Samples {
		for id, p := range s.Units {
			finished[id] = p.Finished
		}
		if s.Hi < fault.Lo || s.Lo > healed.Lo {
			continue
		}
		n := 0
		for _, op := range l.Ops {
			if op.Outcome == drtest.Acked && op.End <= s.Lo && !finished[op.ID] {
				n++
			}
		}
		least, most = min(least, n), max(most, n)
	}
	return least, most, nil
}

// crashes are crashes of random services, at once and then every so often until they are healed.
// The supervisor starts each of them again, but waits the longer the sooner it died again: Docker's
// back-off doubles from 100 ms with each death of a container that ran for less than ten seconds. A
// service that is down when its turn comes is left alone.
type crashes struct {
	services []*containertest.Service
	every    time.Duration
	seed     uint64

	stop  context.CancelFunc
	ended chan struct{}
	// What follows belongs to the goroutine until ended is closed.
	kills, alreadyDown map[string]int
	err                error
}

func (c *crashes) fault() drtest.Fault {
	var names []string
	for _, s := range c.services {
		names = append(names, s.Name())
	}
	name := fmt.Sprintf("crash one of %s every %v", strings.Join(names, " and "), c.every)
	return drtest.Fault{Name: name, Inject: c.inject, Heal: c.heal, Confirm: c.confirm}
}

// inject returns after the first crash, whose moment is that of the series.
func (c *crashes) inject(ctx context.Context) (drtest.Effect, error) {
	c.kills, c.alreadyDown = map[string]int{}, map[string]int{}
	random := rand.New(rand.NewPCG(c.seed, 0))
	first, err := c.crash(ctx, random)
	if err != nil || first.Receipt == "" { // it did not happen
		return first, err
	}
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.ended = make(chan struct{})
	go func() {
		defer close(c.ended)
		tick := time.NewTicker(c.every)
		defer tick.Stop()
		for c.err == nil {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				// A crash that has begun is seen to its end.
				_, c.err = c.crash(context.WithoutCancel(ctx), random)
			}
		}
	}()
	first.Receipt += drtest.Receipt(fmt.Sprintf(", seed %d", c.seed))
	return first, nil
}

// crash kills the service whose turn it is.
func (c *crashes) crash(ctx context.Context, random *rand.Rand) (drtest.Effect, error) {
	s := c.services[random.IntN(len(c.services))]
	if !alive(ctx, s) {
		c.alreadyDown[s.Name()]++
		return drtest.Effect{}, nil
	}
	effect, err := s.Crash().Inject(ctx) // its receipt is the exit code 137
	if err != nil {
		return drtest.Effect{}, fmt.Errorf("crash %s: %w", s.Name(), err)
	}
	c.kills[s.Name()]++
	effect.Receipt = drtest.Receipt(s.Name()+": ") + effect.Receipt
	return effect, nil
}

// alive says whether the service answers at all.
func alive(ctx context.Context, s *containertest.Service) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return answersOK("/healthz")(ctx, s) == nil
}

// heal ends the series. Its error is that of the crash that could not be seen to happen.
func (c *crashes) heal(context.Context) error {
	if c.stop == nil {
		return nil
	}
	c.stop()
	<-c.ended
	return c.err
}

// confirm makes sure that the supervisor has restarted each service as often as it was killed, and
// that nothing else has ended one.
func (c *crashes) confirm(ctx context.Context) (drtest.Receipt, error) {
	if c.ended == nil {
		return "", nil
	}
	var said []string
	kills := 0
	for _, s := range c.services {
		receipt, err := s.Crash().Confirm(ctx)
		if err != nil {
			return "", err
		}
		var restarts int
		if _, err := fmt.Sscanf(string(receipt), "restart count %d", &restarts); err != nil || restarts != c.kills[s.Name()] {
			return "", fmt.Errorf("%s was killed %d times: %s", s.Name(), c.kills[s.Name()], receipt)
		}
		kills += restarts
		said = append(said, fmt.Sprintf("%s %d times, and down already when its turn came %d times (%s)",
			s.Name(), restarts, c.alreadyDown[s.Name()], receipt))
	}
	return drtest.Receipt(fmt.Sprintf("%d kills, each with exit code 137: %s", kills, strings.Join(said, "; "))), nil
}
