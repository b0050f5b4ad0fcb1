// Package patronitest runs PostgreSQL clusters that elect their primary by themselves for the
// length of a test: members with a Patroni agent each, and the etcd that is their store, in
// containers, with the faults that either can suffer and the steps and stages of a failover.
package patronitest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/certificate"
	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/measured"
	"github.com/drtest/suite/internal/wait"
)

const (
	markTable  = "drtest_mark"
	settleStep = 50 * time.Millisecond
)

// A Cluster is members that elect their primary by themselves: Patroni 4, with its leader key in
// etcd.
type Cluster struct {
	Members     []*Member
	Store       *Store
	Timing      Timing
	replication Replication
}

// StartCluster starts three members and their store, and returns when the first member leads and
// the others stream from it; with synchronous replication, when the store names a synchronous
// standby as well: without that nobody could take over. It fails t as [pgtest.StartPrimary] does.
func StartCluster(t testing.TB, c Config) *Cluster {
	t.Helper()
	if c.Network == "" {
		c.Network = containertest.NewNetwork(t)
	}
	stores := max(1, c.EtcdMembers)
	image, shown := containertest.Build(t, Image(t, c.Image)), certify(t, stores)
	var members []containertest.Config
	for i := range 3 {
		members = append(members, c.member(t, memberName(i), image, c.Network, stores, shown))
	}
	return c.start(t, c.store(image, c.Network, stores, shown), members, shown)
}

// StartRegions starts a cluster that is spread over three networks: two regions, each with a member
// of the cluster and one of its store, and a witness, with a member of the store alone.
// [RegionAddrs] are what has to be reached in each from the others. Its members have no firewalls:
// what leads from one network to another can be cut. It returns as StartCluster does: the member in
// the first region leads.
func StartRegions(t testing.TB, c RegionsConfig) *Cluster {
	t.Helper()
	networks := []string{c.First, c.Second, c.Witness}
	if slices.Contains(networks, "") {
		t.Fatal("patronitest: RegionsConfig.First, Second and Witness are required")
	}
	common := Config{Image: c.Image, Settings: c.Settings, Replication: c.Replication}
	image, shown := containertest.Build(t, Image(t, c.Image)), certify(t, len(networks))
	stores := common.store(image, c.First, len(networks), shown)
	for i, network := range networks {
		stores[i].Network = network
	}
	var members []containertest.Config
	for i, network := range networks[:2] {
		members = append(members, common.member(t, memberName(i), image, network, len(networks), shown))
	}
	return common.start(t, stores, members, shown)
}

// start starts the members of the store, and then those of the cluster: an agent that does not find
// the store when it starts asks again after five seconds.
func (c Config) start(t testing.TB, stores, members []containertest.Config, shown *certificate.Certificate) *Cluster {
	t.Helper()
	cluster := &Cluster{Timing: c.timing(t), replication: c.Replication}
	cluster.Store = &Store{Members: containertest.StartAll(t, stores...), client: client(shown)}
	for i := range members {
		members[i].Ready = cluster.Store.joined(members[i].Name, members[i].Ready)
	}
	for _, s := range containertest.StartAll(t, members...) {
		cluster.Members = append(cluster.Members, &Member{pgtest.NewNode(t, s)})
	}
	ctx, cancel := machine.Allow(t.Context(), containertest.StartTimeout)
	defer cancel()
	defer measured.Starts.Begin()()
	if err := cluster.settle(ctx); err != nil {
		machine.Fatal(t, machine.Blame(ctx, fmt.Errorf("cluster: %w", err)))
	}
	return cluster
}

// settle returns when the cluster is as its replication demands, by the store and by the agents'
// own word, and has the table of marks.
func (c *Cluster) settle(ctx context.Context) error {
	if err := wait.For(ctx, settleStep, func(ctx context.Context) error {
		err := c.settled(ctx, c.Members)
		if err != nil {
			err = errors.Join(err, c.Store.wake(ctx))
		}
		return err
	}); err != nil {
		return err
	}
	leader, err := c.Leader(ctx)
	if err != nil {
		return err
	}
	if err := leader.get(ctx, "/primary"); err != nil {
		return err
	}
	if c.replication != Async {
		standby, err := c.Standby(ctx)
		if err != nil {
			return err
		}
		role := "/sync"
		if c.replication == SyncQuorum {
			role = "/quorum"
		}
		if err := wait.For(ctx, settleStep, func(ctx context.Context) error { return standby.get(ctx, role) }); err != nil {
			return err
		}
	}
	return leader.Exec(ctx, "CREATE TABLE IF NOT EXISTS "+markTable+" (mark bigint)")
}

// settled says what members lack: a leader, replicas that stream on its timeline, a synchronous
// standby that is known to the store. What the agents say of themselves there is at most a round
// old.
func (c *Cluster) settled(ctx context.Context, among []*Member) error {
	v, err := c.Store.view(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(among, c.named(v.Leader)) {
		return fmt.Errorf("%q holds the lease", v.Leader)
	}
	timeline, standbys := v.Members[v.Leader].Timeline, 0
	var missing []string // which have no vote, though they are not fenced
	for _, m := range among {
		well := agentView{State: "running", Replication: "streaming", Timeline: timeline}
		if m.Name() == v.Leader {
			well.Replication = ""
		}
		got := v.Members[m.Name()]
		if well.Tags = got.Tags; got != well {
			return fmt.Errorf("%s is %v, want %v", m.Name(), got, well)
		}
		if slices.Contains(v.Standbys, m.Name()) {
			standbys++
		} else if m.Name() != v.Leader && !got.Tags.NoSync {
			missing = append(missing, m.Name())
		}
	}
	switch {
	case c.replication != Async && standbys == 0:
		return errors.New("the store names no synchronous standby")
	case c.replication == SyncQuorum && len(missing) > 0:
		return fmt.Errorf("the store does not count %s to the quorum", strings.Join(missing, ", "))
	}
	return nil
}

// Leader returns the member that holds the lease, and whose server is a primary. It is an error
// when there is none.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	v, err := c.Store.view(ctx)
	if err != nil {
		return nil, err
	}
	return c.primary(ctx, v)
}

