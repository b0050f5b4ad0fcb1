//go:build linux

package hosttest_test

import (
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/hosttest"
)

// A program of this machine under drill, with all processes that it starts.
func ExampleStart() {
	var t *testing.T // that of the test

	api := hosttest.Start(t, hosttest.Config{
		Name: "api",
		Cmd:  []string{"./api", "-listen", "127.0.0.1:8080"},
	})

	_ = drtest.Scenario{Fault: api.Pause()}
	_ = drtest.Scenario{Fault: api.Kill(), Runbook: []drtest.Step{api.Resume()}}
}
