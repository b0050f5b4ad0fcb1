// Package sessions knows by their labels what test processes have in a container engine, and
// removes what none of them needs any more.
package sessions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// LabelKind and LabelSession mark everything that this module makes in an engine. The first says
// what the thing is, the second which test process it belongs to.
const (
	LabelKind    = "drtest"
	LabelSession = "drtest.session"
)

// KindReaper is the kind of the container that runs as long as its test process lives, and until it
// has removed what that left. The process holds its standard input, so this holds for processes of
// other machines as well.
const KindReaper = "reaper"

// startTime is how long a reaper may take from being made to its start: as long as its process waits
// for that.
const startTime = time.Minute

// A Session is what a test process has in an engine.
type Session struct {
	ID                            string
	Living                        bool // its reaper runs
	Starting                      bool // its reaper was made lately, and is to run, or its process is gone
	Containers, Networks, Volumes int  // without the reaper
}

func (s Session) String() string {
	return fmt.Sprintf("%d containers, %d networks and %d volumes of session %s", s.Containers, s.Networks, s.Volumes, cmp.Or(s.ID, "unknown"))
}

// List returns the sessions that have anything in an engine, ordered by their ids.
func List(ctx context.Context, engine *client.Client) ([]Session, error) {
	return list(ctx, engine, startTime)
}

func list(ctx context.Context, engine *client.Client, startTime time.Duration) ([]Session, error) {
	all := map[string]*Session{}
	of := func(labels map[string]string) *Session {
		id := labels[LabelSession]
		if all[id] == nil {
			all[id] = &Session{ID: id}
		}
		return all[id]
	}
	ours := make(client.Filters).Add("label", LabelKind)
	// A process that is about to make something has its reaper by then, so that is looked for last.
	volumes, err := engine.VolumeList(ctx, client.VolumeListOptions{Filters: ours})
	if err != nil {
		return nil, err
	}
	for _, v := range volumes.Items {
		of(v.Labels).Volumes++
	}
	networks, err := engine.NetworkList(ctx, client.NetworkListOptions{Filters: ours})
	if err != nil {
		return nil, err
	}
	for _, n := range networks.Items {
		of(n.Labels).Networks++
	}
	containers, err := engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: ours})
	if err != nil {
		return nil, err
	}
	now, err := clock(ctx, engine)
	if err != nil {
		return nil, err
	}
	for _, c := range containers.Items {
		s := of(c.Labels)
		if c.Labels[LabelKind] != KindReaper {
			s.Containers++
			continue
		}
		switch c.State {
		case container.StateRunning, container.StatePaused:
			s.Living = true
		case container.StateCreated:
			s.Starting = s.Starting || now.Sub(time.Unix(c.Created, 0)) < startTime
		}
	}
	var sorted []Session
	for _, id := range slices.Sorted(maps.Keys(all)) {
		sorted = append(sorted, *all[id])
	}
	return sorted, nil
}

// clock returns the engine's time, which need not be this machine's.
func clock(ctx context.Context, engine *client.Client) (time.Time, error) {
	info, err := engine.Info(ctx, client.InfoOptions{})
	if err != nil {
		return time.Time{}, err
	}
	return time.Parse(time.RFC3339Nano, info.Info.SystemTime)
}

// Dead returns the sessions whose process is gone, as well as its reaper. It looks twice, grace
// apart: a process whose reaper is gone starts another at once. It waits until it is clear of those
// that are starting whether they live.
func Dead(ctx context.Context, engine *client.Client, grace time.Duration) ([]Session, error) {
	return dead(ctx, engine, grace, startTime)
}

func dead(ctx context.Context, engine *client.Client, grace, startTime time.Duration) ([]Session, error) {
	begin := time.Now()
	before, err := list(ctx, engine, startTime)
	for err == nil && slices.ContainsFunc(before, func(s Session) bool { return !s.Living }) {
		select {
		case <-time.After(grace):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		var now []Session
		if now, err = list(ctx, engine, startTime); err != nil {
			break
		}
		unclear := slices.ContainsFunc(now, func(s Session) bool { return s.Starting && !s.Living })
		if !unclear || time.Since(begin) > startTime+2*grace { // others may be starting all the time
			return slices.DeleteFunc(now, func(s Session) bool {
				return s.Living || s.Starting || !slices.ContainsFunc(before, func(b Session) bool { return b.ID == s.ID && !b.Living })
			}), nil
		}
		before = now
	}
	return nil, err
}

const (
	sweepPoll = 200 * time.Millisecond
	// sweepLimit bounds the attempts to remove what cannot be removed.
	sweepLimit = 30 * time.Second
)

// Remove removes all that a session has, its reaper as well.
func (s Session) Remove(ctx context.Context, engine *client.Client) error {
	label := LabelSession + "=" + s.ID
	if s.ID == "" { // what has no session; the label of a kind is on what has one, too
		return errors.New("it is not known whose it is: remove it by hand")
	}
	ctx, cancel := context.WithTimeout(ctx, sweepLimit)
	defer cancel()
	return wait.For(ctx, sweepPoll, func(ctx context.Context) error {
		n, err := Sweep(ctx, engine, label, "")
		if err == nil && n > 0 {
			err = fmt.Errorf("%d things with label %s are left", n, label)
		}
		return err
	})
}

// Sweep removes what it finds with a label, but containers of a kind to spare, and returns how many
// things it found. Containers go first, since they hold the rest. What cannot be removed is found
// by the next sweep.
func Sweep(ctx context.Context, engine *client.Client, label, spare string) (found int, err error) {
	with := make(client.Filters).Add("label", label)
	containers, err := engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: with})
	if err != nil {
		return 0, err
	}
	var removals sync.WaitGroup
	for _, c := range containers.Items {
		if spare != "" && c.Labels[LabelKind] == spare {
			continue
		}
		found++
		removals.Go(func() {
			engine.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		})
	}
	removals.Wait()
	networks, err := engine.NetworkList(ctx, client.NetworkListOptions{Filters: with})
	if err != nil {
		return found, err
	}
	for _, n := range networks.Items {
		found++
		if err := vacate(ctx, engine, n.ID); err != nil {
			return found, err
		}
		engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
	}
	volumes, err := engine.VolumeList(ctx, client.VolumeListOptions{Filters: with})
	if err != nil {
		return found, err
	}
	for _, v := range volumes.Items {
		found++
		engine.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
	}
	return found, nil
}

// vacate takes off a network the containers that are left on it: those of others, which the session
// had borrowed. One that is dead could not start again without the network.
func vacate(ctx context.Context, engine *client.Client, network string) error {
	on, err := engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("network", network)})
	if err != nil {
		return err
	}
	for _, c := range on.Items {
		engine.NetworkDisconnect(ctx, network, client.NetworkDisconnectOptions{Container: c.ID, Force: true})
	}
	return nil
}

// Table shows sessions to people.
func Table(list []Session) string {
	var b strings.Builder
	for _, s := range list {
		state := "is dead, and so is its reaper"
		if s.Living {
			state = "lives"
		} else if s.Starting {
			state = "is starting, or dead"
		}
		fmt.Fprintf(&b, "%v, which %s\n", s, state)
	}
	return b.String()
}
