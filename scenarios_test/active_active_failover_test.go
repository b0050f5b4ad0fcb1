package scenarios

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
)

// One of two active regions dies, that of the database's leader. The cluster fails over to the
// other region once the lease has run out, whose instance takes the workflows over, and others are
// started there until none waits. Clients ask whoever answers. Nothing that was acknowledged is
// lost.
func TestActiveActiveFailover(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	drtest.Run(t, activeActiveFailover(t, startActiveActive(t, nil)))
}

func activeActiveFailover(t testing.TB, r *activeActive) drtest.Scenario {
	s := r.scenario("Active-active failover", r.loseRegion())
	s.ID, s.Category = "DR-REGION-002", regions
	s.Workload, s.Health = r.app, r.first.Ready
	var starts []func(context.Context) error
	for _, spare := range r.spares {
		starts = append(starts, spare.Resume().Do)
	}
	s.Runbook = []drtest.Step{{Name: "scale out", Do: func(ctx context.Context) error { return scaleOut(ctx, r.backlog, starts) }}}
	// There is no redundancy to restore: one node is left.
	failover := r.FailoverStages(r.leader, "orchestrator")[:3]
	s.Stages = append(failover, drtest.Stage{
		Name: "backlog gone", Source: "orchestrator_workflows_pending of each instance", Reached: r.backlogGone(),
	})
	s.Proofs = []drtest.Proof{r.oneWritableNode(), r.noDivergentWrite(), r.commitsWait()}
	s.Model = append(leaseModel(r.clustered), drtest.Term{
		// The region may have had the store's leader as well. Its successor gives every lease its
		// whole time again.
		Name: "store elects a leader", Worst: 3 * time.Second,
		Source: "etcd's election-timeout of 1s, of which a follower waits up to two, and by one of which the successor extends leases",
	})
	s.Objectives = []drtest.Objective{
		drtest.Detection(time.Second), // as with a cut connection
		drtest.RTO(s.Model.RTO().Hi),
		drtest.RPO(0),
		drtest.AllRecovered(20),
		drtest.NoDuplicates(),
		// The failover, two starts of an instance, one after the other, and the workflows that
		// wait, seventeen at a time in each.
		drtest.Reached("backlog gone", s.Model.RTO().Hi+10*time.Second),
	}
	s.Targets = targets(t, "DR-REGION-002")
	return s
}

// loseRegion is the loss of the leader's region: all that runs there dies at once, and then its
// gateways are cut. Were they cut before, a leader that lives on for half a second would miss its
// standby and take it out of the store, and nobody might take over.
func (r *activeActive) loseRegion() drtest.Fault {
	deaths := drtest.Together(r.leader.Kill(), r.Store.Members[r.lost].Kill(), r.app.each[0].service.Kill())
	cuts := drtest.Together(r.gateways[r.survivor()][r.lost].Cut(), r.gateways[witness][r.lost].Cut())
	f := drtest.Together(deaths, cuts)
	f.Inject = func(ctx context.Context) (drtest.Effect, error) {
		loss, err := deaths.Inject(ctx)
		if err != nil {
			return loss, err
		}
		cut, err := cuts.Inject(ctx)
		loss.Receipt += "; " + cut.Receipt
		return loss, err
	}
	return f
}

// otherRegionLeads says whether the region that is left has the database.
func (r *activeActive) otherRegionLeads(ctx context.Context) error {
	leader, err := r.Leader(ctx)
	if err == nil && leader == r.leader {
		err = fmt.Errorf("%s leads", leader.Name())
	}
	return err
}

// backlog is how many workflows wait for a place in the instances that answer, once the other
// region leads. Without a leader the service has nothing to do, so nobody waits then.
func (r *activeActive) backlog(ctx context.Context) (int, error) {
	if err := r.otherRegionLeads(ctx); err != nil {
		return 0, err
	}
	return r.app.pending(ctx)
}

// backlogGone is reached when no workflow waits any more, after some did.
func (r *activeActive) backlogGone() func(context.Context) error {
	waited := false
	return func(ctx context.Context) error {
		n, err := r.backlog(ctx)
		waited = waited || n > 0
		if err == nil && (n > 0 || !waited) {
			err = fmt.Errorf("%d workflows wait", n)
		}
		return err
	}
}

// maxBacklog is how many workflows may wait before another instance is started.
const maxBacklog = 10

// scaleOut is the automation that starts a further instance whenever more than ten workflows wait,
// as long as there is one, and returns when none waits any more, after some did.
func scaleOut(ctx context.Context, backlog func(context.Context) (int, error), starts []func(context.Context) error) error {
	waited := false
	var failed error
	err := poll(ctx, func(ctx context.Context) error {
		n, err := backlog(ctx)
		waited = waited || n > 0
		switch {
		case err != nil:
			return err
		case waited && n == 0:
			return nil
		case n > maxBacklog && len(starts) > 0:
			if failed = starts[0](ctx); failed != nil {
				return nil // it ends here
			}
			starts = starts[1:]
		}
		return fmt.Errorf("%d workflows wait", n)
	})
	return errors.Join(err, failed)
}

func TestActiveActiveFailoverSabotaged(t *testing.T) {
	skipUnlessSabotaging(t)
	t.Parallel()
	t.Run("nobody scales out", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		s := activeActiveFailover(t, startActiveActive(t, nil))
		s.Runbook, s.Deadline, s.Proofs = nil, 90*time.Second, nil
		requireFailure(t, s, "backlog gone", "never reached")
	})
	t.Run("commits do not wait for the other region", func(t *testing.T) {
		containertest.Parallel(t, containertest.Heavy)
		s := activeActiveFailover(t, startActiveActive(t, map[string]string{"synchronous_commit": "off", "wal_writer_delay": "10s"}))
		s.Proofs = nil
		requireFailure(t, s, "RPO", `lost \d+ of \d+ acked`)
	})
}
