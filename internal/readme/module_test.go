package readme

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/internal/docker"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// A home is the module of somebody else, with a service in it.
type home struct {
	t   *testing.T
	dir string
	env []string
	// images are what the commands have built.
	images []string
}

// newHome makes a module as its author has it before the README is read. It requires no other
// versions than this module does: those are at hand, and the go tool asks no registry here.
func newHome(t *testing.T) *home {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a container engine, and -short is set")
	}
	engine, err := docker.Connect()
	require.NoError(t, err)
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	above := filepath.Join(t.TempDir(), "with spaces, ä")
	h := &home{t: t, dir: filepath.Join(above, "shop")}
	require.NoError(t, os.CopyFS(h.dir, os.DirFS("testdata/shop")))
	require.NoError(t, os.Symlink(root, filepath.Join(above, "suite"))) // the clone that the README speaks of
	h.edit("cmd/app/main.go", `"BUILD"`, `"`+rand.Text()+`"`)
	gomod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	gosum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	own := regexp.MustCompile(`(?ms)^tool \(.*?^\)\n|^(module|tool) [^\n]*\n`).ReplaceAllString(string(gomod), "")
	h.write("go.mod", "module acme.example/app\n"+own)
	h.write("go.sum", string(gosum))
	h.write("drills/image/Dockerfile", show(t, firstDrill, "dockerfile")[0])
	h.write(".dockerignore", show(t, firstDrill, "dockerignore")[0])
	h.write("drills/orders_test.go", drill(t))

	goenv := func(name string) string {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	h.env = append(os.Environ(), "GOPROXY=file://"+filepath.ToSlash(goenv("GOMODCACHE"))+"/cache/download", "GONOSUMDB=*", "GOFLAGS=", "GOWORK=off",
		"GOCACHE="+goenv("GOCACHE"), "XDG_CACHE_HOME="+t.TempDir(), // what is built goes with the test
		// What its own tests need on a machine like this one: the image of its reaper may not be at
		// hand, and testcontainers takes a machine with a /.dockerenv for a container.
		"TESTCONTAINERS_RYUK_DISABLED=true", "TESTCONTAINERS_HOST_OVERRIDE="+engine.Host)
	t.Cleanup(h.removeImages)
	return h
}

func (h *home) write(name, text string) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	require.NoError(h.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(h.t, os.WriteFile(path, []byte(text), 0o644))
}

func (h *home) read(name string) string {
	h.t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, name))
	require.NoError(h.t, err)
	return string(text)
}

func (h *home) edit(name, old, new string) {
	h.t.Helper()
	text := h.read(name)
	require.Contains(h.t, text, old)
	h.write(name, strings.Replace(text, old, new, 1))
}

// run runs a command in a folder of the module, and returns what it says, and which images it
// built. It has to end with one of the exit statuses.
func (h *home) run(folder string, statuses []int, words ...string) (said string, built []string) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // the containers of a drill go with it
	cmd.WaitDelay = time.Minute
	cmd.Dir, cmd.Env = filepath.Join(h.dir, folder), h.env
	out, err := cmd.CombinedOutput()
	for _, m := range building.FindAllStringSubmatch(string(out), -1) {
		built = append(built, m[1])
	}
	h.images = append(h.images, built...)
	h.t.Logf("%s\n%s", strings.Join(words, " "), out)
	if cmd.ProcessState == nil || !slices.Contains(statuses, cmd.ProcessState.ExitCode()) {
		h.t.Fatalf("%v", err)
	}
	return string(out), built
}

// follow does what the README says after "a replacement comes first".
func (h *home) follow(folder, suite string) {
	h.t.Helper()
	for _, s := range show(h.t, "README.md", "") {
		if strings.HasPrefix(s, "go mod edit -replace") {
			for line := range strings.Lines(strings.Replace(s, "=../suite", "="+suite, 1)) {
				h.run(folder, []int{0}, strings.Fields(line)...)
			}
			return
		}
	}
	h.t.Fatal("the README does not say how to do without a published version")
}

var building = regexp.MustCompile(`drtest: building image (acme/\w+:\w+)\n`)

// removeImages removes what the commands have built.
func (h *home) removeImages() {
	if len(h.images) == 0 {
		return
	}
	engine, err := docker.Connect()
	require.NoError(h.t, err)
	for _, ref := range h.images {
		_, err := engine.ImageRemove(context.Background(), ref, client.ImageRemoveOptions{PruneChildren: true})
		require.NoError(h.t, err)
	}
}

// names returns the images of one name among references.
func names(refs []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(refs), func(ref string) bool { return !strings.HasPrefix(ref, name+":") })
}

// What the README and FIRST_DRILL.md say holds in a module of somebody else, with its service, its
// drills and its own tests with testcontainers: as one module, and with the drills as a module of
// their own.
func TestOwnModule(t *testing.T) {
	h := newHome(t)
	before := h.read("go.mod")
	h.follow("", "../suite")

	// A drill that the machine kept from a verdict has been played in this module all the same.
	const drilled, untrusted = 0, 3
	out, made := h.run("", []int{drilled, untrusted}, "go", "tool", "drreport", "run", "-timeout", "4m", "./drills")
	require.Contains(t, out, "drill SHOP-001: ")
	require.Regexp(t, `(?m)^SHOP-001  Database crash  (pass|untrusted) `, out)
	require.Len(t, names(made, "acme/app"), 1, "it is built once, for both tests")
	require.Len(t, names(made, "acme/module"), 1)

	// An edit of a test makes no image, though the whole module is its context.
	h.edit("drills/orders_test.go", "five seconds", "5 s")
	again, none := h.run("", []int{0}, "go", "test", "-v", "-count=1", "-run=^TestWholeModule$", "./drills")
	require.Empty(t, none)
	require.Contains(t, again, ": "+names(made, "acme/module")[0]+"\n")

	// The drills become a module of their own, and the service's requires nothing of drtest.
	h.write("drills/go.mod", strings.Replace(before, "module acme.example/app", "module acme.example/app/drills", 1))
	h.write("drills/go.sum", h.read("go.sum"))
	h.write("go.mod", before)
	h.follow("drills", "../../suite")

	// A change of the service does make an image, and without -v that is said as well.
	h.edit("cmd/app/main.go", `const build = "`, `const build = "changed `)
	_, changed := h.run("drills", []int{0}, "go", "test", "-count=1", "-run=^TestOwnContainers$")
	require.Len(t, changed, 1)
	require.NotContains(t, made, changed[0])
	out, none = h.run("drills", []int{drilled, untrusted}, "go", "tool", "drreport", "run", "-timeout", "4m", "-run", "^TestDatabaseCrash$", ".")
	require.Empty(t, none, "it is there")
	require.Regexp(t, `(?m)^SHOP-001  Database crash  (pass|untrusted) `, out)

	// What does not compile is told by the compiler.
	h.edit("cmd/app/main.go", "log.Fatal(http", "log.Fatel(http")
	out, _ = h.run("drills", []int{1}, "go", "test", "-count=1", "-run=^TestWholeModule$")
	require.Regexp(t, `program app: go build of \. in \S.*/shop/cmd/app: exit status 1:\n\s*# acme.example/app/cmd/app\n\s*\./main.go:\d+:\d+: undefined: log.Fatel\n`, out)
}
