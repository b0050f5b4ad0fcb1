package drtest

import "math"

// significance is one minus the confidence of every statistical bound, one-sided: 95 %.
const significance = 0.05

// leastRate returns the lower bound of a failure rate, of which so many requests in a row of trials
// failed: with the rate any lower, that many or more would have failed in fewer than one of twenty
// such rows. It is the bound of Clopper and Pearson (Biometrika 26, 1934), one-sided.
func leastRate(failed, trials int) float64 {
	if failed == trials {
		return math.Pow(significance, 1/float64(trials))
	}
	lo, hi := 0.0, float64(failed)/float64(trials)
	for hi-lo > 1e-6*hi {
		if mid := (lo + hi) / 2; atLeast(failed, trials, mid) < significance {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

// atLeast is the probability that k or more of n fail, each with probability p. It adds up the
// smaller terms first where k is above the mean, as it is for a lower bound.
func atLeast(k, n int, p float64) float64 {
	choose, _ := math.Lgamma(float64(n + 1))
	a, _ := math.Lgamma(float64(k + 1))
	b, _ := math.Lgamma(float64(n - k + 1))
	term := math.Exp(choose - a - b + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
	sum := 0.0
	for i := k; i <= n && term > sum*1e-9; i++ {
		sum += term
		term *= float64(n-i) / float64(i+1) * p / (1 - p)
	}
	return sum
}

// acksToExclude returns how many requests in a row must be acked to exclude that each still fails
// with this rate. The doubt is shared by as many rows of acks as there were: each of them could
// have been the one that was long by chance.
func acksToExclude(rate float64, rows int) int {
	return max(1, int(math.Ceil(math.Log(significance/float64(rows))/math.Log1p(-rate))))
}

// excluded returns the failure rate above which a row of so many acks excludes that requests still
// fail.
func excluded(acks, rows int) float64 {
	return 1 - math.Pow(significance/float64(max(1, rows)), 1/float64(acks))
}
