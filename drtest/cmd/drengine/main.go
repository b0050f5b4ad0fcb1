// Drengine shows which container engine drills use and what they have there, and removes what dead
// runs have left.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/images"
	"github.com/drtest/suite/internal/progress"
	"github.com/drtest/suite/internal/sessions"
)

const usage = `Drengine looks after the container engine of drills.

usage:
	drengine
		say which engine drills use, who names it, and what test
		processes have there
	drengine clean [session]...
		remove what test processes have left there whose own reaper is
		gone as well, or of these sessions only; nothing of a process
		that lives is touched, on whichever machine that runs; images stay
	drengine base
		print "there" if the base image of all images is in the engine, or
		can be pulled, and "missing" if it has to be made

The engine is the first that is named by: DOCKER_HOST; DOCKER_CONTEXT; tc.host
and docker.host in ~/.testcontainers.properties; the current context of the
docker command. Where nothing names one it is the first of the usual sockets
that is there. Where it does not answer, no other is used.

Exit status: 0 when it is done; 1 when something could not be removed; 2 for
wrong usage, and for an engine that does not answer.
`

// Exit statuses.
const (
	done = iota
	left
	trouble
)

// grace is how long a session must be without a reaper to be dead. A process that lives starts
// another one within it, on a busy machine as well.
const grace = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Stdout, os.Stderr, os.Args[1:]))
}

// run returns the exit status.
func run(ctx context.Context, stdout, stderr io.Writer, args []string) int {
	do := map[string]func(context.Context, io.Writer, *docker.Engine, []string) (int, error){"": show, "clean": clean, "base": base}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	command, known := do[name]
	if !known || len(args) > 1 && name != "clean" {
		fmt.Fprint(stderr, usage)
		if name == "help" || name == "-h" || name == "-help" || name == "--help" {
			return done
		}
		return trouble
	}
	engine, err := docker.Choose(progress.Say)
	if err == nil {
		defer engine.Close()
		var status int
		if status, err = command(ctx, stdout, engine, args[min(1, len(args)):]); err == nil {
			return status
		}
	}
	fmt.Fprintln(stderr, "drengine:", err)
	return trouble
}

func show(ctx context.Context, stdout io.Writer, engine *docker.Engine, _ []string) (int, error) {
	list, err := sessions.List(ctx, engine.Client)
	if err != nil {
		return trouble, err
	}
	fmt.Fprintf(stdout, "%s at %s\n%s", engine.Version, engine.Where, sessions.Table(list))
	return done, nil
}

func clean(ctx context.Context, stdout io.Writer, engine *docker.Engine, only []string) (int, error) {
	fmt.Fprintf(stdout, "%s at %s\n", engine.Version, engine.Where)
	dead, err := sessions.Dead(ctx, engine.Client, grace)
	if err != nil {
		return trouble, err
	}
	if len(only) > 0 {
		dead = slices.DeleteFunc(dead, func(s sessions.Session) bool { return !slices.Contains(only, s.ID) })
	}
	status := done
	for _, s := range dead {
		if err := s.Remove(ctx, engine.Client); err != nil {
			fmt.Fprintf(stdout, "not removed: %v: %v\n", s, err)
			status = left
			continue
		}
		fmt.Fprintf(stdout, "removed: %v\n", s)
	}
	for _, id := range only {
		if !slices.ContainsFunc(dead, func(s sessions.Session) bool { return s.ID == id }) {
			fmt.Fprintf(stdout, "not removed: session %s: it lives, or has nothing here\n", id)
			status = left
		}
	}
	if len(dead) == 0 && len(only) == 0 {
		fmt.Fprintln(stdout, "nothing is left of runs that are over")
	}
	return status, nil
}

func base(ctx context.Context, stdout io.Writer, engine *docker.Engine, _ []string) (int, error) {
	there, err := images.HasBase(ctx, engine)
	if err != nil {
		return trouble, err
	}
	fmt.Fprintln(stdout, map[bool]string{true: "there", false: "missing"}[there])
	return done, nil
}
