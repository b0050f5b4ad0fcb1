// Package repeat says what repetition can prove: how often something happens that was seen in so
// many of so many plays, and how long the slow ones take. All bounds are exact for any number of
// plays and for any distribution. They take the plays to be independent of each other, and alike.
package repeat

import "math"

// AtMost returns the upper bound of the rate of what happened in k of n plays: with any rate above
// it, so few would be seen with a probability of less than 1 - confidence. For k = 0 it is
// 1 - (1 - confidence)^(1/n). It is the bound of Clopper and Pearson (Biometrika 26, 1934, p. 404),
// for one side.
func AtMost(k, n int, confidence float64) float64 {
	switch {
	case k >= n: // or there is no play
		return 1
	case k == 0:
		return -math.Expm1(math.Log1p(-confidence) / float64(n))
	}
	_, hi := bisect(func(rate float64) bool { return below(k+1, n, rate) > 1-confidence })
	return hi
}

// AtLeast returns the lower bound of the rate of what happened in k of n plays, for one side: it is
// the mirror image of [AtMost].
func AtLeast(k, n int, confidence float64) float64 {
	if k == 0 {
		return 0
	}
	if k == n {
		return math.Exp(math.Log1p(-confidence) / float64(n))
	}
	lo, _ := bisect(func(rate float64) bool { return below(k, n, rate) > confidence })
	return lo
}

// Between returns the exact interval of Clopper and Pearson for both sides, each of which may miss
// the rate with half of what the confidence leaves.
func Between(k, n int, confidence float64) (lo, hi float64) {
	each := (1 + confidence) / 2
	return AtLeast(k, n, each), AtMost(k, n, each)
}

// Rank says which of n values, counted from the smallest, is no less than a quantile of what they
// are drawn from, with that confidence and for any distribution: the least r for which a binomial
// number of n and quantile is below r with that probability. There is none for few values: see
// [Needed]. (H. A. David, H. N. Nagaraja: Order Statistics, 2003, section 7.1.)
func Rank(n int, quantile, confidence float64) (rank int, found bool) {
	for r := 1; r <= n; r++ {
		if below(r, n, quantile) >= confidence {
			return r, true
		}
	}
	return 0, false
}

// Needed is how many values it takes until the largest of them bounds a quantile.
func Needed(quantile, confidence float64) int {
	return int(math.Ceil(math.Log1p(-confidence) / math.Log(quantile)))
}

// Median is the middle one of sorted values, or the mean of the two in the middle.
func Median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// Percentile is the smallest of sorted values that at least so many per cent of them do not exceed
// ("nearest rank").
func Percentile(sorted []float64, percent int) float64 {
	return sorted[max(1, (percent*len(sorted)+99)/100)-1]
}

// below is the probability that fewer than k of n plays have what each has with that rate.
func below(k, n int, rate float64) float64 {
	if rate <= 0 || k > n {
		return 1
	}
	if rate >= 1 {
		return 0
	}
	all, _ := math.Lgamma(float64(n + 1))
	sum := 0.0
	for i := range k {
		a, _ := math.Lgamma(float64(i + 1))
		b, _ := math.Lgamma(float64(n - i + 1))
		sum += math.Exp(all - a - b + float64(i)*math.Log(rate) + float64(n-i)*math.Log1p(-rate))
	}
	return min(1, sum)
}

// bisect returns two rates next to each other of which the first satisfies holds and the second
// does not.
func bisect(holds func(rate float64) bool) (lo, hi float64) {
	for lo, hi = 0, 1; hi-lo > 1e-12; {
		if mid := (lo + hi) / 2; holds(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo, hi
}
