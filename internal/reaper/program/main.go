// Command program is the reaper. On its standard input it takes orders to kill single containers.
// Once that ends, because the test process has closed it or has died, the reaper removes everything
// in the container engine that carries its session's label.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/drtest/suite/internal/orders"
	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/client"
)

const (
	engineTimeout = 30 * time.Second
	// An engine may still finish requests that the test process sent before it died, so the reaper
	// looks again until it has found nothing for this long.
	quiet = time.Second
	// giveUp bounds the attempts to remove things that cannot be removed.
	giveUp = time.Minute
)

func main() {
	if err := run(os.Getenv("DRTEST_LABEL")); err != nil {
		fmt.Fprintln(os.Stderr, "drtest-reaper:", err)
		os.Exit(1)
	}
}

func run(label string) error {
	engine, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	r := reaper{engine, make(client.Filters).Add("label", label)}
	ctx := context.Background()
	if err := r.knowsItself(ctx); err != nil {
		return err
	}
	// The test process waits for the first answer: from there on it may die at any time.
	orderly := false
	orders.Serve(os.Stdin, os.Stdout, func(order string) (string, error) {
		if order == "done" {
			orderly = true
			return "", nil
		}
		return "", kill(order)
	})
	var clean time.Time
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	return wait.For(ctx, quiet/10, func(ctx context.Context) error {
		n, err := r.sweep(ctx)
		if n > 0 || err != nil {
			clean = time.Time{}
			return errors.Join(fmt.Errorf("%d things with label %s are left", n, label), err)
		}
		if clean.IsZero() {
			clean = time.Now()
		}
		if !orderly && time.Since(clean) < quiet {
			return errors.New("waiting for stragglers")
		}
		return nil
	})
}

// kill follows the order "kill <pid> <container>": a SIGKILL from outside of the container, for the
// first process of the container gets no SIGKILL from within.
func kill(order string) error {
	var pid int
	var container string
	if _, err := fmt.Sscanf(order, "kill %d %s", &pid, &container); err != nil {
		return errors.New("bad order")
	}
	// The handle is taken before the check, so that no other process can get between them.
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer p.Release()
	cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return err
	}
	if !bytes.Contains(cgroup, []byte(container)) {
		return errors.New("process does not belong to the container")
	}
	return p.Kill()
}

type reaper struct {
	engine *client.Client
	filter client.Filters
}

// knowsItself returns an error unless the engine has a reaper of the session, which is this program:
// behind the socket there may be another engine than the one that runs it.
func (r reaper) knowsItself(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	// All: one that has just begun may not count as running yet.
	containers, err := r.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: r.filter})
	if err != nil {
		return err
	}
	for _, c := range containers.Items {
		if c.Labels["drtest"] == "reaper" {
			return nil
		}
	}
	return errors.New("the socket leads to an engine that does not run the reaper")
}

// sweep removes what it finds, containers first, since they hold the rest, and returns how many
// things it found.
func (r reaper) sweep(ctx context.Context) (found int, err error) {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	containers, err := r.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: r.filter})
	if err != nil {
		return 0, err
	}
	var removals sync.WaitGroup
	for _, c := range containers.Items {
		if c.Labels["drtest"] == "reaper" {
			continue
		}
		found++
		removals.Go(func() {
			r.engine.ContainerRemove(ctx, c.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		})
	}
	removals.Wait()
	networks, err := r.engine.NetworkList(ctx, client.NetworkListOptions{Filters: r.filter})
	if err != nil {
		return found, err
	}
	for _, n := range networks.Items {
		found++
		r.engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
	}
	volumes, err := r.engine.VolumeList(ctx, client.VolumeListOptions{Filters: r.filter})
	if err != nil {
		return found, err
	}
	for _, v := range volumes.Items {
		found++
		r.engine.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{Force: true})
	}
	return found, nil
}
