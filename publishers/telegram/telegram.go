// Package telegram publishes in a Telegram channel or group as a bot, or in a private chat with each subscriber. Telegram has no key by which it would know a
// repeat, and shows a bot none of its own posts, so what became of a lost call only a person can tell.
package telegram

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "telegram"

// Config is one Telegram account: a bot, and the channel or group where it posts; or, with People, whoever started it.
type Config struct {
	Token  announce.Secret `env:"TOKEN,notEmpty" doc:"The bot's token, from @BotFather (123456789:AA...)."`
	People bool            `env:"PEOPLE" envDefault:"false" doc:"Write to each subscriber who chose this channel, instead of to one place."`
	Chat   string          `env:"CHAT" doc:"Channel or group to post in: @name, or the number of a private one (-1001234567890). Required without PEOPLE."`
	Topic  int             `env:"TOPIC" doc:"In a group with topics, the number of the topic to post in. Default: the general one."`
	API    string          `env:"API" envDefault:"https://api.telegram.org" doc:"Where the Bot API is."`
}

var (
	botToken = regexp.MustCompile(`^[0-9]{3,20}:[A-Za-z0-9_-]{20,100}$`)
	chatName = regexp.MustCompile(`^(@[A-Za-z][A-Za-z0-9_]{3,31}|-[1-9][0-9]{0,18})$`)
	personID = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
)

// New returns the publisher of one channel or group, or, with People, a *People.
func New(c Config, site announce.Site) (announce.Publisher, error) {
	switch {
	case !botToken.MatchString(c.Token.Reveal()):
		return nil, errors.New("TOKEN: is not a bot's token: @BotFather gives it as 123456789:AA..., without blanks")
	case c.People && c.Chat != "":
		return nil, errors.New("CHAT: must be empty with PEOPLE=true, which writes to each subscriber in a private chat: for the channel too make another account")
	case c.People && c.Topic != 0:
		return nil, errors.New("TOPIC: must be empty with PEOPLE=true: private chats have no topics")
	case c.Chat == "" && !c.People:
		return nil, errors.New("CHAT: is required: write @name, or the number of a private one (-1001234567890); or set PEOPLE=true to write to each subscriber")
	case !c.People && !chatName.MatchString(c.Chat):
		return nil, errors.New("CHAT: is neither a channel nor a group: write @name, or the number of a private one, which begins with - (-1001234567890)")
	case c.Topic < 0:
		return nil, errors.New("TOPIC: is not a topic's number: it stands in the address of a post of the topic, before the last number")
	}
	client, err := rest.New("Telegram", c.API, nil)
	if err != nil {
		return nil, err
	}
	r := &room{bot: bot{client, c.Token, c.People}, chat: c.Chat, topic: c.Topic, language: "en", markdown: markup.NewReader()}
	if len(site.Languages) > 0 {
		r.language = site.Languages[0]
	}
	if c.People {
		return &People{r}, nil
	}
	return r, nil
}

// room is a channel, a group or a private chat.
type room struct {
	bot
	chat     string
	topic    int
	language announce.Language // of notices about posts whose language is not known
	markdown *markup.Reader
}

var (
	_ announce.Amender   = (*room)(nil)
	_ announce.Retracter = (*room)(nil)
	_ announce.Checker   = (*room)(nil)
)

func (r *room) Name() string { return name }

// Limits are Telegram's. Idempotent is zero, and there is no Find: a repeat is a second post, and a bot cannot read its own.
func (r *room) Limits() announce.Limits {
	return announce.Limits{
		Text: maxText, Links: true, Markdown: true, Images: 1, Alt: maxAlt, Card: true, Replies: true, Pace: pace, Editable: editable,
		Measure: func(s string) int { return units(pen{}.write(r.markdown.Read(s))) },
		Picture: announce.PictureLimits{Bytes: 10_000_000, Side: maxSides / 2, Types: []string{"image/jpeg", "image/png"}},
	}
}

// posted is a message as Telegram gives it back.
type posted struct {
	ID   int64 `json:"message_id"`
	Date int64 `json:"date"`
	Chat struct {
		ID       int64  `json:"id"`
		Username string `json:"username"`
	} `json:"chat"`
}

// Publish posts the message once: a picture with its caption where both fit in one message, else a text.
func (r *room) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	p := r.compose(m)
	var made posted
	q := request{method: "sendMessage", args: p.asText(), into: &made, create: true}
	if p.photo {
		q.method, q.args, q.file = "sendPhoto", map[string]any{"caption": p.caption, "parse_mode": "HTML"}, p.picture
	}
	q.args["chat_id"] = r.chat
	if r.topic > 0 {
		q.args["message_thread_id"] = r.topic
	}
	if parent, ok := read(m.Parent); ok {
		q.args["reply_parameters"] = map[string]any{"message_id": parent.message, "allow_sending_without_reply": true}
	}
	if err := r.call(ctx, q); err != nil {
		return announce.Receipt{}, err
	}
	if made.ID == 0 || made.Chat.ID == 0 {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "Telegram says yes without a post: look whether it is there"}
	}
	at := place{chat: strconv.FormatInt(made.Chat.ID, 10), message: made.ID, language: m.Language}
	if p.photo {
		at.picture = p.print
	}
	receipt := announce.Receipt{ID: at.String(), At: time.Unix(made.Date, 0).UTC()}
	if !r.personal { // a private chat has no addresses
		receipt.URL = at.address(made.Chat.Username, r.topic)
	}
	return receipt, nil
}

