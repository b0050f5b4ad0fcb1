//go:build unix

package remotetest_test

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/remotetest"
)

// The pods of a service in staging are taken away. The test is played by
// DRTEST_REMOTE=staging go test, and by nothing else.
func ExampleOpen() {
	var t *testing.T // that of the test

	staging := remotetest.Open(t, remotetest.Config{
		Identify: []string{"kubectl", "config", "current-context"},
		Allow:    []string{"staging"},
	})

	_ = drtest.Scenario{Fault: staging.Fault(remotetest.Action{
		Name:    "scale the shop to nothing",
		Inject:  []string{"kubectl", "scale", "deployment/shop", "--replicas=0"},
		Receipt: []string{"sh", "-c", `test -z "$(kubectl get pods -l app=shop -o name)" && echo no pods`},
		Heal:    []string{"kubectl", "scale", "deployment/shop", "--replicas=3"},
		Healed:  []string{"kubectl", "rollout", "status", "deployment/shop", "--timeout=50s"},
	})}
}
