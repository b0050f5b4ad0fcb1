package scenarios

import (
	"slices"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/dnstest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
)

// TestImages makes the images that the drills run on. `make images` calls it, so that it can be
// seen at work.
func TestImages(t *testing.T) {
	none := containertest.Image{}
	servers := []containertest.Image{pgtest.ServerImage(t, none), patronitest.Image(t, none)}
	ours := []containertest.Image{fakeLLM(), observer(), variant{}.image(), variant{faultBuild: true}.image(), containertest.FirewallImage()}
	for _, image := range slices.Concat(servers, backuptest.Images(t), []containertest.Image{proxytest.Image(t), dnstest.Image(t)}, ours) {
		t.Log(containertest.Build(t, image))
	}
}

// BenchmarkSetUp measures how long a drill waits for its system once the images exist, and which
// part of that each stage takes: a pair with a streaming replica, the proxy with its links, and the
// provider with an orchestrator that is ready.
func BenchmarkSetUp(b *testing.B) {
	for _, image := range []containertest.Image{fakeLLM(), variant{}.image()} {
		containertest.Build(b, image)
	}
	var pair, proxied, app time.Duration
	for b.Loop() {
		start := time.Now()
		pg := pgtest.StartPair(b, pgtest.PairConfig{Replication: pgtest.Sync})
		paired := time.Now()
		proxy := proxytest.Start(b, proxytest.Config{Network: pg.Primary.Network()})
		db := proxy.Link(b, "database", pg.Primary)
		linked := time.Now()
		startOrchestrator(b, proxy, db, variant{})
		pair += paired.Sub(start)
		proxied += linked.Sub(paired)
		app += time.Since(linked)
	}
	for stage, took := range map[string]time.Duration{"pair": pair, "proxy": proxied, "app": app} {
		b.ReportMetric(took.Seconds()*1000/float64(b.N), stage+"-ms/op")
	}
}

// BenchmarkSetUpCluster measures the same for a synchronous cluster of three nodes with its store.
func BenchmarkSetUpCluster(b *testing.B) {
	for _, image := range []containertest.Image{fakeLLM(), variant{}.image()} {
		containertest.Build(b, image)
	}
	var clustered, app time.Duration
	for b.Loop() {
		start := time.Now()
		c := patronitest.StartCluster(b, patronitest.Config{Replication: patronitest.Sync})
		settled := time.Now()
		proxy := proxytest.Start(b, proxytest.Config{Network: c.Members[0].Network()})
		startOrchestrator(b, proxy, c.Members[0], variant{env: map[string]string{"DATABASE_URL": c.DSN()}})
		clustered += settled.Sub(start)
		app += time.Since(settled)
	}
	b.ReportMetric(clustered.Seconds()*1000/float64(b.N), "cluster-ms/op")
	b.ReportMetric(app.Seconds()*1000/float64(b.N), "app-ms/op")
}
