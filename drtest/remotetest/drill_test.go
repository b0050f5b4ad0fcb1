//go:build linux

package remotetest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/remotetest"
)

// The shop in staging stands still for a second. It says so at once, and serves again within two
// seconds of going on. Here commands of the shell act on a process of this machine; yours are those
// of kubectl, ssh or a cloud.
func TestStagingStandsStill(t *testing.T) {
	shop, pid := startShop(t)
	t.Setenv(remotetest.Variable, "shop-staging") // a person types this: DRTEST_REMOTE=shop-staging go test ...
	staging := remotetest.Open(t, remotetest.Config{
		Identify: sh("echo shop-staging"), // kubectl config current-context
		Allow:    []string{"shop-staging"},
	})
	drtest.Run(t, drtest.Scenario{
		ID:       "STAGING-001",
		Title:    "The shop stands still",
		Workload: shop,
		Load:     drtest.Load{Every: 50 * time.Millisecond, Timeout: 300 * time.Millisecond, Steady: time.Second},
		Health:   shop.Ready,
		Fault: staging.Fault(remotetest.Action{
			Name:    "stop the shop",
			Inject:  sh(fmt.Sprintf("kill -STOP %d", pid)),
			Receipt: sh(fmt.Sprintf("grep 'State:.*stopped' /proc/%d/status", pid)),
			Heal:    sh(fmt.Sprintf("kill -CONT %d", pid)),
			Healed:  sh(fmt.Sprintf("! grep 'State:.*stopped' /proc/%d/status", pid)),
			Limit:   10 * time.Second,
		}),
		HealAfter:  time.Second,
		Objectives: []drtest.Objective{drtest.Detection(2 * time.Second), drtest.HealLag(2 * time.Second), drtest.RPO(0)},
		Deadline:   30 * time.Second,
	})
}
