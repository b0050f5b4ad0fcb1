package pgtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/machine"
	"github.com/drtest/suite/internal/wait"
)

const (
	members    = 3
	markTable  = "drtest_mark"
	settleStep = 50 * time.Millisecond
	wakeStep   = 250 * time.Millisecond
)

// A Cluster is members that elect their primary by themselves: Patroni 4, with its leader key in
// etcd. There are three of them, or, with [Across], two.
type Cluster struct {
	Members []*Member
	Store   *Store
	Timing  Timing
	mode    Mode
}

// Timing is the pace of a cluster, in whole seconds. Patroni's rules hold: LoopWait +
// 2*RetryTimeout <= TTL, TTL at least 20 s, LoopWait 1 s, RetryTimeout 3 s.
type Timing struct {
	TTL          time.Duration // of the leader's lease
	LoopWait     time.Duration // between two rounds of an agent
	RetryTimeout time.Duration // of what an agent asks of the store and of its server
}

// fastest is the least that Patroni takes.
var fastest = Timing{TTL: 20 * time.Second, LoopWait: time.Second, RetryTimeout: 3 * time.Second}

func (t Timing) validate() error {
	for _, d := range []time.Duration{t.TTL, t.LoopWait, t.RetryTimeout} {
		if d%time.Second != 0 {
			return fmt.Errorf("%v is not in whole seconds", d)
		}
	}
	if t.TTL < fastest.TTL || t.LoopWait < fastest.LoopWait || t.RetryTimeout < fastest.RetryTimeout || t.LoopWait+2*t.RetryTimeout > t.TTL {
		return fmt.Errorf("TTL %v, LoopWait %v, RetryTimeout %v: Patroni would change them, it wants at least %v, %v and %v, and LoopWait + 2*RetryTimeout <= TTL",
			t.TTL, t.LoopWait, t.RetryTimeout, fastest.TTL, fastest.LoopWait, fastest.RetryTimeout)
	}
	return nil
}

// Paced sets the pace of a cluster, instead of the fastest that Patroni takes.
func Paced(t Timing) Option { return func(o *options) { o.timing = t } }

// Failsafe lets the leader of a cluster stay primary without the store, as long as it reaches all
// other members.
func Failsafe() Option { return func(o *options) { o.failsafe = true } }

// StoreOfThree gives a cluster a store of three members, which outlives the loss of one, instead of
// a single one.
func StoreOfThree() Option { return func(o *options) { o.stores = 3 } }

// Across spreads a cluster over three networks: two regions, each with a member of the cluster and
// one of its store, and a witness, with a member of the store alone. [RegionAddrs] are what has to
// be reached in each from the others. Its members have no firewalls: what leads from one network to
// another can be cut.
func Across(first, second, witness string) Option {
	return func(o *options) { o.regions, o.stores = []string{first, second, witness}, 3 }
}

// RegionAddrs returns the addresses of what [Across] puts on its nth network, from 0.
func RegionAddrs(n int) []string {
	addrs := []string{fmt.Sprintf("%s:%d", storeName(n), storePort), fmt.Sprintf("%s:%d", storeName(n), peerPort)}
	if n < 2 {
		addrs = append(addrs, fmt.Sprintf("%s:%d", memberName(n), port), fmt.Sprintf("%s:%d", memberName(n), agentPort))
	}
	return addrs
}

func memberName(n int) string { return fmt.Sprintf("node-%d", n+1) }

// ofCluster says that a cluster knows no such mode.
func (m Mode) ofCluster() error {
	if m < Async || m > SyncQuorum {
		return fmt.Errorf("mode %d is not Async, Sync, SyncBestEffort or SyncQuorum", m)
	}
	return nil
}

// settings are the mode in the configuration of Patroni.
func (m Mode) settings() map[string]any {
	var synchronous any = m != Async
	if m == SyncQuorum {
		synchronous = "quorum"
	}
	return map[string]any{"synchronous_mode": synchronous, "synchronous_mode_strict": m == Sync || m == SyncQuorum}
}

