package containertest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/echo"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
)

// strange makes a container as somebody does who does not know of this module, and returns its name.
func strange(t *testing.T, change func(*client.ContainerCreateOptions)) string {
	t.Helper()
	engine, err := docker.Connect()
	require.NoError(t, err)
	port := network.MustParsePort(fmt.Sprintf("%d/tcp", echo.Port))
	name := "stranger-" + strings.ToLower(rand.Text()[:8])
	o := client.ContainerCreateOptions{
		Name:   name,
		Config: &container.Config{Image: echoService(t, "", "").Image, Env: []string{"NAME=app"}, ExposedPorts: network.PortSet{port: {}}},
		HostConfig: &container.HostConfig{
			NetworkMode: "bridge", PortBindings: network.PortMap{port: {{}}},
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyUnlessStopped},
		},
	}
	if change != nil {
		change(&o)
	}
	c, err := engine.ContainerCreate(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := engine.ContainerRemove(context.WithoutCancel(t.Context()), c.ID, client.ContainerRemoveOptions{Force: true})
		require.NoError(t, err)
	})
	_, err = engine.ContainerStart(t.Context(), c.ID, client.ContainerStartOptions{})
	require.NoError(t, err)
	return name
}

func inspect(t *testing.T, name string) container.InspectResponse {
	t.Helper()
	engine, err := docker.Connect()
	require.NoError(t, err)
	c, err := engine.ContainerInspect(t.Context(), name, client.ContainerInspectOptions{})
	require.NoError(t, err)
	return c.Container
}

// asFound is what of a container has to be as it was.
type asFound struct {
	ID, Status string
	Networks   []string
	Memory     int64
}

func look(t *testing.T, name string) asFound {
	t.Helper()
	c := inspect(t, name)
	found := asFound{c.ID, string(c.State.Status), nil, c.HostConfig.Memory}
	for n, e := range c.NetworkSettings.Networks {
		found.Networks = append(found.Networks, fmt.Sprint(n, " as ", len(e.Aliases)))
	}
	return found
}

func requireAsFound(t *testing.T, want, got asFound) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("not as it was found (-want +got):\n%s", diff)
	}
}

var adoption = containertest.Adoption{Name: "app", Port: echo.Port, Ready: ask}

// A container of somebody else suffers what any service can, and is reached by others on a network
// that it joins for that.
func TestAdopt(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	name := strange(t, nil)
	before := look(t, name)
	t.Run("drill", func(t *testing.T) {
		a := adoption
		a.Network = containertest.NewNetwork(t)
		app := containertest.Adopt(t, before.ID[:20], a)
		peer := containertest.Start(t, echoService(t, "peer", a.Network))
		require.Equal(t, "app:7777", app.Addr())
		requireThrough(t, peer, app)

		crash := app.Crash()
		effect, err := crash.Inject(t.Context())
		require.NoError(t, err)
		require.Equal(t, drtest.Receipt("exit code 137"), effect.Receipt)
		eventually(t, func(ctx context.Context) error { return ask(ctx, app) })
		confirmed, err := crash.Confirm(t.Context())
		require.NoError(t, err)
		require.Contains(t, confirmed, "restart count 1, running again ")

		kill := app.Kill()
		_, err = kill.Inject(t.Context())
		require.NoError(t, err)
		confirmed, err = kill.Confirm(t.Context()) // it had been restarted before that
		require.NoError(t, err)
		require.Equal(t, drtest.Receipt("stayed dead"), confirmed)
		require.NoError(t, app.Resume().Do(t.Context()))

		effect, err = app.Stop().Inject(t.Context())
		require.NoError(t, err)
		require.Equal(t, drtest.Receipt("exit code 0"), effect.Receipt)
		require.NoError(t, app.Resume().Do(t.Context()))
		require.NoError(t, hasLogged(t.Context(), app, "echo leaves\n"))

		pull := app.Disconnect()
		effect, err = pull.Inject(t.Context())
		require.NoError(t, err)
		require.Equal(t, drtest.Receipt("running, on no network instead of bridge, "+a.Network), effect.Receipt)
		require.Error(t, request(t.Context(), "ask", peer, app, "hello"))
		require.ErrorContains(t, ask(t.Context(), app), "port 7777 is not published")
		heal(t, pull)
		requireThrough(t, peer, app)
		eventually(t, func(ctx context.Context) error { return ask(ctx, app) })
		_, err = app.Pause().Inject(t.Context()) // and it stays so
		require.NoError(t, err)
	})
	requireAsFound(t, before, look(t, name))
}

