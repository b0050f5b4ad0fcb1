package containertest_test

import (
	"context"
	"testing"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
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

// A container that a test has already, such as of a module of testcontainers-go, goes under drill.
// It is put back as it was found, and is removed by nobody but its owner.
func ExampleAdopt() {
	var t *testing.T // that of the test

	theirs, err := testcontainers.Run(context.Background(), "example.com/queue:4",
		testcontainers.WithExposedPorts("5672/tcp"), testcontainers.WithWaitStrategy(wait.ForListeningPort("5672/tcp")))
	testcontainers.CleanupContainer(t, theirs)
	if err != nil {
		t.Fatal(err)
	}
	queue := containertest.Adopt(t, theirs.GetContainerID(), containertest.Adoption{
		Name:    "queue",
		Network: containertest.NewNetwork(t), // it joins that for the length of the test, as proxytest's links do
		Port:    5672,
	})

	_ = drtest.Scenario{Fault: queue.Kill(), Runbook: []drtest.Step{queue.Resume()}}
	_ = drtest.Scenario{Fault: queue.Disconnect()}
}
