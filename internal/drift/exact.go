package drift

import (
	"math"

	"github.com/aclements/go-moremath/stats"
	"github.com/drtest/suite/internal/repeat"
)

// fisher returns the probability of rates that differ at least as much, were they the same: the
// exact test of Fisher, two-sided, of a in n plays against b in m.
func fisher(a, n, b, m int) float64 {
	if n == 0 || m == 0 {
		return 1
	}
	d := stats.HypergeometicDist{N: n + m, K: a + b, Draws: n}
	seen, p := d.PMF(float64(a)), 0.0
	for i := max(0, a+b-m); i <= min(n, a+b); i++ {
		if q := d.PMF(float64(i)); q <= seen*(1+1e-9) { // as likely, but for rounding
			p += q
		}
	}
	return min(1, p)
}

// interval returns the rates that are not excluded, with a confidence of 95 %.
func (r Rate) interval() (lo, hi float64) { return repeat.Between(r.Times, r.Plays, 0.95) }

// leastP is the least that a test of so many samples can ever return: two samples that lie apart, or
// all plays against none, in either direction.
func leastP(n, m int) float64 {
	if n == 0 || m == 0 {
		return 1
	}
	choose := func(n, k int) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(k + 1))
		c, _ := math.Lgamma(float64(n - k + 1))
		return a - b - c
	}
	return min(1, 2*math.Exp(-choose(n+m, n)))
}

// needed is how many samples each side needs, so that such a p is possible.
func needed(p float64) (n int) {
	for n = 1; leastP(n, n) > p; n++ {
	}
	return n
}
