package pgtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/drtest/suite/drtest"
)

// FailoverStages returns the moments of a failover from the old leader, for a scenario: "leader lost", "promoted",
// "rerouted" and "redundancy restored". Clients are known by the application name of their connections. Redundancy is
// that of [Cluster.Redundant], of the members named or of all.
func (c *Cluster) FailoverStages(old *Member, application string, redundant ...*Member) []drtest.Stage {
	others := c.Others(old)
	return []drtest.Stage{
		{Name: "leader lost", Source: "the store, by GET /cluster of the other members", Reached: func(ctx context.Context) error {
			return c.leaderLost(ctx, old, others)
		}},
		{Name: "promoted", Source: "GET /primary of the other members", Reached: func(ctx context.Context) error {
			_, err := c.leader(ctx, others)
			return err
		}},
		{Name: "rerouted", Source: "pg_stat_activity of the new primary", Reached: func(ctx context.Context) error {
			leader, err := c.leader(ctx, others)
			if err != nil {
				return err
			}
			const connected = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = '%s'"
			n, err := leader.text(ctx, fmt.Sprintf(connected, application))
			if err == nil && n == "0" {
				err = fmt.Errorf("%s has no connection of %s", leader.Name(), application)
			}
			return err
		}},
		{Name: "redundancy restored", Source: "GET /cluster, and a fresh row on each node", Reached: c.Redundant(redundant...)},
	}
}

// leaderLost is reached when the store no longer names the old leader, as any of the others sees it.
func (c *Cluster) leaderLost(ctx context.Context, old *Member, others []*Member) error {
	var errs []error
	for _, m := range others {
		var view struct{ Members []struct{ Name, Role string } }
		if err := m.get(ctx, "/cluster", &view); err != nil {
			errs = append(errs, err)
			continue
		}
		for _, seen := range view.Members {
			if seen.Name == old.Name() && seen.Role == "leader" {
				return fmt.Errorf("%s holds the lease", old.Name())
			}
		}
		return nil
	}
	return errors.Join(errs...)
}
