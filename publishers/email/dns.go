package email

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// resolver is what DNS is asked through.
type resolver interface {
	LookupTXT(ctx context.Context, name string) ([]string, error)
	LookupAddr(ctx context.Context, addr string) ([]string, error)
	LookupHost(ctx context.Context, host string) ([]string, error)
}

// checkDomain asks DNS what receivers ask it about the sender: SPF (RFC 7208) of the envelope's domain, DMARC (RFC 7489) of
// the sender's, and the names of the servers that carry the mail. Gmail, Yahoo and Microsoft want all of them from whoever
// sends much.
func (m *mailer) checkDomain(ctx context.Context) []announce.Finding {
	if reserved(m.domain) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, bounces, _ := strings.Cut(m.envelope, "@")
	out := m.checkSPF(ctx, bounces)
	out = append(out, m.checkDMARC(ctx)...)
	for _, r := range m.relays {
		out = append(out, m.checkName(ctx, r.host)...)
	}
	return out
}

func (m *mailer) checkSPF(ctx context.Context, domain string) []announce.Finding {
	records, finding := m.texts(ctx, domain, "v=spf1")
	switch {
	case finding != nil:
		return []announce.Finding{*finding}
	case len(records) == 0:
		return []announce.Finding{{What: "There is no SPF record for " + domain + ": receivers cannot tell whether your mail server may send for it.", Do: fmt.Sprintf("Publish in DNS, at %s, a TXT record such as: v=spf1 include:<what your provider names> -all", domain)}}
	case len(records) > 1:
		return []announce.Finding{{Severe: true, What: fmt.Sprintf("There are %d SPF records for %s, so receivers heed none (RFC 7208, section 4.5).", len(records), domain), Do: "Join them into one TXT record."}}
	case strings.Contains(records[0], "+all"):
		return []announce.Finding{{What: "The SPF record of " + domain + " lets anybody send for it (+all).", Do: "Let it end with -all or ~all."}}
	}
	return nil
}

func (m *mailer) checkDMARC(ctx context.Context) []announce.Finding {
	domain := m.domain
	for {
		records, finding := m.texts(ctx, "_dmarc."+domain, "v=DMARC1")
		switch {
		case finding != nil:
			return []announce.Finding{*finding}
		case len(records) == 1:
			return nil
		case len(records) > 1:
			return []announce.Finding{{Severe: true, What: fmt.Sprintf("There are %d DMARC records at _dmarc.%s, so receivers heed none.", len(records), domain), Do: "Keep one."}}
		}
		_, parent, ok := strings.Cut(domain, ".")
		if !ok || !strings.Contains(parent, ".") {
			return []announce.Finding{{What: "There is no DMARC record for " + m.domain + ": big providers refuse much mail without one.", Do: fmt.Sprintf("Publish in DNS, at _dmarc.%s, a TXT record: v=DMARC1; p=none; rua=mailto:postmaster@%s", m.domain, m.domain)}}
		}
		domain = parent
	}
}

// checkName looks whether a server's public addresses have names that lead back to them.
func (m *mailer) checkName(ctx context.Context, host string) []announce.Finding {
	addresses, err := m.dns.LookupHost(ctx, host)
	if err != nil {
		return nil // connecting to it says more
	}
	var out []announce.Finding
	for _, a := range addresses {
		ip, err := netip.ParseAddr(a)
		if err != nil || ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() {
			continue
		}
		names, err := m.dns.LookupAddr(ctx, a)
		back := false
		for _, n := range names {
			forward, _ := m.dns.LookupHost(ctx, n)
			for _, f := range forward {
				other, failed := netip.ParseAddr(f)
				back = back || failed == nil && other == ip
			}
		}
		if known(err) && !back {
			out = append(out, announce.Finding{What: fmt.Sprintf("The address %s of %s has no name that leads back to it (PTR).", a, host), Do: "If mail reaches receivers from there, ask who gave you the address to set its reverse name."})
		}
	}
	return out
}

// texts are the TXT records at name that begin with kind. The finding says that DNS could not be asked.
func (m *mailer) texts(ctx context.Context, name, kind string) ([]string, *announce.Finding) {
	all, err := m.dns.LookupTXT(ctx, name)
	if !known(err) {
		return nil, &announce.Finding{What: "DNS could not be asked for " + name + ".", Do: "Look again later."}
	}
	var out []string
	for _, t := range all {
		if first, _, _ := strings.Cut(t, ";"); strings.HasPrefix(strings.ToLower(strings.TrimSpace(first))+" ", strings.ToLower(kind)+" ") {
			out = append(out, t)
		}
	}
	return out, nil
}

// known reports whether DNS answered, were it that there is nothing.
func known(err error) bool {
	var missing *net.DNSError
	return err == nil || errors.As(err, &missing) && missing.IsNotFound
}

// reserved reports whether a domain is for examples and tests (RFC 2606, RFC 6761), and so in no DNS.
func reserved(domain string) bool {
	for _, end := range []string{"example", "test", "invalid", "localhost", "example.org", "example.com", "example.net"} {
		if domain == end || strings.HasSuffix(domain, "."+end) {
			return true
		}
	}
	return false
}
