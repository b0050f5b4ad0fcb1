package containertest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
)

// startTwo starts a service behind a firewall and a peer on its network.
func startTwo(t *testing.T) (target, peer *containertest.Service) {
	t.Helper()
	network := containertest.NewNetwork(t)
	c := echoService(t, "target", network)
	c.Firewall = true
	c.Restart = containertest.RestartOnFailure
	both := containertest.StartAll(t, c, echoService(t, "peer", network))
	return both[0], both[1]
}

// request has one service ask another over a connection of its own, or tell it something in a
// datagram.
func request(ctx context.Context, how string, from, to *containertest.Service, line string) error {
	_, err := from.Exec(ctx, "/echo", how, to.Addr(), line)
	return err
}

// talk makes packets until the test or the function that it returns ends it.
func talk(t *testing.T, from, to *containertest.Service) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait.For(ctx, time.Millisecond, func(ctx context.Context) error {
			request(ctx, "ask", from, to, "hello")
			return context.Canceled
		})
	}()
	return func() { cancel(); <-done }
}

// injectAmid injects a fault while one service asks another.
func injectAmid(t *testing.T, f drtest.Fault, from, to *containertest.Service) drtest.Receipt {
	t.Helper()
	defer talk(t, from, to)()
	effect, err := f.Inject(t.Context())
	require.NoError(t, err)
	return effect.Receipt
}

func heal(t *testing.T, f drtest.Fault) {
	t.Helper()
	require.NoError(t, f.Heal(t.Context()))
}

func requireCutOff(t *testing.T, from, to *containertest.Service) {
	t.Helper()
	require.ErrorContains(t, request(t.Context(), "ask", from, to, "hello"), "i/o timeout")
}

func requireThrough(t *testing.T, from, to *containertest.Service) {
	t.Helper()
	// A busy machine may not answer in time. One that is cut off never does.
	eventually(t, func(ctx context.Context) error { return request(ctx, "ask", from, to, "hello") })
}

