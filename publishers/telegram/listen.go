package telegram

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/crieur/crieur/internal/announce"
)

// Start is what a person did in their chat with the bot: pressed Start, or wrote /stop or blocked the bot.
type Start struct {
	Update   int64             // its number; a later one has a greater number
	ChatID   string            // Message.To of what is written to them
	Name     string            // as they call themselves in Telegram; may be empty
	Language announce.Language // of their Telegram, such as fr or pt-br; empty: not told
	Payload  string            // of the StartLink they followed; empty: they found the bot themselves
	Stop     bool              // they want nothing more: Payload is empty
}

// StartLink is the address that opens a chat with a bot, by its user name without "@". Whoever presses Start there sends
// payload, 1 to 64 of A-Z a-z 0-9 _ - (https://core.telegram.org/bots/features#deep-linking). Empty when it cannot be one.
func StartLink(bot, payload string) string {
	if !payloads.MatchString(payload) || !userName.MatchString(bot) {
		return ""
	}
	return "https://t.me/" + bot + "?start=" + payload
}

var (
	payloads = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	userName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{3,31}$`)
)

// Username is the bot's, without "@".
func (p *People) Username(ctx context.Context) (string, error) {
	var me struct {
		Username string `json:"username"`
	}
	err := p.call(ctx, request{method: "getMe", args: map[string]any{}, into: &me})
	if err == nil && !userName.MatchString(me.Username) {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Telegram does not say what the bot is called: it will be asked again"}
	}
	return me.Username, err
}

// longPoll is how long Telegram holds a question that it has no answer to, in seconds.
const longPoll = 50

// Listen hands to handle what people do, in its order, and answers nobody. It begins with the update of number from; 0: with
// the first that Telegram still holds, at most 24 hours old. What handle took is confirmed with the next question, so after
// an error or a crash the last ones may come again. A bot has one listener: a second one ends the first. Listen ends with
// nil when ctx is over, with the error of handle, or with an *announce.Error; when that is not Permanent it may be begun again.
func (p *People) Listen(ctx context.Context, from int64, handle func(Start) error) error {
	for ctx.Err() == nil {
		var got []news
		q := request{method: "getUpdates", into: &got, args: map[string]any{
			"offset": from, "timeout": longPoll, "allowed_updates": []string{"message", "my_chat_member"},
		}}
		if err := p.call(ctx, q); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		for _, u := range got {
			if s, ok := u.start(); ok {
				if err := handle(s); err != nil {
					return err
				}
			}
			from = max(from, u.ID+1)
		}
	}
	return nil
}

// news is what happened to a bot.
type news struct {
	ID      int64 `json:"update_id"`
	Message *struct {
		From human       `json:"from"`
		Chat whereabouts `json:"chat"`
		Text string      `json:"text"`
	} `json:"message"`
	Member *struct {
		From human       `json:"from"`
		Chat whereabouts `json:"chat"`
		New  member      `json:"new_chat_member"`
	} `json:"my_chat_member"`
}

type human struct {
	First    string `json:"first_name"`
	Last     string `json:"last_name"`
	Language string `json:"language_code"`
}

type whereabouts struct {
	ID   int64  `json:"id"`
	Type string `json:"type"`
}

// start reads what a person asks for; false: nothing. In a private chat the bot's own state changes only when the person
// blocks it ("kicked") or lets it write again, which starts nothing by itself.
func (n news) start() (Start, bool) {
	switch m, b := n.Message, n.Member; {
	case m != nil && m.Chat.Type == "private":
		command, payload, _ := strings.Cut(strings.TrimSpace(m.Text), " ")
		command, _, _ = strings.Cut(command, "@") // "/stop@some_bot"
		s := m.From.told(n.ID, m.Chat)
		switch payload = strings.TrimSpace(payload); command {
		case "/stop":
			s.Stop = true
			return s, true
		case "/start":
			if payloads.MatchString(payload) {
				s.Payload = payload
			}
			return s, true
		}
	case b != nil && b.Chat.Type == "private" && b.New.Status == "kicked":
		s := b.From.told(n.ID, b.Chat)
		s.Stop = true
		return s, true
	}
	return Start{}, false
}

func (h human) told(update int64, c whereabouts) Start {
	return Start{
		Update: update, ChatID: strconv.FormatInt(c.ID, 10), Language: announce.Language(h.Language),
		Name: strings.Join(strings.Fields(h.First+" "+h.Last), " "),
	}
}
