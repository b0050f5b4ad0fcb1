package main

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
)

const ms = time.Millisecond

// A ledgerTest is a test that a drill may fail. It keeps what it is told, and the evidence.
type ledgerTest struct {
	*testing.T
	ctx    context.Context
	said   []string
	failed bool
}

func (l *ledgerTest) Context() context.Context { return l.ctx }
func (l *ledgerTest) Cleanup(func())           {} // the evidence stays
func (l *ledgerTest) Logf(f string, a ...any)  { l.said = append(l.said, fmt.Sprintf(f, a...)) }
func (l *ledgerTest) Errorf(f string, a ...any) {
	l.failed = true
	l.Logf(f, a...)
}

func (l *ledgerTest) Fatalf(f string, a ...any) {
	l.Errorf(f, a...)
	panic(l)
}

// A service takes units of three steps of 100 ms each. It is wrong as its fields say.
type service struct {
	loses, doubles, keepsRejected, forgets, countsTwice, beginsAgain bool

	back  time.Duration // how long it takes to be up again once it is healed
	mu    sync.Mutex
	down  bool
	held  []string
	work  map[string]*unit
	calls int
}

type unit struct {
	drtest.Progress
	since time.Time // when it began with Done steps; zero while it rests
}

func (u *unit) now() drtest.Progress {
	p := u.Progress
	if !u.since.IsZero() {
		p.Done = min(3, p.Done+int(time.Since(u.since)/(100*ms)))
	}
	p.Finished = p.Done == 3
	return p
}

func (s *service) Do(_ context.Context, id string) error {
	<-time.After(5 * ms)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		if s.keepsRejected {
			s.held = append(s.held, id)
		}
		return fmt.Errorf("%w: it is dark", drtest.ErrRejected)
	}
	s.held = append(s.held, id)
	if s.doubles {
		s.held = append(s.held, id)
	}
	s.calls++
	s.work[id] = &unit{Progress: drtest.Progress{Attempt: 1}, since: time.Now()}
	return nil
}

func (s *service) Survivors(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held, nil
}

func (s *service) Progress(context.Context) (map[string]drtest.Progress, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]drtest.Progress{}
	for id, u := range s.work {
		all[id] = u.now()
	}
	return all, nil
}

func (s *service) Counters() []drtest.Counter {
	return []drtest.Counter{{Name: "calls", Read: func(context.Context) (drtest.Count, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case s.countsTwice:
			return drtest.Count{Total: s.calls, Repeated: s.calls / 2}, nil
		case s.beginsAgain && s.calls == 0:
			return drtest.Count{Total: 1000}, nil
		}
		return drtest.Count{Total: s.calls}, nil
	}}}
}

func (s *service) health(context.Context) error {
	<-time.After(7 * ms)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return errors.New("it is dark")
	}
	return nil
}

func (s *service) fall(context.Context) (drtest.Effect, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = true
	for _, u := range s.work {
		u.Progress, u.since = u.now(), time.Time{}
	}
	if s.loses {
		s.held = s.held[:len(s.held)-3]
	}
	return drtest.Effect{Receipt: "it is dark"}, nil
}

func (s *service) rise(context.Context) error {
	time.AfterFunc(s.back, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.down = false
		for _, u := range s.work {
			if u.Finished {
				continue
			}
			u.Attempt, u.since = u.Attempt+1, time.Now()
			if u.From = u.Done; s.forgets {
				u.Done, u.From = 0, 0
			}
		}
	})
	return nil
}

