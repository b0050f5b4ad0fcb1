package scenarios

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/stretchr/testify/require"
)

// allTests is how much time go test must give to a run of all tests of this package, for those that
// sabotage a system to be a part of it: 39 minutes were seen on a machine that was so slow that it
// carried one or two drills at a time.
const allTests = 45 * time.Minute

// sabotages is how the tests that sabotage a system are left out, here and by make dr.
const sabotages = "Sabotaged$"

// leaveOutSabotages has a run of all tests play the drills alone, and says so, as go test -v and
// reports show, where go test's -timeout, of ten minutes unless something else is said, would end
// it halfway.
func leaveOutSabotages() {
	flag.Parse()
	asked := func(name string) any { return flag.Lookup("test." + name).Value.(flag.Getter).Get() }
	timeout := asked("timeout").(time.Duration)
	chosen := asked("run") != "" || asked("skip") != "" || asked("list") != "" || testing.Short()
	if chosen || enough(timeout) {
		return
	}
	flag.Set("test.skip", sabotages)
	fmt.Printf("drtest: note: the tests that sabotage a system are left out, since a -timeout of %v is too short for all: "+
		"go test -timeout 1h plays them, and make test\n", timeout)
}

// enough says whether a -timeout is, for all tests. Zero is none.
func enough(timeout time.Duration) bool { return timeout == 0 || timeout >= allTests }

// neverBack is the deadline of a drill whose system does not come back: several times its limit, so
// that it misses that also without what a machine that does not keep up may have taken of the time.
// Those with a limit of ten seconds or more have a longer one.
const neverBack = 30 * time.Second

// requireFailure plays the scenario of a system that was broken on purpose. The drill itself must
// hold, and the objective must fail, for the reason: anything else means that the scenario would
// not notice.
func requireFailure(t *testing.T, s drtest.Scenario, objective, reason string) {
	t.Helper()
	requireFailed(t, playSabotaged(t, s), objective, reason)
}

// requireBroken plays the scenario of a system whose recovery was broken on purpose: the step of
// the runbook must fail, for the reason, and with it the drill.
func requireBroken(t *testing.T, s drtest.Scenario, step, reason string) {
	t.Helper()
	ledger, err := drtest.Play(t.Context(), s)
	t.Log("\n" + ledger.Timeline())
	report := drtest.Judge(ledger, s.Objectives...)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("runbook step %q: ", step)) {
		requireTrusted(t, report)
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
		requireTrusted(t, report)
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

// requireTrusted ends t as untrusted where a drill broke on a machine that did not keep up.
func requireTrusted(t *testing.T, report *drtest.Report) {
	t.Helper()
	if report.Untrusted() {
		drtest.Untrusted(t, report.Verdicts[0].String())
		t.FailNow()
	}
}

// requireFailed demands that the objective has failed, for the reason.
func requireFailed(t *testing.T, report *drtest.Report, objective, reason string) {
	t.Helper()
	for _, v := range report.Verdicts {
		if v.Objective == objective {
			if v.Untrusted { // the machine stands between this test and what it is there to show
				drtest.Untrusted(t, v.String())
				t.FailNow()
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

// Ten minutes, go test's own, are not enough for all, and the hour that make gives is.
func TestEnoughControl(t *testing.T) {
	for timeout, want := range map[time.Duration]bool{0: true, 10 * time.Minute: false, 44 * time.Minute: false, 45 * time.Minute: true, time.Hour: true} {
		require.Equal(t, want, enough(timeout), "%v", timeout)
	}
}

// Make leaves the sabotages out in a way that is seen.
func TestSkipControl(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	require.NoError(t, err)
	require.Contains(t, string(makefile), "\nCHECKS  := "+strings.ReplaceAll(sabotages, "$", "$$")+"|")
}
