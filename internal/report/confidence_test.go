package report

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/drtest/suite/drtest"
)

// A chancy service is down for a while after each fault, and sometimes loses what it acked last:
// both by chance, with distributions that are known.
type chancy struct {
	mu     sync.Mutex
	down   bool
	held   []string
	outage time.Duration
	loses  bool
}

func (c *chancy) Do(_ context.Context, id string) error {
	<-time.After(5 * ms)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down {
		return errors.New("connection refused")
	}
	c.held = append(c.held, id)
	return nil
}

func (c *chancy) Survivors(context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held, nil
}

func (c *chancy) fail(context.Context) (drtest.Effect, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down = true; c.loses {
		c.held = c.held[:len(c.held)-2]
	}
	time.AfterFunc(c.outage, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.down = false
	})
	return drtest.Effect{Receipt: "it is down"}, nil
}

// play plays it in virtual time.
func (c *chancy) play(t *testing.T) (r *drtest.Report) {
	synctest.Test(t, func(t *testing.T) {
		l, err := drtest.Play(t.Context(), drtest.Scenario{
			ID: "CHANCE", Workload: c, Load: drtest.Load{Every: 50 * ms, Timeout: 200 * ms, Steady: 500 * ms},
			Fault: drtest.Fault{Name: "fail", Inject: c.fail}, Objectives: []drtest.Objective{drtest.RTO(time.Minute)}, Deadline: time.Minute,
		})
		if err != nil {
			t.Error(err)
		}
		r = drtest.Judge(l, drtest.RTO(time.Minute), drtest.RPO(0))
	})
	return r
}

// TestConfidence: of many runs of several plays, what is said of the rate of losses and of the
// percentiles of the RTO is true in as many as is said. The truth is planted.
func TestConfidence(t *testing.T) {
	const runs, plays, least, mean = 60, 12, 300 * ms, time.Second
	// That of an exponential distribution that begins at the least.
	quantile := func(q float64) float64 { return least.Seconds() - mean.Seconds()*math.Log1p(-q) }
	for _, rate := range []float64{0.05, 0.3} {
		random := rand.New(rand.NewPCG(23, uint64(rate*100)))
		held, small := map[string]int{}, 0
		for range runs {
			var results []Result
			for k := 1; k <= plays; k++ {
				c := &chancy{outage: least + time.Duration(random.ExpFloat64()*float64(mean)), loses: random.Float64() < rate}
				x := resultOf(c.play(t), nil)
				x.Play, x.Journal = k, "CHANCE.ndjson"
				results = append(results, x)
			}
			g := repeated(results, plays)[0]
			if g.Counted != plays || g.Loss.Of != plays {
				t.Fatalf("%d of %d plays count, and %d show losses: %v", g.Counted, plays, g.Loss.Of, g.LeftOut)
			}
			for name, holds := range map[string]bool{"at most": rate <= g.Loss.AtMost, "between": g.Loss.Lo <= rate && rate <= g.Loss.Hi} {
				if holds {
					held[name]++
				}
			}
			if rate <= float64(g.Loss.Times)/plays {
				small++
			}
			for _, d := range g.Figures {
				if d.Name != "rto" {
					continue
				}
				for i, name := range []string{"the highest percentile that is bounded", "the median"} {
					if b := d.Bounds[i]; b.AtMost != nil && float64(*b.AtMost) >= quantile(b.Quantile-1e-9) {
						held[name]++
					}
				}
			}
		}
		wanted := int(0.95*runs - 3*math.Sqrt(runs*0.95*0.05))
		for _, name := range []string{"at most", "between", "the highest percentile that is bounded", "the median"} {
			if held[name] < wanted {
				t.Errorf("a rate of %v: %s holds in %d of %d runs, want %d", rate, name, held[name], runs, wanted)
			}
		}
		t.Logf("a rate of %v: of %d runs of %d plays, %v hold", rate, runs, plays, held)
		if small >= wanted {
			t.Errorf("a rate of %v: the share that was seen is no less in %d of %d runs, so the bound is not needed", rate, small, runs)
		}
	}
}
