package web

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// networks lets every network have some requests at once and then one every so often. Safe for concurrent use.
type networks struct {
	every time.Duration
	burst int
	most  int // networks that are remembered; whoever was seen longest ago is forgotten first

	mu    sync.Mutex
	order *list.List // of *bucket, the latest first
	by    map[netip.Prefix]*list.Element
}

type bucket struct {
	network netip.Prefix
	*rate.Limiter
}

// newNetworks has room for a hall full of people who subscribe over one connection.
func newNetworks() *networks {
	return &networks{every: 5 * time.Second, burst: 60, most: 20_000, order: list.New(), by: map[netip.Prefix]*list.Element{}}
}

// allow takes one request of a network from what it may have.
func (n *networks) allow(network netip.Prefix, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	e := n.by[network]
	if e == nil {
		if n.order.Len() >= n.most {
			delete(n.by, n.order.Remove(n.order.Back()).(*bucket).network)
		}
		e = n.order.PushFront(&bucket{network, rate.NewLimiter(rate.Every(n.every), n.burst)})
		n.by[network] = e
	}
	n.order.MoveToFront(e)
	return e.Value.(*bucket).AllowN(now, 1)
}

// peer is the address that a request comes from. What proxies say of it is believed of those on this machine and in proxies.
func peer(r *http.Request, proxies []netip.Prefix) netip.Addr {
	trusted := func(a netip.Addr) bool {
		for _, p := range proxies {
			if p.Contains(a) {
				return true
			}
		}
		return a.IsLoopback()
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{} // a Unix socket
	}
	a, _ := netip.ParseAddr(host)
	a = a.Unmap().WithZone("")
	chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(chain) - 1; i >= 0 && trusted(a); i-- {
		before, err := netip.ParseAddr(strings.TrimSpace(chain[i]))
		if err != nil {
			break
		}
		a = before.Unmap().WithZone("")
	}
	return a
}
