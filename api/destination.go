package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/waybill-ledger/waybill/schemas"
)

// Where messages may be sent. A client of the gateway names a URL, and the node
// calls it from inside the operator's network: so nothing is reached there but what
// the operator allows. What counts is the address that is connected to, not what a
// name said before: it is checked at each connection, behind the resolver.

// maxDest bounds a destination's URL.
const maxDest = 2048

// inside are addresses that are no hosts of the internet though they may look so:
// shared (RFC 6598), special (RFC 6890), of documentation, of tests; one by which Azure's
// machines reach what runs them; and in IPv6 those that embed one of IPv4.
var inside = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

// unicast is what IPv6 has of global addresses (RFC 4291); metadata services,
// translation prefixes and private networks are outside.
var unicast = netip.MustParsePrefix("2000::/3")

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

// guard decides which addresses may be connected to.
type guard struct{ allowed []netip.Prefix }

var errInside = errors.New("is an internal address: the operator of the node would have to allow it")

// check fails unless an address may be connected to.
func (g guard) check(a netip.Addr) error {
	a = a.WithZone("").Unmap()
	for _, p := range g.allowed {
		if p.Contains(a) {
			return nil
		}
	}
	bad := !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !unicast.Contains(a)
	for _, p := range inside {
		bad = bad || p.Contains(a)
	}
	if bad {
		return fmt.Errorf("%s %w", a, errInside)
	}
	return nil
}

// control is called with the address of each connection before it is made.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s: %w", address, errInside)
	}
	return g.check(at.Addr())
}

// dest checks a destination's URL, which a member of a request gives, as far as it tells
// by itself.
func (g guard) dest(code schemas.Code, member, text string) error {
	bad := func(detail string) error {
		return &schemas.Fault{Code: code, Pointer: "/" + member, Detail: detail}
	}
	u, err := url.Parse(text)
	switch {
	case len(text) > maxDest || !printable(text) || err != nil:
		return bad(fmt.Sprintf("%s is a URL of at most %d bytes", member, maxDest))
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return bad(member + " is an http or https URL with a host")
	case u.User != nil || u.Fragment != "":
		return bad(member + " has neither a user nor a fragment: messages are signed instead")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := g.check(a); err != nil {
			return bad(err.Error())
		}
	}
	return nil
}

// client makes the one client that messages are sent with. It follows no
// redirection, uses no proxy, and connects to nothing that the guard refuses.
func (g guard) client(patience time.Duration) *http.Client {
	dialer := &net.Dialer{Timeout: patience, Control: g.control}
	return &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           64,
			MaxIdleConnsPerHost:    1,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    patience,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}
