package calibrate

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"github.com/drtest/suite/drtest"
)

// lasting draws how long trouble lasts that a share of the requests meets: long enough for some of them to fail.
func lasting(r *rand.Rand, l drtest.Load, rate float64) time.Duration {
	met := between(r, 6*time.Second, 40*time.Second) / time.Second // so many requests are expected to fail
	return time.Duration(float64(met) / rate * float64(l.Every))
}

// partial is trouble that some requests meet, at last at that rate, and that is over when none does any more.
func partial(r *rand.Rand, l drtest.Load, rate float64, over time.Duration, fails func(Request) bool) Plant {
	s := service(r, l)
	s.Failure = []Failure{Refuse, Refuse, Hang}[r.IntN(3)]
	s.Fails = fails
	c := s.scenario(l)
	c.Deadline = 10 * time.Minute
	truth := rto(over)
	truth.Rate = rate
	return Plant{Scenario: c, Truths: func(*drtest.Ledger) []Truth { return []Truth{truth} }}
}

func errorRate(r *rand.Rand) Plant {
	l := load(r)
	rate := 0.05 + 0.85*r.Float64()
	over := lasting(r, l, rate)
	return partial(r, l, rate, over, func(q Request) bool { return q.Since < over && q.Luck < rate })
}

func fallingRate(r *rand.Rand) Plant {
	l := load(r)
	rates := []float64{0.8 + 0.15*r.Float64(), 0.2 + 0.4*r.Float64(), 0.05 + 0.15*r.Float64()}
	var until []time.Duration
	over := time.Duration(0)
	for _, rate := range rates {
		over += lasting(r, l, rate)
		until = append(until, over)
	}
	return partial(r, l, rates[2], over, func(q Request) bool {
		for i, rate := range rates {
			if q.Since < until[i] {
				return q.Luck < rate
			}
		}
		return false
	})
}

// shard spreads the numbers of units over so many shards, in no order.
func shard(number, shards int, salt uint64) int {
	return int(rand.New(rand.NewPCG(salt, uint64(number))).IntN(shards))
}

func deadShard(r *rand.Rand) Plant {
	l := load(r)
	shards, salt := 2+r.IntN(10), r.Uint64()
	over := lasting(r, l, 1/float64(shards))
	return partial(r, l, 1/float64(shards), over, func(q Request) bool { return q.Since < over && shard(q.Number, shards, salt) == 0 })
}

func deadInstance(r *rand.Rand) Plant {
	l := load(r)
	instances := 2 + r.IntN(10)
	over := lasting(r, l, 1/float64(instances)) + between(r, 0, time.Duration(instances)*l.Every)
	return partial(r, l, 1/float64(instances), over, func(q Request) bool { return q.Since < over && q.N%instances == 0 })
}

func rateForEver(r *rand.Rand) Plant {
	rate := 0.01 + 0.14*r.Float64()
	return forEver(r, rate, func(q Request) bool { return q.Luck < rate })
}

func shardForEver(r *rand.Rand) Plant {
	shards, salt := 5+r.IntN(16), r.Uint64()
	return forEver(r, 1/float64(shards), func(q Request) bool { return shard(q.Number, shards, salt) == 0 })
}

// forEver is trouble that some requests meet, and that is never over.
func forEver(r *rand.Rand, rate float64, fails func(Request) bool) Plant {
	l := load(r)
	s := service(r, l)
	s.Fails = fails
	c := s.scenario(l)
	c.Deadline = 20 * time.Second
	return Plant{Scenario: c, Rules: []Rule{
		{Name: "service is back, without a word that so many may still fail", Objectives: []drtest.Objective{drtest.RTO(long)},
			Broken: func(report *drtest.Report) string {
				if v := report.Verdicts[0]; v.Status == drtest.Pass && !admits(v.Why, rate) {
					return fmt.Sprintf("%v, with an error rate of %.1f %%", v, 100*rate)
				}
				return ""
			}},
	}}
}

var percent = regexp.MustCompile(`([0-9.]+) ?%`)

// admits says whether a verdict names an error rate that it does not exclude, of at least that much.
func admits(why string, rate float64) bool {
	for _, found := range percent.FindAllStringSubmatch(why, -1) {
		if named, err := strconv.ParseFloat(found[1], 64); err == nil && named >= 100*rate-0.05 { // it is rounded
			return true
		}
	}
	return false
}