// The log of a container that has long been there is kept from when it was adopted.
func TestAdoptedLog(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	name := strange(t, nil)
	first := containertest.Adopt(t, name, adoption)
	_, err := first.Stop().Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, hasLogged(t.Context(), first, "echo leaves\n"))
	require.NoError(t, first.Resume().Do(t.Context()))
	second := containertest.Adopt(t, name, adoption)
	require.Error(t, hasLogged(t.Context(), second, "echo leaves\n"))
}

// Whatever a drill leaves a container in, it is put back as it was found.
func TestAdoptedIsLeftAsItWasFound(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	for _, c := range faultsThatStay {
		t.Run(c.name, func(t *testing.T) {
			name := strange(t, func(o *client.ContainerCreateOptions) { o.HostConfig.Memory, o.HostConfig.MemorySwap = 64<<20, 64<<20 })
			before := look(t, name)
			t.Run("drill", func(t *testing.T) {
				a := adoption
				a.Network = containertest.NewNetwork(t)
				require.NoError(t, c.do(t.Context(), containertest.Adopt(t, name, a)))
				require.NotEqual(t, before, look(t, name))
			})
			requireAsFound(t, before, look(t, name))
		})
	}
}

// faultsThatStay are what a test may do to a container, and not undo.
var faultsThatStay = []struct {
	name string
	do   func(context.Context, *containertest.Service) error
}{
	{"pause", inject((*containertest.Service).Pause)},
	{"kill", inject((*containertest.Service).Kill)},
	{"disconnect and kill", func(ctx context.Context, s *containertest.Service) error {
		return errors.Join(inject((*containertest.Service).Disconnect)(ctx, s), inject((*containertest.Service).Kill)(ctx, s))
	}},
	{"memory", func(ctx context.Context, s *containertest.Service) error { return s.SetMemory(128 << 20).Do(ctx) }},
}

func inject(fault func(*containertest.Service) drtest.Fault) func(context.Context, *containertest.Service) error {
	return func(ctx context.Context, s *containertest.Service) error {
		_, err := fault(s).Inject(ctx)
		return err
	}
}

// adoptForEver adopts a container, does something to it and does not come to an end.
func adoptForEver(t *testing.T) {
	a := adoption
	a.Network = containertest.NewNetwork(t)
	app := containertest.Adopt(t, os.Getenv("DRTEST_TEST_CONTAINER"), a)
	for _, c := range faultsThatStay {
		if c.name == os.Getenv("DRTEST_TEST_FAULT") {
			require.NoError(t, c.do(t.Context(), app))
		}
	}
	fmt.Println("ready")
	<-t.Context().Done()
}

// The same holds when the test process is killed.
func TestAdoptedIsLeftAsItWasFoundAfterSIGKILL(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	for _, fault := range []string{"pause", "disconnect and kill"} {
		t.Run(fault, func(t *testing.T) {
			name := strange(t, nil)
			before := look(t, name)
			cmd, id := startChild(t, "adopts", "DRTEST_TEST_CONTAINER="+name, "DRTEST_TEST_FAULT="+fault)
			require.NotEqual(t, before.Status, look(t, name).Status)
			require.NoError(t, cmd.Process.Kill())
			require.Error(t, cmd.Wait())
			eventually(t, func(ctx context.Context) error { return nothingLeft(ctx, id) })
			requireAsFound(t, before, look(t, name))
		})
	}
}

