package containertest_test

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
)

// A service of an image that exists. Its supervisor starts it again after a crash, and after a kill
// the operator does.
func ExampleStart() {
	var t *testing.T // that of the test

	app := containertest.Start(t, containertest.Config{
		Name:    "app",
		Image:   "example.com/app:1.2",
		Network: containertest.NewNetwork(t),
		Port:    8080,
		Restart: containertest.RestartOnFailure,
	})

	_ = drtest.Scenario{Fault: app.Crash()}
	_ = drtest.Scenario{Fault: app.Kill(), Runbook: []drtest.Step{app.Resume()}}
}
