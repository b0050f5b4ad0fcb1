package drtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
)

// longDrill is a ledger of so many requests, one a millisecond. Of those a thousand after the first
// tenth fail.
func longDrill(ops int, edits ...func(*drtest.Ledger)) *drtest.Ledger {
	l := &drtest.Ledger{
		Drill: drtest.Drill{ID: "LONG", Title: "a long drill", Fault: "cut link", Every: ms, Timeout: 500 * ms, Steady: time.Second, Deadline: 2 * time.Hour, Watched: true},
		Ended: true, Survivors: []string{},
	}
	fault := time.Duration(ops/10) * ms
	l.Events = []drtest.Event{
		{Kind: drtest.FaultInjected, Interval: drtest.Interval{Lo: fault, Hi: fault + 5*ms}, Note: "cut link", Receipt: "a dial is refused"},
		{Kind: drtest.HealthLost, Interval: drtest.Interval{Lo: fault, Hi: fault + 10*ms}, Note: "503 database: circuit open"},
	}
	for n := range ops {
		due := time.Duration(n) * ms
		op := drtest.Op{ID: fmt.Sprintf("abcdef-%06d", n), Due: due, Start: due + 12345, End: due + 2*ms + 54321, Outcome: drtest.Acked}
		if n > ops/10 && n < ops/10+1000 {
			op.Outcome, op.Err = drtest.Unknown, "dial tcp 127.0.0.1:8080: connect: connection refused"
		} else {
			l.Survivors = append(l.Survivors, op.ID)
		}
		l.Ops = append(l.Ops, op)
	}
	for at := time.Duration(0); at < time.Duration(ops)*ms; at += 250 * ms {
		l.Readings = append(l.Readings, drtest.Reading{At: at, Waited: at / 50})
	}
	for _, edit := range edits {
		edit(l)
	}
	return l
}

// tracked adds a sample a millisecond, with a unit that is accepted and one that is finished.
func tracked(l *drtest.Ledger) {
	l.Drill.Tracked = true
	for n, op := range l.Ops {
		s := drtest.Sample{Interval: drtest.Interval{Lo: op.Start, Hi: op.Start + ms/2}, Units: map[string]drtest.Progress{op.ID: {Attempt: 1}}}
		if n > 0 {
			s.Units[l.Ops[n-1].ID] = drtest.Progress{Done: 4, Attempt: 1, Finished: true}
		}
		l.Samples = append(l.Samples, s)
	}
}

func BenchmarkReadReport(b *testing.B) {
	for _, c := range []struct {
		name  string
		ops   int
		edits []func(*drtest.Ledger)
	}{
		{"10k", 10_000, nil}, {"100k", 100_000, nil}, {"100k tracked", 100_000, []func(*drtest.Ledger){tracked}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var journal bytes.Buffer
			if _, err := drtest.Judge(longDrill(c.ops, c.edits...), drtest.RTO(5*time.Second), drtest.RPO(0)).WriteTo(&journal); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(journal.Len()))
			b.ReportAllocs()
			for b.Loop() {
				r, err := drtest.ReadReport(bytes.NewReader(journal.Bytes()))
				if err != nil || len(r.Ledger.Ops) != c.ops {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(c.ops), "ns/request")
		})
	}
}

func BenchmarkWriteTo(b *testing.B) {
	r := drtest.Judge(longDrill(100_000), drtest.RTO(5*time.Second))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/request")
}

// BenchmarkThousandRequestsASecond plays a drill over loopback for a minute, and tells whether its
// clients kept their pace: go test -run - -bench Thousand -benchtime 1x ./drtest
func BenchmarkThousandRequestsASecond(b *testing.B) {
	for b.Loop() {
		service := new(fakeService)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := service.Do(r.Context(), r.URL.Path); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
		}))
		client := server.Client()
		client.Transport.(*http.Transport).MaxIdleConnsPerHost = 100
		cut := drtest.Fault{
			Name: "cut",
			Inject: func(context.Context) (drtest.Effect, error) {
				service.set(true)
				return drtest.Effect{Receipt: "cut"}, nil
			},
			Heal: func(context.Context) error { service.set(false); return nil },
		}
		l, err := drtest.Play(b.Context(), drtest.Scenario{
			ID: "RATE", Workload: remoteCounter{service, server.URL, client}, Fault: cut, HealAfter: 10 * time.Second, Deadline: 5 * time.Minute,
			Load:       drtest.Load{Every: ms, Timeout: time.Second, Steady: 25 * time.Second},
			Objectives: []drtest.Objective{drtest.RTO(time.Minute)},
		})
		server.Close()
		if err != nil {
			b.Fatal(err)
		}
		late, worst, p99 := l.Late()
		b.ReportMetric(float64(len(l.Ops)), "requests")
		b.ReportMetric(float64(late), "late")
		b.ReportMetric(float64(p99.Microseconds())/1000, "p99-late-ms")
		b.ReportMetric(float64(worst.Microseconds())/1000, "worst-late-ms")
		r := drtest.Judge(l, drtest.RTO(time.Minute))
		b.Logf("the machine: %q; %v", r.Strain().Why(), r.Verdicts)
	}
}

// remoteCounter is a counter whose requests go over HTTP.
type remoteCounter struct {
	*fakeService
	url    string
	client *http.Client
}

func (r remoteCounter) Do(ctx context.Context, id string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.url+"/"+id, nil)
	if err != nil {
		return err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
