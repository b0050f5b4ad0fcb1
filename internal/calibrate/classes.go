package calibrate

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
)

const (
	ms = time.Millisecond
	// long is a limit that everything meets which ever comes to an end.
	long = 1000 * time.Hour
)

// between draws a time.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)+1))
}

// load draws a schedule.
func load(r *rand.Rand) drtest.Load {
	every := between(r, 20*ms, 60*ms)
	return drtest.Load{Every: every, Timeout: every * time.Duration(4+r.IntN(7)), Steady: every * time.Duration(9+r.IntN(12))}
}

// service draws one that is well, and takes a while to answer and to be hurt.
func service(r *rand.Rand, l drtest.Load) *Service {
	s := NewService(r)
	s.Patience = l.Timeout
	answer := between(r, 0, l.Every/2)
	s.Answer = func(time.Duration) time.Duration { return answer }
	s.InjectBefore, s.InjectAfter = between(r, 0, 90*ms), between(r, 0, 90*ms)
	return s
}

// scenario is a drill of the service.
func (s *Service) scenario(l drtest.Load) drtest.Scenario {
	return drtest.Scenario{
		ID: "PLANT", Workload: s, Load: l, Fault: s.trouble(),
		Objectives: []drtest.Objective{drtest.RPO(0)},
		Deadline:   time.Minute,
	}
}

// outage draws how long a service is down: at least so long that some request finds it down.
func outage(r *rand.Rand, l drtest.Load) time.Duration { return between(r, 2*l.Every, 3*time.Second) }

// Classes are all of them, in the order of the table.
func Classes() []Class {
	return []Class{
		{"refused", "down at once, every request is refused, and up again", 1, refused},
		{"hanging", "down at once, no request is answered, and up again", 1, hanging},
		{"late answers", "every answer comes after the timeout, then in time again", 1, lateAnswers},
		{"brief recoveries", "down two to four times, each longer than a period of the load", 1, briefRecoveries},
		{"held fault", "down until the fault is healed, and for a while after it", 1, heldFault},
		{"a process that stalls", "down one to three times; the process that measures stands still for 0.1 to 2 s", 1, stalled},
		{"no fault", "nothing happens", 1, noFault},
		{"fails before the fault", "down by itself between the steady state and the fault, which does nothing", 1, failsBefore},
		{"health", "unwell some time after the fault, and once before the steady state", 1, health},
		{"health that flaps", "unwell now and then, before the fault, during it and after, whatever happens", 1, flapping},
		{"stage", "a stage is lost with the fault and reached again later", 1, stage},
		{"stage that is told late", "likewise, but its status is as old as half a second", 1, staleStage},
		{"stage that was never missing", "a stage that the fault does not touch", 1, untouchedStage},
		{"lost work", "the units acked last before the fault are lost", 1, lostWork},
		{"all work lost", "all that was acked before the fault is lost, the RPO longer than the load ran", 1, allLost},
		{"slow injection", "the fault takes effect at once, Inject returns seconds later, what was acked meanwhile is lost", 1, slowInject},
		{"seen late", "some units can be read only up to a timeout after they were acked", 1, seenLate},
		{"vanishing work", "units vanish while the survivors are read", 1, vanishing},
		{"held twice", "some units are held twice", 1, heldTwice},
		{"waiting work", "units wait in a queue, and count no attempt meanwhile; none is rolled back", 1, waitingWork},
		{"wrong results", "units that were accepted after the fault finish with a wrong result", 1, wrongLater},
		{"turned wrong", "units that had finished before the fault have a wrong result after it", 1, turnedWrong},
		{"counter that begins again", "in mid-drill a counter forgets what it had counted", 1, counterBeginsAgain},
		{"slower for ever", "after the fault every answer takes most of the timeout", 1, slowForEver},
		{"answers after the timeout", "after the fault every answer comes after the timeout", 1, deaf},
		{"shared ids", "four drills at a time on one store, one of which keeps nothing", 1, sharedIDs},

		{"error rate", "5 to 90 % of the requests fail, then none", 0.95, errorRate},
		{"error rate, told late", "like the error rate, and Inject returns only near its end", 0.95, toldLate},
		{"error rate that falls", "80 to 95 % of the requests fail, then 20 to 60 %, then 5 to 20 %, then none", 0.95, fallingRate},
		{"one shard of several", "one of 2 to 11 shards is down, and up again", 0.95, deadShard},
		{"one shard of several, by class", "likewise, and the workload names the shard of each request", 1, knownShard},
		{"one instance of several", "every 2nd to 11th request meets a dead instance, until it is replaced", 0.95, deadInstance},
		{"error rate, with an objective", "like the error rate, and the drill asks for at most 2 to 10 %", 0.95, asked},
		{"rare shard for ever", "all are down for a while, and one that is seldom asked for ever", 1, rareForEver},
		{"error rate for ever, with an objective", "one to two times as many requests fail for ever as the drill asks for", 0.95, askedForEver},
		{"error rate for ever", "1 to 15 % of the requests fail, for ever", 0.95, rateForEver},
		{"dead shard for ever", "one of 5 to 20 shards is down, for ever", 0.95, shardForEver},
	}
}

