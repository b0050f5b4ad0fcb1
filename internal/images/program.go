package images

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// module is this module: its own programs are built in it, so that its go.sum counts, whatever
// module the test belongs to.
const module = "github.com/drtest/suite"

// A Program is a Go command, built by the host's go tool as a static program for the engine's
// machine.
type Program struct {
	// Name is the file's name in the build context.
	Name string
	// Package is the command as the go tool knows it in the working directory, which go test makes
	// the folder of the test: an import path, or a folder such as "../cmd/app". A folder is built
	// in the module that it belongs to, which need not be that of the test. Workspaces, vendor
	// folders, replacements and GOFLAGS count as they do for go build.
	Package string
	// Tags is a comma-separated list of build tags. Empty: those of GOFLAGS, if any.
	Tags string
	// Version is that of a module which the test's does not require, such as "v1.8.0": the program
	// is then built as go install Package@Version has it, with the requirements of its own module.
	Version string
}

// slow is how long a program may take to be built before that is told.
const slow = 2 * time.Second

// buildPrograms adds the programs' bytes to files. The go tool decides what is up to date, so a
// changed source is never missed; programs are built at the same time.
func buildPrograms(ctx context.Context, engine *docker.Engine, programs []Program, files map[string][]byte, logf func(string, ...any)) error {
	if len(programs) == 0 {
		return nil
	}
	server, err := engine.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return fmt.Errorf("architecture of the engine: %w", err)
	}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range programs {
		g.Go(func() error {
			program, err := p.bytes(ctx, server.Arch, logf)
			if err != nil {
				return fmt.Errorf("program %s: %w", p.Name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			files[p.Name] = program
			return nil
		})
	}
	return g.Wait()
}

// built holds the programs that this process has built already, each as a func() ([]byte, error).
var built sync.Map

// what is how progress calls the program.
func (p Program) what() string {
	s := "program " + p.Name + " of " + p.Package
	if p.Tags != "" {
		s += " with tags " + p.Tags
	}
	return s
}

// bytes builds the program, at most once in the life of this process.
func (p Program) bytes(ctx context.Context, arch string, logf func(string, ...any)) ([]byte, error) {
	here, err := os.Getwd() // the package is one of this folder, which a test may change
	if err != nil {
		return nil, err
	}
	type key struct {
		Program
		here string
	}
	once, _ := built.LoadOrStore(key{p, here}, sync.OnceValues(func() (data []byte, err error) {
		err = aloud(logf, p.what(), func() error {
			data, err = p.build(context.WithoutCancel(ctx), here, arch)
			return err
		})
		return data, err
	}))
	return once.(func() ([]byte, error))()
}

// aloud builds something, which is told if it takes long.
func aloud(logf func(string, ...any), what string, build func() error) error {
	begin, done := time.Now(), make(chan error, 1)
	go func() { done <- build() }()
	select {
	case err := <-done:
		return err
	case <-time.After(slow):
	}
	logf("building %s", what)
	err := <-done
	if err == nil {
		logf("built %s in %v", what, time.Since(begin).Round(100*time.Millisecond))
	}
	return err
}

func (p Program) build(ctx context.Context, here, arch string) ([]byte, error) {
	at, err := p.place(ctx, here)
	if err != nil {
		return nil, err
	}
	// The output stays where it is: the go tool sees from it that there is nothing to link again.
	key := sha256.Sum256([]byte(strings.Join([]string{at.dir, at.pkg, p.Tags, arch}, "\x00")))
	out := filepath.Join(cacheDir(), "programs", hex.EncodeToString(key[:8]), p.Name)
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, out)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if !sealed(out) {
		// The go tool knows a program by its first bytes, and would keep one that was cut short.
		if err := os.Remove(out); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	program, err := at.compile(ctx, arch, p.Tags, out)
	if err != nil {
		return nil, err
	}
	return program, seal(out, program)
}

// seal keeps the checksum of a program that is whole, beside it.
func seal(out string, program []byte) error {
	if sealed(out) {
		return nil
	}
	making := out + ".making" // the lock is held
	if err := os.WriteFile(making, checksum(program), 0o644); err != nil {
		return err
	}
	return os.Rename(making, out+".sha256") // whole, or not at all
}

// sealed says whether a program is there as it was sealed.
func sealed(out string) bool {
	sum, err := os.ReadFile(out + ".sha256")
	if err != nil {
		return false
	}
	program, err := os.ReadFile(out)
	return err == nil && bytes.Equal(sum, checksum(program))
}

func checksum(program []byte) []byte {
	sum := sha256.Sum256(program)
	return []byte(hex.EncodeToString(sum[:]))
}

// A place is where a program is built, and what it is called there.
type place struct {
	dir, pkg string
	// ours says that the folder is of this module's making: what users have set for builds of their
	// own modules does not count there.
	ours bool
}

func (p Program) place(ctx context.Context, here string) (at place, err error) {
	switch {
	case p.Version != "":
		at = place{pkg: p.Package, ours: true}
		at.dir, err = p.ownModule(ctx)
	case p.Package == module || strings.HasPrefix(p.Package, module+"/"):
		at = place{pkg: p.Package, ours: true}
		at.dir, err = thisModule()
	case build.IsLocalImport(p.Package):
		at = place{dir: filepath.Join(here, p.Package), pkg: "."}
	case filepath.IsAbs(p.Package):
		at = place{dir: p.Package, pkg: "."}
	default:
		at = place{dir: here, pkg: p.Package}
	}
	return at, err
}

// compile builds what is there into a file, and returns what that holds.
func (at place) compile(ctx context.Context, arch, tags, out string) ([]byte, error) {
	args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out}
	// What GOFLAGS may have for tests, and no static program can have, is turned off.
	args = append(args, "-race=false", "-msan=false", "-asan=false", "-cover=false")
	if tags != "" {
		args = append(args, "-tags="+tags)
	}
	if _, err := at.goTool(ctx, arch, append(args, at.pkg)...); err != nil {
		if at.ours || at.pkg == "." {
			return nil, err
		}
		if _, unknown := at.goTool(ctx, arch, "list", "-find", at.pkg); unknown == nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w\nThe module of the test has to know the package, or the program be named by its folder, such as ../cmd/%s", err, filepath.Base(out))
	}
	program, err := os.ReadFile(out)
	if err == nil && !bytes.HasPrefix(program, []byte("\x7fELF")) {
		err = fmt.Errorf("go build of %s in %s makes no program: is it a package main?", at.pkg, at.dir)
	}
	return program, err
}

