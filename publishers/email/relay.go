package email

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// relay is a mail server that takes our mail, and the connections to it.
type relay struct {
	settings
	pool   pool
	weight int
	lost   atomic.Int64 // when nothing was last known of a mail that had left in one piece; nanoseconds since 1970

	stepwise atomic.Bool // no mail leaves in one piece: the server offers what it does not know

	mu   sync.Mutex
	down time.Time // it could not be used: others first until then
	debt int       // of turns, for weights
}

// downFor is how long a relay that cannot be used stands behind the others.
const downFor = time.Minute

// carry sends one mail over a connection of the pool. A kept connection that the server has closed meanwhile took nothing,
// so it is replaced by another. elsewhere: this relay said nothing of this mail, and another may carry it.
func (r *relay) carry(ctx context.Context, l letter) (fault *announce.Error, elsewhere bool) {
	if err := r.pool.acquire(ctx); err != nil {
		return r.explain(failure{phase: connecting, err: err}), false
	}
	defer r.pool.release()
	for {
		s := r.pool.idle()
		kept := s != nil
		if !kept {
			var f *failure
			if s, f = r.open(ctx); f != nil {
				return r.explain(*f), ctx.Err() == nil
			}
		}
		f := s.transact(ctx, l)
		r.pool.put(s)
		switch {
		case f == nil:
			return nil, false
		case kept && f.stale() && ctx.Err() == nil:
			continue
		}
		fault = r.explain(*f)
		return fault, fault.Outcome == announce.RateLimited && !fault.Group
	}
}

// relays are all that mail may leave by.
type relays []*relay

// carry sends one mail by the relay whose turn it is, and by another one when that cannot be used. The fault is that of the
// first that was tried.
func (all relays) carry(ctx context.Context, l letter) *announce.Error {
	if len(all) == 1 {
		fault, _ := all[0].carry(ctx, l)
		return fault
	}
	var first *announce.Error
	for _, r := range all.turn(time.Now()) {
		fault, elsewhere := r.carry(ctx, l)
		if first == nil {
			first = fault
		}
		if fault == nil || !elsewhere {
			return fault
		}
		r.mu.Lock()
		r.down = time.Now().Add(downFor)
		r.mu.Unlock()
	}
	return first
}

// turn is the order in which relays are tried for the next mail: by weight in turn, those that are down last.
func (all relays) turn(now time.Time) relays {
	var up, down relays
	best, sum := -1, 0
	for _, r := range all {
		r.mu.Lock()
		switch {
		case r.down.After(now):
			down = append(down, r)
		default:
			up = append(up, r)
			r.debt += r.weight
			sum += r.weight
			if best < 0 || r.debt > up[best].debt {
				best = len(up) - 1
			}
		}
		r.mu.Unlock()
	}
	if best > 0 {
		up[0], up[best] = up[best], up[0]
	}
	if best >= 0 {
		up[0].mu.Lock()
		up[0].debt -= sum
		up[0].mu.Unlock()
	}
	return append(up, down...)
}

// others reads RELAYS: the same sender through further servers.
func (c Config) others(s settings) ([]*relay, []error) {
	var out []*relay
	var errs []error
	for i, word := range strings.Fields(c.Relays.Reveal()) {
		wrong := func(say string) {
			errs = append(errs, fmt.Errorf("RELAYS: the address %d of %d %s: write smtp://user:password@host:587?weight=2, or smtps://", i+1, len(strings.Fields(c.Relays.Reveal())), say))
		}
		u, err := url.Parse(word)
		if err != nil || u.Host == "" || u.Scheme != "smtp" && u.Scheme != "smtps" {
			wrong("cannot be read")
			continue
		}
		next := c
		next.Host, next.Username, next.Port, next.TLS, next.Relays = u.Hostname(), u.User.Username(), 0, tlsStart, announce.Secret{}
		word, _ := u.User.Password()
		next.Password = announce.NewSecret(word)
		if u.Scheme == "smtps" {
			next.TLS = tlsImplicit
		}
		weight := 1
		for name, values := range u.Query() {
			switch {
			case name == "tls" && u.Scheme == "smtp":
				next.TLS = values[0]
			case name == "weight":
				if weight, err = strconv.Atoi(values[0]); err != nil || weight < 1 || weight > 100 {
					wrong("has a weight that is not between 1 and 100")
				}
			default:
				wrong("says " + strconv.Quote(name) + ", which is not known")
			}
		}
		if p := u.Port(); p != "" {
			next.Port, _ = strconv.Atoi(p)
		}
		var server server
		if server, err = next.server(); err != nil {
			for _, l := range strings.Split(err.Error(), "\n") {
				wrong("is wrong (" + l + ")")
			}
			continue
		}
		r := &relay{settings: s, weight: weight}
		r.server = server
		out = append(out, r)
	}
	return out, errs
}

// check greets the server, secures the connection and logs in, without sending anything.
func (r *relay) check(ctx context.Context) (announce.Report, error) {
	s, f := r.open(ctx)
	if f != nil {
		return announce.Report{}, r.explain(*f)
	}
	defer s.quit()
	report := announce.Report{Identity: r.from.Address + " via " + r.address}
	if state, ok := s.client.TLSConnectionState(); ok && len(state.PeerCertificates) > 0 {
		report.Expires = state.PeerCertificates[0].NotAfter
		if left := time.Until(report.Expires); left < 14*24*time.Hour {
			report.Findings = append(report.Findings, announce.Finding{
				What: "The certificate of " + r.host + " ends on " + report.Expires.Format(time.DateOnly) + ".", Do: "Ask who runs the server to renew it.",
			})
		}
	} else if !loopback(r.host) {
		report.Findings = append(report.Findings, announce.Finding{What: "Mail goes to " + r.host + " in the clear.", Do: "Set TLS to starttls or tls."})
	}
	if !s.pipelining {
		report.Findings = append(report.Findings, announce.Finding{What: r.host + " does not offer PIPELINING, so each mail takes more round trips.", Do: "Nothing, unless there are many subscribers."})
	}
	return report, nil
}

// check looks at every relay. With several, one that cannot be used is a finding.
func (all relays) check(ctx context.Context) (announce.Report, error) {
	if len(all) == 1 {
		return all[0].check(ctx)
	}
	var report announce.Report
	var names []string
	var errs []error
	for _, r := range all {
		one, err := r.check(ctx)
		if err != nil {
			errs = append(errs, err)
			report.Findings = append(report.Findings, announce.Finding{What: "The relay " + r.address + " cannot be used: " + err.Error(), Do: "Mend it, or take it out of RELAYS. The others carry its mail meanwhile."})
			continue
		}
		names = append(names, r.address)
		report.Findings = append(report.Findings, one.Findings...)
		if report.Expires.IsZero() || !one.Expires.IsZero() && one.Expires.Before(report.Expires) {
			report.Expires = one.Expires
		}
	}
	if len(names) == 0 {
		return announce.Report{}, errs[0]
	}
	report.Identity = all[0].from.Address + " via " + strings.Join(names, ", ")
	return report, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
