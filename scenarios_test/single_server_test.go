package scenarios

import (
	"errors"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/stretchr/testify/require"
)

// A singleServer is a database server and a provider for one orchestrator at a time, behind one
// link. Its drills share it, since a start costs more than what most of them do. It is as strict a
// test as a system for each: a disaster meets one that has been through others.
type singleServer struct {
	pg       *pgtest.Node
	provider *containertest.Service
	front    *proxytest.Link
}

func startSingleServer(t *testing.T) *singleServer {
	t.Helper()
	pg := pgtest.StartPrimary(t)
	return &singleServer{
		pg:       pg,
		provider: containertest.Start(t, variant{}.llm(t, pg.Network())),
		front:    proxytest.Start(t, pg.Network(), proxytest.Links(1)).Link(t, "front", place{"orchestrator:8080", pg.Network()}),
	}
}

// orchestrator starts the one of t, which is over before that of another test starts. What a drill
// that failed has left to do is no business of the next one.
func (s *singleServer) orchestrator(t *testing.T, v variant) *orchestrator {
	t.Helper()
	conn, err := s.pg.Connect(t.Context())
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `DO $$ BEGIN
		IF to_regclass('workflows') IS NOT NULL THEN DELETE FROM workflows WHERE status = 'open'; END IF;
	END $$`)
	require.NoError(t, errors.Join(err, conn.Close(t.Context())))
	return newOrchestrator(containertest.Start(t, v.orchestrator(t, s.pg)), s.provider, s.front)
}

// What ends is started again, by its supervisor or by the operator, what was cut off goes on by
// itself, and what was stored wrong is found.
func TestSingleServer(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	s := startSingleServer(t)
	t.Run("restart", func(t *testing.T) {
		app := s.orchestrator(t, variant{})
		t.Run("application crash", func(t *testing.T) { drtest.Run(t, applicationCrash(t, app)) })
		t.Run("database crash", func(t *testing.T) { drtest.Run(t, databaseCrash(t, s.pg, app)) })
		t.Run("shutdown", func(t *testing.T) { shutdown(t, app) })
	})
	t.Run("network partition", func(t *testing.T) {
		drtest.Run(t, networkPartition(t, s.pg, s.orchestrator(t, variant{firewall: true})))
	})
	t.Run("crash before checkpoint", func(t *testing.T) {
		report := drtest.Run(t, earlyCrash(t, s.pg, s.orchestrator(t, variant{env: rareCheckpoints})))
		require.NotZero(t, report.Figures.LostWork.Hi, "a crash before the first checkpoint must cost work")
	})
	t.Run("panic", func(t *testing.T) {
		drtest.Run(t, workerPanic(t, s.orchestrator(t, variant{faultBuild: true, env: threeLives})))
	})
	t.Run("out of memory", func(t *testing.T) { drtest.Run(t, outOfMemory(t, s.orchestrator(t, growing))) })
	t.Run("corrupted state", func(t *testing.T) {
		app := s.orchestrator(t, variant{env: frequentCheckpoints()})
		drtest.Run(t, corruptedState(t, s.pg, app))
		requireLogged(t, app, "checkpoint is corrupt.*checksum mismatch")
	})
	t.Run("corrupted JSON", func(t *testing.T) {
		app := s.orchestrator(t, variant{env: frequentScrub()})
		drtest.Run(t, corruptedJSON(t, s.pg, app))
		requireLogged(t, app, "checkpoint is corrupt.*got number, want string")
		requireLogged(t, app, "checkpoint is corrupt.*missing propert")
	})
}

// Both ways to end recover, and the graceful one is strictly better: work that a crash has to pay
// again is not repeated.
func shutdown(t *testing.T, app *orchestrator) {
	var graceful, abrupt *drtest.Report
	t.Run("graceful", func(t *testing.T) { graceful = drtest.Run(t, gracefulShutdown(t, app)) })
	t.Run("crash", func(t *testing.T) { abrupt = drtest.Run(t, abruptShutdown(t, app)) })
	if graceful == nil || abrupt == nil {
		t.Skip("one way was not played, so there is nothing to compare") // or it failed, and so does this
	}
	require.Less(t, graceful.Figures.Bill.Repeated, abrupt.Figures.Bill.Repeated, "repeated calls")
	// A crash just after a checkpoint loses nothing but the calls in progress.
	require.LessOrEqual(t, graceful.Figures.LostWork.Hi, abrupt.Figures.LostWork.Hi, "lost work")
}

// The database is out of reach for a while, and then the provider is, in each of its ways.
func TestOutages(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	app, db, llm := startLinked(t, "")
	t.Run("database", func(t *testing.T) { drtest.Run(t, connectionLoss(t, db, app)) })
	for _, way := range []outage{providerCutOff, providerRateLimit, providerError, providerHang} {
		t.Run("provider "+way.what, func(t *testing.T) { drtest.Run(t, providerOutage(t, app, llm, way)) })
	}
}
