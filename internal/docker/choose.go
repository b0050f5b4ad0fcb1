package docker

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// defaultSocket is where an engine listens unless it is told otherwise, on its own machine.
const defaultSocket = "/var/run/docker.sock"

// An endpoint is the address of an engine, and who says it.
type endpoint struct {
	address string // such as "unix:///var/run/docker.sock"
	source  string // such as "DOCKER_HOST"
	opts    []client.Opt
}

func (e endpoint) String() string { return fmt.Sprintf("%s (%s)", e.address, e.source) }

// settings are what the user has said about engines, in the environment and in files.
type settings struct {
	env  func(string) string
	home string
	// properties are those of ~/.testcontainers.properties.
	properties testcontainers.TestcontainersConfig
}

func userSettings() settings {
	s := settings{env: os.Getenv}
	s.home, _ = os.UserHomeDir()
	if _, err := os.Stat(filepath.Join(s.home, ".testcontainers.properties")); err == nil {
		// Not without need: it reads its settings once in the life of a process, and the user's own
		// tests may not have made theirs yet.
		s.properties = testcontainers.ReadConfig()
	}
	return s
}

// choose returns the engine that drills use, and others that were named. The environment goes
// before files, and what is said for tests before what the docker command has switched to. The
// first to name an engine decides: there is no falling back to another.
func (s settings) choose() (chosen endpoint, others []endpoint, err error) {
	ours := s.properties.Config
	var certificates []client.Opt
	if ours.TLSVerify == 1 {
		certificates = withCertificates(ours.CertPath)
	}
	for _, ask := range []func() (endpoint, error){
		func() (endpoint, error) {
			return endpoint{s.env("DOCKER_HOST"), "DOCKER_HOST", []client.Opt{client.WithTLSClientConfigFromEnv()}}, nil
		},
		func() (endpoint, error) {
			name := s.env("DOCKER_CONTEXT")
			return s.dockerContext(name, "DOCKER_CONTEXT="+name)
		},
		func() (endpoint, error) {
			return endpoint{ours.TestcontainersHost, "tc.host in ~/.testcontainers.properties", certificates}, nil
		},
		func() (endpoint, error) {
			return endpoint{ours.Host, "docker.host in ~/.testcontainers.properties", certificates}, nil
		},
		func() (endpoint, error) {
			name, err := s.currentContext()
			if err != nil || name == "default" {
				return endpoint{}, err
			}
			return s.dockerContext(name, "the current docker context "+name)
		},
	} {
		e, err := ask()
		switch {
		case chosen.address != "":
			if err == nil && e.address != "" && e.address != chosen.address {
				others = append(others, e)
			}
		case err != nil:
			return endpoint{}, nil, err
		default:
			chosen = e
		}
	}
	if chosen.address == "" {
		chosen, err = s.socket(defaultSocket)
	}
	if strings.HasPrefix(chosen.address, "ssh://") {
		err = fmt.Errorf("%v: drills reach no engine by ssh: forward its socket, as by ssh -nNT -L /tmp/engine.sock:%s HOST, "+
			"and set DOCKER_HOST=unix:///tmp/engine.sock", chosen, defaultSocket)
	}
	return chosen, others, err
}

// socket returns the first of the usual sockets that is there: that of the machine, or one of the
// user's own.
func (s settings) socket(usual string) (endpoint, error) {
	paths := []string{usual}
	if dir := s.env("XDG_RUNTIME_DIR"); dir != "" {
		paths = append(paths, filepath.Join(dir, "docker.sock"))
	}
	paths = append(paths, filepath.Join(s.home, ".docker", "run", "docker.sock"), filepath.Join(s.home, ".docker", "desktop", "docker.sock"),
		fmt.Sprintf("/run/user/%d/docker.sock", os.Getuid()))
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return endpoint{address: "unix://" + path, source: "no engine is named"}, nil
		}
	}
	if strings.HasPrefix(client.DefaultDockerHost, "npipe:") {
		return endpoint{address: client.DefaultDockerHost, source: "no engine is named"}, nil
	}
	return endpoint{}, fmt.Errorf("no engine is named, and none of its usual sockets is there: %s", strings.Join(paths, ", "))
}

func (s settings) dockerConfig(elements ...string) string {
	dir := cmp.Or(s.env("DOCKER_CONFIG"), filepath.Join(s.home, ".docker"))
	return filepath.Join(append([]string{dir}, elements...)...)
}

// currentContext returns the name of the context that the docker command uses.
func (s settings) currentContext() (string, error) {
	var config struct{ CurrentContext string }
	data, err := os.ReadFile(s.dockerConfig("config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err == nil {
		err = json.Unmarshal(data, &config)
	}
	if err != nil {
		return "", fmt.Errorf("settings of the docker command: %w", err)
	}
	return config.CurrentContext, nil
}

// dockerContext returns the engine of a context of the docker command, which keeps it in files
// named after the hash of its name.
func (s settings) dockerContext(name, source string) (endpoint, error) {
	switch name {
	case "":
		return endpoint{}, nil
	case "default":
		return endpoint{address: client.DefaultDockerHost, source: source}, nil
	}
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	var meta struct {
		Endpoints map[string]struct {
			Host          string
			SkipTLSVerify bool
		}
	}
	data, err := os.ReadFile(s.dockerConfig("contexts", "meta", id, "meta.json"))
	if err == nil {
		err = json.Unmarshal(data, &meta)
	}
	e := meta.Endpoints["docker"]
	switch {
	case err != nil:
		return endpoint{}, fmt.Errorf("%s: no such context: %w", source, err)
	case e.Host == "":
		return endpoint{}, fmt.Errorf("%s: the context names no engine", source)
	}
	found := endpoint{address: e.Host, source: source}
	if dir := s.dockerConfig("contexts", "tls", id, "docker"); exists(dir) {
		if e.SkipTLSVerify {
			return endpoint{}, fmt.Errorf("%s: the context does not verify its engine's certificate, which drills insist on", source)
		}
		found.opts = withCertificates(dir)
	}
	return found, nil
}

// withCertificates has a client use those in a directory.
func withCertificates(dir string) []client.Opt {
	return []client.Opt{client.WithTLSClientConfig(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
