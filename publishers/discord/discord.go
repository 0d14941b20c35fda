// Package discord publishes on a Discord server: messages through a webhook, messages as a bot, which can also look for its
// own, or the events of the server's calendar.
package discord

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "discord"

// Config is one Discord account: WEBHOOK, or TOKEN with CHANNEL, or TOKEN with GUILD for events.
type Config struct {
	Token   announce.Secret `env:"TOKEN" doc:"Token of your Discord bot. Either this with CHANNEL, or WEBHOOK."`
	Channel string          `env:"CHANNEL" doc:"Number of the channel or thread to post in (right click, Copy Channel ID). Required with TOKEN."`
	Webhook announce.Secret `env:"WEBHOOK" doc:"Address of a channel's webhook, instead of TOKEN. It posts, corrects and takes back, but cannot look."`
	Thread  string          `env:"THREAD" doc:"With WEBHOOK: number of the thread or forum post to write in."`
	As      string          `env:"AS" envDefault:"message" doc:"What an announcement becomes: message, or event (of the server's calendar; with TOKEN and GUILD)."`
	Guild   string          `env:"GUILD" doc:"Number of the server (right click, Copy Server ID). Required with AS=event."`
	API     string          `env:"API" envDefault:"https://discord.com/api/v10" doc:"Where Discord's API is. Not used with WEBHOOK."`
}

var (
	snowflake   = regexp.MustCompile(`^[1-9][0-9]{14,19}$`)
	hookAddress = regexp.MustCompile(`^(.*)/api(?:/v[0-9]+)?/webhooks/([1-9][0-9]{14,19})/([A-Za-z0-9_-]{20,200})/?$`)
	tokenShape  = regexp.MustCompile(`^[A-Za-z0-9_.-]{20,200}$`)
)

// New returns the publisher of a bot's channel, of a webhook or of a server's calendar.
func New(c Config, site announce.Site) (announce.Publisher, error) {
	switch {
	case c.As != "message" && c.As != "event":
		return nil, errors.New("AS: is neither message nor event")
	case c.Token.Empty() && c.Webhook.Empty():
		return nil, errors.New("TOKEN: is required, or WEBHOOK instead")
	case !c.Token.Empty() && !c.Webhook.Empty():
		return nil, errors.New("WEBHOOK: is set beside TOKEN: give one of them")
	case c.As == "event" && !c.Webhook.Empty():
		return nil, errors.New("WEBHOOK: cannot make events: give TOKEN and GUILD")
	case !c.Webhook.Empty():
		return newWebhook(c)
	case !tokenShape.MatchString(c.Token.Reveal()):
		return nil, errors.New("TOKEN: is not a bot's token: copy it from the Developer Portal (Bot, Reset Token), without \"Bot\" before it")
	case c.Thread != "":
		return nil, errors.New("THREAD: goes with WEBHOOK: with a bot, give the thread's number as CHANNEL")
	}
	client, err := rest.New("Discord", c.API, func(r *http.Request) {
		introduce(r)
		r.Header.Set("Authorization", "Bot "+c.Token.Reveal())
	})
	if err != nil {
		return nil, err
	}
	a := api{client: client, markdown: markup.NewReader()}
	switch {
	case c.As == "event" && !snowflake.MatchString(c.Guild):
		return nil, errors.New("GUILD: is not a server's number: switch on Developer Mode (Advanced), right click the server, Copy Server ID")
	case c.As == "event" && c.Channel != "":
		return nil, errors.New("CHANNEL: goes with messages: events belong to the whole server")
	case c.As == "event":
		return &calendar{api: a, guild: c.Guild, site: site}, nil
	case c.Guild != "":
		return nil, errors.New("GUILD: goes with AS=event")
	case !snowflake.MatchString(c.Channel):
		return nil, errors.New("CHANNEL: is not a channel's number: switch on Developer Mode (Advanced), right click the channel, Copy Channel ID")
	}
	return &bot{api: a, channel: c.Channel}, nil
}

func newWebhook(c Config) (announce.Publisher, error) {
	if c.Channel != "" || c.Guild != "" {
		return nil, errors.New("WEBHOOK: belongs to a channel already: leave CHANNEL and GUILD out")
	}
	if c.Thread != "" && !snowflake.MatchString(c.Thread) {
		return nil, errors.New("THREAD: is not a thread's number: right click it, Copy Thread ID")
	}
	if err := rest.CheckAddress(c.Webhook.Reveal()); err != nil {
		return nil, fmt.Errorf("WEBHOOK: %w", err)
	}
	u, err := url.Parse(c.Webhook.Reveal())
	if err != nil {
		return nil, errors.New("WEBHOOK: is not an address")
	}
	parts := hookAddress.FindStringSubmatch(u.Path)
	if parts == nil {
		return nil, errors.New("WEBHOOK: is not the address of a Discord webhook: it is like https://discord.com/api/webhooks/number/secret")
	}
	u.Path = parts[1] + "/api/v10/webhooks/" + parts[2] + "/" + parts[3]
	client, err := rest.New("Discord", u.String(), introduce)
	if err != nil {
		return nil, err
	}
	return &webhook{api: api{client: client, markdown: markup.NewReader()}, id: parts[2], thread: c.Thread}, nil
}

// introduce says who calls. Discord turns away whoever does not.
func introduce(r *http.Request) {
	r.Header.Set("User-Agent", "DiscordBot (https://github.com/crieur/crieur, 1)")
}

// api is what all ways to publish share.
type api struct {
	client   *rest.Client
	markdown *markup.Reader
}

const (
	maxContent  = 2000
	maxPictures = 4
	maxAlt      = 1024
	pace        = 500 * time.Millisecond // a channel takes five messages in two seconds
	window      = time.Minute            // for a 429 that names no wait
)

// limits are those of messages.
func (a api) limits() announce.Limits {
	return announce.Limits{
		Text: maxContent, Links: true, Markdown: true, Images: maxPictures, Alt: maxAlt, Card: true, Pace: pace,
		Measure: func(s string) int { return units(pen{}.write(a.markdown.Read(s))) },
		Picture: announce.PictureLimits{Bytes: 6_000_000, Side: 4096}, // four of them stay below 25 MiB, what a message may hold
	}
}

// message is a message as Discord gives it.
type message struct {
	ID      string `json:"id"`
	Channel string `json:"channel_id"`
	Content string `json:"content"`
	Author  struct {
		ID string `json:"id"`
	} `json:"author"`
}

// moment is when the thing with a number was made.
func moment(id string) time.Time {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(int64(n>>22) + epoch).UTC()
}

// since is the number that something made at t would have at least.
func since(t time.Time) string {
	return strconv.FormatInt(max(0, t.UnixMilli()-epoch)<<22, 10)
}

const epoch = 1420070400000 // milliseconds from 1970 to 2015, where Discord's numbers begin
