package docker

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// TestChoose: whoever names an engine first decides, in a stated order, and the others are told.
func TestChoose(t *testing.T) {
	const (
		host     = "tcp://host:1"
		context  = "unix:///context.sock"
		tcHost   = "tcp://tc:2"
		property = "tcp://property:3"
		current  = "unix:///current.sock"
	)
	all := map[string]string{"DOCKER_HOST": host, "DOCKER_CONTEXT": "colima", "tc.host": tcHost, "docker.host": property, "current": "rancher"}
	without := func(names ...string) map[string]string {
		left := map[string]string{}
		for name, value := range all {
			left[name] = value
		}
		for _, name := range names {
			delete(left, name)
		}
		return left
	}
	const (
		byContext  = context + " (DOCKER_CONTEXT=colima)"
		byTC       = tcHost + " (tc.host in ~/.testcontainers.properties)"
		byProperty = property + " (docker.host in ~/.testcontainers.properties)"
		byCurrent  = current + " (the current docker context rancher)"
	)
	for _, c := range []struct {
		reason string
		said   map[string]string
		want   string
	}{
		{"the variable of the engine goes before all else", all,
			host + " (DOCKER_HOST), not " + byContext + ", not " + byTC + ", not " + byProperty + ", not " + byCurrent},
		{"then that of the context", without("DOCKER_HOST"), byContext + ", not " + byTC + ", not " + byProperty + ", not " + byCurrent},
		{"then what is said for tests alone", without("DOCKER_HOST", "DOCKER_CONTEXT"), byTC + ", not " + byProperty + ", not " + byCurrent},
		{"then what is said for testcontainers", without("DOCKER_HOST", "DOCKER_CONTEXT", "tc.host"), byProperty + ", not " + byCurrent},
		{"then the context of the docker command", map[string]string{"current": "rancher"}, byCurrent},
		{"those that agree are not told", map[string]string{"DOCKER_HOST": current, "current": "rancher"}, current + " (DOCKER_HOST)"},
		{"the context default is the usual socket, whatever files say", map[string]string{"DOCKER_CONTEXT": "default", "tc.host": tcHost},
			"unix:///var/run/docker.sock (DOCKER_CONTEXT=default), not " + byTC},
		{"a current context default names none", map[string]string{"current": "default", "docker.host": property}, byProperty},
		{"a context that is not there is no reason to go elsewhere", map[string]string{"DOCKER_CONTEXT": "gone", "current": "rancher"},
			"error: DOCKER_CONTEXT=gone: no such context: open HOME/.docker/contexts/meta/" + hashed("gone") + "/meta.json: no such file or directory"},
		{"one that does not count is no trouble", map[string]string{"DOCKER_HOST": host, "DOCKER_CONTEXT": "gone"}, host + " (DOCKER_HOST)"},
		{"ssh is refused, and the way out told", map[string]string{"DOCKER_HOST": "ssh://host"},
			"error: ssh://host (DOCKER_HOST): drills reach no engine by ssh: forward its socket, as by " +
				"ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock HOST, and set DOCKER_HOST=unix:///tmp/engine.sock"},
	} {
		t.Run(c.reason, func(t *testing.T) {
			home := t.TempDir()
			write(t, home, ".docker/contexts/meta/"+hashed("colima")+"/meta.json", `{"Name":"colima","Endpoints":{"docker":{"Host":"`+context+`"}}}`)
			write(t, home, ".docker/contexts/meta/"+hashed("rancher")+"/meta.json", `{"Name":"rancher","Endpoints":{"docker":{"Host":"`+current+`"}}}`)
			write(t, home, ".docker/config.json", `{"currentContext":"`+c.said["current"]+`"}`)
			s := settings{home: home, env: func(name string) string { return c.said[name] }}
			s.properties.Config.TestcontainersHost, s.properties.Config.Host = c.said["tc.host"], c.said["docker.host"]
			chosen, others, err := s.choose()
			got := chosen.String() + instead(others)
			if err != nil {
				got = "error: " + err.Error()
			}
			if diff := cmp.Diff(c.want, strings.ReplaceAll(got, home, "HOME")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestUsualSockets: where nobody names an engine, the first of the usual sockets that is there is
// used.
func TestUsualSockets(t *testing.T) {
	home := t.TempDir()
	s := settings{home: home, env: func(name string) string {
		return map[string]string{"XDG_RUNTIME_DIR": filepath.Join(home, "run")}[name]
	}}
	_, err := s.socket(filepath.Join(home, "usual.sock"))
	require.ErrorContains(t, err, "no engine is named, and none of its usual sockets is there: "+home+"/usual.sock, "+home+"/run/docker.sock, ")
	for _, name := range []string{".docker/run/docker.sock", "run/docker.sock", "usual.sock"} {
		write(t, home, name, "")
		e, err := s.socket(filepath.Join(home, "usual.sock"))
		require.NoError(t, err)
		require.Equal(t, "unix://"+home+"/"+name+" (no engine is named)", e.String())
	}
}

func hashed(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}
