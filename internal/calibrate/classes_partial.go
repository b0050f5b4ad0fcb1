package calibrate

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"time"

	"github.com/drtest/suite/drtest"
)

// lasting draws how long trouble lasts that a share of the requests meets: long enough for some of
// them to fail.
func lasting(r *rand.Rand, l drtest.Load, rate float64) time.Duration {
	met := between(r, 6*time.Second, 40*time.Second) / time.Second // so many requests are expected to fail
	return time.Duration(float64(met) / rate * float64(l.Every))
}

// partial is trouble that some requests meet, at last at that rate, and that is over when none does
// any more.
func partial(r *rand.Rand, l drtest.Load, rate float64, over time.Duration, fails func(Request) bool) Plant {
	s := service(r, l)
	s.Failure = []Failure{Refuse, Refuse, Hang}[r.IntN(3)]
	s.Fails = fails
	c := s.scenario(l)
	c.Watch = time.Duration(4 / rate * float64(l.Every)) // or the drill may be over before the first request fails
	c.Deadline = 10 * time.Minute
	truth := s.rto(over)
	truth.Rate = rate
	return Plant{Scenario: c, Truths: func(*drtest.Ledger) []Truth { return []Truth{truth} }}
}

func errorRate(r *rand.Rand) Plant {
	l := load(r)
	rate := 0.05 + 0.85*r.Float64()
	over := lasting(r, l, rate)
	return partial(r, l, rate, over, func(q Request) bool { return q.Since < over && q.Luck < rate })
}

// toldLate is trouble of which much is over when Inject returns: what is seen meanwhile shows the
// rate.
func toldLate(r *rand.Rand) Plant {
	l := load(r)
	rate := 0.05 + 0.85*r.Float64()
	over := lasting(r, l, rate)
	p := partial(r, l, rate, over, func(q Request) bool { return q.Since < over && q.Luck < rate })
	p.Scenario.Workload.(*Service).InjectAfter = over - between(r, 0, 20*l.Every)
	return p
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
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", salt, number))
	return int(binary.BigEndian.Uint64(sum[:]) % uint64(shards))
}

// sharded is a service whose clients know the shard of each unit.
type sharded struct {
	*Service
	shards int
	salt   uint64
}

func (s sharded) Class(id string) string {
	return fmt.Sprint("shard ", shard(number(id), s.shards, s.salt))
}

func knownShard(r *rand.Rand) Plant {
	l := load(r)
	shards, salt := 2+r.IntN(10), r.Uint64()
	over := lasting(r, l, 1/float64(shards))
	s := service(r, l)
	s.Failure = []Failure{Refuse, Hang}[r.IntN(2)]
	s.Fails = func(q Request) bool { return q.Since < over && shard(q.Number, shards, salt) == 0 }
	c := s.scenario(l)
	c.Workload = sharded{s, shards, salt}
	c.Watch = 4 * time.Duration(shards) * l.Every
	return Plant{Scenario: c, Truths: func(*drtest.Ledger) []Truth { return []Truth{s.rto(over)} }}
}

// seldom is a service with a shard that every hundredth request or so is for.
type seldom struct {
	*Service
	every int
}

func (s seldom) Class(id string) string {
	if number(id)%s.every == 3 {
		return "archive"
	}
	return "shop"
}

func rareForEver(r *rand.Rand) Plant {
	l := load(r)
	s, down := service(r, l), outage(r, l)
	w := seldom{s, 60 + r.IntN(200)}
	s.Fails = func(q Request) bool { return q.Since < down || q.Number%w.every == 3 }
	c := s.scenario(l)
	c.Workload = w
	c.Deadline = 15*time.Second + time.Duration(2*w.every)*l.Every // it is asked for twice
	return Plant{Scenario: c, Rules: []Rule{never("all are served again", drtest.RTO(long), drtest.Pass)}}
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

// asked is an objective on the error rate, and trouble that ends, so that it can be met.
func asked(r *rand.Rand) Plant {
	p, atMost := errorRate(r), 0.02+0.08*r.Float64()
	p.Scenario.Objectives = append(p.Scenario.Objectives, drtest.ErrorRate(atMost))
	p.Rules = []Rule{never("so many may still fail", drtest.ErrorRate(atMost), drtest.Fail, drtest.Inconclusive)}
	return p
}

// askedForEver is likewise trouble that never ends, at a rate that must not be.
func askedForEver(r *rand.Rand) Plant {
	atMost := 0.02 + 0.08*r.Float64()
	rate := atMost * (1 + r.Float64())
	p := forEver(r, rate, func(q Request) bool { return q.Luck < rate })
	p.Scenario.Objectives = append(p.Scenario.Objectives, drtest.ErrorRate(atMost))
	p.Rules = append(p.Rules, never("no more than the objective allows still fail", drtest.ErrorRate(atMost), drtest.Pass))
	return p
}

var excluded = regexp.MustCompile(`exclude a failure rate above ([0-9.]+) %`)

// admits says whether a verdict names the error rate that it excludes, and that rate is at least
// this one.
func admits(why string, rate float64) bool {
	found := excluded.FindStringSubmatch(why)
	if found == nil {
		return false
	}
	named, err := strconv.ParseFloat(found[1], 64)
	return err == nil && named >= 100*rate-0.05 // it is rounded
}
