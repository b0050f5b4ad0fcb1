package patronitest

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
)

// A Config describes a cluster of three members. Its zero value replicates asynchronously, at the
// fastest pace that Patroni takes, with a store of one member, on a network of its own.
type Config struct {
	// Image has the PostgreSQL that the members run, in place of Debian's PostgreSQL 17: see
	// [pgtest.Config]. It must be built on Debian 13 or later, from whose packages Patroni 4 and
	// etcd are added.
	Image containertest.Image
	// Network is the network to join, from [containertest.NewNetwork]. Empty: a new one.
	Network string
	// Settings are parameters of postgresql.conf on every member, over the harness's own.
	Settings map[string]string
	// Replication says what the primary waits for before it acknowledges a commit.
	Replication Replication
	// Timing is that of the agents. Zero: the fastest that Patroni takes.
	Timing Timing
	// Failsafe lets the leader stay primary without the store, as long as it reaches all other
	// members.
	Failsafe bool
	// EtcdMembers is how many members the store has: three outlive the loss of one. Zero: one.
	EtcdMembers int
	// Firewall makes [Member.Partition], [Member.Isolate] and [Store.Isolate] possible: see
	// [containertest.Config]. It doubles the containers of the cluster.
	Firewall bool

	_ struct{} // keyed literals only, so that fields can be added
}

// A RegionsConfig describes a cluster in two regions. Its other fields are those of [Config], and
// so are its defaults.
type RegionsConfig struct {
	// First and Second are the networks of the regions, and Witness is that of a third member of
	// the store. Required.
	First, Second, Witness string

	Image       containertest.Image
	Settings    map[string]string
	Replication Replication

	_ struct{} // keyed literals only, so that fields can be added
}

// A Replication says what the primary of a cluster waits for before it acknowledges a commit.
type Replication int

const (
	// Async acknowledges once the primary has flushed the commit. A failover loses what had not yet
	// reached the new primary.
	Async Replication = iota
	// Sync acknowledges once the standby that the store names has flushed the commit as well.
	// Without a standby the primary answers no writer. When the primary dies, that standby takes
	// over, even when another is ahead, which must then be rewound before it can follow: a cluster
	// of three acknowledges nothing until then.
	Sync
	// SyncBestEffort is Sync as long as the cluster has a standby, and Async without one.
	SyncBestEffort
	// SyncQuorum is Sync with whichever standby is first. When the primary dies, the one that has
	// received most takes over.
	SyncQuorum
)

// settings are those of Patroni.
func (r Replication) settings() map[string]any {
	var synchronous any = r != Async
	if r == SyncQuorum {
		synchronous = "quorum"
	}
	return map[string]any{"synchronous_mode": synchronous, "synchronous_mode_strict": r == Sync || r == SyncQuorum}
}

// Timing is that of the agents, in whole seconds. Patroni's rules hold: LoopWait + 2*RetryTimeout
// <= TTL, TTL at least 20 s, LoopWait 1 s, RetryTimeout 3 s.
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

// timing is that which is asked for, or the fastest. It fails t when Patroni would not take it.
func (c Config) timing(t testing.TB) Timing {
	t.Helper()
	timing := c.Timing
	if timing == (Timing{}) {
		timing = fastest
	}
	if err := timing.validate(); err != nil {
		t.Fatalf("patronitest: %v", err)
	}
	return timing
}

//go:embed patroni
var files embed.FS

// Image is what the members of a cluster run, and those of its store, upon an image that has
// PostgreSQL, or Debian's if that is the zero value. The first test that needs it builds it, which
// takes a minute or more; [containertest.Build] does so before.
func Image(t testing.TB, postgres containertest.Image) containertest.Image {
	t.Helper()
	folder, err := fs.Sub(files, "patroni")
	if err != nil {
		t.Fatal(err)
	}
	server := pgtest.ServerImage(t, postgres)
	return containertest.Image{Name: cmp.Or(postgres.Name, "drtest/postgres") + "-patroni", Files: folder, Base: &server}
}
