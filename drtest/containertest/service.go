package containertest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/drtest/suite/internal/firewall"
	"github.com/drtest/suite/internal/reaper"
	"github.com/drtest/suite/internal/secret"
	"github.com/drtest/suite/internal/wait"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
)

// An Upstream is a place on a network that something can be routed to: a service, a database, a
// link, a DNS record.
type Upstream interface {
	// Addr is the address inside the network.
	Addr() string
	// Network is the name of the network.
	Network() string
}

// A Service is a program that runs in a container as long as its test, or that was there before it:
// see [Adopt].
type Service struct {
	engine   *reaper.Reaper
	config   Config
	id       string             // of the container; empty if it could not be made
	firewall *firewall.Firewall // nil without Config.Firewall
	lent     *loan              // nil unless somebody else has made it

	mu       sync.Mutex
	lastWord *string         // the log of a service that was destroyed
	removal  *removal        // of a service that was destroyed
	restarts int             // its restart count when it was killed last
	begun    string          // when its last life began that is known of; empty: none was looked at
	resumed  string          // when Resume last started it
	stranger string          // when somebody else had started it before that
	ports    network.PortMap // those on the host, as long as they are known not to change; nil: ask
}

// Name returns the service's role.
func (s *Service) Name() string { return s.config.Name }

// Network returns the name of the network that the service lives on.
func (s *Service) Network() string { return s.config.Network }

// Addr returns the service's address inside its network, such as "primary:5432".
func (s *Service) Addr() string { return net.JoinHostPort(s.Name(), strconv.Itoa(s.config.Port)) }

// HostAddr returns the address at which the test process reaches the service, such as
// "127.0.0.1:49153". A restart changes it, so it is asked for anew on each call; it is an error
// while the container does not run. With [Config.Firewall], or [NeverRestart], it stays as long as
// the node lives. The engine accepts connections there also while nothing serves behind it, and
// then closes them.
func (s *Service) HostAddr(ctx context.Context) (string, error) {
	return s.HostAddrOf(ctx, s.config.Port)
}

// HostAddrOf is HostAddr for one of the service's extra ports.
func (s *Service) HostAddrOf(ctx context.Context, port int) (string, error) {
	s.mu.Lock()
	ports := s.ports
	s.mu.Unlock()
	status := container.StateRunning
	if ports == nil {
		c, err := s.inspectNode(ctx)
		if err != nil {
			return "", err
		}
		ports, status = c.NetworkSettings.Ports, c.State.Status
	}
	for _, b := range ports[tcp(port)] {
		if s.lent == nil {
			return net.JoinHostPort(s.engine.Host, b.HostPort), nil
		}
		switch on := b.HostIP; { // its maker's choice
		case on == netip.IPv6Unspecified(): // beside that of IPv4, whose number may be another
		case on.IsUnspecified(), on.IsLoopback():
			return net.JoinHostPort(s.engine.Host, b.HostPort), nil
		default:
			return net.JoinHostPort(on.String(), b.HostPort), nil
		}
	}
	return "", fmt.Errorf("address of %s: port %d is not published, container is %s", s.Name(), port, status)
}

// learnPorts has the ports on the host be known until forgetPorts: whoever waits for a service asks
// for its address a hundred times, and each question costs the engine as much as a request to the
// service.
func (s *Service) learnPorts(ctx context.Context) error {
	c, err := s.inspectNode(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports = c.NetworkSettings.Ports
	return nil
}

func (s *Service) forgetPorts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ports = nil
}

func (s *Service) inspect(ctx context.Context) (container.InspectResponse, error) {
	return s.inspectContainer(ctx, s.id)
}

// inspectNode inspects the container that holds the service's network.
func (s *Service) inspectNode(ctx context.Context) (container.InspectResponse, error) {
	if s.firewall != nil {
		return s.inspectContainer(ctx, s.firewall.ID)
	}
	return s.inspect(ctx)
}

func (s *Service) inspectContainer(ctx context.Context, id string) (container.InspectResponse, error) {
	c, err := s.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return c.Container, fmt.Errorf("inspect %s: %w", s.Name(), err)
	}
	return c.Container, nil
}

// Exec runs a command in the container and returns what it prints on both of its outputs, whose
// order to each other is not kept. When the command fails, the error holds that as well.
func (s *Service) Exec(ctx context.Context, cmd ...string) (string, error) {
	out, err := s.exec(ctx, cmd)
	if err != nil {
		return out, fmt.Errorf("exec %s in %s: %w", secret.Hide(fmt.Sprintf("%q", cmd)), s.Name(), err)
	}
	return out, nil
}

// execPoll is the time between two looks at a command whose output has ended.
const execPoll = 5 * time.Millisecond

func (s *Service) exec(ctx context.Context, cmd []string) (string, error) {
	created, err := s.engine.ExecCreate(ctx, s.id, client.ExecCreateOptions{Cmd: cmd, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return "", err
	}
	attached, err := s.engine.ExecAttach(ctx, created.ID, client.ExecAttachOptions{})
	if err != nil {
		return "", err
	}
	defer attached.Close()
	defer context.AfterFunc(ctx, attached.Close)()
	var out bytes.Buffer
	if _, err := stdcopy.StdCopy(&out, &out, attached.Reader); err != nil {
		return out.String(), errors.Join(context.Cause(ctx), err)
	}
	var result client.ExecInspectResult
	var failed error // to ask, which is no reason to ask again
	err = wait.For(ctx, execPoll, func(ctx context.Context) error {
		result, failed = s.engine.ExecInspect(ctx, created.ID, client.ExecInspectOptions{})
		if failed == nil && result.Running { // the output ends a moment before, and the code is 0 until then
			return errors.New("it has printed all, and has not ended")
		}
		return nil
	})
	if err = cmp.Or(err, failed); err == nil && result.ExitCode != 0 {
		err = fmt.Errorf("exit code %d: %s", result.ExitCode, secret.Hide(strings.TrimSpace(out.String())))
	}
	return out.String(), err
}

// Logs returns what the service has printed since its container was made, or adopted, across
// restarts, also after [Service.Destroy]. "[password]" stands in the place of the password of the test process.
func (s *Service) Logs(ctx context.Context) (string, error) {
	s.mu.Lock()
	last := s.lastWord
	s.mu.Unlock()
	if last != nil {
		return *last, nil
	}
	log, err := s.logs(ctx)
	if err != nil {
		return log, fmt.Errorf("log of %s: %w", s.Name(), err)
	}
	return log, nil
}

func (s *Service) logs(ctx context.Context) (string, error) {
	o := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true}
	if s.lent != nil {
		o.Since = s.lent.since
	}
	r, err := s.engine.ContainerLogs(ctx, s.id, o)
	if err != nil {
		return "", err
	}
	defer r.Close()
	var out bytes.Buffer
	_, err = stdcopy.StdCopy(&out, &out, r)
	return secret.Hide(out.String()), err
}
