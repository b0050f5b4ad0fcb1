package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// silence is how long the primary waits for a standby that does not answer: several timeouts of a
// statement.
const silence = 3 * time.Second

// The synchronous standby falls silent. The clients of the primary give up waiting for it, so what
// they have asked for is committed there, for all to see, and nowhere else. Then the primary dies,
// with the orchestrator on its host. The operator promotes the standby. Nothing that was
// acknowledged is lost, and nothing that was shown is taken back.
func TestSilentStandby(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	drtest.Run(t, startSilentStandby(t, ""))
}

// startSilentStandby starts a pair whose replication goes through a link, and an orchestrator whose
// circuit breaker opens late: until then it saves again and again what it could not save, and sees
// in the end that it is there.
func startSilentStandby(t *testing.T, sabotage string) drtest.Scenario {
	t.Helper()
	var proxy *proxytest.Proxy
	var replication *proxytest.Link
	pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync, Upstream: func(primary *pgtest.Node) containertest.Upstream {
		proxy = proxytest.Start(t, proxytest.Config{Network: primary.Network(), Links: 3})
		replication = proxy.Link(t, "replication", primary)
		return replication
	}})
	db := proxy.Link(t, "database", pg.Primary)
	late := variant{sabotage: sabotage, env: map[string]string{"BREAKER_FAILURES": "60"}}
	return silentStandby(pg, replication, db, startOrchestrator(t, proxy, db, late))
}

func silentStandby(pg *pgtest.Pair, replication, db *proxytest.Link, app *orchestrator) drtest.Scenario {
	host := drtest.Together(pg.Primary.Kill(), app.service.Crash())
	return drtest.Scenario{
		ID:         "DR-DB-009",
		Title:      "Synchronous standby silent, then the primary dies",
		Category:   database,
		Durability: "the primary's storage is gone for good, so what the replica had received is what there is",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Ready,
		Fault:      replication.Blackhole(),
		Runbook: []drtest.Step{
			{Name: "the host of the primary dies", Do: func(ctx context.Context) error {
				select {
				case <-time.After(silence):
				case <-ctx.Done():
					return ctx.Err()
				}
				_, err := host.Inject(ctx)
				return err
			}},
			pg.Replica.Promote(),
			db.RouteTo(pg.Replica),
		},
		Objectives: []drtest.Objective{
			// No probe of half a second gets through, three times in a row, each after a pause of
			// 100 ms.
			drtest.Detection(3 * time.Second),
			// Detection, the silence, two deaths and a start of half a second each, a promotion of
			// half a second, a breaker that is half open every 300 ms, and a margin for a busy
			// machine.
			drtest.RTO(12 * time.Second),
			drtest.RPO(0),
			drtest.AllRecovered(20),
			drtest.NoDuplicates(),
			drtest.Check("nothing shown is taken back", nothingTakenBack),
		},
		Deadline: time.Minute,
	}
}

// nothingTakenBack demands that no workflow which clients saw finished was seen unfinished after
// that, or is gone.
func nothingTakenBack(l *drtest.Ledger, _ drtest.Figures) error {
	finished, back := map[string]bool{}, map[string]bool{}
	for _, s := range l.Samples {
		for id, p := range s.Units {
			back[id] = back[id] || finished[id] && !p.Finished
			finished[id] = finished[id] || p.Finished
		}
	}
	held := map[string]bool{}
	for _, id := range l.Survivors {
		held[id] = true
	}
	shown, taken := 0, 0
	for id := range finished {
		if !finished[id] {
			continue
		}
		shown++
		if back[id] || l.Survivors != nil && !held[id] {
			taken++
		}
	}
	switch {
	case taken > 0:
		return fmt.Errorf("%d of %d workflows that were shown finished were unfinished after that", taken, shown)
	case shown == 0 || l.Survivors == nil:
		return fmt.Errorf("%w: nothing was shown finished, or it is not known what the system holds", drtest.ErrInconclusive)
	}
	return nil
}

func TestSilentStandbySabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	s := startSilentStandby(t, "unreplicated")
	requireFailure(t, s, "nothing shown is taken back", `^\d+ of \d+ workflows that were shown finished were unfinished after that$`)
}
