package pgtest

import (
	"context"
	"fmt"
	"maps"
	"net"
	"testing"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/announce"
	"github.com/drtest/suite/internal/secret"
)

// What every server has in common.
const (
	// Home is the folder in a server's container that has all that it writes.
	Home = "/var/lib/postgresql"
	// DataFolder is PostgreSQL's data directory, in [Home].
	DataFolder = Home + "/data"
	// Port is where a server listens.
	Port = 5432
	// Database is the one that clients use.
	Database = "app"
)

// The roles are DNS names, and the replica's is also the name under which it streams.
const (
	primary = "primary"
	replica = "replica"
)

// Container describes the container of a server, without starting it, for those that start it in
// another way: with an agent, or from a backup. The environment variable PGTEST_ROLE tells the
// server what it is, PGTEST_CONF are its lines of postgresql.conf, and PGTEST_PASSWORD is what it
// keeps of the password. Its image is built. InitSQL
// is left to [StartPrimary] and [StartPair].
func (c Config) Container(t testing.TB, name string) containertest.Config {
	t.Helper()
	image, restart := ServerImage(t, c.Image), containertest.RestartOnFailure
	verifier, err := secret.Verifier()
	if err != nil {
		t.Fatal(err)
	}
	env, volumes, conf := map[string]string{"PGTEST_ROLE": name, "PGTEST_PASSWORD": verifier}, map[string]string{Home: ""}, ""
	if c.Archive != nil {
		image = c.Archive.Image(image)
		conf = Conf(c.Archive.Settings)
		maps.Copy(env, c.Archive.Env)
		maps.Copy(volumes, c.Archive.Volumes)
	}
	if c.NoRestart {
		restart = containertest.NeverRestart
	}
	env["PGTEST_CONF"] = conf + Conf(c.Settings)
	return containertest.Config{
		Name:    name,
		Image:   containertest.Build(t, image),
		Network: c.Network,
		Env:     env,
		Volumes: volumes,
		Port:    Port,
		Restart: restart,
		Ready: func(ctx context.Context, s *containertest.Service) error {
			conn, err := (&Node{service: s}).Connect(ctx)
			if err != nil {
				return err
			}
			announce.Tell(t, announce.System, "PostgreSQL "+conn.PgConn().ParameterStatus("server_version"))
			return conn.Close(ctx)
		},
	}
}

// primary describes the primary of a pair.
func (c PairConfig) primary(t testing.TB) containertest.Config {
	t.Helper()
	config := c.Container(t, primary)
	if c.Replication == Sync {
		// In force from the first moment on: a primary that is told later acknowledges alone until
		// then.
		config.Env["PGTEST_CONF"] = Conf(map[string]string{"synchronous_standby_names": replica}) + config.Env["PGTEST_CONF"]
	}
	return config
}

// replica describes a standby whose primary is at addr, on a network. It is not told of synchronous
// standbys: should it become a primary, it has none to wait for.
func (c PairConfig) replica(t testing.TB, network, addr string) containertest.Config {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("replicate from %q: %v", addr, err)
	}
	conninfo := fmt.Sprintf("host=%s port=%s user=replicator password=%s application_name=%s connect_timeout=2 "+
		"keepalives_idle=1 keepalives_interval=1 keepalives_count=3 tcp_user_timeout=3000", host, port, secret.Password(), replica)
	config := c.Container(t, replica)
	config.Network = network
	config.Env["PGTEST_CONF"] = Conf(map[string]string{"primary_conninfo": conninfo}) + config.Env["PGTEST_CONF"]
	return config
}

// start starts servers at the same time and returns when all answer.
func start(t testing.TB, configs ...containertest.Config) []*Node {
	t.Helper()
	var nodes []*Node
	for _, s := range containertest.StartAll(t, configs...) {
		nodes = append(nodes, NewNode(t, s))
	}
	return nodes
}

// start starts a primary and a replica, which need not stream yet.
func (c PairConfig) start(t testing.TB) *Pair {
	t.Helper()
	if c.Network == "" {
		c.Network = containertest.NewNetwork(t)
	}
	first := c.primary(t)
	if c.Upstream == nil {
		// The replica finds its primary by name, and asks until it is there.
		addr := net.JoinHostPort(primary, fmt.Sprint(Port))
		nodes := start(t, first, c.replica(t, c.Network, addr))
		return &Pair{Primary: nodes[0], Replica: nodes[1]}
	}
	p := &Pair{Primary: start(t, first)[0]}
	upstream := c.Upstream(p.Primary)
	p.Replica = start(t, c.replica(t, upstream.Network(), upstream.Addr()))[0]
	return p
}
