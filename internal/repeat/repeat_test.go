package repeat

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within {
		t.Errorf("%s: got %.9f, want %.9f", what, got, want)
	}
}

// TestKnownRates compares with what R's binom.test says, and with the closed forms.
func TestKnownRates(t *testing.T) {
	for _, c := range []struct {
		k, n   int
		lo, hi float64 // for both sides
	}{
		{0, 10, 0, 0.3084971}, {1, 10, 0.002528579, 0.445016117}, {5, 10, 0.187086028, 0.812913972}, {10, 10, 0.6915029, 1},
		{1, 20, 0.001265089, 0.248732763}, {3, 20, 0.032070937, 0.378926827}, {20, 20, 0.831566520, 1},
	} {
		lo, hi := Between(c.k, c.n, 0.95)
		near(t, fmt.Sprintf("%d of %d, lower end", c.k, c.n), lo, c.lo, 1e-7)
		near(t, fmt.Sprintf("%d of %d, upper end", c.k, c.n), hi, c.hi, 1e-7)
		near(t, "the mirror image", AtLeast(c.n-c.k, c.n, 0.95), 1-AtMost(c.k, c.n, 0.95), 1e-9)
	}
	near(t, "0 of 20, one side", AtMost(0, 20, 0.95), 0.139108341, 1e-9)
	near(t, "1 of 20, one side", AtMost(1, 20, 0.95), 0.216106164, 1e-7)
	near(t, "no play at all", AtMost(0, 0, 0.95), 1, 0)
	for _, n := range []int{30, 100, 1000, 10000} { // the rule of three: Hanley and Lippman-Hand, JAMA 249, 1983, p. 1743
		got := AtMost(0, n, 0.95)
		near(t, fmt.Sprintf("0 of %d by the rule of three", n), got*float64(n), 3, 0.16)
	}
}

// TestCoverage adds up exactly how often a bound holds, for all rates of a grid: never less than it
// says. A bound that is a little smaller would hold less often.
func TestCoverage(t *testing.T) {
	probability := func(k, n int, rate float64) float64 { return below(k+1, n, rate) - below(k, n, rate) }
	for _, n := range []int{1, 3, 10, 20, 59} {
		type bounds struct{ most, least, lo, hi float64 }
		var of []bounds
		for k := range n + 1 {
			lo, hi := Between(k, n, 0.95)
			of = append(of, bounds{AtMost(k, n, 0.95), AtLeast(k, n, 0.95), lo, hi})
		}
		least := map[string]float64{"at most": 1, "at least": 1, "between": 1, "a bound that is a twentieth too small": 1}
		for rate := 0.01; rate < 1; rate += 0.01 {
			held := map[string]float64{}
			for k, b := range of {
				p := probability(k, n, rate)
				for name, holds := range map[string]bool{
					"at most": rate <= b.most, "at least": rate >= b.least, "between": b.lo <= rate && rate <= b.hi,
					"a bound that is a twentieth too small": rate <= 0.95*b.most,
				} {
					if holds {
						held[name] += p
					}
				}
			}
			for name := range least {
				least[name] = min(least[name], held[name])
			}
		}
		for name, share := range least {
			if wrong := name == "a bound that is a twentieth too small"; (share < 0.95-1e-9) != wrong {
				t.Errorf("%d plays: %s holds in %.4f of the cases", n, name, share)
			}
		}
	}
}

func TestRanks(t *testing.T) {
	for _, c := range []struct {
		n        int
		quantile float64
		want     int // 0: none
	}{
		{4, 0.5, 0}, {5, 0.5, 5}, {8, 0.5, 7}, {20, 0.5, 15}, {28, 0.9, 0}, {29, 0.9, 29}, {58, 0.95, 0}, {59, 0.95, 59}, {93, 0.95, 92}, {298, 0.99, 0}, {299, 0.99, 299},
	} {
		rank, found := Rank(c.n, c.quantile, 0.95)
		if rank != c.want || found != (c.want > 0) {
			t.Errorf("the quantile %v of %d: got %d, %v, want %d", c.quantile, c.n, rank, found, c.want)
		}
		if enough := c.n >= Needed(c.quantile, 0.95); enough != found {
			t.Errorf("the quantile %v is said to need %d values, and %d of them give %v", c.quantile, Needed(c.quantile, 0.95), c.n, found)
		}
	}
	near(t, "what the largest of 20 bounds", AtLeast(20, 20, 0.95), 0.860891659, 1e-8)
}

