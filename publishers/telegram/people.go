package telegram

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
)

// People writes to each subscriber in a private chat: Message.To is the chat's number, which a Start tells. Who blocked the
// bot is Gone. Safe for concurrent use.
type People struct{ *room }

var (
	_ announce.Amender   = (*People)(nil)
	_ announce.Retracter = (*People)(nil)
	_ announce.Checker   = (*People)(nil)
)

// Address is somebody's chat with the bot as an address on this channel: the number that a Start tells, as text. The error says
// what to do.
func Address(chat string) (string, error) {
	if chat = strings.TrimSpace(chat); !personID.MatchString(chat) {
		return "", errors.New("press Start in the chat with the bot: it is known then where to write to you")
	}
	return chat, nil
}

// crowd is Telegram's pace for a bot that writes to many: 30 messages a second over all chats
// (https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this), of which some are left to corrections.
const crowd = time.Second / 25

// Limits are those of a group, at the pace of many chats.
func (p *People) Limits() announce.Limits {
	l := p.room.Limits()
	l.Personal, l.Replies, l.Text = true, false, l.Text-markup.Room
	l.Pace, l.Concurrent = crowd, 8
	return l
}

// Publish writes the message once to the person.
func (p *People) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if !personID.MatchString(m.To) {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Gone: true, Field: "to", Fault: "this is not the number of a Telegram chat: the person must press Start in a chat with the bot"}
	}
	chat := *p.room
	chat.chat, m.Text = m.To, markup.Own(m)
	return chat.Publish(ctx, m)
}

// Amend edits the message in place.
func (p *People) Amend(ctx context.Context, old announce.Receipt, m announce.Message) (announce.Receipt, error) {
	m.Text = markup.Own(m)
	return p.room.Amend(ctx, old, m)
}

// Check asks Telegram who the bot is, and whether what people write to it can be heard.
func (p *People) Check(ctx context.Context) (announce.Report, error) {
	user, err := p.Username(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	r := announce.Report{Identity: "@" + user}
	var hook struct {
		URL string `json:"url"`
	}
	if err := p.call(ctx, request{method: "getWebhookInfo", args: map[string]any{}, into: &hook}); err != nil {
		return r, err
	}
	if hook.URL != "" {
		r.Findings = append(r.Findings, announce.Finding{What: "the bot has a webhook, so nobody who presses Start or writes /stop is heard here", Do: "remove it (deleteWebhook), or use another bot"})
	}
	return r, nil
}