// waits says whether a server that waits for these standbys can be in the mode.
func (m Mode) waits(standbys string) bool {
	switch m {
	case Async:
		return standbys == ""
	case Sync:
		return standbys != "" && !strings.HasPrefix(standbys, "ANY")
	case SyncQuorum:
		return strings.HasPrefix(standbys, "ANY")
	}
	return true // best effort: for whoever there is
}

// StartCluster starts the members and their store, and returns when one member is the primary and
// the others stream from it; with synchronous replication, when the store names a synchronous
// standby as well: without that nobody could take over. It fails t as [StartPrimary] does.
func StartCluster(t testing.TB, mode Mode, opts ...Option) *Cluster {
	t.Helper()
	o := gather(t, opts)
	if err := mode.ofCluster(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if o.through != nil || o.archive != nil || o.restart == containertest.NeverRestart {
		t.Fatal("pgtest: ReplicateThrough, ArchiveTo and NoRestart are no options of StartCluster")
	}
	if o.timing == (Timing{}) {
		o.timing = fastest
	}
	if err := o.timing.validate(); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	image := containertest.Build(t, clusterImage(t))
	stores := max(1, o.stores)
	configs := store(image, o.network, stores)
	nodes := members
	if o.regions != nil {
		nodes = len(o.regions) - 1
	}
	for i := range nodes {
		config, err := o.member(memberName(i), image, mode, stores)
		if err != nil {
			t.Fatal(err)
		}
		configs = append(configs, config)
	}
	for i, region := range o.regions {
		configs[i].Network, configs[i].Firewall = region, false // what leads from one region to another can be cut there
		if i < nodes {
			configs[stores+i].Network, configs[stores+i].Firewall = region, false
			configs[stores+i].Env["PGTEST_STORE"] = storeName(i)
		}
	}
	services := containertest.StartAll(t, configs...)
	c := &Cluster{Store: &Store{Members: services[:stores]}, Timing: o.timing, mode: mode}
	for _, s := range services[stores:] {
		c.Members = append(c.Members, &Member{newNode(t, s)})
	}
	ctx, cancel := machine.Allow(t.Context(), containertest.StartTimeout)
	defer cancel()
	if err := c.settle(ctx); err != nil {
		machine.Fatal(t, machine.Blame(ctx, fmt.Errorf("cluster: %w", err)))
	}
	return c
}

// settle returns when the cluster is as its mode demands, by the store and by the agents' own word,
// and has the table of marks.
func (c *Cluster) settle(ctx context.Context) error {
	var woken time.Time
	if err := wait.For(ctx, settleStep, func(ctx context.Context) error {
		err := c.settled(ctx, c.Members)
		if err != nil && time.Since(woken) > wakeStep {
			woken = time.Now()
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
	if c.mode != Async {
		standby, err := c.Standby(ctx)
		if err != nil {
			return err
		}
		role := "/sync"
		if c.mode == SyncQuorum {
			role = "/quorum"
		}
		if err := wait.For(ctx, settleStep, func(ctx context.Context) error { return standby.get(ctx, role) }); err != nil {
			return err
		}
	}
	return leader.exec(ctx, "CREATE TABLE IF NOT EXISTS "+markTable+" (mark bigint)")
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
	case c.mode != Async && standbys == 0:
		return errors.New("the store names no synchronous standby")
	case c.mode == SyncQuorum && len(missing) > 0:
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
	role, err := leader.text(ctx, "SELECT CASE WHEN pg_is_in_recovery() THEN 'replica' ELSE 'primary' END")
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
	return DSN(strings.Join(hosts, ",")) + "&target_session_attrs=read-write"
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
	if c.mode == Async { // with synchronous replication only the standby that the store names may take over
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

// Redundant says whether members, or all when none is named, are again what the cluster's mode
// demands: one is the primary, the others stream on its timeline and show a row that was written
// just now, and with synchronous replication the store names a standby that could take over. Its
// answer is that of a stage: nil, or what is missing.
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
		if err := leader.exec(ctx, fmt.Sprintf("INSERT INTO %s VALUES (%d)", markTable, mark)); err != nil {
			return err
		}
		for _, m := range members {
			shown := fmt.Sprintf("SELECT 1/count(*) FROM %s WHERE mark = %d", markTable, mark)
			err := wait.For(ctx, settleStep, func(ctx context.Context) error { return m.exec(ctx, shown) })
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
			digest, err := m.text(ctx, rows)
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

// SetMode has the primary wait, from the agents' next round on, for what the mode says before it
// acknowledges a commit. It is done when the store has the mode and the server waits as it says:
// for a standby, for any, or, with Async, for none.
func (c *Cluster) SetMode(mode Mode) drtest.Step {
	return drtest.Step{Name: "set the mode", Do: func(ctx context.Context) error { return c.setMode(ctx, mode) }}
}

func (c *Cluster) setMode(ctx context.Context, mode Mode) error {
	if err := mode.ofCluster(); err != nil {
		return err
	}
	leader, err := c.Leader(ctx)
	if err != nil {
		return err
	}
	body, err := json.Marshal(mode.settings())
	if err != nil {
		return err
	}
	if _, err := leader.request(ctx, http.MethodPatch, "/config", body); err != nil {
		return err
	}
	c.mode = mode
	return wait.For(ctx, settleStep, func(ctx context.Context) error {
		leader, err := c.Leader(ctx)
		if err != nil {
			return err
		}
		names, err := leader.text(ctx, "SELECT current_setting('synchronous_standby_names')")
		if err == nil && !mode.waits(names) {
			err = fmt.Errorf("commits on %s wait for %q", leader.Name(), names)
		}
		return err
	})
}

// member describes a member of a cluster.
func (o *options) member(name, image string, mode Mode, stores int) (containertest.Config, error) {
	var hosts []string
	for i := range stores {
		hosts = append(hosts, fmt.Sprintf("%s:%d", storeName(i), storePort))
	}
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	dcs := map[string]any{
		"ttl":                     seconds(o.timing.TTL),
		"loop_wait":               seconds(o.timing.LoopWait),
		"retry_timeout":           seconds(o.timing.RetryTimeout),
		"primary_start_timeout":   0, // a server that crashed is not started again in place
		"primary_stop_timeout":    2,
		"maximum_lag_on_failover": maximumLag,
		"check_timeline":          true,
		"failsafe_mode":           o.failsafe,
		"postgresql": map[string]any{
			"use_pg_rewind": true,
			"use_slots":     true,
			"parameters":    map[string]any{"wal_keep_size": "256MB", "hba_file": "/etc/postgresql/pg_hba.conf"},
		},
	}
	maps.Copy(dcs, mode.settings())
	agent, err := json.Marshal(map[string]any{
		"scope":     scope,
		"name":      name,
		"etcd3":     map[string]any{"hosts": hosts},
		"restapi":   map[string]any{"listen": fmt.Sprintf("0.0.0.0:%d", agentPort), "connect_address": fmt.Sprintf("%s:%d", name, agentPort)},
		"bootstrap": map[string]any{"dcs": dcs},
		"postgresql": map[string]any{
			"listen":          fmt.Sprintf("0.0.0.0:%d", port),
			"connect_address": fmt.Sprintf("%s:%d", name, port),
			"data_dir":        "/var/lib/postgresql/data",
			"custom_conf":     "/etc/postgresql/postgresql.conf",
			"pgpass":          "/var/lib/postgresql/pgpass",
			"database":        database,
			"basebackup":      map[string]any{"checkpoint": "fast"},
			"authentication": map[string]any{
				"superuser":   map[string]any{"username": "postgres"},
				"replication": map[string]any{"username": "replicator"},
				"rewind":      map[string]any{"username": "postgres"},
			},
		},
		"watchdog": map[string]any{"mode": "off"}, // containers have none
	})
	config := o.node(name, "")
	config.Image = image
	config.Cmd = []string{"patroni"}
	config.Env = map[string]string{"PGTEST_AGENT": string(agent), "PGTEST_CONF": o.conf.String(), "PGTEST_STORE": storeName(0)}
	config.ExtraPorts = []int{agentPort}
	config.Restart = containertest.NeverRestart // the agent restarts its server, and a dead node is dead
	config.Firewall = true
	return config, err
}
