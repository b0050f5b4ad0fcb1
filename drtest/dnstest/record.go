package dnstest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/drtest/suite/drtest"
	"github.com/drtest/suite/drtest/containertest"
)

// updateTimeout bounds each change of a record.
const updateTimeout = 10 * time.Second

// A Record is a name in the zone that leads to the address of a service. It is itself a
// [containertest.Upstream], for clients whose [containertest.Config] has the zone's resolver.
//
// The record keeps the address that the service had when it was led to it. A container that is
// started again may get another one, unless it has a firewall.
type Record struct {
	zone *Zone
	name string // with the domain
	port string
}

// label is what a name may be: it becomes a line of a script of knsupdate.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Record makes the record name.dr.test, which leads to an upstream on the zone's network. The name
// is one label, and no other record has it.
func (z *Zone) Record(t testing.TB, name string, to containertest.Upstream) *Record {
	t.Helper()
	r := &Record{zone: z, name: name + "." + Domain}
	if !label.MatchString(name) {
		t.Fatalf("record %s: %q is not one label of lower-case letters, digits and hyphens", r.name, name)
	}
	_, port, err := net.SplitHostPort(to.Addr())
	if err != nil {
		t.Fatalf("record %s: point to %q: %v", r.name, to.Addr(), err)
	}
	r.port = port
	// The server refuses the whole update when the name is there.
	if err := r.point(t.Context(), to, "nxdomain "+r.name+"."); err != nil {
		t.Fatal(err)
	}
	return r
}

// Addr returns the record's address for clients that use the zone's resolver, such as
// "database.dr.test:5432".
func (r *Record) Addr() string { return net.JoinHostPort(r.name, r.port) }

// Network returns the name of the zone's network.
func (r *Record) Network() string { return r.zone.authority.Network() }

// PointTo points the record to another upstream, which serves the same port, and is done when the
// authoritative server answers with its address. Connections to the old one stay, and so do answers
// that the resolver keeps. An upstream that is down has no address.
func (r *Record) PointTo(to containertest.Upstream) drtest.Step {
	return drtest.Step{Name: "point " + r.name + " to " + to.Addr(), Do: func(ctx context.Context) error {
		return r.point(ctx, to, "yxdomain "+r.name+".")
	}}
}

// point replaces the address of the record in one transaction, if a prerequisite in the language of
// knsupdate holds.
func (r *Record) point(ctx context.Context, to containertest.Upstream, prerequisite string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, updateTimeout, fmt.Errorf("the zone did not answer within %v", updateTimeout))
	defer cancel()
	addr, err := r.addressOf(ctx, to)
	if err == nil {
		err = r.update(ctx, addr, prerequisite)
	}
	if err != nil {
		return fmt.Errorf("record %s: point to %s: %w", r.name, to.Addr(), err)
	}
	return nil
}

func (r *Record) addressOf(ctx context.Context, to containertest.Upstream) (netip.Addr, error) {
	if to.Network() != r.Network() {
		return netip.Addr{}, fmt.Errorf("it is on another network")
	}
	host, port, err := net.SplitHostPort(to.Addr())
	if err != nil {
		return netip.Addr{}, err
	}
	if port != r.port {
		return netip.Addr{}, fmt.Errorf("it serves another port, and clients of the record ask for %s", r.port)
	}
	return r.zone.lookUp(ctx, host)
}

func (r *Record) update(ctx context.Context, addr netip.Addr, prerequisite string) error {
	script := strings.Join([]string{
		"server 127.0.0.1",
		"zone " + Domain + ".",
		"prereq " + prerequisite,
		"update delete " + r.name + ". A",
		fmt.Sprintf("update add %s. %s A %s", r.name, seconds(r.zone.ttl), addr),
		"send",
	}, "\n")
	if _, err := r.zone.authority.Exec(ctx, "sh", "-c", `printf '%s\n' "$1" | knsupdate`, "sh", script); err != nil {
		return err
	}
	answer, err := dig(ctx, r.zone.authority, r.name, "A")
	if err != nil {
		return err
	}
	if answer != addr.String() {
		return fmt.Errorf("after the update to %s the server answers %q", addr, answer)
	}
	return nil
}
