package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/client"
	"golang.org/x/sync/errgroup"
)

// module is this module: programs outside the user's own module are built in it, so that its go.sum
// counts.
const module = "github.com/drtest/suite"

// A Program is a Go command, built by the host's go tool as a static program for the engine's
// machine.
type Program struct {
	// Name is the file's name in the build context.
	Name string
	// Package is the import path of the command: one of the module that the test belongs to, of
	// this module or of a module that this one requires.
	Package string
	// Tags is a comma-separated list of build tags.
	Tags string
	// Version is that of a module which none of these requires, such as "v1.8.0": the program is
	// then built as go install Package@Version has it, with the requirements of its own module.
	Version string
}

// buildPrograms adds the programs' bytes to files. The go tool decides what is up to date, so a
// changed source is never missed; programs are built at the same time.
func buildPrograms(ctx context.Context, engine *docker.Engine, programs []Program, files map[string][]byte) error {
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
			program, err := p.bytes(ctx, server.Arch)
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

// bytes builds the program, at most once in the life of this process.
func (p Program) bytes(ctx context.Context, arch string) ([]byte, error) {
	once, _ := built.LoadOrStore(p, sync.OnceValues(func() ([]byte, error) {
		return p.build(context.WithoutCancel(ctx), arch)
	}))
	return once.(func() ([]byte, error))()
}

func (p Program) build(ctx context.Context, arch string) ([]byte, error) {
	dir, err := p.dir(ctx)
	if err != nil {
		return nil, err
	}
	// The output stays where it is: the go tool sees from it that there is nothing to link again.
	key := sha256.Sum256([]byte(strings.Join([]string{dir, p.Package, p.Tags, arch}, "\x00")))
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
	_, err = goTool(ctx, dir, arch, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-tags="+p.Tags, "-o", out, p.Package)
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(out)
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

// dir returns the folder to build in: empty for the test's own.
func (p Program) dir(ctx context.Context) (string, error) {
	if p.Version != "" {
		return p.ownModule(ctx)
	}
	mains, err := mainModules()
	if err != nil {
		return "", err
	}
	for main := range strings.FieldsSeq(mains) {
		if main == module || p.Package == main || strings.HasPrefix(p.Package, main+"/") {
			return "", nil
		}
	}
	return thisModule()
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
		if _, err := goTool(ctx, making, "", args...); err != nil {
			return "", err
		}
	}
	return dir, os.Rename(making, dir) // whole, or not at all
}

// mainModules returns the user's modules: one, or those of a workspace.
var mainModules = sync.OnceValues(func() (string, error) {
	return goTool(context.Background(), "", "", "list", "-m")
})

var thisModule = sync.OnceValues(func() (string, error) {
	dir, err := goTool(context.Background(), "", "", "list", "-mod=readonly", "-m", "-f={{.Dir}}", module)
	if err == nil && dir == "" {
		err = errors.New("the source of " + module + " is missing: run go mod download " + module)
	}
	return dir, err
})

// goTool runs the go tool in dir, for a machine of that architecture or of this one, and returns
// what it prints.
func goTool(ctx context.Context, dir, arch string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
	if dir != "" {
		// What users have set for builds of their own module does not count in this one.
		cmd.Env = append(cmd.Env, "GOWORK=off", "GOFLAGS=-mod=readonly")
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(string(out)), nil
}
