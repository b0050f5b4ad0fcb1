package patronitest

import (
	"context"
	"fmt"

	"github.com/drtest/suite/drtest"
)

// FailoverStages returns the moments of a failover from the old leader, for a scenario: "leader
// lost", "promoted", "rerouted" and "redundancy restored" under another leader. Clients are known
// by the application name of their connections. Redundancy is that of [Cluster.Redundant], of the
// members named or of all.
func (c *Cluster) FailoverStages(old *Member, application string, redundant ...*Member) []drtest.Stage {
	// successor returns the leader that is another. The store is asked before any server.
	successor := func(ctx context.Context) (*Member, error) {
		v, err := c.Store.view(ctx)
		if err != nil {
			return nil, err
		}
		if v.Leader == old.Name() {
			return nil, fmt.Errorf("%s still leads", old.Name())
		}
		return c.primary(ctx, v)
	}
	return []drtest.Stage{
		{Name: "leader lost", Source: "the leader key of the store", Reached: func(ctx context.Context) error {
			v, err := c.Store.view(ctx)
			if err == nil && v.Leader == old.Name() {
				err = fmt.Errorf("%s holds the lease", old.Name())
			}
			return err
		}},
		{Name: "promoted", Source: "the leader key, and pg_is_in_recovery of who holds it", Reached: func(ctx context.Context) error {
			_, err := successor(ctx)
			return err
		}},
		{Name: "rerouted", Source: "pg_stat_activity of the new primary", Reached: func(ctx context.Context) error {
			leader, err := successor(ctx)
			if err != nil {
				return err
			}
			const connected = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = '%s'"
			n, err := leader.Text(ctx, fmt.Sprintf(connected, application))
			if err == nil && n == "0" {
				err = fmt.Errorf("%s has no connection of %s", leader.Name(), application)
			}
			return err
		}},
		{Name: "redundancy restored", Source: "the member keys of the store, and a fresh row on each node", Reached: func(ctx context.Context) error {
			if _, err := successor(ctx); err != nil {
				return err
			}
			return c.Redundant(redundant...)(ctx)
		}},
	}
}
