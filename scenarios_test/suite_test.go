package scenarios

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/stretchr/testify/require"
)

// TestMain refuses settings that do not exist: a run that is smaller than asked for shows too
// little.
func TestMain(m *testing.M) {
	if selected == (profile{}) {
		refuse("DRTEST_PROFILE", "only fast and production")
	}
	if asked := os.Getenv(sabotageSetting); asked != "" && asked != "1" {
		refuse(sabotageSetting, "1 plays the tests that sabotage their system, and without it they are skipped")
	}
	os.Exit(m.Run())
}

func refuse(setting, known string) {
	fmt.Fprintf(os.Stderr, "%s=%s: there is no such value: %s\n", setting, os.Getenv(setting), known)
	os.Exit(2)
}

// sabotageSetting is the variable of the environment that asks for the tests that sabotage their
// system. Make test sets it.
const sabotageSetting = "DRTEST_SABOTAGE"

// skipUnlessSabotaging is the first call of each test that sabotages its system. All of them take
// longer than the ten minutes that go test gives a package, so they are played when asked for, and
// shown as skipped otherwise.
func skipUnlessSabotaging(t *testing.T) {
	t.Helper()
	if os.Getenv(sabotageSetting) == "" {
		t.Skip("it sabotages its system: make test plays it, and so does " + sabotageSetting + "=1 go test -timeout 1h")
	}
}

// A profile says how large a drill is. DRTEST_PROFILE names it.
type profile struct {
	// backup is how many bytes a full backup has in its repository at least, compressed.
	backup int64
	// measured is the same for the drill that compares the throughput of a restore with that of cp:
	// what a restore takes whatever its size, half a second for six hundred small files and a whole
	// one where processes start slowly, must not be most of it.
	measured int64
	// restore is how long the steps of a restore may take, from fetching to verifying.
	restore time.Duration
	// deadline is that of a drill with a restore, and of what comes before it.
	deadline time.Duration
	// checkpoint is how much finished work an orchestrator may have to do again after a crash.
	checkpoint time.Duration
	// ttl is how long caches may keep an address: of the database, or of the service.
	ttl time.Duration
}

// profiles by their names. A restore moves 2.5 bytes of files for each that is compressed, from the
// repository to the disk and from there through pg_amcheck, and replays WAL, up to 90 MB and 520 MB
// in the profiles: at 200 MB/s, which most restores have on the machines seen so far, that is 3 s
// for 100 MB and 9 s for 250 MB, or 11 s of PostgreSQL's own backups, not compressed. Beside that
// it takes 4 s for what does not grow: six hundred small files of the catalogs, the start of the
// server, a second in which a server that has paused at its target looks for orders. The rest is a
// margin for a busy machine. A second is the least that DNS can say.
var profiles = map[string]profile{
	"fast":       {backup: 25e6, measured: 100e6, restore: 10 * time.Second, deadline: time.Minute, checkpoint: 500 * time.Millisecond, ttl: time.Second},
	"production": {backup: 250e6, measured: 250e6, restore: 20 * time.Second, deadline: 3 * time.Minute, checkpoint: 30 * time.Second, ttl: time.Minute},
}

// selected is the profile of this run.
var selected = func() profile {
	name := os.Getenv("DRTEST_PROFILE")
	if name == "" {
		name = "fast"
	}
	return profiles[name]
}()

// The categories of the report.
const (
	database    = "Database Failures"
	application = "Application Crashes"
	network     = "Network Partitions"
	corruption  = "Data Corruption"
	backups     = "Backup/Restore"
	regions     = "Multi-Region"
)

