// Package docker connects to the container engine, and names what this process makes there. It
// changes nothing that belongs to the process: neither its environment nor the settings of
// testcontainers, which the user's own tests may use.
package docker

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/internal/progress"
	"github.com/drtest/suite/internal/sessions"
	"github.com/moby/moby/client"
)

// connectTimeout bounds the first talk with the engine.
const connectTimeout = 20 * time.Second

// cgroupParent names the control group of all containers of drills, such as one with a quota.
// Empty: the engine's choice.
const cgroupParent = "DRTEST_CGROUP_PARENT"

// An Engine is a container engine that has answered.
type Engine struct {
	*client.Client
	// Version is what the engine calls itself, such as
	// "container engine 28.2.2 on Debian GNU/Linux 12, cgroup v2".
	Version string
	// Where is its address and who names it, such as "unix:///var/run/docker.sock (DOCKER_HOST)", and
	// other engines that are named and not used.
	Where string
	// Host is where the test process reaches ports that containers publish.
	Host string
	// PublishIP is the address of the engine's machine on which ports are published: loopback, so
	// that nothing outside of that machine reaches a container, unless the user wishes another one.
	PublishIP netip.Addr
	// Sockets are the paths that the engine's socket may have on the engine's machine, the likeliest
	// first.
	Sockets []string
	// UsualShares is the weight of a container's processors that nobody has set. 0: not known, as
	// with cgroup v2, where it depends on the version of the runtime what a weight stands for.
	UsualShares int64
	// CgroupParent is the control group that the containers of a drill are put into; empty: the
	// engine's choice.
	CgroupParent string
}

// Connect returns the process's connection to the container engine. The first call makes it, and
// says which engine it is; all calls share its outcome. The error says what was tried and what to
// do about it.
func Connect() (*Engine, error) { return connect() }

var connect = sync.OnceValues(func() (*Engine, error) {
	e, err := Choose(progress.Say)
	if err == nil {
		progress.Say("%s at %s, session %s", e.Version, e.Where, Session())
	}
	return e, err
})

// Choose connects to the engine that drills use. What it waits for is told to say.
func Choose(say func(string, ...any)) (*Engine, error) {
	chosen, others, err := userSettings().choose()
	if err != nil {
		return nil, noEngine("", err)
	}
	e, err := chosen.connect(say)
	if err != nil {
		return nil, err
	}
	e.Where = chosen.String() + instead(others)
	return e, nil
}

// instead names the engines that are not used, though somebody names them.
func instead(others []endpoint) string {
	var b strings.Builder
	for _, o := range others {
		fmt.Fprintf(&b, ", not %v", o)
	}
	return b.String()
}

// connect talks to this engine and no other.
func (e endpoint) connect(say func(string, ...any)) (*Engine, error) {
	u, err := url.Parse(e.address)
	if err != nil {
		return nil, noEngine(e.named(), err)
	}
	on, host, err := published(u, os.Getenv(publish))
	if err != nil {
		return nil, err
	}
	l := &listener{engine: e.address, limit: patienceLimit, long: longLimit, every: sayEvery, say: say}
	l.network, l.addr = split(e.address)
	opts := append(append([]client.Opt{}, e.opts...), client.WithAPIVersionFromEnv(), client.WithHost(e.address))
	if l.network != "npipe" {
		opts = append(opts, client.WithDialContext(l.dial))
	}
	cli, err := client.New(opts...)
	if err != nil {
		return nil, noEngine(e.named(), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	engine := &Engine{Client: cli, Host: host, PublishIP: on}
	if err := e.ask(ctx, engine); err != nil {
		cli.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer to %s within %v", l.last(), connectTimeout)
		}
		return nil, noEngine(e.named(), err)
	}
	return engine, nil
}

// named says which engine it is, as whoever has named it would write it.
func (e endpoint) named() string {
	if e.source == "DOCKER_HOST" {
		return "DOCKER_HOST=" + e.address
	}
	return e.String()
}

// ask finds out what the engine is, and how it and its containers are reached.
func (e endpoint) ask(ctx context.Context, engine *Engine) error {
	info, err := engine.Info(ctx, client.InfoOptions{})
	if err != nil {
		return err
	}
	engine.Version = fmt.Sprintf("container engine %s on %s, cgroup v%s", info.Info.ServerVersion, info.Info.OperatingSystem, info.Info.CgroupVersion)
	if info.Info.CgroupVersion == "1" {
		engine.UsualShares = 1024
	}
	desktop := info.Info.OperatingSystem == "Docker Desktop" // in a virtual machine, where the socket has the usual path
	local := strings.HasPrefix(e.address, "unix://")
	if local && !desktop && info.Info.CgroupDriver == "cgroupfs" {
		// Such an engine puts all containers into one group, which gets as much of a busy processor
		// as a single process outside: the systems of a drill would starve beside the engine and
		// the test. Here each counts as one.
		engine.CgroupParent = "/"
	}
	if parent, set := os.LookupEnv(cgroupParent); set {
		engine.CgroupParent = parent
	}
	us, err := engine.ownContainer(ctx)
	if err != nil {
		return err
	}
	if addr, within := gateway(us); within && local && os.Getenv(publish) == "" {
		engine.Host, engine.PublishIP = addr.String(), addr
	}
	engine.Host = cmp.Or(os.Getenv("TESTCONTAINERS_HOST_OVERRIDE"), engine.Host)
	engine.Sockets = e.sockets(us, desktop)
	return nil
}

func noEngine(tried string, cause error) error {
	if tried != "" {
		tried = " (" + tried + ")"
	}
	reason := strings.Join(strings.Fields(cause.Error()), " ")
	return fmt.Errorf("no container engine%s: %s: start Docker or set DOCKER_HOST to an engine that answers; "+
		"go test -short ./... runs everything that needs none", tried, reason)
}

// LabelKind and LabelSession mark everything that this module makes in an engine. The first says
// what the thing is, the second which test process it belongs to.
const (
	LabelKind    = sessions.LabelKind
	LabelSession = sessions.LabelSession
)

var session = sync.OnceValue(rand.Text)

// Session identifies this test process.
func Session() string { return session() }

// Labels returns the labels of a thing that belongs to this test process and ends with it.
func Labels(kind string) map[string]string {
	return map[string]string{LabelKind: kind, LabelSession: Session()}
}
