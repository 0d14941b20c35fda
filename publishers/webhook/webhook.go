// Package webhook tells any receiver what was announced, corrected and taken back, as events that are signed by the
// Standard Webhooks specification 1.0.
package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

const (
	name = "webhook"
	who  = "the webhook receiver" // its address may be a secret
)

// Config is one receiver; or, with People, what is common to those of subscribers.
type Config struct {
	People       bool            `env:"PEOPLE" envDefault:"false" doc:"Write to each subscriber who chose this channel, instead of to one place."`
	URL          announce.Secret `env:"URL" doc:"Address of the receiver. Events are posted there; redirections are not followed. Required without PEOPLE."`
	Secret       announce.Secret `env:"SECRET,notEmpty" doc:"Secret shared with the receiver, whsec_ and 24 to 64 random bytes in base64; or whsk_ and a private Ed25519 key, of which the receiver gets the public one. With PEOPLE: whsec_, from which each receiver's own secret is made."`
	OldSecret    announce.Secret `env:"OLD_SECRET" doc:"The secret before, while receivers change theirs: events are signed with both."`
	AllowPrivate bool            `env:"ALLOW_PRIVATE" envDefault:"false" doc:"The receiver may be on a private network or this machine, and its address may begin with http://."`
}

// New returns the publisher of one receiver, or of a receiver per subscriber.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	switch {
	case c.People && !c.URL.Empty():
		return nil, errors.New("URL: must be empty with PEOPLE=true, which tells the receiver of each subscriber: for one of your own too make another account")
	case c.People:
		return newPeople(c)
	case c.URL.Empty():
		return nil, errors.New("URL: is required: the address of the receiver; or set PEOPLE=true to tell a receiver of each subscriber")
	}
	r, err := NewReceiver(c)
	if err != nil {
		return nil, err
	}
	return &publisher{*r}, nil
}

// parseURL reads the address of a receiver. The error does not quote it.
func parseURL(address string, http bool) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil, u.Hostname() == "", u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("is not an address: write https://host/path")
	case u.User != nil, u.Fragment != "":
		return nil, errors.New("must have no user and no fragment")
	case u.Scheme == "http" && !http:
		return nil, errors.New("must begin with https://; plain http is for private networks, with ALLOW_PRIVATE=true")
	}
	return u, nil
}

// each calls do with the secrets that events are signed with. An error names the variable.
func (c Config) each(do func(announce.Secret) error) error {
	if err := do(c.Secret); err != nil {
		return fmt.Errorf("SECRET: %w", err)
	}
	if c.OldSecret.Empty() {
		return nil
	}
	if err := do(c.OldSecret); err != nil {
		return fmt.Errorf("OLD_SECRET: %w", err)
	}
	return nil
}

// allowed are the networks beside the public one where a receiver may be.
func (c Config) allowed() []netip.Prefix {
	if !c.AllowPrivate {
		return nil
	}
	return []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
}

// publisher cannot look and cannot be checked: a receiver takes events, and nothing else is known of it.
type publisher struct{ Receiver }

var (
	_ announce.Amender   = (*publisher)(nil)
	_ announce.Retracter = (*publisher)(nil)
)

func (p *publisher) Name() string { return name }

// horizon is the length of the specification's schedule of retries: until then a receiver must expect to see an event's ID again.
const horizon = 75*time.Hour + 35*time.Minute

// Limits keep an event in two languages below the size that the specification recommends. Text counts as it is written in JSON.
func (p *publisher) Limits() announce.Limits {
	return announce.Limits{
		Text: mostText, Measure: written, Links: true, Images: 4, Alt: 1000, Multilingual: true,
		Idempotent: horizon, Concurrent: 4, Patience: 30 * time.Second,
	}
}

// Publish tells that the message was announced.
func (p *publisher) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	return p.tell(ctx, published, "publish", m, m.Date)
}

// Amend tells what the announcement says now. It is an event of its own, and dropped by its ID when it is repeated.
func (p *publisher) Amend(ctx context.Context, _ announce.Receipt, m announce.Message) (announce.Receipt, error) {
	return p.tell(ctx, updated, "amend", m, m.Updated)
}

func (p *publisher) tell(ctx context.Context, kind, verb string, m announce.Message, at time.Time) (announce.Receipt, error) {
	now := p.now().UTC()
	if at.IsZero() {
		at = now
	}
	t := told{m.Announcement, m.Key, m.Rev}
	body, err := compose(kind, at, m)
	if err != nil {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Fault: "the event could not be composed; this is a fault of the program", Err: err}
	}
	if err := p.post(ctx, t.event(verb), body, verb == "publish", classify(verb == "publish")); err != nil {
		return announce.Receipt{}, err
	}
	return announce.Receipt{ID: t.String(), At: now}, nil
}

// Retract tells that the announcement was taken back.
func (p *publisher) Retract(ctx context.Context, r announce.Receipt) error {
	t, err := parse(r.ID)
	if err != nil {
		return &announce.Error{Outcome: announce.Permanent, Fault: "nothing is known of the event that told of this; tell the receiver's owner to take it back", Err: err}
	}
	body, err := encode(event{retracted, p.now().UTC().Truncate(time.Second), retraction{t.announcement, t.key, t.rev}})
	if err != nil {
		return &announce.Error{Outcome: announce.Permanent, Fault: "the event could not be composed; this is a fault of the program", Err: err}
	}
	return p.post(ctx, t.event("retract"), body, false, classify(false))
}

// told is what a receipt keeps: which revision of which delivery the receiver knows.
type told struct {
	announcement announce.ID
	key          string
	rev          int
}

// event is the ID of an event: the same on every repeat, and without a full stop, which the signature's content is joined with.
func (t told) event(verb string) string { return t.key + "_" + strconv.Itoa(t.rev) + "_" + verb }

func (t told) String() string {
	return string(t.announcement) + "/" + t.key + "/" + strconv.Itoa(t.rev)
}

func parse(receipt string) (told, error) {
	parts := strings.Split(receipt, "/")
	if len(parts) != 3 || parts[1] == "" {
		return told{}, errors.New("not a receipt of this channel")
	}
	rev, err := strconv.Atoi(parts[2])
	return told{announce.ID(parts[0]), parts[1], rev}, err
}
