package patronitest

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/wait"
	"github.com/stretchr/testify/require"
)

func TestTiming(t *testing.T) {
	for _, c := range []struct {
		timing Timing
		err    string
	}{
		{fastest, ""},
		{Timing{30 * time.Second, 10 * time.Second, 10 * time.Second}, ""},
		{Timing{30 * time.Second, 1500 * time.Millisecond, 3 * time.Second}, "1.5s is not in whole seconds"},
		{Timing{5 * time.Second, time.Second, 3 * time.Second},
			"TTL 5s, LoopWait 1s, RetryTimeout 3s: Patroni would change them, it wants at least 20s, 1s and 3s, and LoopWait + 2*RetryTimeout <= TTL"},
		{Timing{20 * time.Second, 10 * time.Second, 10 * time.Second},
			"TTL 20s, LoopWait 10s, RetryTimeout 10s: Patroni would change them, it wants at least 20s, 1s and 3s, and LoopWait + 2*RetryTimeout <= TTL"},
	} {
		if err := c.timing.validate(); c.err == "" {
			require.NoError(t, err)
		} else {
			require.EqualError(t, err, c.err)
		}
	}
}

// A member that was fenced is not the one that takes over, and follows; a copy of the leader lifts
// the fence.
func TestCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a container engine, and -short is set")
	}
	containertest.Parallel(t, containertest.Heavy)
	c := StartCluster(t, Config{
		Replication: Sync, EtcdMembers: 3, Timing: Timing{TTL: 25 * time.Second, LoopWait: time.Second, RetryTimeout: 3 * time.Second},
	})
	require.Len(t, c.Store.Members, 3)
	first, err := c.Leader(t.Context())
	require.NoError(t, err)
	require.Equal(t, c.Members[0], first)
	standby, err := c.Standby(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, first, standby)
	for _, m := range c.Members { // the agents have found their servers with the settings that they would have given them
		said, err := m.request(t.Context(), http.MethodGet, "/patroni", nil)
		require.NoError(t, err)
		require.NotContains(t, said, "pending_restart")
		refused, err := m.Text(t.Context(), `SELECT coalesce(string_agg(name || ': ' || error, ', '), '') FROM pg_file_settings WHERE error IS NOT NULL`)
		require.NoError(t, err)
		require.Empty(t, refused)
	}
	config, err := first.request(t.Context(), http.MethodGet, "/config", nil)
	require.NoError(t, err)
	require.Contains(t, config, `"ttl": 25`)
	require.NoError(t, c.Redundant()(t.Context()))

	require.NoError(t, c.Fence(first).Do(t.Context()))
	require.NoError(t, c.Switchover().Do(t.Context()))
	second, err := c.Leader(t.Context())
	require.NoError(t, err)
	require.Equal(t, standby, second)
	require.NoError(t, c.Clone(first).Do(t.Context()))
	v, err := c.Store.view(t.Context())
	require.NoError(t, err)
	require.False(t, v.Members[first.Name()].Tags.NoSync)
	report, err := first.Checksums(t.Context())
	require.NoError(t, err)
	require.Contains(t, report, "Bad checksums: 0")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, wait.For(ctx, settleStep, c.Redundant())) // the server was down for its checksums

	effect, err := c.Store.Kill().Inject(t.Context())
	require.NoError(t, err)
	require.Equal(t, drtest.Receipt("exit code 137; exit code 137; exit code 137"), effect.Receipt)
	_, err = c.Leader(t.Context())
	require.Error(t, err)
	require.NoError(t, c.Store.Resume().Do(t.Context()))
	ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, wait.For(ctx, settleStep, c.Redundant()))
}

// With a quorum either standby may acknowledge, and the one that did takes over: not the one that
// the store names first, which has missed what was written last.
func TestQuorum(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a container engine, and -short is set")
	}
	containertest.Parallel(t, containertest.Heavy)
	c := StartCluster(t, Config{Replication: SyncQuorum, Firewall: true})
	first, err := c.Leader(t.Context())
	require.NoError(t, err)
	behind, err := c.Standby(t.Context())
	require.NoError(t, err)
	ahead := c.Others(first, behind)[0]
	require.NoError(t, first.Exec(t.Context(), "CREATE TABLE letters (letter text)"))
	// Its agent asks whether it could be rewound while its server runs: that is too early to keep
	// its WAL.
	_, err = first.Service().Exec(t.Context(), "pg_rewind", "--help")
	require.NoError(t, err)
	_, err = first.Service().Exec(t.Context(), "test", "!", "-e", pgtest.KeptWALFolder)
	require.NoError(t, err)

	partition := behind.Partition(first)
	_, err = partition.Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, first.Exec(t.Context(), "INSERT INTO letters VALUES ('a')"), "the other one acknowledges")
	_, err = first.Kill().Inject(t.Context())
	require.NoError(t, err)
	require.NoError(t, partition.Heal(t.Context()))
	v, err := c.Store.view(t.Context())
	require.NoError(t, err)
	require.Len(t, v.Standbys, 2, "either may take over, as far as the store knows")

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, wait.For(ctx, settleStep, c.Redundant(ahead, behind)))
	leader, err := c.Leader(ctx)
	require.NoError(t, err)
	require.Equal(t, ahead.Name(), leader.Name())
	for _, m := range []*Member{ahead, behind} {
		letters, err := m.Text(ctx, "SELECT string_agg(letter, '') FROM letters")
		require.NoError(t, err)
		require.Equal(t, "a", letters, m.Name())
	}
}

// Two nodes that were both primaries have rows that the other lacks, and are found to differ
// however long one looks.
func TestIdentical(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a container engine, and -short is set")
	}
	containertest.Parallel(t, containertest.Heavy)
	pair := pgtest.StartPair(t, pgtest.PairConfig{})
	require.NoError(t, pair.Primary.Exec(t.Context(), "CREATE TABLE letters (letter text)"))
	c := &Cluster{Members: []*Member{{pair.Primary}, {pair.Replica}}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	evidence, err := c.Identical(ctx)
	require.NoError(t, err)
	require.Equal(t, "2 members have the same rows: letters 0 ", evidence)

	require.NoError(t, pair.Replica.Promote().Do(t.Context()))
	require.NoError(t, pair.Primary.Exec(t.Context(), "INSERT INTO letters VALUES ('a')"))
	require.NoError(t, pair.Replica.Exec(t.Context(), "INSERT INTO letters VALUES ('b')"))
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = c.Identical(ctx)
	require.ErrorContains(t, err, "primary and replica differ:\nletters 1 69dfdf4e6a7c8489262f9d8b9958c9b3\nletters 1 df5e76fc6e0cf33469544ef57ad8cd17")
}
