package patronitest

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/certificate"
	"github.com/drtest/suite/internal/secret"
)

// RegionAddrs returns the addresses of what [StartRegions] puts on a network: the first region is
// 0, the second 1, the witness 2.
func RegionAddrs(n int) []string {
	addrs := []string{fmt.Sprintf("%s:%d", storeName(n), storePort), fmt.Sprintf("%s:%d", storeName(n), peerPort)}
	if n < 2 {
		addrs = append(addrs, fmt.Sprintf("%s:%d", memberName(n), pgtest.Port), fmt.Sprintf("%s:%d", memberName(n), agentPort))
	}
	return addrs
}

func memberName(n int) string { return fmt.Sprintf("node-%d", n+1) }

// slotName is what Patroni calls the replication slot of a member.
func slotName(member string) string { return strings.ReplaceAll(member, "-", "_") }

// member describes a member of a cluster.
func (c Config) member(t testing.TB, name, image, network string, stores int, store *certificate.Certificate) containertest.Config {
	t.Helper()
	if c.Replication < Async || c.Replication > SyncQuorum {
		t.Fatalf("patronitest: Replication %d is not Async, Sync, SyncBestEffort or SyncQuorum", c.Replication)
	}
	timing := c.timing(t)
	var hosts []string
	for i := range stores {
		hosts = append(hosts, fmt.Sprintf("%s:%d", storeName(i), storePort))
	}
	seconds := func(d time.Duration) int { return int(d / time.Second) }
	dcs := map[string]any{
		"ttl":                     seconds(timing.TTL),
		"loop_wait":               seconds(timing.LoopWait),
		"retry_timeout":           seconds(timing.RetryTimeout),
		"primary_start_timeout":   0, // a server that crashed is not started again in place
		"primary_stop_timeout":    2,
		"maximum_lag_on_failover": maximumLag,
		"check_timeline":          true,
		"failsafe_mode":           c.Failsafe,
		"postgresql": map[string]any{
			"use_pg_rewind": true,
			"use_slots":     true,
			"parameters":    map[string]any{"wal_keep_size": "256MB"},
		},
	}
	maps.Copy(dcs, c.Replication.settings())
	agent, err := json.Marshal(map[string]any{
		"scope": scope,
		"name":  name,
		"etcd3": map[string]any{"hosts": hosts, "protocol": "https", "cacert": certificateFile, "cert": certificateFile, "key": keyFile},
		"restapi": map[string]any{
			"listen": fmt.Sprintf("0.0.0.0:%d", agentPort), "connect_address": fmt.Sprintf("%s:%d", name, agentPort),
			"authentication": map[string]any{"username": agentUser, "password": secret.Password()}, // for what changes something
		},
		"bootstrap": map[string]any{"dcs": dcs},
		"postgresql": map[string]any{
			"listen":          fmt.Sprintf("0.0.0.0:%d", pgtest.Port),
			"connect_address": fmt.Sprintf("%s:%d", name, pgtest.Port),
			"data_dir":        pgtest.DataFolder,
			"custom_conf":     "/etc/postgresql/postgresql.conf",
			"pgpass":          pgtest.Home + "/pgpass",
			// The agent comes in over the socket also before the roles have their password.
			"use_unix_socket":      true,
			"use_unix_socket_repl": true,
			"parameters":           map[string]any{"unix_socket_directories": "/var/run/postgresql"},
			"database":             pgtest.Database,
			"basebackup":           map[string]any{"checkpoint": "fast"},
			"authentication": map[string]any{
				"superuser":   map[string]any{"username": "postgres", "password": secret.Password()},
				"replication": map[string]any{"username": "replicator", "password": secret.Password()},
				"rewind":      map[string]any{"username": "postgres", "password": secret.Password()},
			},
		},
		"watchdog": map[string]any{"mode": "off"}, // containers have none
	})
	if err != nil {
		t.Fatal(err)
	}
	config := pgtest.Config{Image: c.Image, Network: network, Settings: c.Settings}.Container(t, name)
	config.Image = image
	config.Cmd = []string{"patroni"}
	config.Env["PGTEST_AGENT"] = string(agent)
	if first := memberName(0); name == first {
		config.Env["PGTEST_SLOTS"] = slotName(memberName(1)) + " " + slotName(memberName(2))
	} else {
		config.Env["PGTEST_FIRST"], config.Env["PGTEST_SLOT"] = first, slotName(name)
		config.Env["PGTEST_CONNINFO"] = fmt.Sprintf("host=%s port=%d dbname=%s user=replicator password=%s application_name=%s",
			first, pgtest.Port, pgtest.Database, secret.Password(), name)
	}
	maps.Copy(config.Env, storeEnv(store))
	config.ExtraPorts = []int{agentPort}
	config.Restart = containertest.NeverRestart // the agent restarts its server, and a dead node is dead
	config.Firewall = c.Firewall
	return config
}
