package scenarios

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// scrubInterval is how often the orchestrator of this drill verifies what is stored of its runs.
const scrubInterval = 200 * time.Millisecond

// A bug has stored JSON with a field of the wrong type, or without it, under checksums that match.
// The orchestrator notices within a second, while it runs, and has caught up from the checkpoints
// before within three. No client sees it, every result is right, and at most one and a half seconds
// of work are done again.
func TestCorruptedJSON(t *testing.T) {
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	app := startOrchestrator(t, proxy, pg, variant{env: frequentScrub()})
	drtest.Run(t, corruptedJSON(t, pg, app))
	requireLogged(t, app, "checkpoint is corrupt.*got number, want string")
	requireLogged(t, app, "checkpoint is corrupt.*missing propert")
}

func corruptedJSON(t testing.TB, pg *pgtest.Node, app *orchestrator) drtest.Scenario {
	return drtest.Scenario{
		ID:         "DR-DATA-002",
		Title:      "JSON corruption recovery",
		Category:   corruption,
		Durability: "the checkpoints are wrong, with the newest copy of each in its history; older ones and the requests are right",
		Workload:   app,
		Load:       steadyLoad,
		Health:     app.Uncorrupted,
		Fault:      misshapeStates(t, pg),
		Objectives: []drtest.Objective{
			// The scrub interval and the poll: 0.3 s, and a margin for a busy machine. A save that
			// finds another state than it left may be faster.
			drtest.Detection(time.Second),
			drtest.NoFailedRequests(),
			drtest.RPO(0),
			// Detection, two checkpoint intervals and a step of work again, and the next step: 1.6
			// s, and a margin.
			drtest.WorkRTO(3 * time.Second),
			// The wrong checkpoint is up to an interval old, and the one before it an interval
			// older. One more is for a step that had begun before it, for a checkpoint that is
			// late, and for the samples.
			drtest.LostWork(3 * frequentInterval),
			drtest.AllRecovered(10),
			drtest.NoDuplicates(),
		},
		Targets:  targets(t, "DR-DATA-002"),
		Deadline: time.Minute,
	}
}

func TestCorruptedJSONSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	containertest.Parallel(t, containertest.Light)
	pg := pgtest.StartPrimary(t, pgtest.Config{})
	proxy := proxytest.Start(t, proxytest.Config{Network: pg.Network()})
	s := corruptedJSON(t, pg, startOrchestrator(t, proxy, pg, variant{env: frequentScrub(), sabotage: "no-schema"}))
	s.Deadline = noRecoveryDeadline
	report := playSabotaged(t, s)
	requireFailed(t, report, "detection", "health never turned bad")
	// Nothing fails: clients are served wrong answers.
	requireFailed(t, report, "all recovered", `its result is "[0-9a-f]{16}", not "[0-9a-f]{16}"`)
	for _, u := range report.Figures.Unrecovered {
		require.Contains(t, u.Why, "its result is")
	}
}

func frequentScrub() map[string]string {
	env := frequentCheckpoints()
	env["SCRUB_INTERVAL"] = scrubInterval.String()
	return env
}

// misshapeStates returns the work of a bug in whatever writes states: in the stored state of each
// open run that has got anywhere, and in the copy of it in the run's history, the prompt is a
// number, or it is missing, in turn. The checksums are those of what was written, so only who knows
// what a state must look like can tell.
func misshapeStates(t testing.TB, pg *pgtest.Node) drtest.Fault {
	schema, err := jsonschema.NewCompiler().Compile("../fixtures/orchestrator/checkpoint.json")
	require.NoError(t, err)
	return drtest.Fault{Name: "store states of the wrong shape", Inject: func(ctx context.Context) (drtest.Effect, error) {
		conn, err := pg.Connect(ctx)
		if err != nil {
			return drtest.Effect{}, fmt.Errorf("store wrong states: %w", err)
		}
		defer conn.Close(context.WithoutCancel(ctx))
		rows, err := damageStates(ctx, conn, `
			WITH wrong AS (
				SELECT key, step, format('{"step":%s,"context_data":%s}', step,
					CASE row_number() OVER (ORDER BY key) % 2 WHEN 0 THEN '{"prompt":7}' ELSE '{}' END) AS state
				FROM workflows WHERE status = 'open' AND step > 0),
			signed AS (SELECT *, encode(sha256(convert_to(key || E'\n' || state, 'UTF8')), 'hex') AS checksum FROM wrong)
			UPDATE workflows w SET state = s.state, checksum = s.checksum,
				history = jsonb_set(history, '{0}', jsonb_build_object('step', s.step, 'state', s.state, 'checksum', s.checksum))
			FROM signed s WHERE w.key = s.key AND w.step = s.step AND w.status = 'open' RETURNING w.key`)
		if err != nil {
			return drtest.Effect{}, fmt.Errorf("store wrong states: %w", err)
		}
		for _, r := range rows {
			sum := sha256.Sum256([]byte(r.Key + "\n" + r.State))
			if hex.EncodeToString(sum[:]) != r.Checksum {
				return drtest.Effect{}, fmt.Errorf("store wrong states: the checksum of %s does not match: %s", r.Key, r.State)
			}
			state, err := jsonschema.UnmarshalJSON(strings.NewReader(r.State))
			if err != nil {
				return drtest.Effect{}, fmt.Errorf("store wrong states: that of %s does not parse: %w", r.Key, err)
			}
			if schema.Validate(state) == nil {
				return drtest.Effect{}, fmt.Errorf("store wrong states: that of %s is what the schema wants: %s", r.Key, r.State)
			}
		}
		return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf("%d states parse, match their checksums, and fail the schema: %s, %s",
			len(rows), rows[0].State, rows[1].State))}, nil
	}}
}
