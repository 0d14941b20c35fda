package slack

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"time"

	slackgo "github.com/slack-go/slack"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// people writes to each subscriber in a direct message: Message.To is their user ID. Whom Slack does not know any more is Gone.
type people struct {
	bot *bot

	mu    sync.Mutex
	rooms map[string]string // the direct message's ID by the user's
}

var (
	_ announce.Amender   = (*people)(nil)
	_ announce.Retracter = (*people)(nil)
	_ announce.Finder    = (*people)(nil)
	_ announce.Checker   = (*people)(nil)
)

// crowd is below Slack's limit over all channels of a workspace, "several hundred messages a minute"
// (https://docs.slack.dev/apis/web-api/rate-limits).
const crowd = time.Minute / 200

var userID = regexp.MustCompile(`^[UW][A-Z0-9]{6,}$`)

// Address is what somebody wrote as their member ID, as an address on this channel: U0123456789. The error says what to write.
func Address(written string) (string, error) {
	id := strings.ToUpper(strings.Trim(strings.TrimSpace(written), "<@>"))
	if !userID.MatchString(id) || len(id) > 32 {
		return "", errors.New("write your member ID, as U0123456789: in Slack it stands in your profile, under ⋮, Copy member ID")
	}
	return id, nil
}

func (p *people) Name() string { return name }

// Limits are those of a channel, at the pace of many.
func (p *people) Limits() announce.Limits {
	l := p.bot.Limits()
	l.Personal, l.Text = true, l.Text-markup.Room
	l.Pace, l.Concurrent = crowd, 4
	return l
}

// in is the bot in one direct message.
func (p *people) in(room string) *bot {
	b := *p.bot
	b.channel, b.personal = room, true
	return &b
}

// with is the bot in the direct message with a user. Slack opens the same one however often it is asked, and shows nobody.
func (p *people) with(ctx context.Context, user string) (*bot, error) {
	if !userID.MatchString(user) {
		return nil, &announce.Error{Outcome: announce.Permanent, Gone: true, Field: "to", Fault: "this is not the ID of a person in Slack: U0123456789 (profile, Copy member ID)"}
	}
	p.mu.Lock()
	room := p.rooms[user]
	p.mu.Unlock()
	if room != "" {
		return p.in(room), nil
	}
	watched, x := rest.Watch(ctx)
	c, _, _, err := p.bot.api.OpenConversationContext(watched, &slackgo.OpenConversationParameters{Users: []string{user}})
	if err := p.bot.client.Judge(x, err, false, classify(false, false)); err != nil {
		return nil, alone(err)
	}
	if c == nil || c.ID == "" {
		return nil, unsure(false, "Slack does not say where the person is written to", "")
	}
	p.mu.Lock()
	p.rooms[user] = c.ID
	p.mu.Unlock()
	return p.in(c.ID), nil
}

// Publish writes the message once to the person.
func (p *people) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	b, err := p.with(ctx, m.To)
	if err != nil {
		return announce.Receipt{}, err
	}
	m.Text = markup.Own(m)
	r, err := b.Publish(ctx, m)
	return r, alone(err)
}

// Amend edits the message in place.
func (p *people) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	room, _, err := split(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	m.Text = markup.Own(m)
	r, err = p.in(room).Amend(ctx, r, m)
	return r, alone(err)
}

// Retract deletes the message.
func (p *people) Retract(ctx context.Context, r announce.Receipt) error {
	room, _, err := split(r)
	if err != nil {
		return err
	}
	return alone(p.in(room).Retract(ctx, r))
}

// Find reads what was written in the direct message since then.
func (p *people) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	b, err := p.with(ctx, m.To)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	r, found, err := b.Find(ctx, m, since)
	return r, found, alone(err)
}

// Check asks Slack who the token is, and whether it may write to people. Nobody is written to.
func (p *people) Check(ctx context.Context) (announce.Report, error) {
	s, err := p.bot.whoami(ctx)
	if err != nil {
		return s.Report, err
	}
	if !s.has("im:write") {
		s.lacks(true, "im:write", "nobody can be written to")
	}
	if !s.has("im:history") {
		s.lacks(false, "im:history", unsettled)
	}
	return s.Report, nil
}

// alone makes of a refusal about a person or their direct message one that stops nobody.
func alone(err error) error {
	var e *announce.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Status {
	case "user_not_found", "users_not_found", "user_disabled", "user_not_visible", "cannot_dm_bot":
		e.Stop, e.Gone, e.Fault = false, true, "Slack says that nobody of this ID can be written to: they left the workspace, or are an app"
	case "channel_not_found", "not_in_channel", "is_archived", "channel_is_archived":
		e.Stop, e.Fault = false, "Slack does not know the direct message with this person, or does not let the app write there"
	}
	return err
}
