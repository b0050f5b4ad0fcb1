package containertest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/internal/wait"
	"github.com/stretchr/testify/require"
)

// BenchmarkService measures what a service costs a drill: until it is ready, and how long the
// injection of a fault takes, which is the uncertainty of every time that is measured from it. A
// partition is seen by its first packet; the clients here send one each millisecond. Run it with
// -benchtime=10x.
func BenchmarkService(b *testing.B) {
	network := containertest.NewNetwork(b)
	took := map[string]time.Duration{}
	measure := func(name string, f func() error) {
		begin := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		took[name] += time.Since(begin)
	}
	measureFault := func(name string, f drtest.Fault) {
		measure(name, func() error { _, err := f.Inject(b.Context()); return err })
		measure(name+"-heal", func() error { return f.Heal(b.Context()) })
	}
	for b.Loop() {
		c := echoService(b, "server", network)
		var s *containertest.Service
		start := func() error { s = containertest.Start(b, c); return nil }
		measure("start", start)
		measureFault("pause", s.Pause())
		measureFault("crash", s.Crash())
		start()
		measureFault("kill", s.Kill())
		start()
		measureFault("stop", s.Stop())

		c.Firewall = true
		measure("start-with-firewall", start)
		hangUp := send(b, s)
		measureFault("partition", s.Partition(gateway(b, network)))
		hangUp()
		measureFault("kill-with-firewall", s.Kill())
	}
	for name, sum := range took {
		b.ReportMetric(float64(sum.Microseconds())/1000/float64(b.N), name+"-ms")
	}
}

// send sends a line to the service each millisecond, until the function that it returns is called.
func send(tb testing.TB, s *containertest.Service) (hangUp func()) {
	addr, err := s.HostAddr(tb.Context())
	require.NoError(tb, err)
	conn, err := net.Dial("tcp", addr)
	require.NoError(tb, err)
	go wait.For(tb.Context(), time.Millisecond, func(context.Context) error {
		if _, err := fmt.Fprintln(conn, "hello"); err == nil {
			return errors.New("goes on")
		}
		return nil
	})
	return func() { conn.Close() }
}