func refused(r *rand.Rand) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	s.Failure = []Failure{Refuse, Reject}[r.IntN(2)]
	s.Fails = func(q Request) bool { return q.Since < down }
	c := s.scenario(l)
	c.Watch = between(r, 0, 10*time.Second)
	return Plant{Scenario: c, Truths: func(*drtest.Ledger) []Truth { return []Truth{s.rto(down)} }, Rules: []Rule{{
		Name: "clients were served meanwhile, the longer the drill goes on", Broken: func(report *drtest.Report) string {
			// Those at the ends of the outage may be served, and those that were due while the
			// process stood still.
			_, stopped := report.Ledger.Event(drtest.Stalled)
			if got := report.Figures.Availability; !stopped && got != nil && *got > float64(5*l.Every)/float64(down) {
				return fmt.Sprintf("an availability of %.1f %%, in an outage of %v with a request every %v", 100**got, down, l.Every)
			}
			return ""
		},
	}}}
}

func hanging(r *rand.Rand) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	s.Failure = Hang
	s.Fails = func(q Request) bool { return q.Since < down }
	return Plant{Scenario: s.scenario(l), Truths: func(*drtest.Ledger) []Truth { return []Truth{s.rto(down)} }}
}

func lateAnswers(r *rand.Rand) Plant {
	l := load(r)
	s, down, late := service(r, l), outage(r, l), between(r, l.Timeout+ms, 3*l.Timeout)
	s.Answer = func(since time.Duration) time.Duration {
		if since >= 0 && since < down {
			return late
		}
		return 0
	}
	return Plant{Scenario: s.scenario(l), Truths: func(*drtest.Ledger) []Truth { return []Truth{s.rto(down)} }}
}

func briefRecoveries(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	windows := windows(r, l, 2+r.IntN(3))
	s.Fails = func(q Request) bool { return down(windows, q.Since) }
	return Plant{Scenario: s.scenario(l), Truths: func(*drtest.Ledger) []Truth { return []Truth{s.rto(windows[len(windows)-1].Hi)} }}
}

// windows draws so many outages, with a recovery after each that is too brief to be steady.
func windows(r *rand.Rand, l drtest.Load, n int) (windows []drtest.Interval) {
	for at := time.Duration(0); len(windows) < n; {
		w := drtest.Interval{Lo: at, Hi: at + between(r, 2*l.Every, time.Second)}
		windows, at = append(windows, w), w.Hi+between(r, 0, l.Steady/2)
	}
	return windows
}

// down says whether a time lies in one of the outages.
func down(windows []drtest.Interval, at time.Duration) bool {
	return slices.ContainsFunc(windows, func(w drtest.Interval) bool { return at >= w.Lo && at < w.Hi })
}

func heldFault(r *rand.Rand) Plant {
	l := load(r)
	s, lag := service(r, l), between(r, 0, time.Second)
	s.Failure = []Failure{Refuse, Hang}[r.IntN(2)]
	s.Fails = func(q Request) bool { return q.Healed < 0 || q.Healed < lag }
	c := s.scenario(l)
	c.HealAfter = between(r, 2*l.Every, 2*time.Second)
	return Plant{Scenario: c, Truths: func(*drtest.Ledger) []Truth {
		return []Truth{s.rto(s.healed.Sub(s.fault) + lag), s.healLag(lag)}
	}}
}

func noFault(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	return Plant{Scenario: s.scenario(l), Rules: []Rule{
		{Name: "an RTO is measured", Objectives: []drtest.Objective{drtest.RTO(long)}, Broken: func(report *drtest.Report) string {
			// What fails while the process stands still may show an outage of no time.
			if v := report.Verdicts[0]; v.Status != drtest.Inconclusive && v.Got.Lo > 0 && s.strays(report.Ledger) == 0 {
				return v.String()
			}
			return ""
		}},
		neverUnlessStopped("the fault is seen by clients, or may have been", s, drtest.NoFailedRequests()),
		never("work is lost, or may have been", drtest.RPO(0), drtest.Fail, drtest.Inconclusive),
	}}
}

// neverUnlessStopped forbids that an objective is not met. It may be inconclusive where the process
// that measures stood still.
func neverUnlessStopped(name string, s *Service, o drtest.Objective) Rule {
	return Rule{Name: name, Objectives: []drtest.Objective{o}, Broken: func(r *drtest.Report) string {
		_, stopped := r.Ledger.Event(drtest.Stalled)
		if v := r.Verdicts[0]; v.Status == drtest.Fail && s.strays(r.Ledger) == 0 || v.Status == drtest.Inconclusive && !stopped {
			return v.String()
		}
		return ""
	}}
}

