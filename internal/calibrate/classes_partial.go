package calibrate

import (
	"math/rand/v2"
	"time"

	"github.com/drtest/suite/drtest"
)

// lasting draws how long trouble lasts that a share of the requests meets: long enough for some of them to fail.
func lasting(r *rand.Rand, l drtest.Load, rate float64) time.Duration {
	met := between(r, 6*time.Second, 40*time.Second) / time.Second // so many requests are expected to fail
	return time.Duration(float64(met) / rate * float64(l.Every))
}

// partial is trouble that some requests meet, and that is over when none does any more.
func partial(r *rand.Rand, l drtest.Load, over time.Duration, fails func(Request) bool) Plant {
	s := service(r, l)
	s.Failure = []Failure{Refuse, Refuse, Hang}[r.IntN(3)]
	s.Fails = fails
	c := s.scenario(l)
	c.Deadline = 10 * time.Minute
	return Plant{Scenario: c, Truths: func(*drtest.Ledger) []Truth { return []Truth{rto(over)} }}
}

func errorRate(r *rand.Rand) Plant {
	l := load(r)
	rate := 0.05 + 0.85*r.Float64()
	over := lasting(r, l, rate)
	return partial(r, l, over, func(q Request) bool { return q.Since < over && q.Luck < rate })
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
	return partial(r, l, over, func(q Request) bool {
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
	return partial(r, l, over, func(q Request) bool { return q.Since < over && shard(q.Number, shards, salt) == 0 })
}

func deadInstance(r *rand.Rand) Plant {
	l := load(r)
	instances := 2 + r.IntN(10)
	over := lasting(r, l, 1/float64(instances)) + between(r, 0, time.Duration(instances)*l.Every)
	return partial(r, l, over, func(q Request) bool { return q.Since < over && q.N%instances == 0 })
}

func rateForEver(r *rand.Rand) Plant {
	l := load(r)
	s := service(r, l)
	rate := 0.01 + 0.14*r.Float64()
	s.Fails = func(q Request) bool { return q.Luck < rate }
	c := s.scenario(l)
	c.Deadline = 30 * time.Second
	return Plant{Scenario: c, Rules: []Rule{never("service is back", drtest.RTO(long), drtest.Pass)}}
}
