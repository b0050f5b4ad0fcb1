package calibrate

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/drtest/suite/drtest"
)

// lostWork loses units by their order back from the fault.
func lostWork(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	s.InjectBefore, s.InjectAfter = between(r, 1, ms), 0 // what is acked meanwhile may have been acked after the fault
	down, lose := between(r, 0, time.Second), 1+r.IntN(6)
	s.Fails = func(q Request) bool { return q.Since < down }
	s.Held = func(u *Unit, _, _ time.Duration) int {
		if u.Order >= 0 && u.Order < lose {
			return 0
		}
		return 1
	}
	// A unit is lost whose client was told that it is kept. The answer may have come too late for
	// that.
	var told []*Unit
	return Plant{Scenario: s.scenario(l), Truths: func(l *drtest.Ledger) []Truth {
		oldest := time.Duration(0)
		for _, u := range s.units {
			acked := slices.ContainsFunc(l.Ops, func(op drtest.Op) bool { return op.ID == u.ID && op.Outcome == drtest.Acked })
			if u.Order >= 0 && u.Order < lose && acked {
				told, oldest = append(told, u), max(oldest, s.fault.Sub(u.Kept))
			}
		}
		return []Truth{rpo(oldest)}
	}, Rules: []Rule{
		{Name: "nothing is lost", Objectives: []drtest.Objective{drtest.RPO(0)}, Broken: func(report *drtest.Report) string {
			if v := report.Verdicts[0]; v.Status == drtest.Pass && len(told) > 0 {
				return v.String()
			}
			return ""
		}},
		{Name: "another number is lost", Broken: func(report *drtest.Report) string {
			if n := len(report.Figures.Lost); n != len(told) {
				return fmt.Sprintf("%d are lost, and %d are found to be", len(told), n)
			}
			return ""
		}},
	}}
}

func allLost(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	down := between(r, 0, time.Second)
	s.Fails = func(q Request) bool { return q.Since < down }
	s.Held = func(u *Unit, _, _ time.Duration) int {
		if u.Order >= 0 {
			return 0
		}
		return 1
	}
	window := between(r, 5*time.Second, time.Hour)
	return Plant{Scenario: s.scenario(l), Rules: []Rule{
		never("a window longer than the load ran forgives it", drtest.RPO(window), drtest.Pass),
		never("nothing is lost", drtest.RPO(0), drtest.Pass),
	}}
}

func slowInject(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	s.InjectBefore, s.InjectAfter = 0, between(r, time.Second, 3*time.Second)
	loses := between(r, 4*l.Every, s.InjectAfter)
	s.Held = func(u *Unit, _, _ time.Duration) int {
		if after := u.Kept.Sub(s.fault); after >= 0 && after < loses {
			return 0
		}
		return 1
	}
	return Plant{Scenario: s.scenario(l), Rules: []Rule{
		never("what was acked after the fault and lost is forgiven", drtest.RPO(between(r, 5*time.Second, time.Hour)), drtest.Pass),
	}}
}

func seenLate(r *rand.Rand) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	late, some := between(r, 0, l.Timeout), 1+r.IntN(20)
	s.Fails = func(q Request) bool { return q.Since < down }
	s.Held = func(u *Unit, age, _ time.Duration) int {
		if age < late && number(u.ID)%some == 0 {
			return 0
		}
		return 1
	}
	return Plant{Scenario: s.scenario(l), Rules: []Rule{
		never("a slow commit is lost", drtest.RPO(0), drtest.Fail),
	}}
}

func vanishing(r *rand.Rand) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	first, last, after := r.IntN(5), 5+r.IntN(5), between(r, 0, l.Timeout)
	s.Fails = func(q Request) bool { return q.Since < down }
	s.Held = func(u *Unit, _, reading time.Duration) int {
		if u.Order >= first && u.Order < last && reading >= after {
			return 0
		}
		return 1
	}
	return Plant{Scenario: s.scenario(l), Rules: []Rule{
		never("what was there for a moment is held", drtest.RPO(0), drtest.Pass),
	}}
}

func heldTwice(r *rand.Rand) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	twice := 1 + r.IntN(5)
	s.Fails = func(q Request) bool { return q.Since < down }
	s.Held = func(u *Unit, _, _ time.Duration) int {
		if u.Order >= 0 && u.Order < twice {
			return 2
		}
		return 1
	}
	return Plant{Scenario: s.scenario(l), Rules: []Rule{
		never("each is held once", drtest.NoDuplicates(), drtest.Pass, drtest.Inconclusive),
		{Name: "another number is held twice", Broken: func(report *drtest.Report) string {
			if n := len(report.Figures.Duplicates); n != twice {
				return fmt.Sprintf("%d are held twice, and %d are found to be", twice, n)
			}
			return ""
		}},
	}}
}

// tracked is a service whose clients see how far each unit is.
type tracked struct {
	*Service
	work  time.Duration // until a unit has finished
	wrong func(u *Unit, since time.Duration) bool
}

func (t tracked) Progress(context.Context) (map[string]drtest.Progress, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, all := time.Now(), map[string]drtest.Progress{}
	for _, u := range t.units {
		p := drtest.Progress{Attempt: 1}
		if now.Sub(u.Kept) >= t.work {
			p.Done, p.Finished = 1, true
			if t.wrong(u, t.since(now)) {
				p.Wrong = "its sum is not right"
			}
		}
		all[u.ID] = p
	}
	return all, nil
}

func wrongLater(r *rand.Rand) Plant {
	return wrongResults(r, func(u *Unit, since time.Duration) bool { return since >= 0 && u.Order < 0 })
}

