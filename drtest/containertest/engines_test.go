package containertest_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/drtest/suite/internal/certificate"
	"github.com/drtest/suite/internal/docker"
	"github.com/stretchr/testify/require"
)

// A relay is the way to the engine by another address.
type relay struct {
	addr string // as in DOCKER_HOST
	mu   sync.Mutex
	made int // containers
}

// relayTo starts a relay to the engine. It has no answer for what matches silent, and if there is a
// certificate, it shows that one and demands it.
func relayTo(t *testing.T, silent *regexp.Regexp, c *certificate.Certificate) *relay {
	t.Helper()
	engine, err := docker.Connect()
	require.NoError(t, err)
	r := &relay{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.FlushInterval = -1
	proxy.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return engine.Dialer()(ctx) }}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if silent != nil && silent.MatchString(q.URL.Path) {
			<-q.Context().Done()
			return
		}
		if strings.HasSuffix(q.URL.Path, "/containers/create") {
			r.mu.Lock()
			r.made++
			r.mu.Unlock()
		}
		proxy.ServeHTTP(w, q)
	}))
	if c == nil {
		server.Start()
	} else {
		expected := c.Client()
		server.TLS = &tls.Config{Certificates: expected.Certificates, ClientCAs: expected.RootCAs, ClientAuth: tls.RequireAndVerifyClientCert}
		server.StartTLS()
	}
	t.Cleanup(server.CloseClientConnections)
	r.addr = "tcp://" + server.Listener.Addr().String()
	return r
}

func (r *relay) containers() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made
}

// TestEnginesThatDisagree: the engine that is named at the start is the one that is used, or none
// is.
func TestEnginesThatDisagree(t *testing.T) {
	needsEngine(t)
	const dead = "tcp://127.0.0.1:1"
	for _, c := range []struct {
		reason                          string
		host, context, tcHost, property string // HERE is the engine that answers, by a relay
		named                           string // as the one that is used
		refused                         bool
	}{
		{"the environment against all files", "HERE", "", dead, dead, "HERE (DOCKER_HOST), not " + dead + " (tc.host in ~/.testcontainers.properties)", false},
		{"the environment against a context", "HERE", "elsewhere", "", "", "HERE (DOCKER_HOST), not " + dead + " (DOCKER_CONTEXT=elsewhere)", false},
		{"a context against files", "", "here", dead, dead, "HERE (DOCKER_CONTEXT=here), not " + dead, false},
		{"a file", "", "", "HERE", dead, "HERE (tc.host in ~/.testcontainers.properties), not " + dead, false},
		{"the other line of the file", "", "", "", "HERE", "HERE (docker.host in ~/.testcontainers.properties)", false},
		{"the environment names a dead one, and all else one that answers", dead, "here", "HERE", "HERE", "DOCKER_HOST=" + dead, true},
		{"a context names a dead one", "", "elsewhere", "HERE", "HERE", dead + " (DOCKER_CONTEXT=elsewhere)", true},
		{"a context that is not there", "", "nowhere", "HERE", "HERE", "DOCKER_CONTEXT=nowhere: no such context", true},
		{"a file names a dead one, and the usual socket is there", "", "", dead, "HERE", dead + " (tc.host in ~/.testcontainers.properties)", true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			r := relayTo(t, nil, nil)
			here := func(s string) string { return strings.ReplaceAll(s, "HERE", r.addr) }
			home := t.TempDir()
			write := func(name, text string) {
				path := filepath.Join(home, name)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
			}
			for name, addr := range map[string]string{"here": r.addr, "elsewhere": dead} {
				sum := sha256.Sum256([]byte(name))
				write(".docker/contexts/meta/"+hex.EncodeToString(sum[:])+"/meta.json", `{"Endpoints":{"docker":{"Host":"`+addr+`"}}}`)
			}
			if c.tcHost+c.property != "" {
				write(".testcontainers.properties", "tc.host="+here(c.tcHost)+"\ndocker.host="+here(c.property)+"\n")
			}
			cmd := child(t.Context(), t.TempDir(), "passes")
			cmd.Env = append(cmd.Env, "DOCKER_HOST="+here(c.host), "DOCKER_CONTEXT="+c.context, "DOCKER_CONFIG=")
			cmd.Env = append(atHome(t, cmd.Env), "HOME="+home)
			out, err := cmd.CombinedOutput()
			require.Equal(t, c.refused, err != nil, string(out))
			require.Contains(t, string(out), here(c.named))
			if c.refused {
				require.Zero(t, r.containers())
			} else {
				require.GreaterOrEqual(t, r.containers(), 2, "the reaper and the service are on another engine")
			}
		})
	}
}

// atHome keeps the go tool's files where they are when the home is another.
func atHome(t *testing.T, env []string) []string {
	t.Helper()
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		dir, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		require.NoError(t, err)
		env = append(env, name+"="+strings.TrimSpace(string(dir)))
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	return append(env, "XDG_CACHE_HOME="+cache)
}

// TestEngineWithTLS: an engine that demands a certificate is used with the user's, by each of the
// ways to name one, and one that has another certificate is refused with the reason.
func TestEngineWithTLS(t *testing.T) {
	needsEngine(t)
	ours, err := certificate.Make("127.0.0.1")
	require.NoError(t, err)
	theirs, err := certificate.Make("127.0.0.1")
	require.NoError(t, err)
	for _, c := range []struct {
		reason      string
		host        string // HERE is the engine that answers, by a relay
		context     string
		certificate *certificate.Certificate // of the user
		want        string
		refused     bool
	}{
		{"by the environment", "HERE", "", ours, "HERE (DOCKER_HOST)", false},
		{"by a context", "", "here", ours, "HERE (DOCKER_CONTEXT=here)", false},
		{"by the environment, with another's certificate", "HERE", "", theirs, "x509: certificate signed by unknown authority", true},
		{"by a context, with another's certificate", "", "here", theirs, "x509: certificate signed by unknown authority", true},
	} {
		t.Run(c.reason, func(t *testing.T) {
			r := relayTo(t, nil, ours)
			here := func(s string) string { return strings.ReplaceAll(s, "HERE", r.addr) }
			home, sum := t.TempDir(), sha256.Sum256([]byte("here"))
			id := hex.EncodeToString(sum[:])
			certs := filepath.Join(home, ".docker/contexts/tls", id, "docker")
			for path, text := range map[string]string{
				filepath.Join(certs, "ca.pem"):                                c.certificate.PEM,
				filepath.Join(certs, "cert.pem"):                              c.certificate.PEM,
				filepath.Join(certs, "key.pem"):                               c.certificate.Key,
				filepath.Join(home, ".docker/contexts/meta", id, "meta.json"): `{"Endpoints":{"docker":{"Host":"` + r.addr + `"}}}`,
			} {
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			cmd := child(t.Context(), t.TempDir(), "passes")
			cmd.Env = append(cmd.Env, "DOCKER_HOST="+here(c.host), "DOCKER_CONTEXT="+c.context, "DOCKER_CONFIG=")
			if c.host != "" {
				cmd.Env = append(cmd.Env, "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH="+certs)
			}
			cmd.Env = append(atHome(t, cmd.Env), "HOME="+home)
			out, err := cmd.CombinedOutput()
			require.Equal(t, c.refused, err != nil, string(out))
			require.Contains(t, string(out), here(c.want))
			if c.refused {
				require.Zero(t, r.containers())
			} else {
				require.GreaterOrEqual(t, r.containers(), 2, "the reaper and the service are on another engine")
			}
		})
	}
}
