// Package slack publishes in a Slack channel: with a bot token, which can also edit, delete and look for its posts, or
// through an incoming webhook, which can only post. With a bot token it can also write to each subscriber.
package slack

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	slackgo "github.com/slack-go/slack"
	"github.com/yuin/goldmark/parser"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "slack"

// Config is one Slack account: TOKEN and CHANNEL, or WEBHOOK; or TOKEN and PEOPLE.
type Config struct {
	People  bool            `env:"PEOPLE" envDefault:"false" doc:"Write to each subscriber who chose this channel, instead of to one place."`
	Token   announce.Secret `env:"TOKEN" doc:"Bot token of your Slack app (xoxb-...). Either this with CHANNEL or PEOPLE, or WEBHOOK."`
	Channel string          `env:"CHANNEL" doc:"ID of the channel to post in, such as C0123456789 (channel details, at the bottom). Required with TOKEN, without PEOPLE."`
	Webhook announce.Secret `env:"WEBHOOK" doc:"Address of an incoming webhook, instead of TOKEN. It posts, but can neither correct nor take back nor look."`
	API     string          `env:"API" envDefault:"https://slack.com/api" doc:"Where Slack's Web API is. Not used with WEBHOOK."`
}

var channelID = regexp.MustCompile(`^[CG][A-Z0-9]{7,}$`)

// New returns the publisher of a bot token or, with less ability, of an incoming webhook.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	switch {
	case c.People && !c.Webhook.Empty():
		return nil, errors.New("WEBHOOK: must be empty with PEOPLE=true: only a bot (TOKEN) can write to people")
	case c.People && c.Channel != "":
		return nil, errors.New("CHANNEL: must be empty with PEOPLE=true, which writes to each subscriber: for the channel too make another account")
	case c.Token.Empty() && c.Webhook.Empty():
		return nil, errors.New("TOKEN: is required, or WEBHOOK instead")
	case !c.Token.Empty() && !c.Webhook.Empty():
		return nil, errors.New("WEBHOOK: is set beside TOKEN: give one of them")
	case !c.Webhook.Empty():
		return newWebhook(c)
	case !strings.HasPrefix(c.Token.Reveal(), "xox") || strings.ContainsAny(c.Token.Reveal(), " \t\r\n"):
		return nil, errors.New("TOKEN: is not a bot token: it begins with xoxb- and holds no blanks (OAuth & Permissions, Bot User OAuth Token)")
	case c.Channel == "" && !c.People:
		return nil, errors.New("CHANNEL: is required with TOKEN: the channel's ID, such as C0123456789; or set PEOPLE=true to write to each subscriber")
	case !c.People && !channelID.MatchString(c.Channel):
		return nil, errors.New("CHANNEL: is not a channel's ID: write C0123456789, not a name (channel details, at the bottom)")
	}
	client, err := rest.New("Slack", c.API, nil)
	if err != nil {
		return nil, err
	}
	b := &bot{
		client:   client,
		api:      slackgo.New(c.Token.Reveal(), slackgo.OptionAPIURL(client.Base()+"/"), slackgo.OptionHTTPClient(client.HTTP())),
		channel:  c.Channel,
		markdown: newMarkdown(),
		asksFor:  asksFor,
	}
	if c.People {
		return &people{bot: b, rooms: map[string]string{}}, nil
	}
	return b, nil
}

// bot posts with a bot token.
type bot struct {
	client   *rest.Client
	api      *slackgo.Client
	channel  string
	markdown parser.Parser
	asksFor  time.Duration // how long Slack is given to look into uploaded pictures
	personal bool          // channel is with one person; pictures are not uploaded for each
}

var (
	_ announce.Amender   = (*bot)(nil)
	_ announce.Retracter = (*bot)(nil)
	_ announce.Finder    = (*bot)(nil)
	_ announce.Checker   = (*bot)(nil)
)

func (b *bot) Name() string { return name }

func (b *bot) Limits() announce.Limits {
	l := limits(b.markdown)
	l.Patience = patience
	return l
}

// eventType names the metadata by which a post is found again.
const eventType = "crieur_announcement"

// Publish posts the message once, when its pictures are where Slack can show them; it never fails because Slack does not
// want a picture. The address in the receipt is asked for afterwards; without an answer it stays empty.
func (b *bot) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	var channel, ts string
	err := b.illustrated(ctx, m, func(ctx context.Context, p post) (err error) {
		watched, x := rest.Watch(ctx)
		channel, ts, err = b.api.PostMessageContext(watched, b.channel,
			slackgo.MsgOptionText(p.fallback, false), slackgo.MsgOptionBlocks(p.blocks...), slackgo.MsgOptionDisableMarkdown(),
			slackgo.MsgOptionDisableLinkUnfurl(), slackgo.MsgOptionDisableMediaUnfurl(),
			slackgo.MsgOptionMetadata(slackgo.SlackMetadata{EventType: eventType, EventPayload: map[string]any{"delivery_id": m.Key}}),
		)
		return b.client.Judge(x, err, true, classify(true, false))
	})
	if err != nil {
		return announce.Receipt{}, err
	}
	if channel == "" {
		channel = b.channel
	}
	return b.receipt(ctx, channel, ts), nil
}

