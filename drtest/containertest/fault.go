package containertest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// injectTimeout bounds the time in which a fault must be seen to have taken effect.
const injectTimeout = 5 * time.Second

// stopTimeout bounds an orderly end. It is as long as the engine waits before it kills what it was
// told to stop.
const stopTimeout = 10 * time.Second

// newsTimeout bounds the time that the engine takes to tell of an end.
const newsTimeout = time.Second

// unless returns f, or f as a fault that is refused, if there is a reason for that.
func unless(reason error, f drtest.Fault) drtest.Fault {
	if reason == nil {
		return f
	}
	refuse := func(context.Context) (drtest.Effect, error) { return drtest.Effect{}, reason }
	return drtest.Fault{Name: f.Name, Inject: refuse, Err: reason}
}

// Crash returns the sudden end of all processes of the service by SIGKILL, under a supervisor that
// acts: with [RestartOnFailure] the engine starts the container again. Peers see their connections
// closed, then, until the service listens again, refused. Files survive and so does the host's page
// cache: what was written without fsync is not lost. Heal does nothing, since recovery is the
// supervisor's part. Confirm tells what the supervisor did.
func (s *Service) Crash() drtest.Fault {
	return unless(s.endless(), drtest.Fault{Name: "crash " + s.Name(), Inject: s.crash, Confirm: s.restarted})
}

// Kill returns the death of the service's node: the engine kills the container, which suspends its
// restart policy, so that it stays dead. Peers see their connections closed; for some 100 ms, while
// the engine takes the node apart, connection attempts get no answer, and from then on its name
// does not resolve. Files and the host's page cache survive as with [Service.Crash]. There is
// nothing to heal: [Service.Resume] starts it again. Confirm makes sure that nobody else has
// brought the service back: no supervisor, and no stranger.
func (s *Service) Kill() drtest.Fault {
	var lived string // when the life that was ended had begun
	inject := func(ctx context.Context) (drtest.Effect, error) {
		d, err := s.kill(ctx)
		if err != nil {
			return d, err
		}
		c, err := s.inspect(ctx)
		if err == nil {
			lived = c.State.StartedAt
			s.mu.Lock()
			s.begun, s.stranger, s.restarts = lived, "", c.RestartCount
			s.mu.Unlock()
		}
		return d, err
	}
	confirm := func(ctx context.Context) (drtest.Receipt, error) { return s.stayedDead(ctx, lived) }
	return unless(s.endless(), drtest.Fault{Name: "kill " + s.Name(), Inject: inject, Confirm: confirm})
}

func (s *Service) crash(ctx context.Context) (drtest.Effect, error) {
	// A kill by the engine would suspend the restart policy, so the signal comes from elsewhere.
	return s.dieAndRestart(ctx, sigkilled, func(ctx context.Context) error {
		c, err := s.inspect(ctx)
		if err != nil {
			return err
		}
		if !c.State.Running {
			return fmt.Errorf("%s is not running but %s", s.Name(), c.State.Status)
		}
		return s.engine.Kill(ctx, c.State.Pid, s.id)
	})
}

func (s *Service) restarted(ctx context.Context) (drtest.Receipt, error) {
	c, err := s.inspect(ctx)
	if err != nil {
		return "", err
	}
	if !c.State.Running {
		return drtest.Receipt("not restarted: " + c.State.Status), nil
	}
	if c.State.Restarting { // the engine says of it that it runs, too
		return drtest.Receipt(fmt.Sprintf("restart count %d, waiting to be started again", c.RestartCount)), nil
	}
	died, err := time.Parse(time.RFC3339Nano, c.State.FinishedAt)
	if err != nil {
		return "", fmt.Errorf("end of %s: %w", s.Name(), err)
	}
	started, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
	if err != nil {
		return "", fmt.Errorf("start of %s: %w", s.Name(), err)
	}
	return drtest.Receipt(fmt.Sprintf("restart count %d, running again %v after the death",
		c.RestartCount, started.Sub(died).Round(time.Millisecond))), nil
}

