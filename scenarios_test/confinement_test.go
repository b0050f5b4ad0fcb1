package scenarios

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/errdefs"
	"github.com/drtest/suite/drtest/backuptest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/dnstest"
	"github.com/drtest/suite/drtest/patronitest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/drtest/proxytest"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
)

// A confinement is what a container may do to the machine, and who reaches it.
type confinement struct {
	User         string // empty: root
	Capabilities string
	Mounts       string
	Published    string // the addresses of the engine's machine
	// What is the same for all but the reaper:
	Dropped, Security, Namespaces string
	Processes                     int64
	Privileged                    bool
	Devices                       int
}

// confined are the containers of drills, by their images. None may have anything else.
func confined() map[string]confinement {
	kinds := map[string]confinement{
		"drtest/postgres-server":  {User: "postgres", Mounts: "volume /var/lib/postgresql", Published: "127.0.0.1"},
		"drtest/postgres-backup":  {User: "postgres", Mounts: "volume /var/lib/postgresql", Published: "127.0.0.1"},
		"drtest/postgres-patroni": {User: "postgres", Mounts: "volume /var/lib/postgresql", Published: "127.0.0.1"},
		"drtest/objects":          {Mounts: "volume /objects", Published: "127.0.0.1"},
		"drtest/dns":              {Capabilities: "NET_BIND_SERVICE"},
		"drtest/proxy":            {Capabilities: "NET_BIND_SERVICE", Published: "127.0.0.1"},
		"drtest/orchestrator":     {User: "nobody", Published: "127.0.0.1"},
		"drtest/fakellm":          {User: "65534:65534", Published: "127.0.0.1"},
		"drtest/observer":         {User: "65534:65534", Published: "127.0.0.1"},
		"drtest/firewall":         {Capabilities: "NET_ADMIN", Published: "127.0.0.1"},
		// It removes what a dead test process has left, which takes the engine's socket, and kills the
		// first process of a container from outside, which takes the machine's processes.
		"drtest/reaper": {
			Capabilities: "KILL", Mounts: "bind /var/run/docker.sock", Namespaces: "pid, users",
			Security: "label=disable, ", // by the engine, of who sees the machine's processes
		},
	}
	for image, c := range kinds {
		c.Dropped, c.Security, c.Processes = "ALL", c.Security+"no-new-privileges:true", 4096
		kinds[image] = c
	}
	return kinds
}

// Every container of a drill has what it needs and nothing else, and nobody gets into one who does
// not have the password of the run, from wherever.
func TestConfinementControl(t *testing.T) {
	containertest.Parallel(t, containertest.Heavy)
	seen := map[string]bool{}
	t.Run("pair, proxy, zone, service and observer", func(t *testing.T) {
		pg := pgtest.StartPair(t, pgtest.PairConfig{Replication: pgtest.Sync})
		network := pg.Primary.Network()
		zone := dnstest.Start(t, dnstest.Config{Network: network, TTL: time.Second})
		proxy := proxytest.Start(t, proxytest.Config{Network: network})
		db := zone.Record(t, "database", pg.Primary)
		app := startOrchestrator(t, proxy, db, variant{resolver: zone.Resolver()})
		containertest.Start(t, containertest.Config{
			Name: "observer", Image: containertest.Build(t, observer()), Network: network, Port: 8080,
			Env: map[string]string{"TARGET": "http://" + app.service.Addr() + "/readyz", "INTERVAL": "200ms", "TIMEOUT": "500ms", "FAILURES": "3"},
		})
		audit(t, network, seen, 5432, 8474)

		_, err := pg.Replica.Service().Exec(t.Context(), "psql", "-w", "host=primary user=postgres dbname=app", "-c", "SELECT 1")
		require.ErrorContains(t, err, "no password supplied", "from another container")
	})
	for name, firewall := range map[string]bool{"cluster": false, "cluster with firewalls": true} {
		t.Run(name, func(t *testing.T) {
			cluster := patronitest.StartCluster(t, patronitest.Config{EtcdMembers: 3, Firewall: firewall})
			audit(t, cluster.Members[0].Network(), seen, 2379, 5432, 8008)
		})
	}
	t.Run("restore from an object store", func(t *testing.T) {
		network := containertest.NewNetwork(t)
		repository := backuptest.StartS3Repository(t, network)
		primary := pgtest.StartPrimary(t, pgtest.Config{Network: network, Archive: repository.Archive()})
		b, err := repository.Backup(t.Context(), primary, backuptest.Full)
		require.NoError(t, err)
		spare := backuptest.StartSpare(t, repository, backuptest.SpareConfig{Network: network})
		require.NoError(t, spare.Fetch(b, backuptest.Target{}).Do(t.Context()))
		require.NoError(t, spare.Replay().Do(t.Context()))
		require.NoError(t, spare.Promote().Do(t.Context()))
		audit(t, network, seen, 5432, 7070)
	})
	for image := range confined() {
		require.True(t, seen[image], "no container of %s was seen", image)
	}
}