// failsBefore is down from a moment at which the drill reads the progress of work for the last time
// before Inject.
func failsBefore(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	s.InjectBefore, s.InjectAfter = 0, 0
	t := &earlyFailure{Service: s, after: l.Steady + between(r, 0, 4*l.Every), reading: l.Timeout * 9 / 10, down: between(r, 2*l.Every, time.Second)}
	c := s.scenario(l)
	c.Workload = t
	return Plant{Scenario: c, Breaks: true, Rules: []Rule{{
		Name: "the fault is taken for the reason of what failed before it", Objectives: []drtest.Objective{drtest.RTO(long)},
		Broken: func(report *drtest.Report) string {
			seen := t.began.Add(t.after + l.Every) // by some request
			if v := report.Verdicts[0]; v.Status == drtest.Pass && seen.Before(s.asked) {
				return v.String()
			}
			return ""
		},
	}}}
}

type earlyFailure struct {
	*Service
	after, down, reading time.Duration
}

func (e *earlyFailure) Do(ctx context.Context, id string) error {
	e.mu.Lock()
	since := time.Since(e.began.Add(e.after))
	down := !e.began.IsZero() && since >= 0 && since < e.down
	e.mu.Unlock()
	if down {
		return errors.New("connection refused")
	}
	return e.Service.Do(ctx, id)
}

func (e *earlyFailure) Progress(context.Context) (map[string]drtest.Progress, error) {
	wait(e.reading)
	e.mu.Lock()
	defer e.mu.Unlock()
	return finished(e.units, ""), nil
}

// finished says that units have come to their end.
func finished(units []*Unit, wrong string) map[string]drtest.Progress {
	all := map[string]drtest.Progress{}
	for _, u := range units {
		all[u.ID] = drtest.Progress{Done: 1, Attempt: 1, Finished: true, Wrong: wrong}
	}
	return all
}

func health(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	down := between(r, 8*l.Every, 3*time.Second)
	notice := between(r, 0, down-4*l.Every)
	early := between(r, 0, l.Steady-2*l.Every) // and not while the fault is injected
	s.Fails = func(q Request) bool { return q.Since < down }
	s.Sick = func(since, age time.Duration) bool {
		return since < 0 && age >= early && age < early+2*l.Every || since >= notice && since < down
	}
	c := s.scenario(l)
	c.Health = s.Health
	return Plant{Scenario: c, Truths: func(l *drtest.Ledger) []Truth {
		fault, _ := l.Event(drtest.FaultInjected)
		unanswered := func(e drtest.Event) bool { // by a busy machine
			return e.Kind == drtest.HealthLost && e.Hi >= fault.Lo && strings.Contains(e.Note, context.DeadlineExceeded.Error())
		}
		if slices.ContainsFunc(l.Events, unanswered) {
			return []Truth{s.rto(down)}
		}
		return []Truth{s.rto(down), detection(notice)}
	}}
}

// flapping is a service that is not steady at first, so that its health is seen to flap.
func flapping(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	down := between(r, 2*l.Every, 3*time.Second)
	s.Fails = func(q Request) bool { return q.Since < down }
	period, sick := l.Steady+between(r, 4*l.Every, 12*l.Every), between(r, 2*l.Every, 3*l.Every)
	s.Sick = func(_, age time.Duration) bool { return age%period >= period-sick }
	c := s.scenario(l)
	c.Workload = &warmingUp{s, 2*period + between(r, 0, 2*period)}
	c.Health = s.Health
	return Plant{Scenario: c, Breaks: true, Rules: []Rule{
		never("the fault is detected", drtest.Detection(long), drtest.Pass),
	}}
}

// warmingUp is a service that refuses everything at first.
type warmingUp struct {
	*Service
	takes time.Duration
}

func (w *warmingUp) Do(ctx context.Context, id string) error {
	w.mu.Lock()
	if w.began.IsZero() {
		w.began = time.Now()
	}
	cold := time.Since(w.began) < w.takes
	w.mu.Unlock()
	if cold {
		return errors.New("starting")
	}
	return w.Service.Do(ctx, id)
}

// redundancy is a stage whose status is as old as told.
func (s *Service) redundancy(back, told time.Duration) func(context.Context) error {
	return func(context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if since := s.since(time.Now()); since >= told && since < back {
			return errors.New("one node is missing")
		}
		return nil
	}
}

func stage(r *rand.Rand) Plant { return staged(r, 0) }

func staleStage(r *rand.Rand) Plant { return staged(r, between(r, 0, 500*ms)) }

func staged(r *rand.Rand, told time.Duration) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	back := told + between(r, 200*ms, 5*time.Second)
	s.Fails = func(q Request) bool { return q.Since < down }
	c := s.scenario(l)
	c.Stages = []drtest.Stage{{Name: "redundant", Reached: s.redundancy(back, told)}}
	return Plant{Scenario: c, Truths: func(*drtest.Ledger) []Truth { return []Truth{reached("redundant", back)} }}
}

func untouchedStage(r *rand.Rand) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	s.Fails = func(q Request) bool { return q.Since < down }
	c := s.scenario(l)
	c.Stages = []drtest.Stage{{Name: "redundant", Reached: s.redundancy(0, 0)}}
	return Plant{Scenario: c, Breaks: true, Rules: []Rule{
		never("the stage is reached after the fault", drtest.Reached("redundant", long), drtest.Pass),
	}}
}
