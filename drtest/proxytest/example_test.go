package proxytest_test

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/proxytest"
)

// A link between a service and its database, which is cut for five seconds. The service is told the
// address of the link in the place of that of the database.
func ExampleStart() {
	var t *testing.T                    // that of the test
	var database *containertest.Service // or a node of pgtest

	db := proxytest.Start(t, proxytest.Config{Network: database.Network()}).Link(t, "database", database)
	containertest.Start(t, containertest.Config{
		Name: "app", Image: "example.com/app:1.2", Network: database.Network(), Port: 8080,
		Env: map[string]string{"DATABASE_URL": "postgres://" + db.Addr() + "/app"},
	})

	_ = drtest.Scenario{Fault: db.Cut(), HealAfter: 5 * time.Second}
}