// Amend edits the post in place. Its metadata stays; its pictures are uploaded anew.
func (b *bot) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	channel, ts, err := split(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	err = b.illustrated(ctx, m, func(ctx context.Context, p post) error {
		watched, x := rest.Watch(ctx)
		_, _, _, err := b.api.UpdateMessageContext(watched, channel, ts, slackgo.MsgOptionText(p.fallback, false), slackgo.MsgOptionBlocks(p.blocks...), slackgo.MsgOptionDisableMarkdown())
		return b.client.Judge(x, err, false, classify(false, channel != b.channel))
	})
	if err != nil {
		return announce.Receipt{}, err
	}
	return r, nil
}

// Retract deletes the post.
func (b *bot) Retract(ctx context.Context, r announce.Receipt) error {
	channel, ts, err := split(r)
	if err != nil {
		return err
	}
	watched, x := rest.Watch(ctx)
	_, _, err = b.api.DeleteMessageContext(watched, channel, ts)
	err = b.client.Judge(x, err, false, classify(false, channel != b.channel))
	var e *announce.Error
	if errors.As(err, &e) && e.Status == "message_not_found" {
		return nil
	}
	return err
}

const (
	page     = 100
	maxPages = 30
	skew     = 2 * time.Minute // between this machine's clock and Slack's
)

// Find reads the channel's history since then and looks for the message's key.
func (b *bot) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	oldest := since.Add(-skew)
	q := &slackgo.GetConversationHistoryParameters{ChannelID: b.channel, Oldest: fmt.Sprintf("%d.%06d", oldest.Unix(), oldest.Nanosecond()/1000), Limit: page, IncludeAllMetadata: true}
	for range maxPages {
		watched, x := rest.Watch(ctx)
		h, err := b.api.GetConversationHistoryContext(watched, q)
		if err := b.client.Judge(x, err, false, classify(false, false)); err != nil {
			return announce.Receipt{}, false, err
		}
		for _, seen := range h.Messages {
			if seen.Metadata.EventType == eventType && seen.Metadata.EventPayload["delivery_id"] == m.Key {
				return b.receipt(ctx, b.channel, seen.Timestamp), true, nil
			}
		}
		q.Cursor = h.ResponseMetaData.NextCursor
		if q.Cursor == "" {
			return announce.Receipt{}, false, nil
		}
	}
	return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "so much was written in the Slack channel since then that the post could not be looked for: look for it yourself, then settle the delivery"}
}

// receipt stands for a post; a person finds it at its permanent link, when Slack gives it soon.
func (b *bot) receipt(ctx context.Context, channel, ts string) announce.Receipt {
	r := announce.Receipt{ID: channel + ":" + ts, At: moment(ts)}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	watched, x := rest.Watch(ctx)
	link, err := b.api.GetPermalinkContext(watched, &slackgo.PermalinkParameters{Channel: channel, Ts: ts})
	if b.client.Judge(x, err, false, classify(false, true)) == nil {
		r.URL = link
	}
	return r
}

func moment(ts string) time.Time {
	whole, micro, _ := strings.Cut(ts, ".")
	s, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}
	}
	us, _ := strconv.ParseInt(micro, 10, 64)
	return time.Unix(s, us*1000).UTC()
}

func split(r announce.Receipt) (channel, ts string, err error) {
	channel, ts, ok := strings.Cut(r.ID, ":")
	if !ok || channel == "" || ts == "" {
		return "", "", &announce.Error{Outcome: announce.Permanent, Fault: "the post was not made with this bot token, so it cannot be changed with it: do it in Slack"}
	}
	return channel, ts, nil
}

// webhook posts through an incoming webhook. Slack tells it nothing about the post.
type webhook struct {
	client   *rest.Client
	address  announce.Secret
	markdown parser.Parser
}

func newWebhook(c Config) (announce.Publisher, error) {
	if c.Channel != "" {
		return nil, errors.New("CHANNEL: goes with TOKEN; a webhook posts in the channel it was made for")
	}
	if err := rest.CheckAddress(c.Webhook.Reveal()); err != nil {
		return nil, fmt.Errorf("WEBHOOK: %w", err)
	}
	client, err := rest.New("Slack", c.Webhook.Reveal(), nil)
	if err != nil {
		return nil, err
	}
	return &webhook{client: client, address: c.Webhook, markdown: newMarkdown()}, nil
}

func (w *webhook) Name() string { return name }

func (w *webhook) Limits() announce.Limits { return limits(w.markdown) }

// sent is the ID of every receipt: a webhook names no post.
const sent = "sent"

// Publish posts the message once, with the pictures that have a public address unless Slack refuses it so.
func (w *webhook) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	show := addressed(m)
	err := w.send(ctx, compose(w.markdown, m, show))
	if errors.Is(err, errAddress) && withoutAddresses(show) {
		err = w.send(ctx, compose(w.markdown, m, show))
	}
	if err != nil {
		return announce.Receipt{}, err
	}
	return announce.Receipt{ID: sent, At: time.Now().UTC()}, nil
}

func (w *webhook) send(ctx context.Context, p post) error {
	off := false
	watched, x := rest.Watch(ctx)
	err := slackgo.PostWebhookCustomHTTPContext(watched, w.address.Reveal(), w.client.HTTP(),
		&slackgo.WebhookMessage{Text: p.fallback, Blocks: &slackgo.Blocks{BlockSet: p.blocks}, Parse: "none", UnfurlLinks: &off, UnfurlMedia: &off})
	return w.client.Judge(x, err, true, classifyHook)
}
