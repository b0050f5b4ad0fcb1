package watch

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestMetrics follows a drill by its journal, which is in the middle of a line when it is read. In
// this one all requests stand before the events.
func TestMetrics(t *testing.T) {
	data, err := os.ReadFile("../../drtest/testdata/ledgers/DR-DB-001.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	r, err := drtest.ReadReport(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "_artifacts", "1", "DR-DB-001.ndjson")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	s := newServer(dir)
	now := r.Ledger.Drill.Began.Add(7 * time.Second)
	scrape := func(kept int, after time.Duration) string {
		t.Helper()
		if err := os.WriteFile(path, data[:kept], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, now, now); err != nil {
			t.Fatal(err)
		}
		text, err := s.metrics(now.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if problems, err := promlint.New(bytes.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
			t.Errorf("Prometheus finds %v %v in\n%s", problems, err, text)
		}
		return string(text)
	}
	live := func(phase, acked, failed, waiting string) string {
		want := "# HELP drtest_live_drills How many drills go on.\n# TYPE drtest_live_drills gauge\ndrtest_live_drills 1\n" +
			"# HELP drtest_live_phase What a drill that goes on does: 1 for its phase, 0 for the others.\n# TYPE drtest_live_phase gauge\n"
		for _, p := range []string{"steadying", "injecting", "recovering", "examining"} {
			want += `drtest_live_phase{drill="DR-DB-001",phase="` + p + `"} ` + map[bool]string{true: "1", false: "0"}[p == phase] + "\n"
		}
		return want + "# HELP drtest_live_elapsed_seconds How long a drill has gone on.\n# TYPE drtest_live_elapsed_seconds gauge\n" +
			"drtest_live_elapsed_seconds{drill=\"DR-DB-001\"} 8\n" +
			"# HELP drtest_live_requests Requests of a drill that goes on: acked, failed, or waiting for their answer.\n# TYPE drtest_live_requests gauge\n" +
			"drtest_live_requests{drill=\"DR-DB-001\",outcome=\"acked\"} " + acked + "\ndrtest_live_requests{drill=\"DR-DB-001\",outcome=\"failed\"} " + failed +
			"\ndrtest_live_requests{drill=\"DR-DB-001\",outcome=\"waiting\"} " + waiting + "\n"
	}
	before := func(what string) int { // in the middle of the first line that says it
		i := bytes.Index(data, []byte(what))
		if i < 0 {
			t.Fatalf("the journal has no %s", what)
		}
		return i
	}
	for _, c := range []struct {
		reason                        string
		kept                          int
		phase, acked, failed, waiting string
	}{
		{"the second request waits", before(`"outcome":{"n":1,`), "steadying", "1", "0", "1"},
		{"the load has begun", before(`"kind":"steady state"`), "steadying", "82", "104", "0"},
		{"it is steady", before(`"kind":"fault"`), "injecting", "82", "104", "0"},
		{"the fault is in effect", before(`"kind":"detected"`), "recovering", "82", "104", "0"},
		{"it is over", before(`"kind":"survivors"`), "examining", "82", "104", "0"},
	} {
		got := scrape(c.kept, time.Second)
		if diff := cmp.Diff(live(c.phase, c.acked, c.failed, c.waiting), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.reason, diff)
		}
	}
	none := strings.Replace(strings.SplitAfter(live("", "", "", ""), "drtest_live_drills 1\n")[0], " 1\n", " 0\n", 1)
	if diff := cmp.Diff(none, scrape(before(`"kind":"survivors"`), silence+time.Second)); diff != "" {
		t.Errorf("its process has died (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(none, scrape(20, time.Second)); diff != "" {
		t.Errorf("the journal has nothing yet (-want +got):\n%s", diff)
	}
	whole := scrape(len(data), time.Second)
	for _, want := range []string{
		none,
		`drtest_drill_status{drill="DR-DB-001",status="pass"} 1`,
		`drtest_drill_figure_seconds{drill="DR-DB-001",figure="rto",end="hi"} `,
		`drtest_drill_limit_seconds{drill="DR-DB-001",figure="`,
	} {
		if !strings.Contains(whole, want) {
			t.Errorf("of a drill that has ended there is no %s in\n%s", want, whole)
		}
	}
	if err := os.Remove(path); err != nil { // it is read once
		t.Fatal(err)
	}
	if again, err := s.metrics(now); err != nil || string(again) != whole {
		t.Errorf("of the same drill it says something else later: %v\n%s", err, again)
	}
}

// TestListen: it answers until it is closed, on this machine alone, and nothing is left of it.
func TestListen(t *testing.T) {
	s, err := Listen(":0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if host, _, _ := net.SplitHostPort(s.at.String()); host != "127.0.0.1" {
		t.Errorf("it answers on %s", s.at)
	}
	_, err = Listen(s.at.String(), t.TempDir())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.HasPrefix(err.Error(), "listen for Prometheus: listen tcp "+s.at.String()) {
		t.Errorf("of a port that is taken it says: %v", err)
	}
	answer, err := http.Get(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(text), "\ndrtest_live_drills 0\n") {
		t.Errorf("got %s %v: %s", answer.Status, err, text)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", s.at.String()); err == nil {
		t.Error("it answers after its end")
	}
	again, err := Listen(s.at.String(), t.TempDir())
	if err != nil {
		t.Fatalf("the port is not free again: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Listen("9464", t.TempDir()); err == nil || err.Error() != "listen for Prometheus: address 9464: missing port in address" {
		t.Errorf("of an address without a port it says: %v", err)
	}
}
