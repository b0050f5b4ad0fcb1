package proxytest_test

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// BenchmarkFault measures the injection of each fault of a link together with its healing.
func BenchmarkFault(b *testing.B) {
	s := services(b, "a", "b")
	l := proxytest.Start(b, proxytest.Config{Network: s[0].Network()}).Link(b, "db", s[0])
	for _, f := range []drtest.Fault{l.Cut(), l.Blackhole(), l.Slow(silence)} {
		b.Run(f.Name, func(b *testing.B) {
			for b.Loop() {
				if _, err := f.Inject(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := f.Heal(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("route elsewhere", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			if err := l.RouteTo(s[n%2]).Do(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
