// Package email publishes by mail: one message to one person in one SMTP transaction, on connections that are kept
// and, where the server allows it, in two round trips, or in one. What all readers of an announcement share is encoded once.
package email

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// mailer is the channel. Safe for concurrent use.
type mailer struct {
	*relay  // that of HOST
	relays  relays
	site    announce.Site
	zone    *time.Location
	bodies  bodies
	buffers sync.Pool // of *[]byte: messages being sent
	dns     resolver
}

// New reads the configuration. No connection is made before the first mail. The result is also an announce.Checker
// and an io.Closer.
func New(c Config, site announce.Site) (announce.Publisher, error) {
	s, err := c.read(site)
	if err != nil {
		return nil, err
	}
	others, errs := c.others(s)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	first := &relay{settings: s, weight: max(1, c.Weight)}
	m := &mailer{relay: first, relays: append(relays{first}, others...), site: site, zone: time.UTC, dns: net.DefaultResolver}
	if loc, err := announce.Zone(site.Zone); err == nil {
		m.zone = loc
	}
	for _, r := range m.relays {
		r.pool.init(s.connections, s.perConnection)
	}
	return m, nil
}

// Name is the channel's.
func (m *mailer) Name() string { return "email" }

// Limits of mail. A lost mail may be repeated once: its Message-ID and Date are the same, and most mailboxes drop the copy.
func (m *mailer) Limits() announce.Limits {
	return announce.Limits{
		Links: true, HTML: true, Images: 8, Picture: announce.PictureLimits{Bytes: 500_000, Side: 1200}, Personal: true, Again: 1, Concurrent: m.connections, Patience: 5*m.timeout + m.final,
		Group: domainOf, GroupPace: m.domainPace,
	}
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
	mail, doubled, id, fault := m.compose((*buffer)[:0], to, msg)
	if fault != nil {
		return announce.Receipt{}, fault
	}
	*buffer = mail
	from := m.envelope
	if msg.ReturnPath != "" {
		if from, err = mailbox(msg.ReturnPath); err != nil {
			return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Field: "return_path", Fault: "The address for bounces is not one. Check CRIEUR_BOUNCE_RETURN_PATH."}
		}
	}
	if fault := m.relays.carry(ctx, letter{from, to, mail, doubled}); fault != nil {
		return announce.Receipt{}, fault
	}
	return announce.Receipt{ID: id, At: time.Now().UTC()}, nil
}

// Check greets every server, secures the connections and logs in, without sending anything, and asks DNS what receivers will ask it.
func (m *mailer) Check(ctx context.Context) (announce.Report, error) {
	r, err := m.relays.check(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	r.Findings = append(append(r.Findings, m.checkKeys(ctx)...), m.checkDomain(ctx)...)
	return r, nil
}

// Close ends the connections that are kept. Calls under way are not touched; later calls open connections of their own and keep none.
func (m *mailer) Close() error {
	for _, r := range m.relays {
		r.pool.close()
	}
	return nil
}
