package discord

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// bot posts in a channel as a bot.
type bot struct {
	api
	channel string
	guild   atomic.Pointer[string]
}

var (
	_ announce.Amender   = (*bot)(nil)
	_ announce.Retracter = (*bot)(nil)
	_ announce.Finder    = (*bot)(nil)
	_ announce.Checker   = (*bot)(nil)
)

func (b *bot) Name() string { return name }

// Limits are Discord's. It knows a message by its nonce for "the past few minutes", which is taken for two.
func (b *bot) Limits() announce.Limits {
	l := b.limits()
	l.Replies, l.Idempotent = true, 2*time.Minute
	return l
}

// nonce is the key in 24 of the 25 characters that Discord takes.
func nonce(key string) string {
	sum := sha256.Sum256([]byte(key))
	return base32.StdEncoding.EncodeToString(sum[:15])
}

// Publish posts the message once. A repeat within a few minutes gets the message that is there.
func (b *bot) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	var made message
	p := b.compose(m)
	fields := p.fields()
	fields["nonce"], fields["enforce_nonce"] = nonce(m.Key), true
	if parent, ok := read(m.Parent, byBot); ok {
		fields["message_reference"] = map[string]any{"message_id": parent[1], "fail_if_not_exists": false}
	}
	c := rest.Call{Method: http.MethodPost, Path: messages(b.channel), Into: &made, Create: true, Classify: classify(botSays, false)}
	p.fill(&c, fields)
	if _, err := b.client.Do(ctx, c); err != nil {
		return announce.Receipt{}, err
	}
	if made.ID == "" {
		return announce.Receipt{}, unnamed()
	}
	return b.receipt(ctx, made.ID), nil
}

func messages(channel string, message ...string) string {
	return "/channels/" + strings.Join(append([]string{channel, "messages"}, message...), "/")
}

// receipt stands for a message; people find it at its address, when Discord says soon which server it is on.
func (b *bot) receipt(ctx context.Context, id string) announce.Receipt {
	r := announce.Receipt{ID: byBot + ":" + b.channel + ":" + id, At: moment(id)}
	g := b.guild.Load()
	if g == nil {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		c, err := b.place(ctx, b.channel)
		if err != nil || c.Guild == "" {
			return r
		}
		g = &c.Guild
		b.guild.Store(g)
	}
	r.URL = address(*g, b.channel, id)
	return r
}

// about finds the message that a receipt stands for.
func (b *bot) about(r announce.Receipt) (rest.Call, bool) {
	channel, message, ok := byAddress(r)
	if !ok {
		parts, known := read(r, byBot)
		if !known {
			return rest.Call{}, false
		}
		channel, message = parts[0], parts[1]
	}
	return rest.Call{Path: messages(channel, message), Classify: classify(botSays, channel != b.channel)}, true
}

// Amend edits the message in place, pictures included.
func (b *bot) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	c, ok := b.about(r)
	if !ok {
		return announce.Receipt{}, foreign()
	}
	c.Method = http.MethodPatch
	p := b.compose(m)
	p.fill(&c, p.whole())
	_, err := b.client.Do(ctx, c)
	return r, err
}

// Retract deletes the message. One that is gone is success.
func (b *bot) Retract(ctx context.Context, r announce.Receipt) error {
	c, ok := b.about(r)
	if !ok {
		return foreign()
	}
	c.Method = http.MethodDelete
	_, err := b.client.Do(ctx, c)
	if says(err, noMessage) {
		return nil
	}
	return err
}

const (
	page     = 100
	maxPages = 30
	skew     = 2 * time.Minute // between this machine's clock and Discord's
)

// Find reads the channel since then and looks for a message of the bot's with the same words. Discord does not keep the
// nonce with the message.
func (b *bot) Find(ctx context.Context, m announce.Message, from time.Time) (announce.Receipt, bool, error) {
	want := letters(b.compose(m).content)
	after, me := since(from.Add(-skew)), ""
	for n := range maxPages {
		var seen *[]message // nil: not the answer that was asked for
		q := url.Values{"after": {after}, "limit": {strconv.Itoa(page)}}
		if _, err := b.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: messages(b.channel), Query: q, Into: &seen, Classify: classify(botSays, false)}); err != nil {
			return announce.Receipt{}, false, err
		}
		if seen == nil {
			return announce.Receipt{}, false, unsure(false, "Discord's answer cannot be understood", "")
		}
		if n == 0 && len(*seen) == 0 {
			return announce.Receipt{}, false, b.readable(ctx)
		}
		for _, x := range *seen {
			if larger(x.ID, after) {
				after = x.ID
			}
			if letters(x.Content) != want {
				continue
			}
			if me == "" {
				who, err := b.self(ctx)
				if err != nil {
					return announce.Receipt{}, false, err
				}
				me = who.ID
			}
			if x.Author.ID == me {
				return b.receipt(ctx, x.ID), true, nil
			}
		}
		if len(*seen) < page {
			return announce.Receipt{}, false, nil
		}
	}
	return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "so much was written in the Discord channel since then that the post could not be looked for: look for it yourself, then settle the delivery"}
}

// larger compares numbers of any length.
func larger(a, b string) bool { return len(a) > len(b) || len(a) == len(b) && a > b }

// letters is what of a text survives whatever Discord does to signs and spaces.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

func unnamed() error {
	return &announce.Error{Outcome: announce.Ambiguous, Fault: "Discord says yes without a post: look whether it is there"}
}
