package scenarios

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/dnstest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// The primary dies as in DR-DB-004, and the orchestrator finds its database by a name. The operator
// promotes the synchronous replica and changes the name's DNS record, which the orchestrator
// follows within the record's TTL. It must serve again within that and five seconds of the death,
// and have lost nothing that was acknowledged.
func TestDNSFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	drtest.Run(t, startDNSFailover(t, dnstest.Config{}))
}

// startDNSFailover starts a pair, a record that leads to its primary and an orchestrator that knows
// only that.
func startDNSFailover(t testing.TB, names dnstest.Config) drtest.Scenario {
	t.Helper()
	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
	names.Network, names.TTL = pg.Primary.Network(), selected.ttl
	zone := dnstest.Start(t, names)
	db := zone.Record(t, "database", pg.Primary)
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Primary.Network()})
	return dnsFailover(t, pg, db, startOrchestrator(t, proxy, db, variant{resolver: zone.Resolver()}))
}

func dnsFailover(t testing.TB, pg *pgtest.Pair, db *dnstest.Record, app *orchestrator) drtest.Scenario {
	s := primaryFailover(t, pg, db.PointTo(pg.Replica), app)
	s.ID = "DR-DB-004/dns"
	s.Title += ", found by DNS"
	s.Objectives = []drtest.Objective{
		drtest.Detection(time.Second), // as with a cut connection
		// Detection, a promotion of half a second and a change of the record of half a second, the
		// TTL, one attempt at the old address that began just before its end and gives up after a
		// second, and a breaker that is half open every 300 ms: 2.5 s and the TTL, and a margin for
		// a busy machine.
		drtest.RTO(5*time.Second + selected.ttl),
		drtest.RPO(0),
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
	}
	s.Deadline += 2 * selected.ttl
	return s
}

func TestDNSFailoverSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("resolver ignores the TTL", func(t *testing.T) {
		containertest.Parallel(t, containertest.Light)
		s := startDNSFailover(t, dnstest.Config{IgnoreTTL: true})
		s.Deadline = noRecoveryDeadline
		requireFailure(t, s, "RTO", "never served again")
	})
}
