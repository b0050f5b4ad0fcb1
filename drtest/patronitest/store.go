package patronitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/certificate"
	"golang.org/x/sync/errgroup"
)

const (
	storePort = 2379
	peerPort  = 2380
	scope     = "dr" // of the cluster, in the names of its keys

	// Members of the store and agents have the certificate of the store in these files.
	certificateFile = pgtest.Home + "/store.crt"
	keyFile         = pgtest.Home + "/store.key"
)

// A Store is the etcd in which a cluster keeps the lease of its leader: one member or three. Who
// talks to it shows the certificate that it shows itself, and nobody has that but the cluster and
// the test process.
type Store struct {
	Members []*containertest.Service
	client  *http.Client
	known   sync.Map // the address of each member, until it fails: the engine is slow to tell it
	views   coalesced[*view]

	mu    sync.Mutex
	woken time.Time // when wake last did
}

// wakeStep is the least time between two calls that wake the agents. A round takes an agent a tenth
// of a second of a processor.
const wakeStep = 500 * time.Millisecond

// certify makes the certificate of a store of n members.
func certify(t testing.TB, n int) *certificate.Certificate {
	t.Helper()
	hosts := []string{"store"}
	for i := range n {
		hosts = append(hosts, storeName(i))
	}
	c, err := certificate.Make(hosts...)
	if err != nil {
		t.Fatalf("certificate of the store: %v", err)
	}
	return c
}

func storeEnv(c *certificate.Certificate) map[string]string {
	return map[string]string{"PGTEST_CERTIFICATE": c.PEM, "PGTEST_KEY": c.Key}
}

// store describes a store of n members.
func (c Config) store(image, network string, n int, shown *certificate.Certificate) []containertest.Config {
	var configs []containertest.Config
	var all []string
	for i := range n {
		name := storeName(i)
		configs = append(configs, containertest.Config{
			Name: name, Image: image, Network: network, Port: storePort, Firewall: c.Firewall, Ready: healthy(shown),
			Volumes: map[string]string{pgtest.Home: ""}, Env: storeEnv(shown),
		})
		all = append(all, fmt.Sprintf("%s=https://%s:%d", name, name, peerPort))
	}
	for i := range configs {
		name := configs[i].Name
		// The drills do not test what survives of the store when its host loses its memory.
		configs[i].Cmd = []string{"etcd", "--name", name, "--data-dir", "/var/lib/postgresql/etcd", "--unsafe-no-fsync",
			"--listen-client-urls", fmt.Sprintf("https://0.0.0.0:%d", storePort),
			"--advertise-client-urls", fmt.Sprintf("https://%s:%d", name, storePort),
			"--listen-peer-urls", fmt.Sprintf("https://0.0.0.0:%d", peerPort),
			"--initial-advertise-peer-urls", fmt.Sprintf("https://%s:%d", name, peerPort),
			"--client-cert-auth", "--trusted-ca-file", certificateFile, "--cert-file", certificateFile, "--key-file", keyFile,
			"--peer-client-cert-auth", "--peer-trusted-ca-file", certificateFile, "--peer-cert-file", certificateFile, "--peer-key-file", keyFile,
			"--experimental-peer-skip-client-san-verification", // members may come by a gateway, with its address
			"--initial-cluster", strings.Join(all, ","), "--log-level", "warn"}
	}
	return configs
}

func storeName(i int) string { return fmt.Sprintf("store-%d", i+1) }

// client asks the members of a store with a certificate.
func client(c *certificate.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c.Client(), IdleConnTimeout: time.Minute}}
}

// healthy asks a member of the store whether it has a leader.
func healthy(c *certificate.Certificate) func(context.Context, *containertest.Service) error {
	client := client(c)
	return func(ctx context.Context, s *containertest.Service) error {
		addr, err := s.HostAddr(ctx)
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+addr+"/health", nil)
		if err != nil {
			return err
		}
		req.Close = true
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New("store: " + resp.Status)
		}
		return nil
	}
}

// A view is what the store holds of a cluster. It is asked without the agents, for whom questions
// are costly.
type view struct {
	Leader   string   // who holds the lease; empty when nobody does
	Standbys []string // the synchronous one, or those of the quorum
	Members  map[string]agentView
}

// An agentView is what an agent says of its server.
type agentView struct {
	State       string // "running"
	Replication string `json:"replication_state"` // "streaming"; none of a primary
	Timeline    int
	Tags        struct {
		NoSync bool // set with nofailover, by a fence
	}
}

// String reads "running, streaming on timeline 2".
func (a agentView) String() string {
	return strings.TrimSuffix(a.State+", "+a.Replication, ", ") + fmt.Sprintf(" on timeline %d", a.Timeline)
}

// view returns what the store holds at a moment after the call. Others may have the same one, so it
// must not be changed.
func (s *Store) view(ctx context.Context) (*view, error) { return s.views.get(ctx, s.read) }

