//go:build linux

package main

import (
	"fmt"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A table holds the rules of one cut and nothing else: the engine's DNS lives in rules of the same
// namespace, which must stay as they are.
type table struct {
	table  *nftables.Table
	chains []*nftables.Chain
	v4, v6 *nftables.Set
}

// priority comes before that of filters which a service may have of its own.
const priority = -10

// drop makes a table that drops the packets of peers, or of all but them, and counts what it drops.
// Packets that stay inside the namespace pass.
func drop(name, direction string, except bool, peers []netip.Addr) (*table, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	t := &table{table: c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: name})}
	t.v4 = &nftables.Set{Table: t.table, Name: "ipv4", KeyType: nftables.TypeIPAddr}
	t.v6 = &nftables.Set{Table: t.table, Name: "ipv6", KeyType: nftables.TypeIP6Addr}
	v4, v6 := elements(peers)
	if err := c.AddSet(t.v4, v4); err != nil {
		return nil, err
	}
	if err := c.AddSet(t.v6, v6); err != nil {
		return nil, err
	}
	if direction != "out" {
		t.chain(c, "input", nftables.ChainHookInput, except, sourceOffsets, expr.MetaKeyIIFNAME)
	}
	if direction != "in" {
		t.chain(c, "output", nftables.ChainHookOutput, except, destinationOffsets, expr.MetaKeyOIFNAME)
	}
	return t, c.Flush() // all of it at once, or nothing
}

// Where the address of the other side stands in the headers of both versions of IP.
var (
	sourceOffsets      = offsets{12, 8}
	destinationOffsets = offsets{16, 24}
)

type offsets struct{ v4, v6 uint32 }

func (t *table) chain(c *nftables.Conn, name string, hook *nftables.ChainHook, except bool, at offsets, device expr.MetaKey) {
	chain := c.AddChain(&nftables.Chain{
		Name: name, Table: t.table, Type: nftables.ChainTypeFilter,
		Hooknum: hook, Priority: nftables.ChainPriorityRef(priority),
	})
	t.chains = append(t.chains, chain)
	rule := func(verdict expr.VerdictKind, match ...expr.Any) {
		exprs := append(match, &expr.Counter{}, &expr.Verdict{Kind: verdict})
		c.AddRule(&nftables.Rule{Table: t.table, Chain: chain, Exprs: exprs})
	}
	rule(expr.VerdictAccept,
		&expr.Meta{Key: device, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte("lo\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")})
	of := func(family byte, offset, length uint32, set *nftables.Set) {
		rule(expr.VerdictDrop,
			&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{family}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
			&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID, Invert: except})
	}
	of(unix.NFPROTO_IPV4, at.v4, 4, t.v4)
	of(unix.NFPROTO_IPV6, at.v6, 16, t.v6)
}

// replace changes the peers, in one step.
func (t *table) replace(peers []netip.Addr) error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	v4, v6 := elements(peers)
	for set, now := range map[*nftables.Set][]nftables.SetElement{t.v4: v4, t.v6: v6} {
		c.FlushSet(set)
		if len(now) == 0 {
			continue
		}
		if err := c.SetAddElements(set, now); err != nil {
			return err
		}
	}
	return c.Flush()
}

// count returns how many packets were dropped that came in, and that went out.
func (t *table) count() (string, error) {
	c, err := nftables.New()
	if err != nil {
		return "", err
	}
	dropped := map[string]uint64{}
	for _, chain := range t.chains {
		rules, err := c.GetRules(t.table, chain)
		if err != nil {
			return "", err
		}
		for _, r := range rules {
			var packets uint64
			for _, e := range r.Exprs {
				switch e := e.(type) {
				case *expr.Counter:
					packets = e.Packets
				case *expr.Verdict:
					if e.Kind == expr.VerdictDrop {
						dropped[chain.Name] += packets
					}
				}
			}
		}
	}
	return fmt.Sprint(dropped["input"], dropped["output"]), nil
}

func (t *table) remove() error {
	c, err := nftables.New()
	if err != nil {
		return err
	}
	c.DelTable(t.table)
	return c.Flush()
}

func elements(peers []netip.Addr) (v4, v6 []nftables.SetElement) {
	for _, p := range peers {
		e := nftables.SetElement{Key: p.AsSlice()}
		if p.Is4() {
			v4 = append(v4, e)
		} else {
			v6 = append(v6, e)
		}
	}
	return v4, v6
}
