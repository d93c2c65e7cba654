package node

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// doorTime is how long the engine lets a connection stand that does not say who it is
	// (p2p.MultiplexTransport's handshake).
	doorTime   = 3 * time.Second
	mostOfOne  = 64   // connections from one place that are looked at in this time
	mostPlaces = 4096 // that are counted; what is beyond is one place
)

// door bounds how many connections from one place the engine looks at. Everybody who
// reaches the node's port may connect, and only what follows tells who it is; until
// then a connection takes one of the engine's maxInbound. Somebody who opens them faster
// than they end would keep every partner out that is not connected yet.
//
// It may be used by several goroutines.
type door struct {
	mu    sync.Mutex // guards what follows
	began time.Time
	seen  map[netip.Prefix]int
}

// admits counts a connection from an address, HOST:PORT, and tells whether it is looked
// at. One place is an IPv4 address, or the network of 64 bits that one of IPv6 is in.
func (d *door) admits(now time.Time, address string) bool {
	from, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	ip, bits := from.Addr().Unmap(), 32
	if ip.Is6() {
		bits = 64
	}
	place, err := ip.Prefix(bits)
	if err != nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seen == nil || now.Sub(d.began) >= doorTime {
		d.began, d.seen = now, map[netip.Prefix]int{}
	}
	if _, known := d.seen[place]; !known && len(d.seen) >= mostPlaces {
		place = netip.Prefix{}
	}
	d.seen[place]++
	return d.seen[place] <= mostOfOne
}
