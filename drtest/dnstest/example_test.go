package dnstest_test

import (
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/dnstest"
)

// A service that finds its database by a name, and follows a change of the record within its TTL.
func ExampleStart() {
	var t *testing.T                            // that of the test
	var primary, standby *containertest.Service // or nodes of pgtest

	zone := dnstest.Start(t, dnstest.Config{Network: primary.Network(), TTL: 10 * time.Second})
	db := zone.Record(t, "database", primary)
	containertest.Start(t, containertest.Config{
		Name: "app", Image: "example.com/app:1.2", Network: primary.Network(), Port: 8080, Resolver: zone.Resolver(),
		Env: map[string]string{"DATABASE_URL": "postgres://" + db.Addr() + "/app"},
	})

	_ = drtest.Scenario{Fault: primary.Kill(), Runbook: []drtest.Step{db.PointTo(standby)}}
}
