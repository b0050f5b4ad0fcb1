package html

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/foreign"
	"github.com/drtest/suite/internal/report"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what the tests got to testdata")

const ms = time.Millisecond

// began is when every drill of these tests began.
var began = time.Date(2025, 11, 14, 9, 30, 0, 0, time.UTC)

// at is an interval in milliseconds.
func at(lo, hi int) drtest.Interval {
	return drtest.Interval{Lo: time.Duration(lo) * ms, Hi: time.Duration(hi) * ms}
}

// failover is a drill with a request every 100 ms, whose primary dies at 1 s and which serves again
// at 2 s. It loses what was acked from 800 ms on, which has finished by then.
func failover() *drtest.Ledger {
	l := &drtest.Ledger{
		Drill: drtest.Drill{
			ID: "DR-1", Title: "Database primary failover", Category: "Database Failures", Fault: "kill primary", Began: began,
			Every: 100 * ms, Timeout: 500 * ms, Steady: 500 * ms, Deadline: time.Minute, Watched: true, Tracked: true, Steps: 1,
			Stages: []string{"promoted"}, Sources: map[string]string{"promoted": "GET /primary"}, Proofs: []string{"one history"},
			Model:      drtest.Model{{Name: "detection", Worst: 200 * ms, Source: "circuit opens at 5 errors"}, {Name: "promotion", Worst: time.Second, Source: "runbook"}},
			Durability: "the storage is gone for good",
		},
		Events: []drtest.Event{
			{Kind: drtest.HealthGood, Interval: at(10, 20)},
			{Kind: drtest.SteadyReached, Interval: at(900, 900), Note: "10 requests acked"},
			{Kind: drtest.FaultInjected, Interval: at(1000, 1020), Note: "kill primary", Receipt: "exit code 137"},
			{Kind: drtest.HealthLost, Interval: at(1050, 1130), Note: "503 circuit open"},
			{Kind: drtest.StepBegun, Interval: at(1200, 1200), Note: "promote replica"},
			{Kind: drtest.StageReached, Interval: at(1550, 1600), Note: "promoted"},
			{Kind: drtest.StepDone, Interval: at(1200, 1700), Note: "promote replica"},
			{Kind: drtest.ContainerStarted, Interval: at(1300, 1400), Note: "app"},
			{Kind: drtest.HealthRestored, Interval: at(1900, 1980)},
			{Kind: drtest.SteadyAgain, Interval: at(1900, 2600), Note: "6 requests acked"},
			{Kind: drtest.FaultConfirmed, Interval: at(3000, 3010), Note: "kill primary", Receipt: "stayed dead"},
			{Kind: drtest.Refuted, Interval: at(3100, 3200), Note: "one history", Evidence: "node-2 has 3 commits more"},
		},
		Readings:  []drtest.Reading{{}, {At: time.Second, Waited: 20 * ms}, {At: 2 * time.Second, Waited: 100 * ms, Stopped: 40 * ms}, {At: 3 * time.Second, Waited: 110 * ms, Stopped: 40 * ms}},
		Survivors: []string{}, Machine: drtest.Machine{CPUs: 2, Busy: 0.43, Stalled: 0.125}, Ended: true,
	}
	for due := 0; due < 3000; due += 100 {
		op := drtest.Op{ID: fmt.Sprintf("op-%02d", due/100), Due: time.Duration(due) * ms, Outcome: drtest.Acked}
		op.Start, op.End = op.Due+ms, op.Due+10*ms
		switch {
		case due >= 1000 && due < 1400:
			op.Outcome, op.Err = drtest.Unknown, "connection reset by peer"
		case due >= 1400 && due < 2000:
			op.Outcome, op.Err = drtest.Rejected, "rejected: circuit open"
		case due < 800 || due >= 2000:
			l.Survivors = append(l.Survivors, op.ID)
		}
		l.Ops = append(l.Ops, op)
	}
	done, doing := drtest.Progress{Done: 4, Attempt: 1, Finished: true}, drtest.Progress{Done: 1, Attempt: 1}
	first := map[string]drtest.Progress{"op-08": doing, "op-09": doing}
	for _, op := range l.Ops[:8] {
		first[op.ID] = done
	}
	l.Samples = []drtest.Sample{
		{Interval: at(950, 960), Units: first},
		{Interval: at(2500, 2510), Units: map[string]drtest.Progress{"op-20": done, "op-21": doing}},
		{Interval: at(2900, 2910), Units: map[string]drtest.Progress{"op-21": done}},
	}
	return l
}

