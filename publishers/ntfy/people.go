package ntfy

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

// people publishes to a topic of each person, Message.To. Its receipts say which: "topic/sequence".
type people struct{ server topic }

var (
	_ announce.Amender   = people{}
	_ announce.Retracter = people{}
	_ announce.Finder    = people{}
	_ announce.Checker   = people{}
)

// Address is what somebody wrote as their topic, as an address on this channel: its name alone, for the account says on which
// server it is. The error says what to write.
func Address(written string) (string, error) {
	name := strings.TrimSpace(written)
	if !topicName.MatchString(name) {
		return "", errors.New("write the topic's name, 1 to 64 letters, digits, - and _, and not its address. Choose one that nobody guesses: whoever knows it can read it")
	}
	return name, nil
}

func (p people) Name() string { return name }

// Limits are those of a topic: the server counts what comes from here, whatever the topic.
func (p people) Limits() announce.Limits {
	l := p.server.Limits()
	l.Personal, l.Text = true, l.Text-markup.Room
	return l
}

// of is the topic of one person.
func (p people) of(name string) (*topic, error) {
	if !topicName.MatchString(name) {
		return nil, &announce.Error{Outcome: announce.Permanent, Gone: true, Field: "to", Fault: "this is not an ntfy topic: 1 to 64 letters, digits, - and _"}
	}
	t := p.server
	t.name = name
	return &t, nil
}

// Publish publishes the message once to the person's topic.
func (p people) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	t, err := p.of(m.To)
	if err != nil {
		return announce.Receipt{}, err
	}
	m.Text = m.Filled()
	r, err := t.Publish(ctx, m)
	return t.named(r), alone(err)
}

// Amend publishes the message again in the place of what was there.
func (p people) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	t, r, err := p.from(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	m.Text = m.Filled()
	r, err = t.Amend(ctx, r, m)
	return t.named(r), alone(err)
}

// Retract asks the person's apps to remove the notification.
func (p people) Retract(ctx context.Context, r announce.Receipt) error {
	t, r, err := p.from(r)
	if err != nil {
		return err
	}
	return alone(t.Retract(ctx, r))
}

// Find looks in the person's topic.
func (p people) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	t, err := p.of(m.To)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	m.Text = m.Filled()
	r, found, err := t.Find(ctx, m, since)
	return t.named(r), found, alone(err)
}

// Check asks the server who the token is, and what is left of the day. Nobody's topic is looked at.
func (p people) Check(ctx context.Context) (announce.Report, error) {
	return p.server.standing(ctx, "topics of people")
}

// named is a receipt of t that says so.
func (t *topic) named(r announce.Receipt) announce.Receipt {
	if r.ID != "" {
		r.ID = t.name + "/" + r.ID
	}
	return r
}

// from reads which topic a receipt is of.
func (p people) from(r announce.Receipt) (*topic, announce.Receipt, error) {
	var ok bool
	name := ""
	if name, r.ID, ok = strings.Cut(r.ID, "/"); !ok {
		return nil, r, &announce.Error{Outcome: announce.Permanent, Fault: "it is not known to which ntfy topic this went, so it cannot be changed"}
	}
	t, err := p.of(name)
	return t, r, err
}

// alone makes of a refusal of a topic one that is about a single person. That the account may not write to it is no reason
// to drop them: it may be the account's rights that changed.
func alone(err error) error {
	var e *announce.Error
	switch errors.As(err, &e); {
	case e == nil:
	case e.Status == "40009", e.Status == "40010":
		e.Stop, e.Gone, e.Fault = false, true, "the ntfy server does not take this name for a topic"
	case e.Stop && strings.HasPrefix(e.Status, "403"):
		e.Stop, e.Fault = false, "the ntfy account may not write to this person's topic: somebody reserved it, or the account's rights are too small"
	}
	return err
}
