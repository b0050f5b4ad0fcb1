package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// GOFLAGS that change how tests are built are a part of the command; those that change which tests
// run, or what they say, are refused.
func TestGoflags(t *testing.T) {
	for _, c := range []struct{ flags, refused string }{
		{"", ""}, {"-mod=mod", ""}, {"-tags=a,b -race --trimpath", ""}, {`'-ldflags=-X "main.a=b"' -p=1`, ""},
		{"-bench=.", "-bench=."}, {"-mod=mod -list=.", "-list=."}, {"-fuzz=F", "-fuzz=F"}, {"-run=TestX", "-run=TestX"}, {"--skip=TestX", "--skip=TestX"},
		{"-count=2", "-count=2"}, {"-json=false", "-json=false"}, {"-v", "-v"}, {"-short", "-short"}, {"-failfast", "-failfast"}, {"-timeout=1s", "-timeout=1s"},
		{"-parallel=9", "-parallel=9"}, {"-cpu=1,2 -shuffle=on", "-cpu=1,2 -shuffle=on"}, {"-exec=true", "-exec=true"}, {"-c", "-c"}, {"-n", "-n"},
		{"-C=/", "-C=/"}, {"-test.run=X", "-test.run=X"}, {"'-run=Test X' -mod=mod", "-run=Test X"}, {"-artifacts=false", "-artifacts=false"},
		{"-nosuch=\x1b[31m", `-nosuch=\x1b[31m`},
	} {
		t.Run(c.flags, func(t *testing.T) {
			t.Setenv("DRREPORT_FAKE_GOFLAGS", c.flags)
			dir := t.TempDir()
			status, stdout, stderr := call(t, "pass", nil, "run", "-out", dir, "./scenarios_test")
			if c.refused != "" {
				want := "drreport: GOFLAGS has " + c.refused + ", which can change which tests run, or what they say, so that the report would not show what was asked for: " +
					"take it out of GOFLAGS, in the environment or by go env -w, and give drreport run its own flags instead\n"
				if diff := cmp.Diff(want, stderr); diff != "" || status != trouble || stdout != "" {
					t.Errorf("exit status %d, standard output %q, standard error (-want +got):\n%s", status, stdout, diff)
				}
				return
			}
			data, err := os.ReadFile(filepath.Join(dir, "latest", "run.json"))
			if err != nil || status != passed {
				t.Fatalf("exit status %d: %v\n%s", status, err, stderr)
			}
			want := `"command": "DRTEST_PROFILE=production `
			if c.flags != "" {
				want += strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(quoted([]string{"GOFLAGS=" + c.flags})[0]) + " "
			}
			if !strings.Contains(string(data), want+"go test -json") {
				t.Errorf("no %s in %s", want, data)
			}
		})
	}
}

// The command of a report can be given to a shell.
func TestQuoted(t *testing.T) {
	words := []string{"GOFLAGS=-tags=a b", "DRTEST_X=$HOME;`id`", "go", "-run", "^A$|(B)'\"\\", "", "a\nb", "#x", "~", "*", "x=y z", "-ldflags=-X a=b", "./..."}
	line := strings.Join(quoted(words[2:]), " ")
	got, err := exec.Command("sh", "-c", "printf '%s\\0' "+line).Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Join(words[2:], "\x00")+"\x00", string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", line, diff)
	}
	got, err = exec.Command("sh", "-c", strings.Join(append(quoted(words[:2]), `sh -c 'printf "%s\0" "$GOFLAGS" "$DRTEST_X"'`), " ")).Output()
	if diff := cmp.Diff("-tags=a b\x00$HOME;`id`\x00", string(got)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// What is no package is none of go test's flags either.
func TestFlagsAmongPackages(t *testing.T) {
	for _, args := range []string{"-- -bench=.", "./... -- -list=.", "./... -bench=."} {
		dir := t.TempDir()
		status, _, stderr := call(t, "pass", nil, append([]string{"run", "-out", dir}, strings.Fields(args)...)...)
		entries, err := os.ReadDir(dir)
		if status != trouble || stderr == "" || err != nil || len(entries) > 0 {
			t.Errorf("%s: exit status %d, %v, %v: %s", args, status, entries, err, stderr)
		}
	}
}

// What go test and its tests say reaches the terminal by harmless lines.
func TestHostileOutput(t *testing.T) {
	dir := t.TempDir()
	status, stdout, stderr := call(t, "hostile", nil, "run", "-out", dir, "./scenarios_test")
	stdout = stamp.ReplaceAllString(strings.ReplaceAll(stdout, dir, "OUT"), "RUN")
	want := `not \x1b[31mJSON\a
drill \x1b[2J\n1 results: 1 passed
    a_test.go:9: \x1b[32mPASS\x1b[0m \u202e

ID        TITLE     STATUS        DETECTION  RTO  RPO  RECOVERED  MACHINE
TestLoss  TestLoss  inconclusive  -          -    -    -          -
TestLoss: inconclusive: no journal, and the test failed: a_test.go:9: \x1b[32mPASS\x1b[0m \u202e
note: go test said beside its protocol: not \x1b[31mJSON\a
1 results: 0 passed, 0 failed, 1 inconclusive
report: OUT/RUN/report.html
`
	if diff := cmp.Diff(want, stdout); diff != "" || status != notPassed {
		t.Errorf("exit status %d, standard output (-want +got):\n%s", status, diff)
	}
	if want := "go: \\x1b]0;title\\a\n" + "no line break\n"; stderr != want {
		t.Errorf("standard error %q, want %q", stderr, want)
	}
}

// A run whose output cannot be kept ends its tests, and says why.
func TestKeeper(t *testing.T) {
	failed := make(chan struct{})
	k := &tolerantWriter{w: writer(func([]byte) (int, error) { return 0, os.ErrClosed }), failed: failed}
	for range 3 {
		if n, err := k.Write([]byte("abc")); n != 3 || err != nil {
			t.Fatal(n, err)
		}
	}
	if <-failed; k.err != os.ErrClosed {
		t.Error(k.err)
	}
}
