package fetch

import (
	"net/netip"
	"strings"
	"syscall"
)

// Guard returns a check for net.Dialer.Control: a connection is made to a public unicast address, or to one within allow,
// and to nothing else. It sees what a name resolved to, so no name leads around it. What it refuses is an *Error with
// the reason Private.
func Guard(allow ...netip.Prefix) func(network, address string, c syscall.RawConn) error {
	closed := reserved()
	return func(network, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !strings.HasPrefix(network, "tcp") {
			return refuse(Private)
		}
		a := to.Addr().WithZone("").Unmap()
		if !public(a, closed) && !within(a, allow) {
			return refuse(Private)
		}
		return nil
	}
}

func within(a netip.Addr, all []netip.Prefix) bool {
	for _, p := range all {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// public reports whether a can be reached from everywhere. An address that carries an IPv4 address is what that one is.
func public(a netip.Addr, closed []netip.Prefix) bool {
	if a.Is4() {
		return !within(a, closed)
	}
	b := a.As16()
	switch {
	case within(a, []netip.Prefix{nat64()}):
		return public(netip.AddrFrom4([4]byte(b[12:])), closed)
	case b[0] == 0x20 && b[1] == 0x02: // 6to4, RFC 3056
		return public(netip.AddrFrom4([4]byte(b[2:6])), closed)
	}
	return b[0]&0xe0 == 0x20 && !within(a, closed) // 2000::/3 is all that was given out for unicast (RFC 4291 section 2.4)
}

func nat64() netip.Prefix { return netip.MustParsePrefix("64:ff9b::/96") } // RFC 6052

// reserved is what the IANA special-purpose registries keep from the public, and multicast.
func reserved() []netip.Prefix {
	var all []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "3fff::/20", // protocol assignments with Teredo, documentation
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}
