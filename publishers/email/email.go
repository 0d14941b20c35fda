// Package email publishes by mail: one message to one person in one SMTP transaction, on connections that are kept
// and, where the server allows it, in two round trips. What all readers of an announcement share is encoded once.
package email

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// mailer is the channel. Safe for concurrent use.
type mailer struct {
	settings
	site    announce.Site
	zone    *time.Location
	bodies  bodies
	pool    pool
	buffers sync.Pool // of *[]byte: messages being sent
	lookup  func(ctx context.Context, name string) ([]string, error)
}

// New reads the configuration. No connection is made before the first mail. The result is also an announce.Checker
// and an io.Closer.
func New(c Config, site announce.Site) (announce.Publisher, error) {
	s, err := c.read(site)
	if err != nil {
		return nil, err
	}
	m := &mailer{settings: s, site: site, zone: time.UTC, lookup: net.DefaultResolver.LookupTXT}
	if loc, err := announce.Zone(site.Zone); err == nil {
		m.zone = loc
	}
	m.pool.init(s.connections, s.perConnection)
	return m, nil
}

// Name is the channel's.
func (m *mailer) Name() string { return "email" }

// Limits of mail. A lost mail may be repeated once: its Message-ID and Date are the same, and most mailboxes drop the copy.
func (m *mailer) Limits() announce.Limits {
	return announce.Limits{Links: true, HTML: true, Images: 8, Picture: announce.PictureLimits{Bytes: 500_000, Side: 1200}, Personal: true, Again: 1, Concurrent: m.connections, Patience: 5*m.timeout + m.final}
}

// Publish sends one mail to m.To. It is complete before the first byte leaves; the receipt's ID is its Message-ID.
func (m *mailer) Publish(ctx context.Context, msg announce.Message) (announce.Receipt, error) {
	to, err := mailbox(msg.To)
	if err != nil {
		return announce.Receipt{}, &announce.Error{
			Outcome: announce.Permanent, Gone: true, Field: "to",
			Fault: "The subscriber's address is not one that mail can be sent to. Correct or remove it.",
		}
	}
	buffer, _ := m.buffers.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer m.buffers.Put(buffer)
	mail, id, fault := m.compose((*buffer)[:0], to, msg)
	if fault != nil {
		return announce.Receipt{}, fault
	}
	*buffer = mail
	if fault := m.send(ctx, to, mail); fault != nil {
		return announce.Receipt{}, fault
	}
	return announce.Receipt{ID: id, At: time.Now().UTC()}, nil
}

// send carries one mail over a connection of the pool. A kept connection that the server has closed meanwhile took
// nothing, so it is replaced by another.
func (m *mailer) send(ctx context.Context, to string, mail []byte) *announce.Error {
	if err := m.pool.acquire(ctx); err != nil {
		return m.explain(failure{phase: connecting, err: err})
	}
	defer m.pool.release()
	for {
		s := m.pool.idle()
		kept := s != nil
		if !kept {
			var f *failure
			if s, f = m.open(ctx); f != nil {
				return m.explain(*f)
			}
		}
		f := s.transact(ctx, m.envelope, to, mail)
		m.pool.put(s)
		switch {
		case f == nil:
			return nil
		case kept && f.stale() && ctx.Err() == nil:
			continue
		}
		return m.explain(*f)
	}
}

// Check greets the server, secures the connection and logs in, without sending anything, and tries the DKIM keys.
func (m *mailer) Check(ctx context.Context) (announce.Report, error) {
	s, f := m.open(ctx)
	if f != nil {
		return announce.Report{}, m.explain(*f)
	}
	defer s.quit()
	r := announce.Report{Identity: m.from.Address + " via " + m.address}
	if state, ok := s.client.TLSConnectionState(); ok && len(state.PeerCertificates) > 0 {
		r.Expires = state.PeerCertificates[0].NotAfter
		if left := time.Until(r.Expires); left < 14*24*time.Hour {
			r.Findings = append(r.Findings, announce.Finding{
				What: "The certificate of " + m.host + " ends on " + r.Expires.Format(time.DateOnly) + ".", Do: "Ask who runs the server to renew it.",
			})
		}
	} else if !loopback(m.host) {
		r.Findings = append(r.Findings, announce.Finding{What: "Mail goes to " + m.host + " in the clear.", Do: "Set TLS to starttls or tls."})
	}
	if !s.pipelining {
		r.Findings = append(r.Findings, announce.Finding{What: m.host + " does not offer PIPELINING, so each mail takes more round trips.", Do: "Nothing, unless there are many subscribers."})
	}
	r.Findings = append(r.Findings, m.checkKeys(ctx)...)
	return r, nil
}

// Close ends the connections that are kept. Calls under way are not touched; later calls open connections of their own and keep none.
func (m *mailer) Close() error {
	m.pool.close()
	return nil
}