// ownModule returns the folder of a module that requires nothing but the program. It is made once,
// and then kept.
func (p Program) ownModule(ctx context.Context) (string, error) {
	key := sha256.Sum256([]byte(p.Package + "@" + p.Version))
	dir := filepath.Join(cacheDir(), "modules", hex.EncodeToString(key[:8]))
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	making, err := os.MkdirTemp(filepath.Dir(dir), "making-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(making)
	for _, args := range [][]string{{"mod", "init", "program"}, {"get", p.Package + "@" + p.Version}} {
		if _, err := (place{dir: making, ours: true}).goTool(ctx, "", args...); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(making, dir) // whole, or not at all
}

var thisModule = sync.OnceValues(func() (string, error) {
	dir, err := place{}.goTool(context.Background(), "", "list", "-mod=readonly", "-m", "-f={{.Dir}}", module)
	if err == nil && dir == "" {
		err = errors.New("the source of " + module + " is missing: run go mod download " + module)
	}
	return dir, err
})

// goTool runs the go tool there, for a machine of that architecture or of this one, and returns
// what it prints.
func (at place) goTool(ctx context.Context, arch string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = at.dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if at.ours {
		cmd.Env = append(cmd.Env, "GOWORK=off", "GOFLAGS=-mod=readonly")
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		where := cmp.Or(at.dir, "the working directory")
		return "", fmt.Errorf("go %s of %s in %s: %w:\n%s", args[0], args[len(args)-1], where, err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
