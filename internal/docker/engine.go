// Package docker connects to the container engine, through testcontainers, and names what this
// process makes there.
package docker

import (
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

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/log"
)

// connectTimeout bounds the search for an engine, so that its absence is told at once.
const connectTimeout = 4 * time.Second

// cgroupParent names the control group of all containers of drills, such as one with a quota.
// Empty: the engine's choice.
const cgroupParent = "DRTEST_CGROUP_PARENT"

// An Engine is a container engine that has answered.
type Engine struct {
	*client.Client
	// Provider makes containers. It is one for all: testcontainers' functions make one for each,
	// which asks the engine what it is, and the engine runs three programs to answer.
	Provider *testcontainers.DockerProvider
	// Version is what the engine calls itself, such as
	// "container engine 28.2.2 on Debian GNU/Linux 12, cgroup v2".
	Version string
	// Host is where the test process reaches ports that containers publish.
	Host string
	// PublishIP is the address of the engine's machine on which ports are published: loopback, so
	// that nothing outside of that machine reaches a container, unless the user wishes another one.
	PublishIP netip.Addr
	// Socket is the path of the engine's socket on the engine's machine.
	Socket string
	// UsualShares is the weight of a container's processors that nobody has set. 0: not known, as
	// with cgroup v2, where it depends on the version of the runtime what a weight stands for.
	UsualShares int64
	// CgroupParent is the control group that the containers of a drill are put into; empty: the
	// engine's choice.
	CgroupParent string
}

// Connect returns the process's connection to the container engine. The first call makes it; all
// calls share its outcome. The error says what was tried and what to do about it.
func Connect() (*Engine, error) { return connect() }

var connect = sync.OnceValues(func() (*Engine, error) {
	// testcontainers reads its configuration once, so these come first. The reaper of this module
	// replaces Ryuk, whose image would have to be pulled.
	os.Setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
	os.Unsetenv("TESTCONTAINERS_HUB_IMAGE_NAME_PREFIX") // the images of drills are local
	log.SetDefault(log.NewNoopLogger())
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()

	// testcontainers falls back to the default socket when the engine that DOCKER_HOST names is
	// away. A drill on another engine than the one asked for is worse than none.
	tried := os.Getenv("DOCKER_HOST")
	if tried != "" {
		if err := ping(ctx, tried); err != nil {
			return nil, noEngine("DOCKER_HOST="+tried, err)
		}
	}
	cli, err := testcontainers.NewDockerClientWithOpts(ctx)
	if err != nil {
		return nil, noEngine("DOCKER_HOST is not set, the default sockets", err)
	}
	e := &Engine{Client: cli.Client, Socket: "/var/run/docker.sock"}
	u, err := url.Parse(cli.DaemonHost())
	if err != nil {
		return nil, fmt.Errorf("address of the container engine: %w", err)
	}
	if e.PublishIP, e.Host, err = published(u, os.Getenv(publish)); err != nil {
		return nil, err
	}
	info, err := cli.Info(ctx, client.InfoOptions{})
	if err != nil {
		return nil, noEngine(cli.DaemonHost(), err)
	}
	e.Version = fmt.Sprintf("container engine %s on %s, cgroup v%s", info.Info.ServerVersion, info.Info.OperatingSystem, info.Info.CgroupVersion)
	if info.Info.CgroupVersion == "1" {
		e.UsualShares = 1024
	}
	desktop := info.Info.OperatingSystem == "Docker Desktop" // in a virtual machine, where the socket has the usual path
	if u.Scheme == "unix" && !desktop {
		e.Socket = u.Path
		if info.Info.CgroupDriver == "cgroupfs" {
			// Such an engine puts all containers into one group, which gets as much of a busy
			// processor as a single process outside: the systems of a drill would starve beside the
			// engine and the test. Here each counts as one.
			e.CgroupParent = "/"
		}
	}
	if parent, set := os.LookupEnv(cgroupParent); set {
		e.CgroupParent = parent
	}
	// Without this, testcontainers takes a test machine with a /.dockerenv for a container.
	os.Setenv("TESTCONTAINERS_HOST_OVERRIDE", e.Host)
	if e.Provider, err = testcontainers.NewDockerProvider(); err != nil {
		return nil, noEngine(cli.DaemonHost(), err)
	}
	return e, nil
})

func ping(ctx context.Context, host string) error {
	cli, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	defer cli.Close()
	_, err = cli.Ping(ctx, client.PingOptions{})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer from %s within %v", host, connectTimeout)
	}
	return err
}

func noEngine(tried string, cause error) error {
	reason := strings.Join(strings.Fields(cause.Error()), " ")
	return fmt.Errorf("no container engine (%s): %s: start Docker or set DOCKER_HOST to an engine that answers; "+
		"go test -short ./... runs everything that needs none", tried, reason)
}

// LabelKind and LabelSession mark everything that this module makes in an engine. The first says
// what the thing is, the second which test process it belongs to.
const (
	LabelKind    = "drtest"
	LabelSession = "drtest.session"
)

var session = sync.OnceValue(rand.Text)

// Session identifies this test process.
func Session() string { return session() }

// Labels returns the labels of a thing that belongs to this test process and ends with it.
func Labels(kind string) map[string]string {
	return map[string]string{LabelKind: kind, LabelSession: Session()}
}
