package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// people tells a receiver of each subscriber, at the address Message.To, with a secret of its own (ReceiverSecret). Its
// receipts say where: "announcement/key/revision/address". Nothing that a receiver answers stops or delays the others.
type people struct {
	client  *rest.Client
	secrets []announce.Secret // of the account
	http    bool
	now     func() time.Time
}

var (
	_ announce.Amender   = (*people)(nil)
	_ announce.Retracter = (*people)(nil)
)

func newPeople(c Config) (announce.Publisher, error) {
	p := &people{http: c.AllowPrivate, now: time.Now}
	err := c.each(func(secret announce.Secret) error {
		_, err := ReceiverSecret(secret, "")
		p.secrets = append(p.secrets, secret)
		return err
	})
	if err != nil {
		return nil, err
	}
	p.client, err = rest.NewGuarded(who, "https://receiver.invalid", nil, c.allowed()...) // each call says where
	return p, err
}

// Address is what somebody wrote as their receiver's address, as an address on this channel: the same for the same receiver.
// The error says what to write, and does not quote it. Whether it leads to a private place is seen only when something is sent.
func Address(written string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(written))
	switch {
	case err != nil, u.Scheme != "https", u.Hostname() == "", u.Opaque != "":
		return "", errors.New("write an address that begins with https://")
	case u.User != nil, u.Fragment != "":
		return "", errors.New("write the address without a user and without #")
	}
	u.Host = strings.TrimSuffix(strings.ToLower(u.Host), ":443")
	if u.Path == "" {
		u.Path = "/"
	}
	if u.RawFragment = ""; len(u.String()) > longestAddress {
		return "", fmt.Errorf("write an address of at most %d characters", longestAddress)
	}
	return u.String(), nil
}

func (p *people) Name() string { return name }

// Limits are those of one receiver, in one language.
func (p *people) Limits() announce.Limits {
	l := (*publisher)(nil).Limits()
	l.Personal, l.Multilingual, l.Text, l.Concurrent = true, false, l.Text-markup.Room, 16
	return l
}

const longestAddress = 2000

// of is the receiver at an address.
func (p *people) of(address string) (*publisher, error) {
	u, err := parseURL(address, p.http)
	if err == nil && len(address) > longestAddress {
		err = errors.New("is too long")
	}
	if err != nil {
		return nil, &announce.Error{Outcome: announce.Permanent, Gone: true, Field: "to", Fault: "this is not the address of a receiver: https://, a public host and a path, without user and fragment"}
	}
	r := &publisher{Receiver{path: u.RequestURI(), now: p.now}}
	for _, s := range p.secrets {
		own, err := ReceiverSecret(s, address)
		if err != nil {
			return nil, broken(err)
		}
		sign, err := newSigner(own.Reveal())
		if err != nil {
			return nil, broken(err)
		}
		r.signers = append(r.signers, sign)
	}
	if r.client, err = p.client.At(u.Scheme + "://" + u.Host); err != nil {
		return nil, broken(err)
	}
	return r, nil
}

func broken(err error) error {
	return &announce.Error{Outcome: announce.Permanent, Fault: "the event could not be composed; this is a fault of the program", Err: err}
}

// Publish tells the person's receiver that the message was announced.
func (p *people) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	r, err := p.of(m.To)
	if err != nil {
		return announce.Receipt{}, err
	}
	m.Text = m.Filled()
	receipt, err := r.Publish(ctx, m)
	return placed(receipt, m.To), alone(err)
}

// Amend tells it what the announcement says now.
func (p *people) Amend(ctx context.Context, old announce.Receipt, m announce.Message) (announce.Receipt, error) {
	if _, address, ok := where(old); ok {
		m.To = address
	}
	r, err := p.of(m.To)
	if err != nil {
		return announce.Receipt{}, err
	}
	m.Text = m.Filled()
	receipt, err := r.Amend(ctx, old, m)
	return placed(receipt, m.To), alone(err)
}

// Retract tells it that the announcement was taken back.
func (p *people) Retract(ctx context.Context, old announce.Receipt) error {
	receipt, address, ok := where(old)
	if !ok {
		return &announce.Error{Outcome: announce.Permanent, Fault: "it is not known which receiver was told of this"}
	}
	r, err := p.of(address)
	if err != nil {
		return err
	}
	return alone(r.Retract(ctx, receipt))
}

// placed is a receipt of a receiver that says which.
func placed(r announce.Receipt, address string) announce.Receipt {
	if r.ID != "" {
		r.ID += "/" + address
	}
	return r
}

// where takes a receipt apart.
func where(r announce.Receipt) (announce.Receipt, string, bool) {
	parts := strings.SplitN(r.ID, "/", 4)
	if len(parts) < 4 {
		return r, "", false
	}
	r.ID = strings.Join(parts[:3], "/")
	return r, parts[3], true
}

// alone makes of an answer one that is about a single receiver: it may end its own events with 410, and delay its own.
func alone(err error) error {
	var e *announce.Error
	if !errors.As(err, &e) {
		return err
	}
	switch status, _ := strconv.Atoi(e.Status); {
	case status == http.StatusGone:
		e.Gone, e.Fault = true, "the receiver wants no more events"
	case e.Outcome == announce.RateLimited:
		e.Outcome, e.Fault = announce.Temporary, "the receiver asks to wait: the event is sent again, with the same ID"
	case rest.Private(err):
		e.Fault = "the receiver is at a private address, where nothing is sent"
	case e.Stop:
		e.Fault = "the receiver does not take events at this address with its secret: whoever runs it must mend that"
	}
	e.Stop = false
	return err
}
