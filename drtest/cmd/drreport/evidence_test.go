package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEvidence: a run that drreport plays is packed, checked, and found to be edited.
func TestEvidence(t *testing.T) {
	out := t.TempDir()
	if status, stdout, stderr := call(t, "pass", nil, "run", "-out", out, "./..."); status != passed {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	latest := filepath.Join(out, "latest")
	at := t.TempDir()
	file := filepath.Join(at, "run.zip")
	told := func(text string) string {
		return stamp.ReplaceAllString(strings.ReplaceAll(strings.ReplaceAll(text, out, "OUT"), at, "AT"), "RUN")
	}
	const table = "ID         TITLE            STATUS  DETECTION  RTO     RPO     RECOVERED  MACHINE\n" +
		"DR-DB-001  Connection loss  pass    0.130s     0.610s  0.000s  -          ok\n1 results: 1 passed, 0 failed, 0 inconclusive\n"
	check := func(want int, wantOut, wantErr string, args ...string) {
		t.Helper()
		status, stdout, stderr := call(t, "", nil, args...)
		if status != want {
			t.Errorf("%q: exit status %d, want %d", args, status, want)
		}
		if diff := cmp.Diff(wantOut+"|"+wantErr, told(stdout)+"|"+told(stderr)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", args, diff)
		}
	}
	check(passed, `passed: 1 results: 1 passed, 0 failed, 0 inconclusive (0 of them untrusted)
not stated: who ran it
not stated: who watched it
not stated: who approved it
not stated: the scope: which services and functions
not stated: the recovery plan that is tested
not stated: the assumptions of all drills
not stated: why DR-DB-001 is played
not stated: the last test, to compare with
wrote AT/run.zip, the evidence of run RUN
`, "", "bundle", "-out", file, latest)
	check(trouble, "", "drreport: open AT/run.zip: file exists\n", "bundle", "-out", file, latest)
	check(trouble, "", "drreport: OUT/latest/run.zip lies in the directory that is packed\n", "bundle", "-out", filepath.Join(latest, "run.zip"), latest)
	check(trouble, "", "drreport: bundle needs -out: the file to write\n", "bundle", latest)
	statement := filepath.Join(at, "statement.json")
	check(passed, table+"whole: run RUN, 11 files, as its manifest says, and its reports and its record are what its journals say. Who made it is for a signature to say.\n", "",
		"verify", "-statement", statement, file)
	if text, err := os.ReadFile(statement); err != nil || !bytes.Contains(text, []byte(`"result": "PASSED"`)) {
		t.Errorf("%v\n%s", err, text)
	}
	check(passed, table+"note: this is the directory of a run, without a manifest: what its transcript does not vouch for, such as logs, was not checked\n"+
		"run RUN: journals, transcript and reports agree\n", "", "verify", latest)
	check(trouble, "", "drreport: a statement is about a file: give the bundle, not a directory\n", "verify", "-statement", statement, latest)
	check(trouble, "", "drreport: stat AT/nosuch.zip: no such file or directory\n", "verify", filepath.Join(at, "nosuch.zip"))

	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
		from, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(at, "unpacked", f.Name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"evidence.json", "evidence.md", "manifest.json", "run/_artifacts/1/DR-DB-001.ndjson", "run/gotest.json",
		"run/report.html", "run/report.json", "run/report.md", "run/report.otlp", "run/report.prom", "run/report.xml", "run/run.json"}
	if diff := cmp.Diff(want, slices.Clone(names)); diff != "" {
		t.Errorf("files of the bundle (-want +got):\n%s", diff)
	}
	edit := func(name, old, new string) {
		t.Helper()
		path := filepath.Join(at, "unpacked", name)
		data, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(data, []byte(old)) {
			t.Fatalf("%v: %s has no %q", err, name, old)
		}
		if err := os.WriteFile(path, bytes.Replace(data, []byte(old), []byte(new), 1), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	edit("run/report.json", `"lo": 0.481`, `"lo": 0.081`)
	status, stdout, stderr := call(t, "", nil, "verify", filepath.Join(at, "unpacked"))
	if !regexp.MustCompile(`^refused: run/report\.json was changed: it has not the hash and size of the manifest\n`+
		`refused: run/: report\.json is not what the journals say, judged again: line \d+ is .*0\.081.*, not .*0\.481.*\n$`).MatchString(stderr) || status != notPassed || stdout != "" {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
}

// TestEvidenceOfRerun: a bundle has both runs, and says which of them decided.
func TestEvidenceOfRerun(t *testing.T) {
	out := t.TempDir()
	if status, stdout, stderr := call(t, "busy", nil, "run", "-out", out, "./..."); status != passed {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	file := filepath.Join(t.TempDir(), "run.zip")
	for _, args := range [][]string{{"bundle", "-out", file, filepath.Join(out, "latest")}, {"verify", file}} {
		if status, stdout, stderr := call(t, "", nil, args...); status != passed {
			t.Fatalf("%q: exit status %d\n%s%s", args, status, stdout, stderr)
		}
	}
	z, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	record, err := z.Open("evidence.md")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(record)
	if err != nil || !bytes.Contains(text, []byte("- Played again, alone: the first run was untrusted: RTO: untrusted: ")) ||
		!bytes.Contains(text, []byte("- Journal: run/rerun/\\_artifacts/1/DR-DB-001.ndjson\n")) {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestCoverage: it tells of a run what its faults were, and refuses a catalogue that is none.
func TestCoverage(t *testing.T) {
	out := t.TempDir()
	if status, stdout, stderr := call(t, "pass", nil, "run", "-out", out, "./..."); status != passed {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	catalogue := filepath.Join(t.TempDir(), "modes.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(catalogue, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(`[{"mode":"cut","is":"a link is cut","why":"it happens","source":"us","faults":["cut link"]},
		{"mode":"fire","is":"it burns","why":"it happens","source":"us","faults":["burn"]}]`)
	status, stdout, stderr := call(t, "", nil, "coverage", "-catalogue", catalogue, filepath.Join(out, "latest"))
	want := `Drilled, the latest first:

  cut: a link is cut
    2025-11-14  drilled and passed  DR-DB-001 (cut link)

Never drilled in these runs:

  fire: it burns; it happens (us)

This goes by the names of faults that left a receipt. Conditions, such as a replica that lags or a
TTL, are no faults, and are not seen here.
`
	if diff := cmp.Diff(want, stdout); diff != "" || status != passed || stderr != "" {
		t.Errorf("exit status %d, %s (-want +got):\n%s", status, stderr, diff)
	}
	write("{}")
	if status, _, stderr := call(t, "", nil, "coverage", "-catalogue", catalogue, out); status != trouble || !strings.HasPrefix(stderr, "drreport: read catalogue: ") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}
