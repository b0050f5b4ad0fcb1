//go:build unix

package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestListen: a run tells Prometheus of its drills while they run, and a port that is taken ends it
// before it has begun.
func TestListen(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	status, stdout, stderr := call(t, "pass", nil, "run", "-out", dir, "-listen", taken.Addr().String(), "./scenarios_test")
	want := "drreport: listen for Prometheus: listen tcp " + taken.Addr().String() + ": bind: address already in use\n"
	if left, err := os.ReadDir(dir); status != trouble || stdout != "" || stderr != want || err != nil || len(left) > 0 {
		t.Errorf("a port that is taken: exit status %d, standard output %q, standard error %q, left are %v %v", status, stdout, stderr, left, err)
	}
	taken.Close()
	url := "http://" + taken.Addr().String() + "/metrics"
	proceed := filepath.Join(t.TempDir(), "proceed")
	if err := syscall.Mkfifo(proceed, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DRREPORT_PROCEED", proceed)
	said := make(chan string, 1)
	go func() {
		defer close(said)
		_, stdout, _ := call(t, "wait", nil, "run", "-out", dir, "-listen", taken.Addr().String(), "./scenarios_test")
		said <- stdout
	}()
	gate, err := os.OpenFile(proceed, os.O_WRONLY, 0) // once go test waits
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || !strings.Contains(string(text), "\ndrtest_live_drills 0\n") { // the faked drill leaves its journal at its end
		t.Errorf("while it runs it tells: %v\n%s", err, text)
	}
	gate.Close()
	if stdout := <-said; !strings.HasPrefix(stdout, "metrics while it runs: "+url+"\n") || !strings.Contains(stdout, "1 passed") {
		t.Errorf("it says:\n%s", stdout)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("it answers after its end")
	}
}