// TestJudgedAgain: what Run prints for judging a drill again gives the same status, and the exit
// status of it, for each way not to pass, and whatever a shell would make of the names.
func TestJudgedAgain(t *testing.T) {
	fine := func(*drtest.Ledger, drtest.Figures) error { return nil }
	asserts := func(o ...drtest.Objective) func(*service, *drtest.Scenario) {
		return func(_ *service, sc *drtest.Scenario) { sc.Objectives = append(sc.Objectives, o...) }
	}
	examines := func(evidence string, err error) func(*service, *drtest.Scenario) {
		return func(_ *service, sc *drtest.Scenario) {
			sc.Proofs = []drtest.Proof{{Name: "one history", Examine: func(context.Context) (string, error) { return evidence, err }}}
		}
	}
	stage := func(name string, limit time.Duration) func(*service, *drtest.Scenario) {
		return func(s *service, sc *drtest.Scenario) {
			sc.Stages = []drtest.Stage{{Name: "lit = again", Reached: s.health}}
			sc.Objectives = append(sc.Objectives, drtest.Reached(name, limit))
		}
	}
	for _, c := range []struct {
		reason  string
		service *service
		edit    func(*service, *drtest.Scenario)
		verdict string // that does not pass
		status  drtest.Status
	}{
		{"passes", &service{}, asserts(drtest.RTO(5*time.Second), drtest.Check("sane", fine)), "", drtest.Pass},
		{"passes all", &service{}, func(s *service, sc *drtest.Scenario) {
			sc.Stages = []drtest.Stage{{Name: "lit", Reached: s.health}}
			sc.Objectives = []drtest.Objective{drtest.Detection(time.Second), drtest.RTO(5 * time.Second), drtest.HealLag(5 * time.Second), drtest.RPO(0),
				drtest.WorkRTO(5 * time.Second), drtest.LostWork(0), drtest.AllRecovered(1), drtest.NoDuplicates(), drtest.Repeated("calls", 0), drtest.Reached("lit", 5*time.Second)}
		}, "", drtest.Pass},
		{"late", &service{}, asserts(drtest.RTO(time.Second)), "RTO", drtest.Fail},
		{"too coarse", &service{}, asserts(drtest.RTO(2010 * ms)), "RTO", drtest.Inconclusive},
		{"never noticed", &service{}, func(_ *service, sc *drtest.Scenario) {
			sc.Health = func(context.Context) error { return nil }
			sc.Objectives = []drtest.Objective{drtest.Detection(time.Second)}
		}, "detection", drtest.Fail},
		{"slow to heal", &service{back: 2 * time.Second}, asserts(drtest.HealLag(time.Second)), "heal lag", drtest.Fail},
		{"loses", &service{loses: true}, asserts(drtest.RPO(0)), "RPO", drtest.Fail},
		{"slow to work", &service{}, asserts(drtest.WorkRTO(time.Second)), "work RTO", drtest.Fail},
		{"forgets work", &service{forgets: true}, asserts(drtest.LostWork(0)), "lost work", drtest.Fail},
		{"leaves work", &service{loses: true}, asserts(drtest.AllRecovered(1)), "all recovered", drtest.Fail},
		{"too little work", &service{}, asserts(drtest.AllRecovered(1000)), "all recovered", drtest.Inconclusive},
		{"doubles", &service{doubles: true}, asserts(drtest.NoDuplicates()), "no duplicates", drtest.Fail},
		{"calls again", &service{countsTwice: true}, asserts(drtest.Repeated("calls", 3)), "repeated calls", drtest.Fail},
		{"begins to count again", &service{beginsAgain: true}, asserts(drtest.Repeated("calls", 3)), "repeated calls", drtest.Inconclusive},
		{"is seen", &service{}, asserts(drtest.NoFailedRequests()), "no failed requests", drtest.Fail},
		{"a stage is late", &service{}, stage("lit = again", 100*ms), "lit = again", drtest.Fail},
		{"a check fails", &service{}, asserts(drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return errors.New("it is not") })), "sane", drtest.Fail},
		{"a check cannot tell", &service{}, asserts(drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return drtest.ErrInconclusive })), "sane", drtest.Inconclusive},
		{"one of two checks of one name fails", &service{}, asserts(drtest.Check("sane", fine), drtest.Check("sane", func(*drtest.Ledger, drtest.Figures) error { return errors.New("it is not") })), "sane", drtest.Fail},
		{"a target fails", &service{doubles: true}, func(_ *service, sc *drtest.Scenario) {
			sc.Targets = []drtest.Objective{drtest.NoDuplicates()}
		}, "no duplicates", drtest.Fail},
		{"keeps what it rejected", &service{keepsRejected: true}, nil, "rejected stays rejected", drtest.Fail},
		{"a proof is refuted", &service{}, examines("", errors.New("two")), "one history", drtest.Fail},
		{"a proof shows nothing", &service{}, examines("", nil), "one history", drtest.Inconclusive},
		{"the model does not explain it", &service{}, func(_ *service, sc *drtest.Scenario) {
			sc.Model = drtest.Model{{Name: "light", Worst: time.Second, Source: "the switch"}}
		}, "model", drtest.Fail},
		{"it breaks", &service{}, func(_ *service, sc *drtest.Scenario) {
			sc.Runbook = []drtest.Step{{Name: "switch", Do: func(context.Context) error {
				<-time.After(time.Second) // of virtual time: what the real machine did counts in a shorter one
				return errors.New("no switch")
			}}}
		}, "heal lag", drtest.Inconclusive},
		{"it takes too long", &service{}, func(_ *service, sc *drtest.Scenario) { sc.HealAfter, sc.Deadline = 7050*ms, 8050*ms }, "heal lag", drtest.Inconclusive},
	} {
		t.Run(c.reason, func(t *testing.T) {
			odd := filepath.Join(t.TempDir(), "it's $HOME & `id`;")
			if err := os.Mkdir(odd, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("TMPDIR", odd)
			lt := &ledgerTest{T: t}
			synctest.Test(t, func(t *testing.T) {
				lt.ctx = t.Context()
				defer func() {
					if got := recover(); got != nil && got != any(lt) {
						panic(got)
					}
				}()
				s := c.service
				s.work = map[string]*unit{}
				sc := drtest.Scenario{
					ID: `AGAIN/"for" $(all) > others`, Workload: s, Load: drtest.Load{Every: 100 * ms, Timeout: 400 * ms, Steady: time.Second}, Health: s.health,
					Fault: drtest.Fault{Name: "darken", Inject: s.fall, Heal: s.rise}, HealAfter: 2050 * ms, // between two requests
					Objectives: []drtest.Objective{drtest.HealLag(time.Minute)}, Deadline: time.Minute,
				}
				if c.edit != nil {
					c.edit(s, &sc)
				}
				drtest.Run(lt, sc)
			})
			said := strings.Join(lt.said, "\n")
			if lt.failed == (c.status == drtest.Pass) {
				t.Fatalf("the test failed: %v, want status %v:\n%s", lt.failed, c.status, said)
			}
			args := []string{"check"}
			if lt.failed {
				printed := regexp.MustCompile(`judge it again, by .+: go tool drreport (check .+)`).FindStringSubmatch(said)
				if printed == nil {
					t.Fatalf("it does not say how to judge it again:\n%s", said)
				}
				words, err := exec.Command("sh", "-c", `printf '%s\0' `+printed[1]).Output()
				if err != nil {
					t.Fatalf("a shell does not take %s: %v", printed[1], err)
				}
				args = strings.Split(strings.TrimSuffix(string(words), "\x00"), "\x00")
			} else {
				journals, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*", "*.ndjson"))
				args = append(args, journals...)
			}
			status, stdout, stderr := call(t, "", nil, args...)
			want := map[drtest.Status]int{drtest.Pass: passed, drtest.Fail: notPassed, drtest.Inconclusive: notPassed}[c.status]
			if status != want || !strings.HasSuffix(stdout, fmt.Sprintf("\nstatus: %v\n", c.status)) || stderr != "" {
				t.Errorf("got exit status %d, want %d and status %v; %s\n%s", status, want, c.status, stderr, stdout)
			}
			if c.verdict != "" {
				told := regexp.MustCompile(`(?m)^  (target )?` + regexp.QuoteMeta(c.verdict) + `: ` + c.status.String() + `( \(as recorded\))?: .+$`).FindString(stdout)
				verdict := strings.Replace(strings.TrimSpace(told), " (as recorded)", "", 1)
				held := regexp.MustCompile(`(?m)^inconclusive, since the deadline passed .*\b` + regexp.QuoteMeta(c.verdict) + `\b.* which held until then$`)
				if told == "" || !strings.Contains(said, verdict) && !held.MatchString(said) {
					t.Errorf("got the verdict %q, and the test said:\n%s", told, said)
				}
			}
			if strings.Contains(stdout, "recorded was") {
				t.Errorf("a verdict differs from the one that was recorded:\n%s", stdout)
			}
		})
	}
}

// TestEveryObjectiveHasAFlag: whoever adds an objective adds its flag, and makes it one that a
// journal keeps.
func TestEveryObjectiveHasAFlag(t *testing.T) {
	files, err := filepath.Glob("../../*.go")
	if err != nil {
		t.Fatal(err)
	}
	_, _, help := call(t, "", nil, "check", "-h")
	known := 0
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Results == nil || len(f.Type.Results.List) != 1 || f.Name.Name == "Check" {
				continue
			}
			if result, ok := f.Type.Results.List[0].Type.(*ast.Ident); !ok || result.Name != "Objective" {
				continue
			}
			flag := strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(f.Name.Name, "$1-$2"))
			if strings.Contains(help, "\n  -"+flag) {
				known++
			} else {
				t.Errorf("drtest.%s has no flag -%s", f.Name.Name, flag)
			}
		}
	}
	if known < 11 {
		t.Errorf("found %d objectives, want 11 or more", known)
	}
}