// What cannot be adopted, or cannot be done to what was, is refused at once, with a sentence.
func TestAdoptRefuses(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	engine, err := docker.Connect()
	require.NoError(t, err)
	net := containertest.NewNetwork(t)
	on := func(o *client.ContainerCreateOptions) {
		o.HostConfig.NetworkMode = container.NetworkMode(net)
		o.NetworkingConfig = &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{net: {Aliases: []string{"shop"}}}}
	}
	paused, known, both := strange(t, nil), strange(t, on), strange(t, on)
	_, err = engine.ContainerPause(t.Context(), paused, client.ContainerPauseOptions{})
	require.NoError(t, err)
	_, err = engine.NetworkConnect(t.Context(), "bridge", client.NetworkConnectOptions{Container: both})
	require.NoError(t, err)
	ours := containertest.Start(t, echoService(t, "ours", ""))
	for _, c := range []struct {
		id   string
		a    containertest.Adoption
		want string
	}{
		{"", adoption, `adopt container "": name one, by its id or its name`},
		{"nobody", adoption, `adopt container "nobody": the container engine at .* has none: drills use that engine, and no other that is named`},
		{paused, adoption, "it is paused: a container has to run when it is adopted"},
		{known, adoption, "nobody knows it as app on network " + net + ", but as [0-9a-f]{12}, shop, stranger-.*: set Adoption.Name to one of these"},
		{both, adoption, "it is on several networks: name one of bridge, " + net + " as Adoption.Network"},
		{containertest.IDOf(ours), adoption, "it is one of this harness: take what Start has returned"},
		{ambiguous(t), adoption, "(?i)multiple IDs found with provided prefix"},
	} {
		require.Regexp(t, c.want, refusal(t, c.id, c.a))
	}

	app := containertest.Adopt(t, known, containertest.Adoption{Name: "shop"})
	fleeting := containertest.Adopt(t, strange(t, func(o *client.ContainerCreateOptions) {
		o.HostConfig.AutoRemove, o.HostConfig.RestartPolicy = true, container.RestartPolicy{}
		o.HostConfig.NetworkMode = "none"
	}), containertest.Adoption{Name: "fleeting"})
	const endless = "the engine removes container stranger-.* as soon as it ends, since it was made so: make it without AutoRemove"
	for _, c := range []struct {
		fault drtest.Fault
		want  string
	}{
		{app.Partition(ours), "shop was adopted, so it shares its network with no firewall: use Disconnect, or a proxy's link"},
		{app.Destroy(), "shop was adopted, so its container is never removed: kill it"},
		{fleeting.Kill(), endless}, {fleeting.Stop(), endless}, {fleeting.Crash(), endless},
		{fleeting.Exit(0, nil), endless}, {fleeting.OOM(nil), endless},
		{fleeting.Disconnect(), "container stranger-.* has no network of its own"},
	} {
		require.Error(t, c.fault.Err, c.fault.Name)
		require.Regexp(t, c.want, c.fault.Err.Error())
		_, err := c.fault.Inject(t.Context())
		require.Equal(t, c.fault.Err, err)
	}
	require.EqualError(t, app.SetMemory(64<<20).Do(t.Context()), "shop was adopted without a memory limit, and the engine takes none away again")
}

// ambiguous returns an id that several containers begin with. Of seventeen two do with the same
// digit.
func ambiguous(t *testing.T) string {
	t.Helper()
	engine, err := docker.Connect()
	require.NoError(t, err)
	var seen string
	for {
		c, err := engine.ContainerCreate(t.Context(), client.ContainerCreateOptions{
			Config: &container.Config{Image: echoService(t, "", "").Image}, HostConfig: &container.HostConfig{NetworkMode: "none"},
		})
		require.NoError(t, err)
		t.Cleanup(func() {
			_, err := engine.ContainerRemove(context.WithoutCancel(t.Context()), c.ID, client.ContainerRemoveOptions{Force: true})
			require.NoError(t, err)
		})
		if first := c.ID[:1]; strings.Contains(seen, first) {
			return first
		}
		seen += c.ID[:1]
	}
}

// refusal returns why a container cannot be adopted.
func refusal(t *testing.T, id string, a containertest.Adoption) string {
	t.Helper()
	r := &refused{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		containertest.Adopt(r, id, a)
	}()
	<-done
	return r.why
}

// refused is a test that may fail.
type refused struct {
	testing.TB
	why string
}

func (r *refused) Fatalf(format string, args ...any) {
	r.why = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// A container that testcontainers-go has made is its owner's before, meanwhile and afterwards.
func adoptFromTestcontainers(t *testing.T) {
	theirs, err := testcontainers.Run(t.Context(), echoService(t, "", "").Image,
		testcontainers.WithEnv(map[string]string{"NAME": "app"}), testcontainers.WithExposedPorts(fmt.Sprintf("%d/tcp", echo.Port)))
	testcontainers.CleanupContainer(t, theirs)
	require.NoError(t, err)
	t.Run("drill", func(t *testing.T) {
		app := containertest.Adopt(t, theirs.GetContainerID(), adoption)
		_, err := app.Kill().Inject(t.Context())
		require.NoError(t, err)
		require.Error(t, ask(t.Context(), app))
	})
	state, err := theirs.State(t.Context())
	require.NoError(t, err)
	require.True(t, state.Running)
	fmt.Println("theirs goes on")
}

func TestAdoptFromTestcontainers(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	cmd := child(t.Context(), t.TempDir(), "adopts from testcontainers")
	cmd.Env = append(cmd.Env, "TESTCONTAINERS_RYUK_DISABLED=true") // its image may not be there
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "theirs goes on\n")
}
