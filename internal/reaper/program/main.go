// Command program is the reaper. On its standard input it takes orders to kill single containers,
// and it is told of containers of others that the test process has borrowed. Once that ends, because
// the test process has closed it or has died, the reaper puts these back as they were found, and
// removes everything in the container engine that carries its session's label.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/drtest/suite/internal/borrowed"
	"github.com/drtest/suite/internal/orders"
	"github.com/drtest/suite/internal/sessions"
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
	ctx := context.Background()
	if err := knowsItself(ctx, engine, label); err != nil {
		return err
	}
	// The test process waits for the first answer: from there on it may die at any time.
	orderly, lent := false, map[string]borrowed.Container{}
	orders.Serve(os.Stdin, os.Stdout, func(order string) (string, error) {
		switch word, of, _ := strings.Cut(order, " "); word {
		case "done":
			orderly = true
			return "", nil
		case "borrow":
			var c borrowed.Container
			err := json.Unmarshal([]byte(of), &c)
			lent[c.ID] = c
			return "", err
		case "return":
			delete(lent, of)
			return "", nil
		}
		return "", kill(order)
	})
	var clean time.Time
	ctx, cancel := context.WithTimeout(ctx, giveUp)
	defer cancel()
	return wait.For(ctx, quiet/10, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, engineTimeout)
		defer cancel()
		changed, unable := restore(ctx, engine, lent)
		n, err := sessions.Sweep(ctx, engine, label, sessions.KindReaper)
		err = errors.Join(unable, err)
		if n > 0 || changed || err != nil {
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

// restore puts back all that was borrowed, and says whether any of it was not as it was found.
func restore(ctx context.Context, engine *client.Client, lent map[string]borrowed.Container) (changed bool, err error) {
	for _, c := range lent {
		did, failed := c.Restore(ctx, engine)
		changed, err = changed || did, errors.Join(err, failed)
	}
	return changed, err
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

// knowsItself returns an error unless the engine has a reaper of the session, which is this program:
// behind the socket there may be another engine than the one that runs it.
func knowsItself(ctx context.Context, engine *client.Client, label string) error {
	ctx, cancel := context.WithTimeout(ctx, engineTimeout)
	defer cancel()
	// All: one that has just begun may not count as running yet.
	containers, err := engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: make(client.Filters).Add("label", label)})
	if err != nil {
		return err
	}
	for _, c := range containers.Items {
		if c.Labels[sessions.LabelKind] == sessions.KindReaper {
			return nil
		}
	}
	return errors.New("the socket leads to an engine that does not run the reaper")
}