// TestQuantileBounds draws from distributions whose quantiles are known, with gaps, ties and a
// heavy tail: the bound holds as often as it says.
func TestQuantileBounds(t *testing.T) {
	const tries = 2000
	for _, c := range []struct {
		name string
		draw func(*rand.Rand) float64
		// quantile is the smallest value that at least this share does not exceed.
		quantile func(share float64) float64
	}{
		{"even", (*rand.Rand).Float64, func(q float64) float64 { return q }},
		{"exponential", (*rand.Rand).ExpFloat64, func(q float64) float64 { return -math.Log1p(-q) }},
		{"a heavy tail", func(r *rand.Rand) float64 { return 1 / (1 - r.Float64()) }, func(q float64) float64 { return 1 / (1 - q) }},
		{"two humps", func(r *rand.Rand) float64 {
			if r.Float64() < 0.8 {
				return r.Float64()
			}
			return 10 + r.Float64()
		}, func(q float64) float64 {
			if q <= 0.8 {
				return q / 0.8
			}
			return 10 + (q-0.8)/0.2
		}},
		{"whole seconds", func(r *rand.Rand) float64 { return math.Ceil(5 * r.Float64()) }, func(q float64) float64 { return math.Ceil(5 * q) }},
	} {
		for _, n := range []int{5, 20, 59, 100} {
			r := rand.New(rand.NewPCG(23, uint64(n)))
			held, short := map[float64]int{}, 0
			top := AtLeast(n, n, 0.95) // what the largest bounds
			ranks := map[float64]int{}
			for _, q := range []float64{0.5, 0.9, 0.95} {
				if rank, found := Rank(n, q, 0.95); found {
					ranks[q] = rank
				}
			}
			for range tries {
				values := make([]float64, n)
				for i := range values {
					values[i] = c.draw(r)
				}
				slices.Sort(values)
				for q, rank := range ranks {
					if values[rank-1] >= c.quantile(q) {
						held[q]++
					}
				}
				if values[n-1] >= c.quantile(top-1e-9) {
					held[top]++
				}
				if rank := ranks[0.5]; rank > 1 && values[rank-2] >= c.quantile(0.5) {
					short++
				}
			}
			least := 0.95*tries - 3*math.Sqrt(tries*0.95*0.05)
			for q, times := range held {
				if float64(times) < least {
					t.Errorf("%s, %d values: the bound of %.3f holds in %d of %d tries, want %.0f", c.name, n, q, times, tries, least)
				}
			}
			if c.name == "even" && n == 100 && float64(short) >= 0.95*tries {
				t.Errorf("the value before the bound holds as well: in %d of %d tries", short, tries)
			}
		}
	}
}

func TestMiddle(t *testing.T) {
	for _, c := range []struct {
		sorted      []float64
		median, p95 float64
	}{
		{[]float64{3}, 3, 3}, {[]float64{1, 2}, 1.5, 2}, {[]float64{1, 2, math.Inf(1)}, 2, math.Inf(1)}, {[]float64{1, math.Inf(1)}, math.Inf(1), math.Inf(1)},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, 10.5, 19},
	} {
		if got := Median(c.sorted); cmp.Compare(got, c.median) != 0 {
			t.Errorf("the median of %v: got %v", c.sorted, got)
		}
		if got := Percentile(c.sorted, 95); cmp.Compare(got, c.p95) != 0 {
			t.Errorf("the 95th percentile of %v: got %v", c.sorted, got)
		}
	}
}
