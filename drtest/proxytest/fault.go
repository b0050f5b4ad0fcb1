package proxytest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"
	"github.com/drtest/suite/drtest"
)

// Cut returns a cut of the link. Connections through it are closed and new ones refused, so that
// peers know at once. From the host, a new connection may open and is closed at once, where the
// engine publishes ports by a process of its own. Heal lets new connections through again.
func (l *Link) Cut() drtest.Fault {
	return drtest.Fault{
		Name: "cut link " + l.name,
		Inject: func(ctx context.Context) (drtest.Effect, error) {
			// The proxy answers when it has closed the listener and all connections.
			if err := l.enable(ctx, false); err != nil {
				return drtest.Effect{}, err
			}
			seen, err := l.refused(ctx)
			if err != nil {
				return drtest.Effect{}, err
			}
			return drtest.Effect{Receipt: drtest.Receipt("listener closed, a new connection: " + seen)}, nil
		},
		Heal: func(ctx context.Context) error { return l.enable(ctx, true) },
	}
}

// Blackhole returns a link that is open and silent. Connections stay open and new ones open, but
// what either side sends never arrives; the proxy's kernel acknowledges it, so no keepalive or
// TCP_USER_TIMEOUT fires and only timeouts of the application notice. When one side closes its
// connection, so does the other. Heal closes the connections that were open, since what they sent
// is lost, and lets new ones through.
func (l *Link) Blackhole() drtest.Fault {
	return l.toxics("blackhole",
		toxiproxy.Toxic{Name: "blackhole_upstream", Type: "timeout", Stream: "upstream", Attributes: toxiproxy.Attributes{"timeout": 0}},
		toxiproxy.Toxic{Name: "blackhole_downstream", Type: "timeout", Stream: "downstream", Attributes: toxiproxy.Attributes{"timeout": 0}})
}

// Slow returns a link whose answers come late: what the upstream sends arrives at the client after
// a further latency, to the millisecond. Requests and the opening of connections take no longer. It
// is a delay, not a limit of throughput. Heal ends the delay, also for what is under way.
func (l *Link) Slow(latency time.Duration) drtest.Fault {
	return l.toxics(fmt.Sprintf("slow by %v", latency),
		toxiproxy.Toxic{Name: "slow", Type: "latency", Stream: "downstream", Attributes: toxiproxy.Attributes{"latency": latency.Milliseconds()}})
}

// refused opens a connection through a link that is cut and returns how that failed.
func (l *Link) refused(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", l.HostAddr())
	if err != nil {
		return reason(err), ctx.Err()
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if n, err := conn.Read(make([]byte, 1)); n == 0 && ctx.Err() == nil {
		return reason(err), nil
	}
	return "", fmt.Errorf("link %s still lets connections through", l.name)
}

// reason shortens an error of the network to what happened.
func reason(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return err.Error()
}

// toxics returns a fault that is made of Toxiproxy's toxics.
func (l *Link) toxics(name string, list ...toxiproxy.Toxic) drtest.Fault {
	return drtest.Fault{
		Name: name + " link " + l.name,
		Inject: func(ctx context.Context) (drtest.Effect, error) {
			var seen []string
			err := l.change(ctx, func(p *toxiproxy.Proxy) error {
				if !p.Enabled {
					return errors.New("it is cut")
				}
				for _, t := range list {
					got, err := p.AddToxic(t.Name, t.Type, t.Stream, 1, t.Attributes)
					if err != nil {
						return err
					}
					seen = append(seen, describe(got))
				}
				return nil
			})
			if err != nil {
				return drtest.Effect{}, err
			}
			return drtest.Effect{Receipt: drtest.Receipt("in force: " + strings.Join(seen, ", "))}, nil
		},
		Heal: func(ctx context.Context) error {
			return l.change(ctx, func(p *toxiproxy.Proxy) error {
				for _, t := range list {
					// A fault that came about by halves lacks some.
					var missing *toxiproxy.ApiError
					if err := p.RemoveToxic(t.Name); err != nil && !(errors.As(err, &missing) && missing.Status == http.StatusNotFound) {
						return err
					}
				}
				return nil
			})
		},
	}
}

// describe says what the proxy reports of a toxic.
func describe(t *toxiproxy.Toxic) string {
	if ms, ok := t.Attributes["latency"]; ok {
		return fmt.Sprintf("%s %v ms %s", t.Type, ms, t.Stream)
	}
	return t.Type + " " + t.Stream
}
