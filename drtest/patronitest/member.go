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

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
	"github.com/drtest/suite/drtest/pgtest"
	"github.com/drtest/suite/internal/secret"
	"github.com/drtest/suite/internal/wait"
)

const (
	agentPort  = 8008
	agentUser  = "drtest"
	maximumLag = 1 << 20 // bytes that a member may be behind the leader and still take over
)

// A Member is a node of a [Cluster]: a server, and the agent that decides whether it is primary.
type Member struct{ *pgtest.Node }

// Crash returns the end of all processes of the server by SIGKILL. The agent lives, gives up the
// lease and lets another member take over; then it rewinds the server, which follows. Heal does
// nothing.
//
// They all end at once, the youngest first, which are the clients: children that outlive the first
// process for a moment answer the agent without their walsenders, so that it takes it that nobody
// may take over, and what is committed after the end of one walsender reaches the other standby
// alone, which then has to be rewound.
func (m *Member) Crash() drtest.Fault {
	return drtest.Fault{Name: "crash the server of " + m.Name(), Inject: func(ctx context.Context) (drtest.Effect, error) {
		// A child that ends by itself meanwhile is no error.
		const kill = `p=$(head -n 1 /var/lib/postgresql/data/postmaster.pid) && children=$(cat "/proc/$p/task/$p/children") || exit
			all=$p
			for i in $children; do all="$i $all"; done
			kill -KILL $all 2>/dev/null
			for i in $all; do
				while [ -e "/proc/$i" ] && ! grep -q '^State:.Z' "/proc/$i/status" 2>/dev/null; do :; done
			done
			echo "$p and $(($(echo $all | wc -w) - 1)) children"`
		return m.signal(ctx, kill, "postmaster %s were killed and are gone")
	}}
}

// HangAgent returns an agent that stands still, while its server goes on: it neither renews the
// lease nor makes its server read only when that has expired. Heal lets it go on.
func (m *Member) HangAgent() drtest.Fault {
	const pid = `p=$(cat /var/lib/postgresql/agent.pid) && `
	inject := func(ctx context.Context) (drtest.Effect, error) {
		const stop = pid + `kill -STOP "$p" && while ! grep -q '^State:.T' "/proc/$p/status"; do :; done; echo "$p"`
		return m.signal(ctx, stop, "agent %s is stopped")
	}
	heal := func(ctx context.Context) error {
		_, err := m.Service().Exec(ctx, "sh", "-c", pid+`kill -CONT "$p"`)
		return err
	}
	return drtest.Fault{Name: "hang the agent of " + m.Name(), Inject: inject, Heal: heal}
}

func (m *Member) signal(ctx context.Context, script, receipt string) (drtest.Effect, error) {
	pid, err := m.Service().Exec(ctx, "sh", "-c", script)
	if err != nil {
		return drtest.Effect{}, err
	}
	return drtest.Effect{Receipt: drtest.Receipt(fmt.Sprintf(receipt, strings.TrimSpace(pid)))}, nil
}

// Pause returns a node that stands still, agent and server: see [containertest.Service.Pause].
func (m *Member) Pause() drtest.Fault { return m.Service().Pause() }

// Partition returns a network that loses everything between the node and peers: see
// [containertest.Service.Partition]. It needs [Config.Firewall].
func (m *Member) Partition(peers ...containertest.Peer) drtest.Fault {
	return m.Service().Partition(peers...)
}

// Isolate returns a partition of the node from everybody but the peers named and the host: see
// [containertest.Service.Isolate]. It needs [Config.Firewall].
func (m *Member) Isolate(except ...containertest.Peer) drtest.Fault {
	return m.Service().Isolate(except...)
}

// Resume starts a node that has been killed, and is done when its server answers.
func (m *Member) Resume() drtest.Step { return m.Service().Resume() }

// Fence bars a node, from its agent's next round on, from leading and from being the synchronous
// standby. A leader goes on leading until it is switched over. [Cluster.Clone] lifts the fence.
func (c *Cluster) Fence(m *Member) drtest.Step {
	return drtest.Step{Name: "fence " + m.Name(), Do: func(ctx context.Context) error { return c.tag(ctx, m, true) }}
}

// tag fences a member, or lifts the fence, and returns when the store has it.
func (c *Cluster) tag(ctx context.Context, m *Member, fenced bool) error {
	const edit = `import json, sys; c = json.load(open("agent.json")); c["tags"] = {t: sys.argv[1] == "true" for t in ("nofailover", "nosync")}; json.dump(c, open("agent.json", "w"))`
	const reload = `cd /var/lib/postgresql && python3 -c "$1" "$2" && kill -HUP "$(cat agent.pid)"`
	if _, err := m.Service().Exec(ctx, "sh", "-c", reload, "sh", edit, fmt.Sprint(fenced)); err != nil {
		return err
	}
	return wait.For(ctx, settleStep, func(ctx context.Context) error {
		v, err := c.Store.view(ctx)
		if err == nil && v.Members[m.Name()].Tags.NoSync != fenced {
			err = fmt.Errorf("the store does not know the fence of %s yet", m.Name())
		}
		return err
	})
}

// Clone throws the data of a replica away and copies that of the leader, and is done once the
// replica streams again. What is wrong with its files goes with them, while a rewind keeps every
// page that did not change.
func (c *Cluster) Clone(m *Member) drtest.Step {
	return drtest.Step{Name: "clone " + m.Name(), Do: func(ctx context.Context) error { return c.clone(ctx, m) }}
}

func (c *Cluster) clone(ctx context.Context, m *Member) error {
	started, _ := m.startTime(ctx) // none, when the server is down
	if _, err := m.post(ctx, "/reinitialize", map[string]bool{"force": true}); err != nil {
		return err
	}
	err := wait.For(ctx, settleStep, func(ctx context.Context) error {
		if now, err := m.startTime(ctx); err != nil || now == started {
			return errors.Join(err, errors.New("its data is the old one"))
		}
		return c.settled(ctx, c.Members)
	})
	return errors.Join(err, c.tag(ctx, m, false))
}

// startTime tells one run of the server from the next.
func (m *Member) startTime(ctx context.Context) (string, error) {
	return m.Text(ctx, "SELECT pg_postmaster_start_time()::text")
}

// Checksums stops the server of a replica for as long as pg_checksums takes to read every page of
// it, and returns what that says. A page whose checksum is wrong is an error.
func (m *Member) Checksums(ctx context.Context) (string, error) {
	const check = `cd /var/lib/postgresql && p=$(cat agent.pid) && kill -STOP "$p" && trap 'kill -CONT "$p"' EXIT &&
		pg_ctl -D data -m fast -w stop >/dev/null && pg_checksums --check -D data 2>&1`
	out, err := m.Service().Exec(ctx, "sh", "-c", check)
	if err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(out), " "), nil
}

// get asks the agent; only the status 200 is no error.
func (m *Member) get(ctx context.Context, path string) error {
	_, err := m.request(ctx, http.MethodGet, path, nil)
	return err
}

// post tells the agent something and returns its answer.
func (m *Member) post(ctx context.Context, path string, v any) (string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	return m.request(ctx, http.MethodPost, path, body)
}

func (m *Member) request(ctx context.Context, method, path string, body []byte) (string, error) {
	addr, err := m.Service().HostAddrOf(ctx, agentPort)
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Close = true
	req.SetBasicAuth(agentUser, secret.Password())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("agent of %s: %w", m.Name(), err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("agent of %s: %s %s: %s: %.300s", m.Name(), method, path, resp.Status, answer)
	}
	return string(answer), err
}