// primary returns the leader by the store's view, if its server agrees.
func (c *Cluster) primary(ctx context.Context, v *view) (*Member, error) {
	leader := c.named(v.Leader)
	if leader == nil {
		return nil, errors.New("nobody holds the lease")
	}
	role, err := leader.Text(ctx, "SELECT CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE 'primary' END")
	if err == nil && role != "primary" {
		err = fmt.Errorf("%s holds the lease and is a %s", leader.Name(), role)
	}
	return leader, err
}

// named returns the member of that name, or nil.
func (c *Cluster) named(name string) *Member {
	for _, m := range c.Members {
		if m.Name() == name {
			return m
		}
	}
	return nil
}

// Standby returns the member that the store names as the synchronous standby: the only one that may
// take over, but for SyncQuorum, where it is one of several. It is an error when there is none.
func (c *Cluster) Standby(ctx context.Context) (*Member, error) {
	v, err := c.Store.view(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range v.Standbys {
		if standby := c.named(name); standby != nil {
			return standby, nil
		}
	}
	return nil, errors.New("the store names no synchronous standby")
}

// Others returns the members but those named.
func (c *Cluster) Others(but ...*Member) []*Member {
	return slices.DeleteFunc(slices.Clone(c.Members), func(m *Member) bool { return slices.Contains(but, m) })
}

// DSN returns the connection string for clients inside the network: it names all members, and
// clients ask each until one takes writes.
func (c *Cluster) DSN() string {
	var hosts []string
	for _, m := range c.Members {
		hosts = append(hosts, m.Addr())
	}
	return pgtest.DSN(strings.Join(hosts, ",")) + "&target_session_attrs=read-write"
}

// Switchover has the leader hand over in good order to another member, of the cluster's choice, and
// is done once that is primary.
func (c *Cluster) Switchover() drtest.Step { return drtest.Step{Name: "switch over", Do: c.switchover} }

func (c *Cluster) switchover(ctx context.Context) error {
	leader, err := c.Leader(ctx)
	if err != nil {
		return err
	}
	to := ""
	if c.replication == Async { // with synchronous replication only the standby that the store names may take over
		to = c.Others(leader)[0].Name()
	}
	_, err = leader.post(ctx, "/switchover", map[string]string{"leader": leader.Name(), "candidate": to})
	if err != nil {
		return fmt.Errorf("from %s: %w", leader.Name(), err)
	}
	// The agent answers as soon as the other holds the lease.
	return wait.For(ctx, settleStep, func(ctx context.Context) error {
		now, err := c.Leader(ctx)
		if err == nil && now == leader {
			err = fmt.Errorf("%s still leads", leader.Name())
		}
		return err
	})
}

// Redundant says whether members, or all when none is named, are again what the cluster's
// replication demands: one is the primary, the others stream on its timeline and show a row that
// was written just now, and with synchronous replication the store names a standby that could take
// over. Its answer is that of a stage: nil, or what is missing.
func (c *Cluster) Redundant(members ...*Member) func(context.Context) error {
	if len(members) == 0 {
		members = c.Members
	}
	return func(ctx context.Context) error {
		if err := c.settled(ctx, members); err != nil {
			return err
		}
		leader, err := c.Leader(ctx)
		if err != nil {
			return err
		}
		mark := time.Now().UnixNano()
		if err := leader.Exec(ctx, fmt.Sprintf("INSERT INTO %s VALUES (%d)", markTable, mark)); err != nil {
			return err
		}
		for _, m := range members {
			shown := fmt.Sprintf("SELECT 1/count(*) FROM %s WHERE mark = %d", markTable, mark)
			err := wait.For(ctx, settleStep, func(ctx context.Context) error { return m.Exec(ctx, shown) })
			if err != nil {
				return fmt.Errorf("the fresh row: %w", err)
			}
		}
		return nil
	}
}

// rows is a digest of all rows of the database app.
const rows = `SELECT coalesce(string_agg(format('%s %s', c.oid::regclass,
	(xpath('//d/text()', query_to_xml(format('SELECT count(*) || '' '' || coalesce(md5(string_agg(t::text, '','' ORDER BY t::text)), '''') AS d FROM %s t', c.oid::regclass), false, true, '')))[1]),
	E'\n' ORDER BY c.oid), '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind = 'r' AND n.nspname = 'public'`

// Identical compares the rows of all tables of the database app, in the schema public, on members,
// or on all when none is named, and returns the evidence that no member has a row that the others
// lack. It asks until they are the same or ctx ends: replicas may be behind, and a diverged row
// never goes away by itself.
func (c *Cluster) Identical(ctx context.Context, members ...*Member) (string, error) {
	if len(members) == 0 {
		members = c.Members
	}
	evidence := ""
	err := wait.For(ctx, settleStep, func(ctx context.Context) error {
		first := ""
		for _, m := range members {
			digest, err := m.Text(ctx, rows)
			if err != nil {
				return err
			}
			if m == members[0] {
				first = digest
			}
			if digest != first {
				return fmt.Errorf("%s and %s differ:\n%s\n%s", members[0].Name(), m.Name(), first, digest)
			}
		}
		evidence = fmt.Sprintf("%d members have the same rows: %s", len(members), strings.ReplaceAll(first, "\n", ", "))
		return nil
	})
	return evidence, err
}
