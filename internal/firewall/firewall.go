// Package firewall drops packets in the network namespace of one service. The firewall is a
// container that owns the namespace and that the service joins, so the rules stay in force while
// the service is down and from the first packet after it was started again.
package firewall

import (
	"context"
	"embed"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/drtest/suite/internal/docker"
	"github.com/drtest/suite/internal/images"
	"github.com/moby/moby/client"
)

//go:embed Dockerfile
var files embed.FS

// Image is the image of the container.
var Image = images.Image{
	Name:  "drtest/firewall",
	Files: files,
	Programs: []images.Program{{
		Name:    "drtest-firewall",
		Package: "github.com/drtest/suite/internal/firewall/program",
	}},
}

// A Firewall is a network namespace with an owner that takes orders.
type Firewall struct {
	*docker.Helper
	cuts atomic.Int64
}

// Create makes the container whose namespace a service can join. The options say how it is
// connected and labelled, and name the image. It is not running yet.
func Create(ctx context.Context, engine *docker.Engine, o client.ContainerCreateOptions) (*Firewall, error) {
	docker.Confine(o.HostConfig, "NET_ADMIN")
	h, err := engine.CreateHelper(ctx, o)
	if err != nil {
		return nil, err
	}
	return &Firewall{Helper: h}, nil
}

// A Direction is that of packets, seen from the namespace.
type Direction string

// The directions.
const (
	In   Direction = "in"
	Out  Direction = "out"
	Both Direction = "both"
)

// Hosts are those whose packets are dropped. They are names or addresses.
type Hosts struct {
	which string
	names []string
}

// Only means these hosts.
func Only(names ...string) Hosts { return Hosts{"only", names} }

// Except means all hosts but these.
func Except(names ...string) Hosts { return Hosts{"except", names} }

// A Cut is a set of rules that is in force or not.
type Cut struct {
	firewall  *Firewall
	name      string
	direction Direction
}

// NewCut names a set of rules, of which there can be several at once.
func (f *Firewall) NewCut(d Direction) *Cut {
	return &Cut{f, fmt.Sprintf("drtest_%d", f.cuts.Add(1)), d}
}

// Make puts the rules in force and returns the addresses that the names stand for. From then on the
// rules follow the names.
func (c *Cut) Make(ctx context.Context, h Hosts) (addresses string, err error) {
	return c.firewall.Order(ctx, fmt.Sprintf("cut %s %s %s %s", c.name, c.direction, h.which, strings.Join(h.names, ",")))
}

// Count returns how many packets the rules have dropped since they are in force.
func (c *Cut) Count(ctx context.Context) (Count, error) { return c.count(ctx, "count") }

// Heal removes the rules, if they are in force, and returns how many packets they have dropped.
func (c *Cut) Heal(ctx context.Context) (Count, error) { return c.count(ctx, "heal") }

func (c *Cut) count(ctx context.Context, order string) (n Count, err error) {
	answer, err := c.firewall.Order(ctx, order+" "+c.name)
	if err != nil {
		return n, err
	}
	_, err = fmt.Sscan(answer, &n.In, &n.Out)
	return n, err
}

// A Count is a number of dropped packets, by direction.
type Count struct{ In, Out int }

// Any says whether there was any.
func (n Count) Any() bool { return n.In+n.Out > 0 }

func (n Count) String() string { return fmt.Sprintf("%d packets in and %d out", n.In, n.Out) }