// audit fails t for each container of this test process that has what it may not have, and for each
// published port on a network that lets somebody in. Of that network it must have found ports that
// demand something.
func audit(t *testing.T, network string, seen map[string]bool, guarded ...int) {
	t.Helper()
	engine, err := testcontainers.NewDockerClientWithOpts(t.Context())
	require.NoError(t, err)
	defer engine.Close()
	list := func(filter, value string) []container.Summary {
		found, err := engine.ContainerList(t.Context(), client.ContainerListOptions{Filters: make(client.Filters).Add(filter, value)})
		require.NoError(t, err)
		return found.Items
	}
	own := list("network", network)
	require.NotEmpty(t, own)
	wanted, met := confined(), map[int]bool{}
	for _, summary := range list("label", "drtest.session="+own[0].Labels["drtest.session"]) {
		inspected, err := engine.ContainerInspect(t.Context(), summary.ID, client.ContainerInspectOptions{})
		if errdefs.IsNotFound(err) {
			continue // that of another drill, which has ended
		}
		require.NoError(t, err)
		c := inspected.Container
		image, _, _ := strings.Cut(c.Config.Image, ":")
		image = strings.TrimSuffix(image, "-fault") // what drills with another build of a service beside this one have
		want, known := wanted[image]
		if !known {
			t.Errorf("a container of %s, which is not known", c.Config.Image)
			continue
		}
		seen[image] = true
		got := describe(c)
		got.Mounts = strings.TrimPrefix(got.Mounts, "volume /var/lib/pgbackrest, ") // a repository in a volume
		if got.Published == "" {
			want.Published = "" // a service behind a firewall, or one that another drill has ended
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a container of %s has what it may not have (+) or lacks what it needs (-):\n%s", image, diff)
		}
		if !slices.ContainsFunc(own, func(s container.Summary) bool { return s.ID == c.ID }) {
			continue // a drill beside this one may be hurting it
		}
		for port, bindings := range c.NetworkSettings.Ports {
			for _, b := range bindings {
				addr := net.JoinHostPort("127.0.0.1", b.HostPort)
				if err := errors.Join(lets(t.Context(), int(port.Num()), addr), unreached(t.Context(), b.HostPort)); err != nil {
					t.Errorf("port %v of %s: %v", port, image, err)
				}
				met[int(port.Num())] = true
			}
		}
	}
	for _, port := range guarded {
		require.True(t, met[port], "nobody publishes port %d", port)
	}
}

// describe says what a container has.
func describe(c container.InspectResponse) confinement {
	h := c.HostConfig
	list := func(words []string) string {
		words = slices.Clone(words)
		for i := range words {
			words[i] = strings.TrimPrefix(words[i], "CAP_")
		}
		slices.Sort(words)
		return strings.Join(slices.Compact(words), ", ")
	}
	var mounts, addresses, namespaces []string
	for _, m := range c.Mounts {
		mounts = append(mounts, fmt.Sprintf("%s %s", m.Type, m.Destination))
	}
	for _, bindings := range h.PortBindings {
		for _, b := range bindings {
			addresses = append(addresses, b.HostIP.String())
		}
	}
	for _, bindings := range c.NetworkSettings.Ports {
		for _, b := range bindings {
			addresses = append(addresses, b.HostIP.String())
		}
	}
	for name, shared := range map[string]bool{
		"pid": h.PidMode != "", "ipc": h.IpcMode.IsHost(), "network": h.NetworkMode.IsHost(), "users": h.UsernsMode != "", "uts": h.UTSMode != "",
	} {
		if shared {
			namespaces = append(namespaces, name)
		}
	}
	processes := int64(0)
	if h.PidsLimit != nil {
		processes = *h.PidsLimit
	}
	return confinement{
		User: c.Config.User, Capabilities: list(h.CapAdd), Dropped: list(h.CapDrop), Security: list(h.SecurityOpt),
		Mounts: list(mounts), Published: list(addresses), Namespaces: list(namespaces),
		Processes: processes, Privileged: h.Privileged, Devices: len(h.Devices) + len(h.DeviceRequests) + len(h.DeviceCgroupRules),
	}
}

