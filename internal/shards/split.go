package shards

import (
	"cmp"
	"slices"
	"time"
)

// Split divides tests among n machines, so that all of them are busy for about as long. Each test is
// in exactly one of the lists, and the lists depend on nothing but the arguments. A test without a
// duration counts as the median of those that have one. There is no empty list, unless there are
// fewer tests than lists.
func Split(tests []string, took map[string]time.Duration, n int) [][]string {
	usual := Usual(tests, took)
	lasts := func(test string) time.Duration {
		if d, known := took[test]; known {
			return d
		}
		return usual
	}
	tests = slices.Compact(slices.Sorted(slices.Values(tests)))
	// The longest first, each to whom has least to do: at worst a third longer than the best
	// division (Graham, Bounds on Multiprocessing Timing Anomalies, 1969).
	slices.SortStableFunc(tests, func(a, b string) int { return cmp.Compare(lasts(b), lasts(a)) })
	lists, load := make([][]string, n), make([]time.Duration, n)
	for _, test := range tests {
		least := 0
		for i := range lists {
			if c := cmp.Compare(load[i], load[least]); c < 0 || c == 0 && len(lists[i]) < len(lists[least]) {
				least = i
			}
		}
		lists[least], load[least] = append(lists[least], test), load[least]+lasts(test)
	}
	for _, list := range lists {
		slices.Sort(list)
	}
	return lists
}

// Usual is the median of the durations that are known of the tests, or zero.
func Usual(tests []string, took map[string]time.Duration) time.Duration {
	var known []time.Duration
	for _, test := range tests {
		if d, is := took[test]; is {
			known = append(known, d)
		}
	}
	if len(known) == 0 {
		return 0
	}
	slices.Sort(known)
	return known[len(known)/2]
}