// read reads all keys of the cluster at one revision, from the first member of the store that
// answers.
func (s *Store) read(ctx context.Context) (*view, error) {
	const prefix, end = "/service/" + scope + "/", "/service/" + scope + "0"
	body, err := json.Marshal(map[string][]byte{"key": []byte(prefix), "range_end": []byte(end)})
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, m := range s.Members {
		var answer struct{ Kvs []struct{ Key, Value []byte } }
		if err := s.post(ctx, m, "/v3/kv/range", body, &answer); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.Name(), err))
			continue
		}
		v := &view{Members: map[string]agentView{}}
		for _, kv := range answer.Kvs {
			var err error
			switch key := strings.TrimPrefix(string(kv.Key), prefix); {
			case key == "leader":
				v.Leader = string(kv.Value)
			case key == "sync":
				var key struct {
					Standby string `json:"sync_standby"`
				}
				err = json.Unmarshal(kv.Value, &key)
				v.Standbys = strings.FieldsFunc(key.Standby, func(r rune) bool { return r == ',' })
			case strings.HasPrefix(key, "members/"):
				var agent agentView
				err = json.Unmarshal(kv.Value, &agent)
				v.Members[strings.TrimPrefix(key, "members/")] = agent
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", kv.Key, err)
			}
		}
		return v, nil
	}
	return nil, errors.Join(errs...)
}

// joined returns what says whether the member of that name is ready, in place of ready, which
// connects to its server. When it starts for the first time the store is asked before: connections
// that nobody can make yet, ten a second to each member, would take as much of the processors as
// all else that a cluster does until it is there.
func (s *Store) joined(name string, ready func(context.Context, *containertest.Service) error) func(context.Context, *containertest.Service) error {
	var once atomic.Bool
	return func(ctx context.Context, member *containertest.Service) error {
		if !once.Load() {
			v, err := s.view(ctx)
			if err != nil {
				return err
			}
			if got := v.Members[name]; got.State != "running" || got.Replication != "streaming" && v.Leader != name {
				return errors.Join(fmt.Errorf("its agent says %q, and %q holds the lease", got, v.Leader), s.wake(ctx))
			}
		}
		if err := ready(ctx, member); err != nil {
			return err
		}
		once.Store(true)
		return nil
	}
}

// wake has every agent begin its next round at once, by a change of the cluster's configuration
// that changes nothing: a blank behind it. A cluster takes several rounds until it is settled, most
// of which would begin with a wait. It is for a cluster that starts: a change of the configuration
// that somebody else makes at the same moment would be undone. It does nothing when it did so a
// moment ago.
func (s *Store) wake(ctx context.Context) error {
	s.mu.Lock()
	now := time.Now()
	due := now.Sub(s.woken) > wakeStep
	if due {
		s.woken = now
	}
	s.mu.Unlock()
	if !due {
		return nil
	}
	key := []byte("/service/" + scope + "/config")
	read, err := json.Marshal(map[string][]byte{"key": key})
	if err != nil {
		return err
	}
	m := s.Members[0]
	var answer struct{ Kvs []struct{ Value []byte } }
	if err := s.post(ctx, m, "/v3/kv/range", read, &answer); err != nil || len(answer.Kvs) == 0 {
		return err
	}
	config := bytes.TrimRight(answer.Kvs[0].Value, " ")
	if len(config) == len(answer.Kvs[0].Value) {
		config = append(config, ' ')
	}
	write, err := json.Marshal(map[string][]byte{"key": key, "value": config})
	if err != nil {
		return err
	}
	return s.post(ctx, m, "/v3/kv/put", write, new(struct{}))
}

// post asks a member of the store.
func (s *Store) post(ctx context.Context, m *containertest.Service, path string, body []byte, into any) error {
	addr, ok := s.known.Load(m)
	if !ok {
		var err error
		if addr, err = m.HostAddr(ctx); err != nil {
			return err
		}
		s.known.Store(m, addr)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+addr.(string)+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.known.Delete(m)
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return errors.Join(json.NewDecoder(resp.Body).Decode(into), drain(resp.Body))
}

// drain lets a connection be used again.
func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// Isolate returns a store that nobody reaches, and of which no member reaches another. Heal brings
// it back. It needs [Config.Firewall].
func (s *Store) Isolate() drtest.Fault {
	return s.each(func(m *containertest.Service) drtest.Fault { return m.Isolate() })
}

// Kill returns the death of all members of the store. Heal does nothing; [Store.Resume] starts them
// again.
func (s *Store) Kill() drtest.Fault {
	return s.each((*containertest.Service).Kill)
}

func (s *Store) each(fault func(*containertest.Service) drtest.Fault) drtest.Fault {
	if len(s.Members) == 1 {
		return fault(s.Members[0])
	}
	var all []drtest.Fault
	for _, m := range s.Members {
		all = append(all, fault(m))
	}
	return drtest.Together(all...)
}

// Resume starts all members of the store, after [Store.Kill], and is done when they answer.
func (s *Store) Resume() drtest.Step {
	return drtest.Step{Name: "start the store", Do: func(ctx context.Context) error {
		var all errgroup.Group
		for _, m := range s.Members {
			all.Go(func() error { return m.Resume().Do(ctx) })
		}
		return all.Wait()
	}}
}