// judged is the drill with its verdicts, which has some of each kind.
func judged(l *drtest.Ledger) *drtest.Report {
	r := drtest.Judge(l, drtest.Detection(100*ms), drtest.RTO(5*time.Second), drtest.RPO(0), drtest.NoDuplicates(), drtest.AllRecovered(1),
		drtest.Reached("promoted", 2*time.Second), drtest.LostWork(time.Second))
	also := drtest.Judge(l, drtest.RTO(4*time.Second))
	a, v := also.Asserted[0], also.Verdicts[0]
	a.Target, v.Target = true, true
	r.Asserted, r.Verdicts = append(r.Asserted, a), append(r.Verdicts, v)
	return r
}

// save writes journals to a directory, and returns the report that is made of them.
func save(t testing.TB, dir string, drills ...*drtest.Report) *report.Report {
	t.Helper()
	for i, r := range drills {
		in := filepath.Join(dir, fmt.Sprint("drill", i))
		if err := os.MkdirAll(in, 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := os.Create(filepath.Join(in, "drill.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.WriteTo(file)
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	r, err := report.Collect(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t testing.TB, r *report.Report, dir string) []byte {
	t.Helper()
	page, err := Render(r, dir)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// TestGolden: a page of three drills, one that fails, one that passes and one without a journal.
func TestGolden(t *testing.T) {
	dir := t.TempDir()
	good := failover()
	good.Drill.ID, good.Drill.Title, good.Drill.Model, good.Drill.Proofs = "DR-2", "the same, and nothing is lost", nil, nil
	good.Events = slices.DeleteFunc(good.Events, func(e drtest.Event) bool { return e.Kind == drtest.Refuted })
	good.Survivors = nil
	for _, op := range good.Ops {
		if op.Outcome == drtest.Acked {
			good.Survivors = append(good.Survivors, op.ID)
		}
	}
	r := save(t, dir, judged(failover()), drtest.Judge(good, drtest.Detection(time.Second), drtest.RTO(5*time.Second), drtest.RPO(0)))
	log := "2025-11-14 09:29:50.000 UTC [6] LOG:  starting\n2025-11-14 09:30:01.005 UTC [6] FATAL:  terminating\n\tDETAIL:  of <b>no</b> kind\n2025-11-14 09:30:50 UTC [6] LOG:  much later\n"
	if err := os.WriteFile(filepath.Join(dir, "drill0", "primary.log"), []byte(log), 0o644); err != nil {
		t.Fatal(err)
	}
	r.Run = &report.Run{When: began, Go: "go1.26.8", OS: "linux", Arch: "amd64", CPUs: 2, Command: "DRTEST_PROFILE=fast go test -json ./scenarios_test", Exit: new(1), Commit: "0123456789ab"}
	r.Results[0].Test, r.Results[0].Package = "TestFailover/sync", "example.org/scenarios_test"
	lost := report.Result{ID: "TestPanic", Title: "TestPanic", Reason: "no journal, and the test failed: no such image", Status: drtest.Fail}
	r.Results = append(r.Results, lost)
	r.Summary.Results, r.Summary.Failed = 3, 2
	page := render(t, r, dir)
	path := filepath.Join("testdata", "page.html")
	if *update {
		if err := os.WriteFile(path, page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(page)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	elements(t, page)
}

// TestShares: what an RTO is made of adds up to it, whatever the journal has.
func TestShares(t *testing.T) {
	type part struct{ Name, Took string }
	never := failover()
	for i := 20; i < 30; i++ {
		never.Ops[i].Outcome = drtest.Unknown
	}
	never.Events = slices.DeleteFunc(never.Events, func(e drtest.Event) bool {
		return e.Kind == drtest.SteadyAgain || e.Kind == drtest.HealthRestored
	})
	unwatched := failover()
	unwatched.Drill.Watched, unwatched.Drill.Steps = false, 0
	unwatched.Events = slices.DeleteFunc(unwatched.Events, func(e drtest.Event) bool {
		return !slices.Contains([]drtest.EventKind{drtest.SteadyReached, drtest.FaultInjected, drtest.SteadyAgain}, e.Kind)
	})
	early := failover()
	for i := range early.Events {
		if e := &early.Events[i]; e.Kind == drtest.StepDone || e.Kind == drtest.StageReached {
			e.Hi = 2500 * ms // when service has long been back
		}
	}
	for _, c := range []struct {
		reason string
		ledger *drtest.Ledger
		want   []part
		total  string
	}{
		{"a runbook and a stage", failover(), []part{
			{"until the failure was detected", "0.130s"}, {"until the runbook began", "0.070s"}, {"until the stage: promoted", "0.400s"},
			{"step: promote replica", "0.100s"}, {"until clients were served again", "0.310s"}}, "1.010s"},
		{"a step and a stage that end when service is back", early, []part{
			{"until the failure was detected", "0.130s"}, {"until the runbook began", "0.070s"}, {"until clients were served again", "0.810s"}}, "1.010s"},
		{"nothing but clients", unwatched, []part{{"until clients were served again", "1.010s"}}, "1.010s"},
		{"never served again", never, []part{
			{"until the failure was detected", "0.130s"}, {"until the runbook began", "0.070s"}, {"until the stage: promoted", "0.400s"},
			{"step: promote replica", "0.100s"}, {"after that, until the end of the drill", "1.210s"}}, "more than 1.881s"},
	} {
		b := newBudget(judged(c.ledger))
		var got []part
		for _, s := range b.Shares {
			got = append(got, part{s.Name, s.Took})
		}
		if diff := cmp.Diff(c.want, got); diff != "" || b.Total != c.total {
			t.Errorf("%s: of %s (-want +got):\n%s", c.reason, b.Total, diff)
		}
	}
	calm := failover()
	for i := range calm.Ops {
		calm.Ops[i].Outcome = drtest.Acked
	}
	if b := newBudget(judged(calm)); b != nil {
		t.Errorf("no client saw an outage: got %v", b)
	}
}

// TestLedgers: pages of real drills, whose shares add up to the RTO.
func TestLedgers(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "drtest", "testdata", "ledgers"))); err != nil {
		t.Fatal(err)
	}
	r, err := report.Collect(dir)
	if err != nil || len(r.Results) < 8 {
		t.Fatal(err, len(r.Results))
	}
	elements(t, render(t, r, dir))
	for i := range r.Results {
		d := newDrill(i, &r.Results[i], nil, dir)
		if d.NoData != "" || d.Timeline == nil || len(d.Timeline.Lanes) < 5 {
			t.Errorf("%s: %s", d.ID, d.NoData)
		}
		if d.Budget == nil {
			continue
		}
		var sum float64
		for _, s := range d.Budget.Shares {
			took, err := time.ParseDuration(s.Took)
			if err != nil || took <= 0 {
				t.Errorf("%s: %s took %s", d.ID, s.Name, s.Took)
			}
			sum += took.Seconds()
		}
		if rto := d.Journal.Figures.RTO.Hi.Seconds(); sum < rto-0.005 || sum > rto+0.005 {
			t.Errorf("%s: the shares are %.3fs, and the RTO is %.3fs", d.ID, sum, rto)
		}
	}
}

// nasty is what a system under test may say to be taken for something else.
const nasty = "\x1b[2J\a\u202e\n\u2028\u0085\xff" + markup

const markup = "</td></style></title><script>alert(1)</script><img src=x onerror=alert(1)>\" onclick='x' --> {{.}} javascript:alert(1) &amp; <!--"

// TestHostile: no text from outside becomes a part of the page's form, or turns the direction of
// what stands beside it.
func TestHostile(t *testing.T) {
	page := func(said string) []byte {
		text := strings.ToValidUTF8(said, "")              // anything else is no journal
		name := text[max(0, strings.Index(text, markup)):] // nor is one with names that cannot be printed
		l := failover()
		d := &l.Drill
		d.ID, d.Title, d.Category, d.Fault, d.Durability = "DR "+text, text, text, text, text
		d.Stages, d.Sources, d.Proofs = []string{name}, map[string]string{name: text}, []string{name + "."}
		d.Model = drtest.Model{{Name: text, Worst: time.Second, Source: text}}
		for i := range l.Events {
			e := &l.Events[i]
			if e.Note != "" {
				e.Note = text
			}
			switch e.Kind {
			case drtest.StageReached, drtest.StepBegun, drtest.StepDone:
				e.Note = name
			case drtest.Refuted: // the name of a proof is no stage's
				e.Note = name + "."
			}
			if e.Receipt != "" {
				e.Receipt = drtest.Receipt(text)
			}
			if e.Evidence != "" {
				e.Evidence = text
			}
		}
		for i := range l.Ops {
			if l.Ops[i].Err != "" {
				l.Ops[i].Err = text
			}
		}
		l.Ops[8].ID = name
		r := drtest.Judge(l, drtest.RPO(0), drtest.AllRecovered(1), drtest.Check(name, func(*drtest.Ledger, drtest.Figures) error { return errors.New(text) }))
		for i := range r.Verdicts {
			r.Verdicts[i].Why = text
		}
		dir := t.TempDir()
		save(t, dir, r)
		log := fmt.Sprintf("time=2025-11-14T09:30:01.005Z msg=%q %s\n", said, strings.ReplaceAll(said, "\n", " "))
		if err := os.WriteFile(filepath.Join(dir, "drill0", "app.log"), []byte(log), 0o644); err != nil {
			t.Fatal(err)
		}
		all, err := report.Collect(dir)
		if err != nil {
			t.Fatal(err)
		}
		x := &all.Results[0]
		if x.Reason != "" {
			t.Fatal(x.Reason)
		}
		// Of a name that cannot be printed no command is made.
		x.Reason, x.Test, x.Package, x.GaveUp, x.FirstRun = report.Text(text), report.Text(name), report.Text(name), report.Text(text), &report.FirstRun{Why: report.Text(text), Journal: report.Text(text)}
		x.Counters = []report.Counter{{Name: name, Unit: report.Text(text), Total: new(2), Repeated: new(1)}, {Name: name, Why: report.Text(text)}}
		all.Notes, all.Incomplete, all.Complete = []report.Text{report.Text(text)}, report.Text(text), false
		all.Run = &report.Run{When: began, Go: text, OS: text, Arch: text, Command: foreign.Text(text), Commit: report.Text(text), Systems: []report.Text{report.Text(text)}, Exit: new(1)}
		return render(t, all, dir)
	}
	got := page(nasty)
	for i, r := range string(got) {
		if r != '\n' && (!unicode.IsPrint(r) || r == unicode.ReplacementChar) {
			t.Fatalf("%q at %d: %q", r, i, got[max(0, i-80):i])
		}
	}
	if diff := cmp.Diff(elements(t, page("plain")), elements(t, got)); diff != "" {
		t.Errorf("the form of the page depends on what a system says (-plain +nasty):\n%s", diff)
	}
	if n := strings.Count(string(got), "alert(1)"); n < 60 || !strings.Contains(string(got), "Log of app") {
		t.Errorf("only %d texts from outside are on the page: the test shows nothing", n)
	}
}

// elements reads a page and lists its elements with the names of their attributes.
func elements(t *testing.T, page []byte) (all []string) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "br"}, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("the page cannot be read: %v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			text := token.Name.Local
			for _, a := range token.Attr {
				text += " " + a.Name.Local
				if a.Name.Local == "style" || a.Name.Local == "href" {
					text += "=" + regexp.MustCompile(`[0-9.]+`).ReplaceAllString(a.Value, "N")
				}
			}
			all = append(all, text)
		case xml.Comment:
			all = append(all, "comment")
		}
	}
}

// long is a drill of so many requests, one a millisecond, of which some fail all the time.
func long(ops int) *drtest.Report {
	l := &drtest.Ledger{
		Drill: drtest.Drill{ID: "LONG", Title: "a long drill", Fault: "cut link", Began: began, Every: ms, Timeout: 500 * ms, Steady: time.Second, Deadline: 2 * time.Hour, Watched: true, Tracked: true},
		Ended: true, Survivors: []string{},
	}
	fault := time.Duration(ops/10) * ms
	l.Events = []drtest.Event{
		{Kind: drtest.FaultInjected, Interval: drtest.Interval{Lo: fault, Hi: fault + 5*ms}, Note: "cut link", Receipt: "a dial is refused"},
		{Kind: drtest.HealthLost, Interval: drtest.Interval{Lo: fault, Hi: fault + 10*ms}, Note: "503 circuit open"},
	}
	for n := range ops {
		due := time.Duration(n) * ms
		op := drtest.Op{ID: fmt.Sprintf("abcdef-%06d", n), Due: due, Start: due + 12345, End: due + time.Duration(1+n%97)*ms, Outcome: drtest.Acked}
		switch {
		case n > ops/10 && n < ops*9/10 && n%7 == 0:
			op.Outcome, op.Err = drtest.Unknown, fmt.Sprintf("dial tcp 127.0.0.1:%d: connection refused", n)
		case n%5 != 0: // every fifth is lost
			l.Survivors = append(l.Survivors, op.ID)
		}
		l.Ops = append(l.Ops, op)
		if n%1000 == 0 {
			l.Readings = append(l.Readings, drtest.Reading{At: due, Waited: due / 50})
			l.Samples = append(l.Samples, drtest.Sample{Interval: drtest.Interval{Lo: due, Hi: due + ms}, Units: map[string]drtest.Progress{op.ID: {Attempt: 1, Finished: n%2000 == 0}}})
		}
	}
	return drtest.Judge(l, drtest.RTO(time.Second), drtest.RPO(0), drtest.AllRecovered(1))
}

// largest is how large a page of one drill may be, and slowest how long it may take to read its
// journal and to write it, of a million requests.
const (
	largest = 3_000_000
	slowest = 5 * time.Second
)

// TestSize: a page of many requests is no larger than it has to be.
func TestSize(t *testing.T) {
	dir := t.TempDir()
	if page := render(t, save(t, dir, long(50_000)), dir); len(page) > largest/10 {
		t.Errorf("got %d bytes for 50,000 requests", len(page))
	}
}

// TestRareFailure: one failure among many requests can be seen, and heard.
func TestRareFailure(t *testing.T) {
	r := long(50_000)
	for i := range r.Ledger.Ops {
		r.Ledger.Ops[i].Outcome = drtest.Acked
	}
	r.Ledger.Ops[30_000].Outcome = drtest.Rejected
	for _, l := range newTimeline(drtest.Judge(r.Ledger, drtest.RTO(time.Second))).Lanes {
		if l.Name != "requests" {
			continue
		}
		i := slices.IndexFunc(l.Shapes, func(s *shape) bool { return s.Class == "rejected" })
		if i < 0 || !strings.Contains(l.Note, ", 1 rejected") {
			t.Fatalf("it is not drawn: %s", l.Note)
		}
		var x0, y0, x1, y1, back float64
		if _, err := fmt.Sscanf(l.Shapes[i].D(), "M%f %fH%fV%fH%fz", &x0, &y0, &x1, &y1, &back); err != nil || x1-x0 < 1 || y1-y0 < 2 {
			t.Errorf("%v: it is drawn from %v,%v to %v,%v", err, x0, y0, x1, y1)
		}
	}
}

// BenchmarkMillion: go test -run - -bench Million -benchtime 3x ./internal/html
func BenchmarkMillion(b *testing.B) {
	dir := b.TempDir()
	r := save(b, dir, long(1_000_000))
	var size int
	for b.Loop() {
		size = len(render(b, r, dir))
	}
	if took := b.Elapsed() / time.Duration(b.N); size > largest || took > slowest {
		b.Errorf("got %d bytes in %v, want at most %d in %v", size, took, largest, slowest)
	}
	b.ReportMetric(float64(size), "bytes")
}

// TestCommands: a command does what it says, in a shell, whatever a test is called.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		test, run string
		want      string // the command that plays it again
	}{
		{"TestLoss", "go test -json ./...", "go test -count=1 -v -run '^TestLoss$' example.org/p"},
		{"TestLoss/it's_(cut)", "DRTEST_PROFILE=production GOFLAGS='-tags=a b' go test -json", `DRTEST_PROFILE=production GOFLAGS='-tags=a b' go test -count=1 -v -run '^TestLoss$/^it'\''s_\(cut\)$' example.org/p`},
		{"TestLoss", "X=$(id) go test", "go test -count=1 -v -run '^TestLoss$' example.org/p"}, // no setting as a run writes one
		{"TestLoss\x1b", "go test", ""},
		{"", "go test", ""},
	} {
		got := ""
		for _, x := range commands(&report.Result{Test: report.Text(c.test), Package: "example.org/p"}, &report.Run{Command: c.run}) {
			got += x.Line
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", c.test, diff)
		}
	}
}

// TestTimeOf: the times of logs, as programs write them.
func TestTimeOf(t *testing.T) {
	const want = "2026-11-29T11:05:08.123Z"
	for _, line := range []string{
		"2026-11-29 11:05:08.123 UTC [6] LOG:  starting", "time=2026-11-29T11:05:08.123Z level=INFO", `{"level":"warn","ts":"2026-11-29T11:05:08.123+00:00"}`,
		"2026-11-29 12:05:08.123 +0100 x", "2026-11-29 11:05:08,123 INFO: patroni",
	} {
		if got, known := timeOf(line); !known || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: got %v", line, got)
		}
	}
	for _, line := range []string{"", "a line", "2026-13-29 11:05:08 UTC", strings.Repeat("x", 200) + want} {
		if got, known := timeOf(line); known {
			t.Errorf("%s: got %v", line, got)
		}
	}
}