func turnedWrong(r *rand.Rand) Plant {
	oldest := 10 + r.IntN(3)
	return wrongResults(r, func(u *Unit, since time.Duration) bool { return since >= 0 && u.Order > oldest-4 && u.Order <= oldest })
}

func wrongResults(r *rand.Rand, wrong func(*Unit, time.Duration) bool) Plant {
	l := load(r)
	l.Steady = max(l.Steady, 16*l.Every) // so that some have finished
	s, down := service(r, l), outage(r, l)
	s.Fails = func(q Request) bool { return q.Since < down }
	c := s.scenario(l)
	c.Workload = tracked{s, between(r, 0, 3*l.Every), wrong}
	return Plant{Scenario: c, Rules: []Rule{{
		Name: "all objectives are met", Objectives: []drtest.Objective{drtest.RTO(long), drtest.RPO(0), drtest.NoDuplicates()},
		Broken: func(report *drtest.Report) string {
			if status := report.Status(); status != drtest.Fail {
				return "the report's status is " + status.String()
			}
			return ""
		},
	}}}
}

// queued is a service in which work waits before it is begun, and counts no attempt meanwhile.
type queued struct {
	*Service
	waits, work time.Duration
}

func (q queued) Progress(context.Context) (map[string]drtest.Progress, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now, all := time.Now(), map[string]drtest.Progress{}
	for _, u := range q.units {
		switch age := now.Sub(u.Kept); {
		case age < q.waits:
			all[u.ID] = drtest.Progress{}
		case age < q.waits+q.work:
			all[u.ID] = drtest.Progress{Attempt: 1}
		default:
			all[u.ID] = drtest.Progress{Attempt: 1, Done: 1, Finished: true}
		}
	}
	return all, nil
}

func waitingWork(r *rand.Rand) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	s.Fails = func(q Request) bool { return q.Since < down }
	c := s.scenario(l)
	c.Workload = queued{s, between(r, 2*l.Every, 8*l.Every), between(r, 2*l.Every, 8*l.Every)}
	return Plant{Scenario: c, Rules: []Rule{
		never("work is rolled back, or nobody knows", drtest.LostWork(0), drtest.Fail, drtest.Inconclusive),
		never("work is not recovered, or nobody knows", drtest.AllRecovered(1), drtest.Fail, drtest.Inconclusive),
	}}
}

// metered is a service that calls twice for each unit, and whose counter of calls begins again at
// some time after the fault. From then on it calls once.
type metered struct {
	*Service
	others  int // calls from before the drill
	forgets time.Duration
}

func (m metered) Counters() []drtest.Counter {
	return []drtest.Counter{{Name: "calls", Read: func(context.Context) (drtest.Count, error) { return m.calls(), nil }}}
}

func (m metered) calls() (n drtest.Count) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.since(time.Now()) < m.forgets {
		return drtest.Count{Total: m.others + 2*len(m.units), Repeated: len(m.units)}
	}
	for _, u := range m.units {
		if u.Kept.Sub(m.fault) >= m.forgets {
			n.Total++
		}
	}
	return n
}

func counterBeginsAgain(r *rand.Rand) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	s.Fails = func(q Request) bool { return q.Since < down }
	c := s.scenario(l)
	c.Workload = metered{s, r.IntN(3), between(r, 0, down)}
	c.Watch = 6 * time.Second // it may count more by the end than it had forgotten
	return Plant{Scenario: c, Breaks: true, Rules: []Rule{
		never("no call was repeated", drtest.Repeated("calls", 0), drtest.Pass),
	}}
}

func slowForEver(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	fast, slow := between(r, 0, l.Timeout/20), between(r, l.Timeout/2, l.Timeout*19/20)
	s.Answer = func(since time.Duration) time.Duration {
		if since >= 0 {
			return slow
		}
		return fast
	}
	return Plant{Scenario: s.scenario(l), Rules: []Rule{never("no client saw the fault", drtest.NoFailedRequests(), drtest.Pass)}}
}

func deaf(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	late := l.Timeout + between(r, ms, 900*ms)
	s.Deaf = true
	s.Answer = func(since time.Duration) time.Duration {
		if since >= 0 {
			return late
		}
		return 0
	}
	c := s.scenario(l)
	c.Deadline = 10 * time.Second
	return Plant{Scenario: c, Rules: []Rule{
		never("no client saw the fault", drtest.NoFailedRequests(), drtest.Pass),
		never("clients were served again", drtest.RTO(long), drtest.Pass),
	}}
}

// sharedStore is a service that reads the survivors of all who share its store.
type sharedStore struct {
	*Service
	store []*Service
}

func (s sharedStore) Survivors(ctx context.Context) (all []string, err error) {
	for _, each := range s.store {
		ids, err := each.Survivors(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	return all, nil
}

func sharedIDs(r *rand.Rand) Plant {
	l := load(r)
	down := outage(r, l)
	var store []*Service
	for range 4 {
		s := service(r, l)
		s.Fails = func(q Request) bool { return q.Since < down }
		store = append(store, s)
	}
	store[0].Held = func(*Unit, time.Duration, time.Duration) int { return 0 }
	p := Plant{Rules: []Rule{never("the drill that keeps nothing lost nothing", drtest.RPO(0), drtest.Pass)}}
	for i, s := range store {
		c := s.scenario(l)
		c.Workload = sharedStore{s, store}
		if i == 0 {
			p.Scenario = c
		} else {
			p.Beside = append(p.Beside, c)
		}
	}
	return p
}