// lets returns an error if what serves a port of a container lets somebody in who has nothing to
// show.
func lets(ctx context.Context, port int, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	switch port {
	case 5432:
		return letsIntoDatabase(ctx, addr)
	case 8474: // the proxy's API
		return errors.Join(
			refuses(ctx, http.MethodGet, "http://"+addr+"/proxies", http.StatusUnauthorized),
			refuses(ctx, http.MethodPut, "http://"+addr+"/relays/8475", http.StatusUnauthorized))
	case 8008: // an agent of the cluster
		return errors.Join(
			refuses(ctx, http.MethodPost, "http://"+addr+"/switchover", http.StatusUnauthorized),
			refuses(ctx, http.MethodPatch, "http://"+addr+"/config", http.StatusUnauthorized),
			refuses(ctx, http.MethodPost, "http://"+addr+"/reinitialize", http.StatusUnauthorized),
			refuses(ctx, http.MethodPost, "http://"+addr+"/failsafe", http.StatusUnauthorized))
	case 2379: // the store of the cluster
		if err := refuses(ctx, http.MethodGet, "https://"+addr+"/health", 0); err == nil || !strings.Contains(err.Error(), "certificate required") {
			return fmt.Errorf("without a certificate: %v", err)
		}
		return nil
	case 7070: // the object store
		return refuses(ctx, http.MethodGet, "https://"+addr+"/backups", http.StatusForbidden)
	case 8080, 20001, 20002: // the service's own, and links that lead to it or to a database
		return nil
	}
	return errors.New("it is not known who may get in")
}

// letsIntoDatabase tries both roles, without a password and with a wrong one.
func letsIntoDatabase(ctx context.Context, addr string) error {
	for _, password := range []string{"", "postgres"} {
		for _, role := range []string{"postgres", "replicator"} {
			config, err := pgx.ParseConfig(pgtest.DSN(addr))
			if err != nil {
				return err
			}
			config.User, config.Password = role, password
			if role == "replicator" {
				config.RuntimeParams["replication"] = "true"
			}
			conn, err := pgx.ConnectConfig(ctx, config)
			if err == nil {
				conn.Close(ctx)
				return fmt.Errorf("%s got in with the password %q", role, password)
			}
			var answer *pgconn.PgError
			if !errors.As(err, &answer) || answer.Code != "28P01" { // invalid_password
				return fmt.Errorf("%s with the password %q: %w", role, password, err)
			}
		}
	}
	return nil
}

// refuses returns nil if a request that shows nothing is answered with a status.
func refuses(ctx context.Context, method, url string, status int) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte("{}")))
	if err != nil {
		return err
	}
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != status {
		return fmt.Errorf("%s without a password: %s, want %d", method, resp.Status, status)
	}
	return nil
}

// unreached returns an error if a published port is reached at another address of this machine than
// the loopback address, or something listens there.
func unreached(ctx context.Context, port string) error {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return err
	}
	for _, a := range addrs {
		ip := a.(*net.IPNet).IP
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() {
			continue
		}
		d := net.Dialer{Timeout: time.Second}
		if conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(ip.String(), port)); err == nil {
			conn.Close()
			return fmt.Errorf("port %s is reached at %v", port, ip)
		}
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} { // what ss -ltn shows
		sockets, err := os.ReadFile(table)
		if errors.Is(err, os.ErrNotExist) {
			continue // no Linux, or no IPv6
		}
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(sockets)) {
			field := strings.Fields(line)
			host, hex, _ := strings.Cut(field[1], ":")
			if n, err := strconv.ParseUint(hex, 16, 16); field[3] == "0A" && err == nil && fmt.Sprint(n) == port && host != "0100007F" {
				return fmt.Errorf("%s has a socket that listens on port %s at %s", table, port, host)
			}
		}
	}
	return nil
}