// Exit returns the end of the service by its own doing, with an exit code: 2 is that of a Go
// program that panics. The caller's trigger leads it there: a request that it cannot digest. It may
// return before the service ends, and it may fail because the service ends. Peers see what they see
// after [Service.Crash], and the supervisor acts in the same way, again and again if the service
// meets the same request when it starts.
//
// Inject returns when the engine has seen the service end, at most five seconds later; another code
// is an error. Heal does nothing. Confirm tells what the supervisor did.
func (s *Service) Exit(code int, trigger func(context.Context) error) drtest.Fault {
	inject := func(ctx context.Context) (drtest.Effect, error) {
		want := end{strconv.Itoa(code), fmt.Sprintf("by its own doing with %d", code), injectTimeout}
		return s.dieAndRestart(ctx, want, func(ctx context.Context) error {
			err := trigger(ctx)
			if err == nil {
				return nil
			}
			select { // it may be the end that made it fail, and the news of that on its way
			case <-time.After(newsTimeout):
			case <-ctx.Done():
			}
			return fmt.Errorf("trigger: %w", err)
		})
	}
	return unless(s.endless(), drtest.Fault{Name: "exit " + s.Name(), Inject: inject, Confirm: s.restarted})
}

func (s *Service) kill(ctx context.Context) (drtest.Effect, error) {
	if s.firewall == nil {
		return s.killContainer(ctx, s.id)
	}
	// The network of the node goes with it.
	var both errgroup.Group
	var server, node drtest.Effect
	both.Go(func() (err error) { server, err = s.killContainer(ctx, s.id); return err })
	both.Go(func() (err error) { node, err = s.killContainer(ctx, s.firewall.ID); return err })
	err := both.Wait()
	if node.By.After(server.By) {
		server.By = node.By
	}
	return server, err
}

func (s *Service) killContainer(ctx context.Context, id string) (drtest.Effect, error) {
	return s.die(ctx, id, sigkilled, func(ctx context.Context) error {
		_, err := s.engine.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"})
		return err
	})
}

// stayedDead says whether all starts since the life that began at a time, which was ended, were
// those of the runbook. A start leaves its time also where the service has ended again.
func (s *Service) stayedDead(ctx context.Context, lived string) (drtest.Receipt, error) {
	c, err := s.inspect(ctx)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	resumed, stranger, restarts := s.resumed, s.stranger, s.restarts
	s.mu.Unlock()
	switch {
	case c.RestartCount > restarts: // a start by hand resets it
		return "", fmt.Errorf("%s did not stay dead: %s, restart count %d", s.Name(), c.State.Status, c.RestartCount)
	case stranger != "":
		return "", fmt.Errorf("%s did not stay dead: somebody else than the runbook started it at %s", s.Name(), stranger)
	case c.State.StartedAt == lived:
		return "stayed dead", nil
	case c.State.StartedAt == resumed:
		return "stayed dead until it was started by hand", nil
	}
	return "", fmt.Errorf("%s did not stay dead: somebody else than the runbook started it at %s, now it is %s",
		s.Name(), c.State.StartedAt, c.State.Status)
}

// An end is how a container should end.
type end struct {
	code   string
	means  string
	within time.Duration
}

var (
	sigkilled = end{"137", "by SIGKILL", injectTimeout}
	graceful  = end{"0", "gracefully", stopTimeout}
)

