package drift

import (
	"math"

	"github.com/aclements/go-moremath/mathx"
	"github.com/aclements/go-moremath/stats"
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

// interval returns the rates that k of n do not exclude, with a confidence of 95 %: the exact
// interval of Clopper and Pearson (Biometrika 26, 1934).
func (r Rate) interval() (lo, hi float64) {
	const each = 0.025
	k, n := float64(r.Times), float64(r.Plays)
	lo, hi = 0, 1
	if r.Times > 0 { // k or more of n are rarer than that with a lower rate
		lo = invert(func(p float64) bool { return mathx.BetaInc(p, k, n-k+1) < each })
	}
	if r.Times < r.Plays { // k or less
		hi = invert(func(p float64) bool { return mathx.BetaInc(p, k+1, n-k) < 1-each })
	}
	return lo, hi
}

// invert returns where below turns false, from 0 to 1.
func invert(below func(p float64) bool) float64 {
	lo, hi := 0.0, 1.0
	for range 60 {
		if mid := (lo + hi) / 2; below(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

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
