package pgtest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
)

// primary describes a primary.
func (o *options) primary(mode Mode) containertest.Config {
	conf := ""
	if mode == Sync {
		// In force from the first moment on: a primary that is told later acknowledges alone until
		// then.
		conf = setting("synchronous_standby_names", replica)
	}
	return o.node(primary, conf)
}

// replica describes a standby whose primary is at addr. It is not told of synchronous standbys:
// should it become a primary, it has none to wait for.
func (o *options) replica(t testing.TB, addr string) containertest.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("replicate through %q: %v", addr, err)
	}
	conninfo := fmt.Sprintf("host=%s port=%s user=replicator application_name=%s connect_timeout=2 "+
		"keepalives_idle=1 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=3000", host, port, replica)
	c := o.node(replica, setting("primary_conninfo", conninfo))
	c.Network = cmp.Or(o.far, c.Network)
	return c
}

// node describes what primary and replica share.
func (o *options) node(role, conf string) containertest.Config {
	env := map[string]string{"PGTEST_ROLE": role}
	volumes := map[string]string{home: ""}
	if o.archive != nil {
		conf += o.archive.conf()
		maps.Copy(env, o.archive.env())
		maps.Copy(volumes, o.archive.volumes())
	}
	env["PGTEST_CONF"] = conf + o.conf.String()
	return containertest.Config{
		Name:    role,
		Image:   o.image,
		Network: o.network,
		Env:     env,
		Volumes: volumes,
		Port:    port,
		Restart: o.restart,
		Ready: func(ctx context.Context, s *containertest.Service) error {
			conn, err := (&Node{service: s}).Connect(ctx)
			if err != nil {
				return err
			}
			return conn.Close(ctx)
		},
	}
}

// start starts nodes at the same time and returns when all answer.
func start(t testing.TB, configs ...containertest.Config) []*Node {
	t.Helper()
	var nodes []*Node
	for _, s := range containertest.StartAll(t, configs...) {
		nodes = append(nodes, newNode(t, s))
	}
	return nodes
}

// startPair starts a primary and a replica, which need not stream yet.
func (o *options) startPair(t testing.TB, mode Mode) *Pair {
	t.Helper()
	first := o.primary(mode)
	if o.through == nil {
		// The replica finds its primary by name, and asks until it is there.
		addr := net.JoinHostPort(primary, fmt.Sprint(port))
		nodes := start(t, first, o.replica(t, addr))
		return &Pair{Primary: nodes[0], Replica: nodes[1]}
	}
	p := &Pair{Primary: start(t, first)[0]}
	p.Replica = start(t, o.replica(t, o.through(p.Primary)))[0]
	return p
}
