package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/internal/report"
)

const ms = time.Millisecond

var began = time.Date(2025, 11, 14, 9, 30, 0, 0, time.UTC)

// runName is that of the directory of every run of these tests.
const runName = "20251114T092959.000Z"

// maker makes two forms, as drreport does.
var maker = Maker{Tool: "drreport v0.1.0", Forms: []Form{
	{reportFile, func(r *report.Report, _ string) ([]byte, error) { return r.JSON() }},
	{"report.md", func(r *report.Report, _ string) ([]byte, error) { return r.Markdown() }},
}}

// drill is one with a request every 100 ms, of which those from 1 s until back failed. It promises
// an RTO of 900 ms. Where more is lost, the last acked unit before the fault is gone.
func drill(id, title string, back int, loses bool) *drtest.Report {
	at := func(lo, hi int) drtest.Interval {
		return drtest.Interval{Lo: time.Duration(lo) * ms, Hi: time.Duration(hi) * ms}
	}
	l := &drtest.Ledger{
		Drill: drtest.Drill{
			ID: id, Title: title, Category: "Database Failures", Fault: "kill primary", Began: began, Watched: true,
			Durability: "a killed container keeps its host's page cache", Steps: 1,
			Every: 100 * ms, Timeout: 200 * ms, Steady: 500 * ms, Deadline: time.Minute,
		},
		Events: []drtest.Event{
			{Kind: drtest.SteadyReached, Interval: at(900, 900), Note: "10 requests acked"},
			{Kind: drtest.FaultInjected, Interval: at(1000, 1020), Note: "kill primary", Receipt: "exit code 137"},
			{Kind: drtest.HealthLost, Interval: at(1050, 1130), Note: "503 database: circuit open"},
			{Kind: drtest.StepBegun, Interval: at(1131, 1131), Note: "promote replica"},
			{Kind: drtest.StepDone, Interval: at(1131, 1300), Note: "promote replica"},
		},
		Survivors: []string{}, Machine: drtest.Machine{CPUs: 2, Busy: 0.4}, Ended: true,
	}
	for due := 0; due < 4000; due += 100 {
		op := drtest.Op{ID: fmt.Sprintf("op-%02d", due/100), Due: time.Duration(due) * ms, Outcome: drtest.Acked}
		op.Start, op.End = op.Due+ms, op.Due+10*ms
		switch {
		case due >= 1000 && due < back:
			op.Outcome, op.Err = drtest.Unknown, "connection refused"
		case due == 900 && loses:
		default:
			l.Survivors = append(l.Survivors, op.ID)
		}
		l.Ops = append(l.Ops, op)
	}
	return drtest.Judge(l, drtest.RTO(900*ms), drtest.RPO(0), drtest.NoDuplicates())
}

func bytesOf(t testing.TB, r *drtest.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// play leaves the directory of a run as drreport run does, without its reports.
func play(t testing.TB, drills ...*drtest.Report) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), runName)
	var said strings.Builder
	say := func(test, action, key, value, path string) {
		fmt.Fprintf(&said, `{"Action":%q,"Package":"p","Test":%q,"Key":%q,"Value":%q,"Path":%q}`+"\n", action, test, key, value, path)
	}
	outcome := "pass"
	for i, d := range drills {
		test, data := fmt.Sprint("TestDrill", i), bytesOf(t, d)
		write(t, filepath.Join(dir, "_artifacts", fmt.Sprint(i), "drill.ndjson"), data)
		write(t, filepath.Join(dir, "_artifacts", fmt.Sprint(i), "primary.log"), []byte("ready\n"))
		say(test, "run", "", "", "")
		say(test, "artifacts", "", "", fmt.Sprint("/elsewhere/_artifacts/", i))
		say(test, "attr", "drtest.system", "PostgreSQL 17.6, image drtest/postgres@sha256:0123", "")
		say(test, "attr", "drtest.journal", "drill.ndjson", "")
		say(test, "attr", "drtest.kept", fmt.Sprintf("%x drill.ndjson", sha256.Sum256(data)), "")
		end := "pass"
		if d.Status() != drtest.Pass {
			end, outcome = "fail", "fail"
		}
		say(test, end, "", "", "")
	}
	say("", outcome, "", "", "")
	exit := 0
	if outcome == "fail" {
		exit = 1
	}
	write(t, filepath.Join(dir, report.TranscriptFile), []byte(said.String()))
	about, err := json.Marshal(report.Run{
		When: began, Go: "go1.26", OS: "linux", Arch: "amd64", CPUs: 2, Command: "go test -json ./scenarios", Commit: "0123456789ab",
		Exit: &exit, Transcript: report.Text(fmt.Sprintf("%x", sha256.Sum256([]byte(said.String())))),
	})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, report.RunFile), about)
	return dir
}

// bundle makes the bundle of a run.
func bundle(t testing.TB, dir, stated, last string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "run.zip")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var statements []byte
	if stated != "" {
		statements = []byte(stated)
	}
	_, err = maker.Bundle(file, dir, statements, last)
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// stated fits a run of which DR-DB-004 failed.
const stated = `{
  "scope": "orders",
  "plan": "DR plan 4.2",
  "assumptions": ["one zone is lost at a time"],
  "drills": {"DR-DB-004": {"why": "BIA 2025, R-12: loss of the primary"}},
  "runs": {"` + runName + `": {
    "ran": [{"name": "A. Turing", "role": "SRE"}],
    "approved": [{"name": "G. Hopper", "on": "2025-11-15"}],
    "deviations": {"DR-DB-004": {"owner": "B. Liskov", "retest": "2025-12-01"}}
  }}
}
`
