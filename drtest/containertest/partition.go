package containertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/firewall"
	"github.com/drtest/suite/internal/wait"
)

// countInterval is the time between two looks at the counters of a partition that has just been
// made.
const countInterval = 5 * time.Millisecond

// A Peer is somebody on the network whom a service can be cut off from: another [Service], a
// database. It is known by the host in its address, so a link stands for its whole proxy, with all
// other links.
type Peer interface {
	Addr() string
}

// Partition returns a network that loses everything between the service and its peers, both ways:
// the service's kernel drops the packets as they come and as they would go. Connections stay open
// and silent on both sides, nothing is acknowledged, so keepalives and TCP_USER_TIMEOUT fire; new
// ones get no answer. Only who sends datagrams is told: EPERM. Names still resolve. Packets between
// the service and others pass.
//
// Inject returns when the first packet has been dropped, so somebody must send: it is an error when
// none was within five seconds. A restart of the service leaves no gap. The peers' addresses are
// looked up at the injection and then ten times a second: a peer that comes back under another
// address gets through until that is noticed. Heal lets packets through; open connections go on
// when a side sends again, which TCP delays the more the longer the partition was. The rules end
// with the test process as well. Confirm tells how many packets were dropped in all.
//
// It needs [Config.Firewall]: without, a drill with it is refused.
func (s *Service) Partition(peers ...Peer) drtest.Fault {
	return s.partition("partition %s from %s", firewall.Both, peers)
}

// DropInbound returns a network that loses what peers send to the service, which drops it as it
// comes. What the service sends arrives: its datagrams are heard, while TCP, which needs the
// acknowledgements, stalls both ways; peers receive the same segments again and again. In all else
// it is like [Service.Partition].
func (s *Service) DropInbound(peers ...Peer) drtest.Fault {
	return s.partition("drop inbound packets of %s from %s", firewall.In, peers)
}

// DropOutbound returns a network that loses what the service sends to peers. What they send
// arrives, so a request that the service got over an open connection is executed though nobody
// hears of it. In all else it is like [Service.Partition].
func (s *Service) DropOutbound(peers ...Peer) drtest.Fault {
	return s.partition("drop outbound packets of %s to %s", firewall.Out, peers)
}

// Isolate returns a partition of the service from everybody but the peers named and the host, which
// keeps its way in through published ports, so that a drill can still see the service. In all else
// it is like [Service.Partition].
func (s *Service) Isolate(except ...Peer) drtest.Fault {
	name := "isolate " + s.Name()
	if len(except) > 0 {
		name += " but from " + strings.Join(hosts(except), ", ")
	}
	return s.cut(name, firewall.Both, func(ctx context.Context) (firewall.Hosts, error) {
		c, err := s.inspectNode(ctx)
		if err != nil {
			return firewall.Hosts{}, err
		}
		spared := hosts(except)
		for _, n := range c.NetworkSettings.Networks {
			for _, gateway := range []string{n.Gateway.String(), n.IPv6Gateway.String()} {
				if net.ParseIP(gateway) != nil {
					spared = append(spared, gateway)
				}
			}
		}
		return firewall.Except(spared...), nil
	})
}

// partition returns a cut between the service and peers.
func (s *Service) partition(format string, d firewall.Direction, peers []Peer) drtest.Fault {
	return s.cut(fmt.Sprintf(format, s.Name(), strings.Join(hosts(peers), ", ")), d, func(context.Context) (firewall.Hosts, error) {
		if len(peers) == 0 {
			return firewall.Hosts{}, errors.New("no peer is named")
		}
		return firewall.Only(hosts(peers)...), nil
	})
}

// hosts returns the names by which peers are known on their network.
func hosts(peers []Peer) []string {
	var names []string
	for _, p := range peers {
		host, _, err := net.SplitHostPort(p.Addr())
		if err != nil {
			host = p.Addr()
		}
		names = append(names, host)
	}
	return names
}

// cut returns a fault that drops packets of the hosts which are known when it is injected.
func (s *Service) cut(name string, d firewall.Direction, known func(context.Context) (firewall.Hosts, error)) drtest.Fault {
	if s.firewall == nil {
		err := fmt.Errorf("%s was started without a firewall: set Config.Firewall", s.Name())
		if s.lent != nil {
			err = fmt.Errorf("%s was adopted, so it shares its network with no firewall: use Disconnect, or a proxy's link", s.Name())
		}
		return unless(err, drtest.Fault{Name: name})
	}
	cut := s.firewall.NewCut(d)
	var total firewall.Count
	inject := func(ctx context.Context) (drtest.Effect, error) {
		who, err := known(ctx)
		if err != nil {
			return drtest.Effect{}, err
		}
		addresses, err := cut.Make(ctx, who)
		if err != nil {
			return drtest.Effect{}, err
		}
		first, err := firstPackets(ctx, cut)
		if err != nil {
			return drtest.Effect{}, err
		}
		return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf("dropped %v so far, rules for %s", first, addresses))}, nil
	}
	heal := func(ctx context.Context) (err error) {
		if total, err = cut.Heal(ctx); err != nil {
			// The rules of a node that is dead have died with it.
			if node, gone := s.inspectNode(ctx); gone == nil && !node.State.Running {
				return nil
			}
		}
		return err
	}
	confirm := func(ctx context.Context) (drtest.Receipt, error) {
		seen := total
		if !seen.Any() {
			var err error
			if seen, err = cut.Count(ctx); err != nil {
				return "", err
			}
		}
		return drtest.Receipt(fmt.Sprintf("dropped %v in all", seen)), nil
	}
	return drtest.Fault{Name: name, Inject: inject, Heal: heal, Confirm: confirm}
}

// firstPackets waits until a cut has dropped something, without which nobody has noticed it.
func firstPackets(ctx context.Context, cut *firewall.Cut) (n firewall.Count, err error) {
	ctx, cancel := context.WithTimeout(ctx, injectTimeout)
	defer cancel()
	err = wait.For(ctx, countInterval, func(ctx context.Context) (err error) {
		if n, err = cut.Count(ctx); err == nil && !n.Any() {
			err = errors.New("no packet was dropped")
		}
		return err
	})
	if err != nil {
		return n, fmt.Errorf("the fault was not seen: %w", err)
	}
	return n, nil
}
