//go:build unix

package remotetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/foreign"
)

// Variable is the variable of the environment into which a person types the name of the system
// that is to suffer. A test that opens a system is skipped without it.
const Variable = "DRTEST_REMOTE"

const (
	// identifyTimeout bounds the question which system it is.
	identifyTimeout = 30 * time.Second
	// killDelay is how long the output of a command is read that was given up.
	killDelay = time.Second
)

// A Config says which system it is.
type Config struct {
	// Identify is a command that prints the name of the system that all other commands reach, such as
	// kubectl config current-context. Required.
	Identify []string
	// Allow are the names of the systems that may suffer. Required.
	Allow []string

	_ struct{} // keyed literals only, so that fields can be added
}

// A System is one that runs elsewhere.
type System struct {
	t      testing.TB
	config Config
	name   string
}

// Open returns the system whose name somebody has typed into [Variable], if it is allowed and if it
// is the one that the commands reach. It fails t if it is not, and skips t when nothing was typed.
func Open(t testing.TB, c Config) *System {
	t.Helper()
	allowed := strings.Join(c.Allow, ", ")
	if len(c.Identify) == 0 || len(c.Allow) == 0 {
		t.Fatal("open a system elsewhere: Config needs Identify, and names to Allow")
	}
	s := &System{t: t, config: c, name: os.Getenv(Variable)}
	if s.name == "" {
		t.Skipf("hurts a system elsewhere, so its name has to be typed: set %s to one of %s", Variable, allowed)
	}
	if !slices.Contains(c.Allow, s.name) {
		t.Fatalf("%s is %q, which may not suffer: allowed are %s", Variable, s.name, allowed)
	}
	if err := s.identify(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// identify makes sure that commands reach this system and no other.
func (s *System) identify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	found, err := run(ctx, s.config.Identify)
	if err == nil && found != s.name {
		err = fmt.Errorf("commands reach %q, and %s is %q: nothing was done", found, Variable, s.name)
	}
	return err
}

// Step returns an action of the runbook that a command does, such as the restart of a deployment.
func (s *System) Step(name string, cmd ...string) drtest.Step {
	return drtest.Step{Name: name, Do: func(ctx context.Context) error {
		if err := s.identify(ctx); err != nil {
			return err
		}
		_, err := run(ctx, cmd)
		return err
	}}
}

// run runs a command and returns what it prints on its standard output. When it fails, the error has
// what it printed on both.
func run(ctx context.Context, args []string) (string, error) {
	if len(args) == 0 {
		return "", errors.New("there is no command")
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out, all bytes.Buffer
	cmd.Env, cmd.WaitDelay = announce.Environ(), killDelay
	cmd.Stdout, cmd.Stderr = &out, &all
	err := cmd.Run()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		said := strings.TrimSpace(out.String() + all.String())
		err = fmt.Errorf("%s: %w: %s", line(args), err, foreign.Text(said))
	}
	return strings.TrimSpace(out.String()), err
}

// line is a command as people type it.
func line(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = foreign.Word(a)
	}
	return strings.Join(words, " ")
}
