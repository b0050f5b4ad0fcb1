//go:build linux

package hosttest_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/hosttest"
)

// A shop runs on this machine, without a container. It is killed under load, and the operator starts
// it again once it is noticed. It serves within five seconds and has all orders that it had
// acknowledged.
func TestShopIsKilled(t *testing.T) {
	addr := freeAddr(t)
	clients := shop{addr}
	process := hosttest.Start(t, hosttest.Config{
		Name:  "shop",
		Cmd:   []string{os.Args[0], "-test.run=^TestServer$"}, // your program and its arguments
		Env:   map[string]string{"SHOP_ADDR": addr, "SHOP_FILE": filepath.Join(t.TempDir(), "orders")},
		Ready: clients.Ready,
	})
	drtest.Run(t, drtest.Scenario{
		ID:       "HOST-001",
		Title:    "The shop is killed",
		Workload: clients,
		Load:     drtest.Load{Every: 20 * time.Millisecond, Timeout: 500 * time.Millisecond, Steady: 700 * time.Millisecond},
		Health:   clients.Ready,
		Fault:    process.Kill(),
		Runbook:  []drtest.Step{process.Resume()},
		Objectives: []drtest.Objective{
			drtest.Detection(time.Second), drtest.RTO(5 * time.Second), drtest.RPO(0), drtest.NoDuplicates(),
		},
		Deadline: 30 * time.Second,
	})
}
