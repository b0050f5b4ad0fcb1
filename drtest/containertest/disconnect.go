package containertest

import (
	"context"
	"fmt"
	"strings"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/borrowed"
)

// Disconnect returns a service whose network cable is pulled: it is taken off all of its networks,
// and those ports that it publishes on the host are closed. Its own processes go on. Peers get no
// answer over connections that are open, so keepalives fire; new ones are not even tried, since the
// service's name does not resolve. The service itself is told at once that its network is
// unreachable.
//
// Heal plugs it in again. The engine gives it other addresses, so connections that were open do not
// go on, and ports of the host that nobody has fixed may be others: see [Service.HostAddr]. Unlike
// [Service.Isolate] it needs no firewall, nor packets to drop.
func (s *Service) Disconnect() drtest.Fault {
	var were borrowed.Networks
	inject := func(ctx context.Context) (drtest.Effect, error) {
		c, err := s.inspectNode(ctx)
		if err != nil {
			return drtest.Effect{}, err
		}
		on := borrowed.NetworksOf(c)
		if len(on) == 0 || !c.State.Running {
			return drtest.Effect{}, fmt.Errorf("%s is %s, on %d networks", s.Name(), c.State.Status, len(on))
		}
		were = on
		s.forgetPorts()
		if err := on.Leave(ctx, s.engine.Client, c.ID); err != nil {
			return drtest.Effect{}, err
		}
		if c, err = s.inspectNode(ctx); err != nil {
			return drtest.Effect{}, err
		}
		if still := borrowed.NetworksOf(c).Names(); len(still) > 0 {
			return drtest.Effect{}, fmt.Errorf("%s is still on %s", s.Name(), strings.Join(still, ", "))
		}
		return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf("%s, on no network instead of %s", c.State.Status, strings.Join(on.Names(), ", ")))}, nil
	}
	heal := func(ctx context.Context) error {
		c, err := s.inspectNode(ctx)
		if err != nil {
			return err
		}
		_, err = were.Rejoin(ctx, s.engine.Client, c)
		s.forgetPorts()
		return err
	}
	var refused error
	if s.lent != nil && s.config.Network == "" {
		refused = fmt.Errorf("container %s has no network of its own", s.lent.Name)
	}
	return unless(refused, drtest.Fault{Name: "disconnect " + s.Name(), Inject: inject, Heal: heal})
}