// targets is what the service has promised for each disaster. Where the promise of an "RPO" is
// about work that has to be done again, and not about data, it is a target of lost work;
// acknowledged data must not be lost then.
func targets(t testing.TB, id string) []drtest.Objective {
	t.Helper()
	promised, ok := map[string][]drtest.Objective{
		"DR-DB-001":  {drtest.Detection(time.Minute), drtest.RTO(2 * time.Minute), drtest.RPO(0)},
		"DR-DB-002":  {drtest.Detection(time.Minute), drtest.RTO(2 * time.Minute), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-DB-003":  {drtest.Detection(2 * time.Minute), drtest.RTO(5 * time.Minute), drtest.RPO(time.Minute)},
		"DR-DB-004":  {drtest.Detection(time.Minute), drtest.RTO(2 * time.Minute), drtest.RPO(30 * time.Second)},
		"DR-APP-001": {drtest.Detection(30 * time.Second), drtest.RTO(30 * time.Second), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-APP-002": {drtest.Detection(30 * time.Second), drtest.RTO(30 * time.Second), drtest.RPO(0)},
		"DR-APP-003": {drtest.RTO(30 * time.Second), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)}, // of its category
		"DR-APP-004": {drtest.Detection(30 * time.Second), drtest.RTO(30 * time.Second), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-APP-005": {drtest.Detection(time.Minute), drtest.RTO(time.Minute), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-NET-001": {drtest.Detection(time.Minute), drtest.RTO(time.Minute), drtest.RPO(0)},
		"DR-NET-002": {drtest.Detection(2 * time.Minute), drtest.RTO(5 * time.Minute), drtest.RPO(time.Minute)},
		// Service goes on while stored states are wrong: what was promised is that the workflows
		// are restored.
		"DR-DATA-001":   {drtest.Detection(time.Minute), drtest.WorkRTO(2 * time.Minute), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-DATA-002":   {drtest.Detection(time.Minute), drtest.WorkRTO(time.Minute), drtest.RPO(time.Minute), drtest.LostWork(time.Minute)},
		"DR-BACKUP-001": {drtest.Detection(2 * time.Minute), drtest.RTO(10 * time.Minute), drtest.RPO(time.Hour)},
		"DR-REGION-001": {drtest.Detection(2 * time.Minute), drtest.RTO(5 * time.Minute), drtest.RPO(time.Minute)},
		"DR-REGION-002": {drtest.Detection(time.Minute), drtest.RTO(time.Minute), drtest.RPO(0)},
		"DR-BACKUP-002": {drtest.Detection(2 * time.Minute), drtest.RTO(5 * time.Minute), drtest.RPO(time.Minute)},
	}[id]
	require.True(t, ok, "no targets are known for %s", id)
	return promised
}

// noRecoveryDeadline is the deadline of a drill whose system does not come back: several times its
// limit, so that it misses that also without what a machine that does not keep up may have taken of
// the time. Those with a limit of ten seconds or more have a longer one.
const noRecoveryDeadline = 30 * time.Second

// requireFailure plays the scenario of a system that was broken on purpose. The drill itself must
// hold, and the objective must fail, for the reason: anything else means that the scenario would
// not notice.
func requireFailure(t *testing.T, s drtest.Scenario, objective, reason string) {
	t.Helper()
	requireFailed(t, playSabotaged(t, s), objective, reason)
}

// requireStepFails plays the scenario of a system whose recovery was broken on purpose: the step of
// the runbook must fail, for the reason, and with it the drill.
func requireStepFails(t *testing.T, s drtest.Scenario, step, reason string) {
	t.Helper()
	ledger, err := drtest.Play(t.Context(), s)
	t.Log("\n" + ledger.Timeline())
	report := drtest.Judge(ledger, s.Objectives...)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("runbook step %q: ", step)) {
		requireTrusted(t, report, fmt.Sprint(err))
	}
	require.ErrorContains(t, err, fmt.Sprintf("runbook step %q: ", step))
	require.Regexp(t, reason, err.Error())
	require.NotEqual(t, drtest.Pass, report.Status())
}

// playSabotaged plays and judges such a scenario, for more than one requireFailed.
func playSabotaged(t *testing.T, s drtest.Scenario) *drtest.Report {
	t.Helper()
	ledger, err := drtest.Play(t.Context(), s)
	report := drtest.Judge(ledger, s.Objectives...)
	if err != nil {
		requireTrusted(t, report, err.Error())
	}
	require.NoError(t, err)
	for _, v := range report.Verdicts {
		t.Log(v)
	}
	t.Log("\n" + ledger.Timeline())
	requireRepeatable(t, report)
	return report
}

// requireRepeatable demands that a drill that was written down and read again is judged as before:
// a failure must not become a pass.
func requireRepeatable(t *testing.T, report *drtest.Report) {
	t.Helper()
	var journal bytes.Buffer
	_, err := report.WriteTo(&journal)
	require.NoError(t, err)
	read, err := drtest.ReadReport(&journal)
	require.NoError(t, err)
	said := func(r *drtest.Report) (lines []string) {
		for _, v := range r.Verdicts {
			v.Recorded = false // a check is a function, and no journal keeps it
			lines = append(lines, v.String())
		}
		return lines
	}
	require.Equal(t, said(report), said(read.Rejudge()))
}

// requireTrusted ends t as untrusted where a drill did not show what it is there to show, and the
// machine did not keep up.
func requireTrusted(t *testing.T, report *drtest.Report, shown string) {
	t.Helper()
	why := report.Strain().Why()
	if report.Untrusted() || why != "" {
		drtest.Untrusted(t, fmt.Sprintf("%s (the machine: %s)", shown, cmp.Or(why, "as it says")))
		t.FailNow()
	}
}

// requireFailed demands that the objective has failed, for the reason. On a machine that did not
// keep up anything else is untrusted: what was broken may take effect at another moment there than
// the one that it is about.
func requireFailed(t *testing.T, report *drtest.Report, objective, reason string) {
	t.Helper()
	for _, v := range report.Verdicts {
		if v.Objective == objective {
			if v.Status != drtest.Fail || !regexp.MustCompile(reason).MatchString(v.Why) {
				requireTrusted(t, report, v.String())
			}
			require.Equal(t, drtest.Fail, v.Status, "%v", v)
			require.Regexp(t, reason, v.Why)
			return
		}
	}
	t.Fatalf("the scenario does not judge %s", objective)
}

// requireLogged demands a line in what the orchestrator has logged.
func requireLogged(t *testing.T, app *orchestrator, line string) {
	t.Helper()
	log, err := app.service.Logs(t.Context())
	require.NoError(t, err)
	require.Regexp(t, line, log)
}

// inject injects what is a condition of the drill, and not its fault.
func inject(t *testing.T, f drtest.Fault) {
	t.Helper()
	effect, err := f.Inject(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	t.Logf("%s: %s", f.Name, effect.Receipt)
}

// withEvidence is a fault with evidence of its own beside that of the fault that it is made of.
func withEvidence(f drtest.Fault, evidence func(context.Context) (string, error)) drtest.Fault {
	inject := f.Inject
	f.Inject = func(ctx context.Context) (drtest.Effect, error) {
		effect, err := inject(ctx)
		if err != nil || effect.Receipt == "" {
			return effect, err
		}
		more, err := evidence(ctx)
		effect.Receipt += drtest.Receipt("; " + more)
		return effect, err
	}
	return f
}

// inFlightAtLeast demands that at least so many workflows were in flight.
func inFlightAtLeast(atLeast int) drtest.Objective {
	return drtest.Check("enough in flight", func(_ *drtest.Ledger, f drtest.Figures) error {
		if n := len(f.Affected); n < atLeast {
			return fmt.Errorf("%w: %d workflows were in flight at the fault, want at least %d", drtest.ErrInconclusive, n, atLeast)
		}
		return nil
	})
}

// survivorsRecovered is what is left to demand where work may be lost: every other unit in flight
// finishes.
func survivorsRecovered() drtest.Objective {
	return drtest.Check("survivors recovered", func(_ *drtest.Ledger, f drtest.Figures) error {
		if !f.WorkKnown {
			return fmt.Errorf("%w: %s", drtest.ErrInconclusive, f.WorkWhy)
		}
		var stuck []string
		for _, u := range f.Unrecovered {
			if !u.Lost {
				stuck = append(stuck, u.ID+" "+u.Why)
			}
		}
		if len(stuck) > 0 {
			return fmt.Errorf("%d units in flight survived and did not recover: %v", len(stuck), stuck)
		}
		if len(f.Recovered) == 0 {
			return fmt.Errorf("%w: no unit in flight survived", drtest.ErrInconclusive)
		}
		return nil
	})
}

// lastProgress is what clients saw last of each unit.
func lastProgress(l *drtest.Ledger) map[string]drtest.Progress {
	last := map[string]drtest.Progress{}
	for _, s := range l.Samples {
		maps.Copy(last, s.Units)
	}
	return last
}

// poll asks probe again and again, until it returns nil or ctx ends. Its error wraps the last one
// of the probe that was not cut short.
func poll(ctx context.Context, probe func(context.Context) error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}
