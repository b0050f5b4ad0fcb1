package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/announce"
	"github.com/google/go-cmp/cmp"
)

// TestMain plays drreport, or the go command, where a test asks for it.
func TestMain(m *testing.M) {
	if os.Getenv("DRREPORT_ITSELF") != "" {
		_ = os.Unsetenv("DRREPORT_ITSELF") // for the go command
		main()
	}
	if how := os.Getenv("DRREPORT_FAKE_GO"); how != "" {
		os.Exit(fakeGo(how, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// fakeGo does what "go test -json" does with a package of one drill.
func fakeGo(how string, args []string) int {
	switch args[0] {
	case "env":
		fmt.Println(os.Getenv("DRREPORT_FAKE_GOFLAGS"))
		return 0
	case "rev-parse": // these are of git
		fmt.Println("0123456789ab")
		return 0
	case "status":
		return 0
	case "list":
		dir := filepath.Join(os.Getenv("GITHUB_WORKSPACE"), "scenarios")
		fmt.Printf("{\"ImportPath\":\"p\",\"Dir\":%q,\"TestGoFiles\":[\"loss_test.go\"]}\n", dir)
		return 0
	}
	out := args[slices.Index(args, "-outputdir")+1]
	if other, play, is := strings.Cut(how, " in "); is { // in one of several plays
		if how = "pass"; strings.Contains(out, string(filepath.Separator)+play) {
			how = other
		}
	}
	dir := filepath.Join(out, "_artifacts", "1")
	say := func(action, output string) {
		fmt.Printf("{\"Action\":%q,\"Package\":\"p\",\"Test\":\"TestLoss\",\"Path\":%q,\"Output\":%q}\n", action, dir, output)
	}
	if how == "refuse" {
		fmt.Fprintln(os.Stderr, "go: no such tool")
		return 2
	}
	if how == "hostile" {
		fmt.Fprint(os.Stderr, "go: \x1b]0;title\a\nno line break")
		fmt.Println("not \x1b[31mJSON\a")
		fmt.Println(`{"Action":"attr","Package":"p","Test":"TestLoss","Key":"drtest.phase.` + os.Getenv(announce.Token) + `","Value":"drill \u001b[2J\n1 results: 1 passed"}`)
		fmt.Println(`{"Action":"attr","Package":"p","Test":"TestLoss","Key":"drtest.phase","Value":"drill DR-1: forged"}`)
		fmt.Println(`{"Action":"output","Package":"p","Test":"TestLoss","Output":"    a_test.go:9: \u001b[32mPASS\u001b[0m \u202e\r\n"}`)
		fmt.Println(`{"Action":"fail","Package":"p","Test":"TestLoss"}` + "\n" + `{"Action":"fail","Package":"p"}`)
		return 1
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	say("run", "")
	say("artifacts", "")
	attr := func(key, value string) {
		fmt.Printf("{\"Action\":\"attr\",\"Package\":\"p\",\"Test\":\"TestLoss\",\"Key\":%q,\"Value\":%q}\n", announce.Key(key, os.Getenv(announce.Token)), value)
	}
	end := func(action string) {
		say(action, "")
		fmt.Printf("{\"Action\":%q,\"Package\":\"p\"}\n", action)
	}
	attr("drtest.system", "PostgreSQL 17.6")
	attr("drtest.journal", "DR-DB-001.ndjson")
	attr("drtest.phase", "drill DR-DB-001: +1.020s   fault: cut link (receipt: a dial is refused)")
	say("output", "    a_test.go:4: drill DR-DB-001: +1.020s   fault: cut link (receipt: a dial is refused)\n")
	if strings.HasPrefix(how, "wait") {
		_, _ = os.ReadFile(os.Getenv("DRREPORT_PROCEED")) // which ends once somebody has written to it
	}
	r := drill()
	if how == "always busy" || how == "busy" && filepath.Base(out) != "rerun" {
		l := r.Ledger
		for at := time.Duration(0); at <= 3*time.Second; at += time.Second / 4 {
			l.Readings = append(l.Readings, drtest.Reading{At: at, Waited: at * 3 / 4})
		}
		r = drtest.Judge(l, drtest.RTO(time.Second/2))
	}
	data := journal(r)
	if how == "die" {
		_ = os.MkdirAll(dir, 0o755)
		_ = os.WriteFile(filepath.Join(dir, "DR-DB-001.ndjson"), data[:len(data)/2], 0o644)
		if self, err := os.FindProcess(os.Getpid()); err == nil {
			_ = self.Kill()
		}
		select {}
	}
	if how == "hang" {
		<-signals
		data = data[:len(data)/2]
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		panic(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "DR-DB-001.ndjson"), data, 0o644); err != nil {
		panic(err)
	}
	switch how {
	case "hang":
		return 1
	case "busy", "always busy":
		if how == "always busy" || filepath.Base(out) != "rerun" {
			say("output", "    a_test.go:9: RTO: untrusted\n")
			end("fail")
			return 1
		}
	case "fail", "wait and fail":
		say("output", "    a_test.go:9: breaker never opened\n")
		end("fail")
		return 1
	}
	end("pass")
	return 0
}

// journal returns the journal of a drill as Run leaves it.
func journal(r *drtest.Report) []byte {
	var b bytes.Buffer
	if _, err := r.WriteTo(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// drill is one with a request every 100 ms, of which those from 1.1 s to 1.5 s failed. It asserts
// an RTO of a second.
func drill(edits ...func(*drtest.Ledger)) *drtest.Report {
	const ms = time.Millisecond
	at := func(lo, hi int) drtest.Interval {
		return drtest.Interval{Lo: time.Duration(lo) * ms, Hi: time.Duration(hi) * ms}
	}
	l := &drtest.Ledger{
		Drill: drtest.Drill{
			ID: "DR-DB-001", Title: "Connection loss", Category: "Database Failures", Fault: "cut link", Watched: true,
			Began: time.Date(2025, 11, 14, 9, 30, 0, 0, time.UTC), Every: 100 * ms, Timeout: 200 * ms, Steady: 500 * ms, Deadline: time.Minute,
		},
		Events: []drtest.Event{
			{Kind: drtest.FaultInjected, Interval: at(1000, 1020), Note: "cut link", Receipt: "a dial is refused"},
			{Kind: drtest.HealthLost, Interval: at(1050, 1130), Note: "503 database: circuit open"},
		},
		Ended: true,
	}
	for n := range 30 {
		op := drtest.Op{ID: fmt.Sprintf("op-%02d", n), Due: time.Duration(n) * 100 * ms, Outcome: drtest.Acked}
		op.Start, op.End = op.Due+ms, op.Due+10*ms
		if n > 10 && n < 16 {
			op.Outcome, op.Err = drtest.Unknown, "connection refused"
		} else {
			l.Survivors = append(l.Survivors, op.ID)
		}
		l.Ops = append(l.Ops, op)
	}
	for _, edit := range edits {
		edit(l)
	}
	return drtest.Judge(l, drtest.RTO(time.Second))
}

// call runs the program with the go command faked, and gives a signal once it has shown the fault.
func call(t *testing.T, how string, s os.Signal, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return callIn(t, nil, how, s, args...)
}

// callIn does so in an environment that has more.
func callIn(t *testing.T, more []string, how string, s os.Signal, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	return callAt(t, more, how, s, "", args...)
}

// callAt gives the signal only once the program has said something before.
func callAt(t *testing.T, more []string, how string, s os.Signal, after string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	signals := make(chan os.Signal, 1)
	var out, errs bytes.Buffer
	c := command{stderr: &errs, environ: append([]string{"HOME=elsewhere", "DRTEST_PROFILE=production"}, more...), signals: signals, stdout: writer(func(p []byte) (int, error) {
		if s != nil && bytes.Contains(p, []byte("drill ")) && bytes.Contains(out.Bytes(), []byte(after)) {
			signals <- s
		}
		return out.Write(p)
	})}
	c.exec = func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), "DRREPORT_FAKE_GO="+how)
		return cmd
	}
	status = c.main(args)
	return status, out.String(), errs.String()
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

var stamp = regexp.MustCompile(`\d{8}T\d{6}\.\d{3}Z`)

func TestRun(t *testing.T) {
	const why = "RTO: untrusted: got 0.610s (0.481s..0.610s), want at most 500ms: too coarse to tell, with a fault that took 0.020s, Load.Every 100ms (also of the health poll) and Load.Timeout 200ms: the machine did not keep up: some task waited for a processor 75 % of the time, so that up to 0.458s of 0.610s may be its doing; 14 requests acked since exclude a failure rate above 19.3 %"
	const fault = "drill DR-DB-001: +1.020s   fault: cut link (receipt: a dial is refused)\n"
	const head = `
ID         TITLE            STATUS  DETECTION  RTO     RPO     RECOVERED  MACHINE
`
	const busy = `
ID         TITLE            STATUS     DETECTION  RTO     RPO     RECOVERED  MACHINE
DR-DB-001  Connection loss  untrusted  0.130s     0.610s  0.000s  -          OVERLOADED: some task waited for a processor 75 % of the time
DR-DB-001: ` + why + `
1 results: 0 passed, 0 failed, 1 inconclusive, 1 of them untrusted: the machine did not keep up
played again, alone, since the machine did not keep up: ^TestLoss$
`
	for _, c := range []struct {
		how    string
		signal os.Signal
		status int
		stdout string
		stderr string
	}{
		{how: "pass", status: passed, stdout: fault + head + `DR-DB-001  Connection loss  pass    0.130s     0.610s  0.000s  -          ok
1 results: 1 passed, 0 failed, 0 inconclusive
report: OUT/RUN/report.html
`},
		{how: "fail", status: notPassed, stdout: fault + "    a_test.go:9: breaker never opened\n" + head +
			`DR-DB-001  Connection loss  fail    0.130s     0.610s  0.000s  -          ok
DR-DB-001: fail: the verdicts pass, but the test failed: a_test.go:9: breaker never opened
1 results: 0 passed, 1 failed, 0 inconclusive
report: OUT/RUN/report.html
`},
		{how: "busy", status: passed, stdout: fault + "    a_test.go:9: RTO: untrusted\n" + busy + fault + head + `DR-DB-001  Connection loss  pass    0.130s     0.610s  0.000s  -          ok
DR-DB-001: played again, alone, since the first run was untrusted: ` + why + `
1 results: 1 passed, 0 failed, 0 inconclusive; 1 played again, alone
report: OUT/RUN/report.html
`},
		{how: "always busy", status: untrusted, stdout: fault + "    a_test.go:9: RTO: untrusted\n" + busy + fault + "    a_test.go:9: RTO: untrusted\n" + `
ID         TITLE            STATUS     DETECTION  RTO     RPO     RECOVERED  MACHINE
DR-DB-001  Connection loss  untrusted  0.130s     0.610s  0.000s  -          OVERLOADED: some task waited for a processor 75 % of the time
DR-DB-001: played again, alone, since the first run was untrusted: ` + why + `
DR-DB-001: ` + why + `
1 results: 0 passed, 0 failed, 1 inconclusive, 1 of them untrusted: the machine did not keep up; 1 played again, alone
report: OUT/RUN/report.html
`},
		{how: "hang", signal: syscall.SIGTERM, status: incomplete, stdout: fault + `
ID         TITLE            STATUS        DETECTION  RTO  RPO  RECOVERED  MACHINE
DR-DB-001  Connection loss  inconclusive  -          -    -    -          ok
DR-DB-001: inconclusive: journal line LINE: cut off in mid-line: the test process died while it wrote; the test did not end
1 results: 0 passed, 0 failed, 1 inconclusive
incomplete: DR-DB-001 did not come to its end; the journal _artifacts/1/DR-DB-001.ndjson is damaged; go test did not come to its end: interrupted: terminated
report: OUT/RUN/report.html
`},
		{how: "refuse", status: notPassed, stderr: "go: no such tool\n", stdout: `
ID       TITLE    STATUS        DETECTION  RTO  RPO  RECOVERED  MACHINE
go test  go test  inconclusive  -          -    -    -          -
go test: inconclusive: go test failed with exit status 2: go: no such tool
1 results: 0 passed, 0 failed, 1 inconclusive
report: OUT/RUN/report.html
`},
	} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			status, stdout, stderr := call(t, c.how, c.signal, "run", "-out", dir, "-run", "TestLoss", "./scenarios_test", "-skip", "Control$")
			stdout = stamp.ReplaceAllString(strings.ReplaceAll(stdout, dir, "OUT"), "RUN")
			stdout = regexp.MustCompile(`line \d+`).ReplaceAllString(stdout, "line LINE")
			if diff := cmp.Diff(c.stdout, stdout); diff != "" {
				t.Errorf("standard output (-want +got):\n%s", diff)
			}
			if status != c.status || stderr != c.stderr {
				t.Errorf("exit status %d, want %d; standard error %q, want %q", status, c.status, stderr, c.stderr)
			}
			data, err := os.ReadFile(filepath.Join(dir, "latest", "report.json"))
			if err != nil {
				t.Fatal(err)
			}
			systems := map[bool]string{false: ",\n  \"systems\": [\n    \"PostgreSQL 17.6\"\n  ]"}[c.how == "refuse"] // which starts nothing
			want := `"command": "DRTEST_PROFILE=production go test -json -count=1 -vet=off -artifacts -outputdir ` + filepath.Join(dir, "RUN") + ` -timeout 1h0m0s -run TestLoss -skip 'Control$' ./scenarios_test",
  "commit": "0123456789ab"` + systems + ","
			if !strings.Contains(stamp.ReplaceAllString(string(data), "RUN"), want) {
				t.Errorf("report.json has no %s", want)
			}
			status, _, stderr = call(t, "", nil, "write", "-out", filepath.Join(dir, "again.json"), filepath.Join(dir, "latest"))
			again, err := os.ReadFile(filepath.Join(dir, "again.json"))
			written := map[bool]int{true: passed, false: incomplete}[c.signal == nil] // what was cut off is damaged
			if err != nil || status != written {
				t.Fatal(status, stderr, err)
			}
			if diff := cmp.Diff(string(data), string(again)); diff != "" {
				t.Errorf("written again, the report differs (-first +second):\n%s", diff)
			}
		})
	}
}

// Each run replaces what latest leads to, whatever it is.
func TestLatest(t *testing.T) {
	dir := t.TempDir()
	latest := filepath.Join(dir, "latest")
	for _, run := range []string{"one", "two", "three"} {
		if run == "three" { // a copy, from where there are no links
			if err := os.Remove(latest); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(latest, "old"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Join(dir, run, run), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := pointLatest(dir, run); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(latest)
		if err != nil || len(entries) != 1 || entries[0].Name() != run {
			t.Fatalf("after run %s latest holds %v: %v", run, entries, err)
		}
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	path, cut := filepath.Join(dir, "DR-DB-001.ndjson"), filepath.Join(dir, "cut.ndjson")
	data := journal(drill())
	short := bytes.Join(bytes.SplitAfter(data, []byte("\n"))[:20], nil)
	bare, other := filepath.Join(dir, "bare.ndjson"), filepath.Join(dir, "other.ndjson")
	otherwise := drill()
	otherwise.Verdicts[0].Status, otherwise.Verdicts[0].Why = drtest.Fail, "it was late"
	for name, content := range map[string][]byte{path: data, cut: append(short, `{"op"`...), bare: journal(&drtest.Report{Ledger: drill().Ledger}), other: journal(otherwise)} {
		if err := os.WriteFile(name, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const shown = `DR-DB-001  Connection loss
fault: cut link

figures:
  detection     0.130s (0.030s..0.130s)
  RTO           0.610s (0.481s..0.610s)
  outage        0.609s (0.391s..0.609s)
  heal lag      not measured: the fault was not healed
  RPO           0.000s (0.000s..0.000s)
  work RTO      not measured: the workload does not report the progress of its units
  lost work     not measured: the workload does not report the progress of its units
  affected      not measured: the workload does not report the progress of its units
  recovered     not measured: the workload does not report the progress of its units
  lost          0 units
  duplicates    0 units
  availability  28.6 %
  requests      30: 25 acked, 0 rejected, 5 unknown; 5 failed after the fault
  held          25 units; 0 of them rejected
  machine       kept up

timeline, counted from the fault:
     +0.000s  fault            cut link (receipt: a dial is refused)
     +0.110s  first failure    op-11 unknown: connection refused
     +0.130s  detected         503 database: circuit open
     +0.510s  last failure     op-15 unknown: connection refused
     +0.610s  served again

`
	const rejected = "  rejected stays rejected: pass: none of 0 rejected units is held\n"
	const rto = "  RTO: pass: got 0.610s (0.481s..0.610s), want at most 1s; 14 requests acked since exclude a failure rate above 19.3 %\n"
	for _, c := range []struct {
		reason string
		args   []string
		status int
		want   string
	}{
		{"as its test did", []string{path}, passed, "verdicts:\n" + rto + rejected + "status: pass\n"},
		{"met", []string{"-rto", "45s", path, "-rpo", "0s", "-no-duplicates"}, passed, `verdicts:
  RTO: pass: got 0.610s (0.481s..0.610s), want at most 45s; 14 requests acked since exclude a failure rate above 19.3 %
  RPO: pass: lost none of 25 acked
  no duplicates: pass: 25 units held, each once
` + rejected + "status: pass\n"},
		{"not met", []string{path, "-rto=100ms"}, notPassed, `verdicts:
  RTO: fail: got 0.610s (0.481s..0.610s), want at most 100ms; 14 requests acked since exclude a failure rate above 19.3 %
` + rejected + "status: fail\n"},
		{"cannot be told", []string{path, "-heal-lag=1s", "-all-recovered=3", "-repeated=calls=3"}, notPassed, "verdicts:\n" + rto + `  heal lag: inconclusive: the fault was not healed
  all recovered: inconclusive: the workload does not report the progress of its units
  repeated calls: inconclusive: the workload has no counter "calls"
` + rejected + "status: inconclusive\n"},
		{"nothing asserted", []string{bare}, notPassed, "verdicts:\n" + rejected + `  nothing was asserted: give objectives to judge by
status: inconclusive
`},
		{"nothing asserted but by the flags", []string{bare, "-rto=1s"}, passed, "verdicts:\n" + rto + rejected + "status: pass\n"},
		{"recorded otherwise", []string{other}, passed, "verdicts:\n" + rto + rejected + "  recorded was: RTO: fail: it was late\nstatus: pass\n"},
	} {
		status, stdout, stderr := call(t, "", nil, append([]string{"check"}, c.args...)...)
		if diff := cmp.Diff(shown+c.want, stdout); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
		if status != c.status || stderr != "" {
			t.Errorf("%s: exit status %d, want %d; standard error: %s", c.reason, status, c.status, stderr)
		}
	}
	status, stdout, stderr := call(t, "", nil, "check", "-rto", "45s", cut)
	want := "drreport: " + cut + ": journal line 21: cut off in mid-line: the test process died while it wrote\n"
	if status != trouble || stderr != want || strings.Contains(stdout, "verdicts:") {
		t.Errorf("damaged: exit status %d, standard error %q, want %q, standard output:\n%s", status, stderr, want, stdout)
	}
}

// Saved proofs, and the model, are judged again as they were, by whatever else the journal is
// judged.
func TestCheckProofsAndModel(t *testing.T) {
	path := filepath.Join(t.TempDir(), "DR-DB-001.ndjson")
	data := journal(drill(func(l *drtest.Ledger) {
		l.Drill.Proofs = []string{"one history", "fenced", "silent"}
		l.Drill.Model = drtest.Model{{Name: "breaker", Best: 300 * time.Millisecond, Worst: 700 * time.Millisecond, Source: "its timeout"}}
		after := drtest.Interval{Lo: 3 * time.Second, Hi: 3 * time.Second}
		l.Events = append(l.Events, drtest.Event{Kind: drtest.Proved, Interval: after, Note: "one history", Evidence: "both end at 0/30001A8"},
			drtest.Event{Kind: drtest.Refuted, Interval: after, Note: "fenced", Evidence: "op-12 is in its log"})
	}))
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := call(t, "", nil, "check", "-rto", "45s", path)
	_, verdicts, _ := strings.Cut(stdout, "verdicts:\n")
	want := `  RTO: pass: got 0.610s (0.481s..0.610s), want at most 45s; 14 requests acked since exclude a failure rate above 19.3 %; the limit allows 44.3s more than the configuration's worst case of 700ms
  rejected stays rejected: pass: none of 0 rejected units is held
  one history: pass: both end at 0/30001A8
  fenced: fail: op-12 is in its log
  silent: inconclusive: it was never examined
  model: pass: got 0.610s (0.481s..0.610s), want 0.300s..0.700s by the configuration
status: fail
`
	if line := "  model         of the RTO, by the configuration: 300ms at best, 700ms at worst\n"; !strings.Contains(stdout, line) {
		t.Errorf("no %q in:\n%s", line, stdout)
	}
	if diff := cmp.Diff(want, verdicts); diff != "" || status != notPassed || stderr != "" {
		t.Errorf("exit status %d, standard error %q (-want +got):\n%s", status, stderr, diff)
	}
}

func TestUsage(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		args   string
		status int
		stdout string // begins with
		stderr string // begins with
	}{
		{"", trouble, "", "Drreport runs"},
		{"nosuch", trouble, "", "Drreport runs"},
		{"help", passed, "Drreport runs", ""},
		{"schema", passed, "{\n", ""},
		{"check", trouble, "", "usage: drreport check journal.ndjson"},
		{"check a b", trouble, "", "usage: drreport check journal.ndjson"},
		{"check -rto x a", trouble, "", "invalid value"},
		{"check -h", passed, "", "usage: drreport check"},
		{"check nosuch.ndjson", trouble, "", "drreport: open nosuch.ndjson"},
		{"run", trouble, "", "usage: drreport run"},
		{"run -run ( ./...", trouble, "", "invalid value \"(\" for flag -run"},
		{"run -skip a** ./...", trouble, "", "invalid value \"a**\" for flag -skip"},
		{"run -parallel -1 ./...", trouble, "", "invalid value \"-1\" for flag -parallel"},
		{"run -shard 3/2 ./...", trouble, "", "invalid value \"3/2\" for flag -shard: want which part of how many, such as 1/2"},
		{"run -durations d ./...", trouble, "", "drreport: -durations divide drills among machines, and there is no -shard"},
		{"merge", trouble, "", "usage: drreport merge"},
		{"merge shard-1", trouble, "", "drreport: merge needs -out and a new directory"},
		{"merge -out new " + dir, trouble, "", "drreport: " + dir + " is not the directory of a shard"},
		{"run -nosuch ./...", trouble, "", "flag provided but not defined: -nosuch"},
		{"write", trouble, "", "usage: drreport write"},
		{"write -out report.pdf .", trouble, "", "invalid value"},
		{"write nosuch", trouble, "", "drreport: lstat nosuch"},
		{"write " + dir, passed, "ID", ""},
		{"bundle", trouble, "", "usage: drreport bundle"},
		{"bundle -out x.zip nosuch", trouble, "", "drreport: lstat nosuch"},
		{"bundle -out " + t.TempDir() + "/x.zip " + dir, notPassed, "", "refused: run.json is missing: a bundle is of a run that drreport run played"},
		{"verify", trouble, "", "usage: drreport verify"},
		{"verify -h", passed, "", "usage: drreport verify"},
		{"verify nosuch", trouble, "", "drreport: stat nosuch"},
		{"verify " + dir, notPassed, "", "refused: manifest.json is missing"},
		{"coverage", trouble, "", "usage: drreport coverage"},
		{"coverage nosuch", trouble, "", "drreport: lstat nosuch"},
	} {
		status, stdout, stderr := call(t, "pass", nil, strings.Fields(c.args)...)
		if status != c.status || !strings.HasPrefix(stdout, c.stdout) || !strings.HasPrefix(stderr, c.stderr) || (stderr == "") != (c.stderr == "") {
			t.Errorf("drreport %s: exit status %d, want %d\n%s%s", c.args, status, c.status, stdout, stderr)
		}
	}
	for _, name := range []string{"report.html", "report.json", "report.md", "report.otlp", "report.prom", "report.xml"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

// TestUnwritable: what cannot be written is trouble, and the results are shown nevertheless.
func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "report.json")
	if err := os.Mkdir(blocked, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "DR-DB-001.ndjson"), journal(drill()), 0o644); err != nil {
		t.Fatal(err)
	}
	const table = `ID         TITLE            STATUS  DETECTION  RTO     RPO     RECOVERED  MACHINE
DR-DB-001  Connection loss  pass    0.130s     0.610s  0.000s  -          ok
note: this report is made of journals alone: nothing tells whether there were more
1 results: 1 passed, 0 failed, 0 inconclusive
`
	status, stdout, stderr := call(t, "", nil, "write", dir)
	if diff := cmp.Diff(table, stdout); diff != "" || status != trouble || !strings.HasPrefix(stderr, "drreport: write report: open "+blocked) {
		t.Errorf("exit status %d, standard error %q (-want +got):\n%s", status, stderr, diff)
	}
	full := command{stdout: writer(func([]byte) (int, error) { return 0, syscall.ENOSPC }), stderr: new(bytes.Buffer)}
	if status := full.main([]string{"schema"}); status != trouble {
		t.Errorf("a schema that cannot be written: exit status %d, want %d", status, trouble)
	}
}