// A partition cuts what is open and what is new, between the two and nobody else, and leaves
// nothing behind.
func TestPartition(t *testing.T) {
	t.Parallel()
	target, peer := startTwo(t)
	other := containertest.Start(t, echoService(t, "other", target.Network()))
	requireThrough(t, target, peer)

	f := target.Partition(peer)
	require.Equal(t, "partition target from peer", f.Name)
	receipt := injectAmid(t, f, target, peer)
	require.Regexp(t, `^dropped \d+ packets in and \d+ out so far, rules for [\d.]+$`, receipt)
	requireCutOff(t, target, peer)
	requireCutOff(t, peer, target)
	requireThrough(t, target, other)
	requireThrough(t, other, target)
	require.NoError(t, ask(t.Context(), target), "the host's way in")

	heal(t, f)
	requireThrough(t, target, peer)
	requireThrough(t, peer, target)
	confirmed, err := f.Confirm(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^dropped [1-9]\d* packets in and [1-9]\d* out in all$`, confirmed)
	heal(t, f) // it is healed already
}

// An open connection is silent in a partition, and goes on after it.
func TestPartitionKeepsConnections(t *testing.T) {
	t.Parallel()
	network := containertest.NewNetwork(t)
	c := echoService(t, "target", network)
	c.Firewall = true
	target := containertest.Start(t, c)
	addr, err := target.HostAddr(t.Context())
	require.NoError(t, err)
	open, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer open.Close()
	ctx, hangUp := context.WithCancel(t.Context())
	sent := make(chan int)
	go func() {
		n := 0
		wait.For(ctx, 5*time.Millisecond, func(context.Context) error {
			n++
			_, err := fmt.Fprintln(open, n)
			return errors.Join(err, errors.New("goes on"))
		})
		sent <- n
	}()

	f := target.Partition(gateway(t, network)) // where the host's connections come from
	_, err = f.Inject(t.Context())
	require.NoError(t, err)
	answers, heard := bufio.NewReader(open), 0
	for err == nil {
		open.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if _, err = answers.ReadString('\n'); err == nil {
			heard++
		}
	}
	require.ErrorIs(t, err, os.ErrDeadlineExceeded, "open and silent")
	hangUp()
	last := <-sent
	require.Less(t, heard, last)

	heal(t, f)
	open.SetReadDeadline(time.Time{})
	for heard++; heard <= last; heard++ { // nothing is lost
		answer, err := answers.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("target: %d\n", heard), answer)
	}
}

// gateway is the host, as the services on a network know it.
func gateway(t testing.TB, network string) address {
	t.Helper()
	engine, err := docker.Connect()
	require.NoError(t, err)
	n, err := engine.NetworkInspect(t.Context(), network, client.NetworkInspectOptions{})
	require.NoError(t, err)
	return address(n.Network.IPAM.Config[0].Gateway.String())
}

// An address is a peer that is no service.
type address string

func (a address) Addr() string { return string(a) }

func TestIsolateExcept(t *testing.T) {
	t.Parallel()
	target, peer := startTwo(t)
	friend := containertest.Start(t, echoService(t, "friend", target.Network()))
	f := target.Isolate(friend)
	require.Equal(t, "isolate target but from friend", f.Name)
	injectAmid(t, f, target, peer)
	requireThrough(t, friend, target)
	requireThrough(t, target, friend)
	requireCutOff(t, peer, target)
	requireCutOff(t, target, peer)
	require.NoError(t, ask(t.Context(), target), "the host's way in")
	heal(t, f)
	requireThrough(t, peer, target)
}

// One way is shut, the other is open. Datagrams show it, for TCP needs both.
func TestOneWay(t *testing.T) {
	t.Parallel()
	target, peer := startTwo(t)
	hears := func(s *containertest.Service, line string) func(context.Context) error {
		return func(ctx context.Context) error { return hasLogged(ctx, s, "echo heard "+line+"\n") }
	}

	f := target.DropInbound(peer)
	require.Equal(t, "drop inbound packets of target from peer", f.Name)
	require.Regexp(t, `^dropped [1-9]\d* packets in and 0 out so far`, injectAmid(t, f, peer, target))
	require.NoError(t, request(t.Context(), "tell", peer, target, "lost"))
	require.NoError(t, request(t.Context(), "tell", target, peer, "i hear nothing"))
	eventually(t, hears(peer, "i hear nothing"))
	requireCutOff(t, target, peer)
	heal(t, f)
	require.NoError(t, request(t.Context(), "tell", peer, target, "i am back"))
	eventually(t, hears(target, "i am back"))
	require.Error(t, hears(target, "lost")(t.Context()), "it was sent before")

	f = target.DropOutbound(peer)
	require.Equal(t, "drop outbound packets of target to peer", f.Name)
	require.Regexp(t, `^dropped 0 packets in and [1-9]\d* out so far`, injectAmid(t, f, peer, target))
	require.ErrorContains(t, request(t.Context(), "tell", target, peer, "help"), "operation not permitted")
	require.NoError(t, request(t.Context(), "tell", peer, target, "say something"))
	eventually(t, hears(target, "say something"))
	requireCutOff(t, target, peer)
	heal(t, f)
	requireThrough(t, target, peer)
}

// A restart does not let the service escape, not even for its first packet, and neither does one of
// the peer.
func TestPartitionIsKeptAcrossRestarts(t *testing.T) {
	t.Parallel()
	network := containertest.NewNetwork(t)
	c := echoService(t, "target", network)
	c.Firewall, c.Restart = true, containertest.RestartOnFailure
	p := echoService(t, "peer", network)
	p.Restart = containertest.RestartOnFailure
	both := containertest.StartAll(t, c, p)
	target, peer := both[0], both[1]
	before, err := target.HostAddr(t.Context())
	require.NoError(t, err)

	f := target.Partition(peer)
	injectAmid(t, f, target, peer)
	for _, s := range both {
		_, err := s.Crash().Inject(t.Context())
		require.NoError(t, err)
		eventually(t, func(ctx context.Context) error { return ask(ctx, s) })
		if s == peer { // it may have another address now
			eventually(t, func(ctx context.Context) error {
				if err := request(ctx, "ask", target, peer, "hello"); err == nil || !strings.Contains(err.Error(), "i/o timeout") {
					return fmt.Errorf("not cut off: %w", err)
				}
				return nil
			})
		}
		requireCutOff(t, target, peer)
		requireCutOff(t, peer, target)
	}
	after, err := target.HostAddr(t.Context())
	require.NoError(t, err)
	require.Equal(t, before, after)
	heal(t, f)
	requireThrough(t, target, peer)
	requireThrough(t, peer, target)
}

// Several partitions of one service are faults of their own.
func TestPartitionsTogether(t *testing.T) {
	t.Parallel()
	target, peer := startTwo(t)
	other := containertest.Start(t, echoService(t, "other", target.Network()))
	a, b := target.Partition(peer), target.Partition(other)
	injectAmid(t, a, peer, target)
	injectAmid(t, b, other, target)
	heal(t, a)
	requireThrough(t, peer, target)
	requireCutOff(t, other, target)
	heal(t, b)
	requireThrough(t, other, target)
}

func TestPartitionUnseen(t *testing.T) {
	t.Parallel()
	target, peer := startTwo(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	f := target.Partition(peer)
	effect, err := f.Inject(ctx) // while nobody talks
	require.ErrorContains(t, err, "the fault was not seen: not within ")
	require.ErrorContains(t, err, "no packet was dropped")
	require.Empty(t, effect.Receipt)
	heal(t, f)
	requireThrough(t, target, peer)

	_, err = target.Partition().Inject(t.Context())
	require.EqualError(t, err, "no peer is named")
	_, err = target.Partition(address("nobody:1")).Inject(t.Context())
	require.ErrorContains(t, err, "look up nobody: ")
	_, err = peer.Partition(target).Inject(t.Context())
	require.EqualError(t, err, "peer was started without a firewall: set Config.Firewall")
}

// The death of the node takes its network along, and with it the rules.
func TestKillOfPartitioned(t *testing.T) {
	t.Parallel()
	target, peer := startTwo(t)
	f := target.Partition(peer)
	injectAmid(t, f, peer, target)
	effect, err := target.Kill().Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("exit code 137"), effect.Receipt)
	eventually(t, func(ctx context.Context) error {
		if err := request(ctx, "ask", peer, target, "hello"); err == nil || !strings.Contains(err.Error(), "no such host") {
			return fmt.Errorf("its name still resolves: %w", err)
		}
		return nil
	})
	heal(t, f)
}

// Rules end with the test process, even when the reaper has died before it and leaves everything
// else.
func TestPartitionEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	needsEngine(t)
	engine, err := docker.Connect()
	require.NoError(t, err)
	cmd, id := startChild(t, "partitions")
	of := make(client.Filters).Add("label", docker.LabelSession+"="+id)
	found, err := engine.ContainerList(t.Context(), client.ContainerListOptions{All: true, Filters: of})
	require.NoError(t, err)
	byKind := map[string]string{}
	for _, c := range found.Items {
		byKind[c.Labels[docker.LabelKind]] = c.ID
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		for _, kind := range []string{"target", "target-firewall", "peer"} {
			_, err := engine.ContainerRemove(ctx, byKind[kind], client.ContainerRemoveOptions{Force: true})
			require.NoError(t, err)
		}
		networks, err := engine.NetworkList(ctx, client.NetworkListOptions{Filters: of})
		require.NoError(t, err)
		for _, n := range networks.Items {
			_, err := engine.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{})
			require.NoError(t, err)
		}
		require.NoError(t, nothingLeft(ctx, id))
	})
	require.NoError(t, halt(cmd.Process)) // or it would start another reaper
	_, err = engine.ContainerKill(t.Context(), byKind["reaper"], client.ContainerKillOptions{Signal: "KILL"})
	require.NoError(t, err)
	require.ErrorContains(t, execIn(t.Context(), engine, byKind["peer"], "/echo", "ask", "target:7777", "hello"), "exit code 1")
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	eventually(t, func(ctx context.Context) error {
		return execIn(ctx, engine, byKind["peer"], "/echo", "ask", "target:7777", "hello")
	})
}

// partitionForEver is the part of the child in TestPartitionEndsWithTheProcess.
func partitionForEver(t *testing.T) {
	target, peer := startTwo(t)
	injectAmid(t, target.Partition(peer), peer, target)
	os.Stdout.WriteString("ready\n")
	<-t.Context().Done()
}