// die ends a container by act and returns its death, with the exit code as receipt, as soon as the
// engine has seen it end as it should. That may be long before act returns, which goes on until the
// engine has answered: a request that is cut off as its answer comes takes the next one on its
// connection along, whose error is then that it was canceled.
func (s *Service) die(ctx context.Context, id string, want end, act func(context.Context) error) (drtest.Effect, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, want.within, fmt.Errorf("%s was not seen to end within %v", s.Name(), want.within))
	defer cancel()
	if ctx.Err() != nil { // act would go on without it
		return drtest.Effect{}, context.Cause(ctx)
	}
	s.forgetPorts()
	begin := time.Now()
	seen := s.events(ctx, id, events.ActionDie)
	acted := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), want.within)
		defer cancel()
		acted <- act(ctx)
	}()
	for {
		select {
		case e := <-seen.Messages:
			by := s.deadBy(ctx, e, begin)
			code := e.Actor.Attributes["exitCode"]
			if code != want.code {
				return drtest.Effect{}, fmt.Errorf("%s ended with exit code %s, not %s", s.Name(), code, want.means)
			}
			return drtest.Effect{Receipt: drtest.Receipt("exit code " + code), By: by}, nil
		case err := <-seen.Err:
			return drtest.Effect{}, errors.Join(context.Cause(ctx), err)
		case err := <-acted:
			if err != nil {
				return drtest.Effect{}, err
			}
		}
	}
}

// restartPause is how long the engine waits before it starts a container again for the first time.
// Later pauses are longer, so that nothing is told of what it takes to start then.
const restartPause = 100 * time.Millisecond

// dieAndRestart is die for a service that a supervisor starts again, and tells the drill how long
// the engine takes for that.
func (s *Service) dieAndRestart(ctx context.Context, want end, act func(context.Context) error) (drtest.Effect, error) {
	if s.config.Restart == NeverRestart {
		return s.die(ctx, s.id, want, act)
	}
	following, stop := context.WithTimeout(context.WithoutCancel(ctx), StartTimeout)
	seen := s.events(following, s.id, events.ActionStart)
	d, err := s.die(ctx, s.id, want, act)
	if err != nil {
		stop()
		return d, err
	}
	go func() {
		defer stop()
		select {
		case <-seen.Messages:
			now := time.Now()
			if c, err := s.inspect(following); err == nil && c.RestartCount == 1 {
				drtest.NoteStart(ctx, s.Name(), d.By.Add(restartPause), now)
			}
		case <-seen.Err:
		}
	}()
	return d, nil
}

// deadBy returns when a container was certainly dead of whose death, after begin, the engine has
// just told.
func (s *Service) deadBy(ctx context.Context, told events.Message, begin time.Time) time.Time {
	now := time.Now()
	c, err := s.inspectContainer(ctx, told.Actor.ID)
	if err != nil {
		return now
	}
	return deadBy(begin, now, time.Unix(0, told.TimeNano), c.State.FinishedAt)
}

// clockStep is how far the wall clock may be off from the monotonic one over an injection.
const clockStep = time.Millisecond

// deadBy returns when a container was certainly dead, from when its fault began, when the news of
// its death came, and two times of the engine's clock: when it told, which is once it has taken the
// container's network apart and can take a second, and when the container ended. What passed
// between them had passed when the news came, so no two clocks are compared. That the engine's
// clock did not step forward meanwhile is known where it is that of this machine, and taken for
// granted elsewhere. Where the end is that of another death, before or after, the news is all that
// there is.
func deadBy(begin, news, told time.Time, finishedAt string) time.Time {
	finished, err := time.Parse(time.RFC3339Nano, finishedAt)
	ago := told.Sub(finished)
	step := news.Round(0).Sub(begin.Round(0)) - news.Sub(begin)
	if err != nil || ago < 0 || ago > news.Sub(begin) || step.Abs() > clockStep {
		return news
	}
	return news.Add(-ago)
}

// events follows what the engine sees of a container. It is asked before the fault: that is faster
// than asking again and again after it, and misses nothing.
func (s *Service) events(ctx context.Context, id string, actions ...events.Action) client.EventsResult {
	of := make(client.Filters).Add("container", id)
	for _, a := range actions {
		of.Add("event", string(a))
		if a == events.ActionDie {
			of.Add("event", "died") // as a filter of Podman's has it, which tells it as "die", too
		}
	}
	return s.engine.Events(ctx, client.EventsListOptions{Filters: of})
}
