//go:build linux

// Command program is the firewall of the network namespace that it runs in. On its standard input
// it takes orders to drop packets. Once that ends, because the test process has closed it or has
// died, it removes all of its rules.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/drtest/suite/internal/orders"
)

const (
	// lookupTimeout bounds the resolution of the peers of a cut.
	lookupTimeout = time.Second
	// followEvery is how soon a cut follows a peer that was started again under another address.
	followEvery = 100 * time.Millisecond
)

func main() {
	f := firewall{cuts: map[string]*cut{}}
	orders.Serve(os.Stdin, os.Stdout, f.obey)
	for _, name := range slices.Collect(maps.Keys(f.cuts)) {
		if _, err := f.heal(name); err != nil {
			fmt.Fprintln(os.Stderr, "drtest-firewall:", err)
		}
	}
	// The network of the service ends with this process, so it stays.
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}

type firewall struct{ cuts map[string]*cut }

// A cut drops the packets of some hosts, or of all but some.
type cut struct {
	*table
	hosts []string
	mu    sync.Mutex // held while the kernel's rules change
	stop  context.CancelFunc
}

// obey follows the orders
//
//	cut <name> <in|out|both> <only|except> <host,...>
//	count <name>
//	heal <name>
//
// The first answers with the addresses of the hosts, the others with the packets that were dropped
// so far: those that came in, and those that went out.
func (f *firewall) obey(order string) (string, error) {
	word := strings.Fields(order)
	switch {
	case len(word) == 5 && word[0] == "cut":
		return f.cut(word[1], word[2], word[3] == "except", strings.Split(word[4], ","))
	case len(word) == 2 && word[0] == "count":
		c, ok := f.cuts[word[1]]
		if !ok {
			return "", errors.New("there is no such cut")
		}
		return c.count()
	case len(word) == 2 && word[0] == "heal":
		return f.heal(word[1])
	}
	return "", errors.New("bad order")
}

func (f *firewall) cut(name, direction string, except bool, hosts []string) (string, error) {
	if _, ok := f.cuts[name]; ok {
		return "", errors.New("it is in force already")
	}
	c := &cut{hosts: hosts}
	ctx, stop := context.WithCancel(context.Background())
	now, err := c.addresses(ctx)
	if err == nil {
		c.table, err = drop(name, direction, except, now)
	}
	if err != nil {
		stop()
		return "", err
	}
	c.stop = stop
	f.cuts[name] = c
	go c.follow(ctx, now)
	return strings.Trim(fmt.Sprint(now), "[]"), nil
}

// heal removes a cut and returns what it dropped in all. One that never was is healed.
func (f *firewall) heal(name string) (string, error) {
	c, ok := f.cuts[name]
	if !ok {
		return "0 0", nil
	}
	c.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	count, err := c.count()
	if err != nil {
		return "", err
	}
	if err := c.remove(); err != nil {
		return "", err
	}
	delete(f.cuts, name)
	return count, nil
}

// follow keeps a cut where its hosts are. A host without a name any more, for it is dead, is
// expected back at its old address.
func (c *cut) follow(ctx context.Context, last []netip.Addr) {
	for tick := time.Tick(followEvery); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		now, err := c.addresses(ctx)
		if err != nil || slices.Equal(now, last) {
			continue
		}
		c.mu.Lock()
		if ctx.Err() == nil && c.replace(now) == nil {
			last = now
		}
		c.mu.Unlock()
	}
}

func (c *cut) addresses(ctx context.Context) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	var all []netip.Addr
	for _, host := range c.hosts {
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, fmt.Errorf("look up %s: %w", host, err)
		}
		for _, a := range found {
			all = append(all, a.Unmap())
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}