// editable: a picture is never taken away.
func editable(was, now announce.Message) bool { return len(was.Images) == 0 || len(now.Images) > 0 }

// Amend edits the post in place. A picture can be added or replaced, never taken away.
func (r *room) Amend(ctx context.Context, old announce.Receipt, m announce.Message) (announce.Receipt, error) {
	at, ok := read(old)
	if !ok {
		return announce.Receipt{}, foreign()
	}
	p := r.compose(m)
	err := r.edit(ctx, at, p)
	if says(err, hasNoText) { // it is a picture, whatever the receipt knows
		at.picture = unknownPicture
		err = r.edit(ctx, at, p)
	}
	if err != nil && !says(err, notModified) {
		return announce.Receipt{}, err
	}
	if at.picture != "" || p.photo {
		at.picture = p.print
	}
	at.language = m.Language
	return announce.Receipt{ID: at.String(), URL: old.URL, At: old.At}, nil
}

func (r *room) edit(ctx context.Context, at place, p post) error {
	q := request{method: "editMessageText", args: p.asText()}
	switch {
	case at.picture == "" && !p.photo:
	case p.picture == nil:
		return &announce.Error{Outcome: announce.Permanent, Field: "images", Fault: "Telegram cannot take the picture out of a post: give the announcement a picture again, or retract it and announce it anew"}
	case p.caption == "":
		return &announce.Error{Outcome: announce.Permanent, Field: "texts", Fault: "Telegram takes 1,024 characters under a picture, and this post has one: give the announcement a shorter text for this channel (overrides), or retract it and announce it anew"}
	case at.picture == p.print:
		q.method, q.args = "editMessageCaption", map[string]any{"caption": p.caption, "parse_mode": "HTML"}
	default:
		return r.replace(ctx, at, p.caption, *p.picture)
	}
	return r.about(ctx, at, q)
}

// replace puts a picture with its caption in the place of what a post is made of.
func (r *room) replace(ctx context.Context, at place, caption string, picture announce.Picture) error {
	media := map[string]any{"type": "photo", "media": "attach://photo", "caption": caption, "parse_mode": "HTML"}
	return r.about(ctx, at, request{method: "editMessageMedia", args: map[string]any{"media": media}, file: &picture})
}

// Retract deletes the post. Telegram lets a bot delete nothing that is older than 48 hours: such a post is replaced by a
// notice that it was withdrawn.
func (r *room) Retract(ctx context.Context, old announce.Receipt) error {
	at, ok := read(old)
	if !ok {
		return foreign()
	}
	err := r.about(ctx, at, request{method: "deleteMessage", args: map[string]any{}})
	if says(err, tooOld) {
		err = r.withdraw(ctx, at)
	}
	if says(err, noMessage, notModified) {
		return nil
	}
	return err
}

func (r *room) withdraw(ctx context.Context, at place) error {
	notice := "<i>" + in(cmp.Or(at.language, r.language), "Annonce retirée.", "This announcement was withdrawn.") + "</i>"
	if at.picture == "" {
		err := r.about(ctx, at, request{method: "editMessageText", args: post{text: notice, preview: noPreview()}.asText()})
		if !says(err, hasNoText) {
			return err
		}
	}
	return r.replace(ctx, at, notice, blank())
}

// about makes a call about a post. One that is certainly in another chat than the account's stops nobody, whatever befalls it.
func (r *room) about(ctx context.Context, at place, q request) error {
	q.args["chat_id"], q.args["message_id"] = at.chat, at.message
	q.elsewhere = !r.personal && r.chat[0] == '-' && at.chat[0] == '-' && r.chat != at.chat
	return r.call(ctx, q)
}

// bot is who posts. Safe for concurrent use.
type bot struct {
	client   *rest.Client
	token    announce.Secret
	personal bool // it writes to people: a refusal is about one of them, and stops nobody
}

// request is one call of a method.
type request struct {
	method    string
	args      map[string]any
	file      *announce.Picture // sent beside the arguments, as "photo"
	into      any               // where the result is decoded
	create    bool
	elsewhere bool // about a chat that is not the account's
}

// call makes one call. The token is in its path, which no error shows.
func (b bot) call(ctx context.Context, q request) error {
	answer := struct {
		Result any `json:"result"`
	}{q.into}
	c := rest.Call{
		Method: http.MethodPost, Path: "/bot" + b.token.Reveal() + "/" + q.method, Into: &answer,
		Create: q.create, Classify: classifier(b.token, q.create, q.elsewhere, b.personal),
	}
	if q.file == nil {
		c.Body = q.args
	} else {
		c.Raw, c.Type = form(q.args, *q.file)
	}
	_, err := b.client.Do(ctx, c)
	return err
}

// says reports whether Telegram refused for one of the reasons.
func says(err error, reasons ...string) bool {
	var e *announce.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, r := range reasons {
		if e.Status == r {
			return true
		}
	}
	return false
}
