// Package mattermost publishes in a Mattermost channel: as a bot, which can also edit, delete and look for its posts, or
// through an incoming webhook, which can only post.
package mattermost

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/markup"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "mattermost"

// Config is one Mattermost account: API, TOKEN and CHANNEL, or WEBHOOK.
type Config struct {
	API     string          `env:"API" doc:"Address of the Mattermost site, such as https://chat.example.org. Required with TOKEN."`
	Token   announce.Secret `env:"TOKEN" doc:"Access token of a bot account. Either this with API and CHANNEL, or WEBHOOK."`
	Channel string          `env:"CHANNEL" doc:"ID of the channel to post in, 26 characters (channel menu, View Info). Required with TOKEN."`
	Webhook announce.Secret `env:"WEBHOOK" doc:"Address of an incoming webhook, instead of TOKEN. It posts, but can neither correct nor take back nor look."`
}

var identifier = regexp.MustCompile(`^[a-z0-9]{26}$`)

// New returns the publisher of a bot or, with less ability, of an incoming webhook.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	switch {
	case c.Token.Empty() && c.Webhook.Empty():
		return nil, errors.New("TOKEN: is required, or WEBHOOK instead")
	case !c.Token.Empty() && !c.Webhook.Empty():
		return nil, errors.New("WEBHOOK: is set beside TOKEN: give one of them")
	case !c.Webhook.Empty():
		return newWebhook(c)
	case strings.ContainsAny(c.Token.Reveal(), " \t\r\n"):
		return nil, errors.New("TOKEN: is not an access token: it holds no blanks")
	case c.API == "":
		return nil, errors.New("API: is required with TOKEN: the address of the Mattermost site")
	case c.Channel == "":
		return nil, errors.New("CHANNEL: is required with TOKEN: the channel's ID of 26 characters")
	case !identifier.MatchString(c.Channel):
		return nil, errors.New("CHANNEL: is not a channel's ID of 26 letters and digits: names do not do (channel menu, View Info)")
	}
	base := strings.TrimSuffix(strings.TrimRight(c.API, "/"), "/api/v4")
	client, err := rest.New("Mattermost", base, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+c.Token.Reveal()) })
	if err != nil {
		return nil, err
	}
	return &bot{client: client, channel: c.Channel, reader: markup.NewReader()}, nil
}

// bot posts with the access token of a bot account.
type bot struct {
	client  *rest.Client
	channel string
	reader  *markup.Reader
}

var (
	_ announce.Amender   = (*bot)(nil)
	_ announce.Retracter = (*bot)(nil)
	_ announce.Finder    = (*bot)(nil)
	_ announce.Checker   = (*bot)(nil)
)

func (b *bot) Name() string { return name }

// window is how long the server surely knows a pending_post_id: it keeps it for 30 seconds.
const window = 20 * time.Second

func (b *bot) Limits() announce.Limits {
	l := limits(b.reader)
	l.Idempotent = window
	return l
}

// post is a post as Mattermost shows it.
type post struct {
	ID      string `json:"id"`
	Created int64  `json:"create_at"` // in milliseconds
	Deleted int64  `json:"delete_at"`
	Props   struct {
		Delivery any `json:"delivery_id"`
	} `json:"props"`
}

func (b *bot) receipt(p post) announce.Receipt {
	return announce.Receipt{ID: p.ID, URL: b.client.Base() + "/_redirect/pl/" + p.ID, At: time.UnixMilli(p.Created).UTC()}
}

// Publish posts the message once. Before it does it looks whether the message is there already: a server that starts
// anew, or another one of the same cluster, does not know the pending_post_id of a lost call.
func (b *bot) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if r, there, err := b.Find(ctx, m, time.Now().Add(-window)); err != nil || there {
		return r, err
	}
	files, err := b.upload(ctx, m.Images)
	if err != nil {
		return announce.Receipt{}, err
	}
	var made post
	_, err = b.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/api/v4/posts", Into: &made, Create: true, Classify: classify(aboutChannel),
		Body: map[string]any{
			"channel_id": b.channel, "message": compose(b.reader, m, false), "file_ids": files,
			"props": map[string]string{"delivery_id": m.Key}, "pending_post_id": m.Key + "-" + strconv.Itoa(m.Rev),
		},
	})
	if err != nil {
		return announce.Receipt{}, err
	}
	if made.ID == "" {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "Mattermost says yes without a post: look whether it is in the channel"}
	}
	return b.receipt(made), nil
}

// Amend edits the post in place. What it is found by stays. Servers from before 2025 keep the pictures as they were.
func (b *bot) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	path, err := place(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	switch there, err := b.standing(ctx, path); {
	case err != nil:
		return announce.Receipt{}, err
	case !there:
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Status: "404", Fault: "the post is no longer in Mattermost: somebody deleted it there"}
	}
	files, err := b.upload(ctx, m.Images)
	if err != nil {
		return announce.Receipt{}, err
	}
	_, err = b.client.Do(ctx, rest.Call{
		Method: http.MethodPut, Path: path + "/patch", Classify: classify(aboutPost),
		Body: map[string]any{"message": compose(b.reader, m, false), "file_ids": files},
	})
	return r, err
}

// Retract deletes the post.
func (b *bot) Retract(ctx context.Context, r announce.Receipt) error {
	path, err := place(r)
	if err != nil {
		return err
	}
	_, err = b.client.Do(ctx, rest.Call{Method: http.MethodDelete, Path: path, Classify: classify(aboutPost)})
	if errors.Is(err, errAbsent) {
		return nil
	}
	if errors.Is(err, errForbidden) { // which Mattermost also says of what is not there
		if there, looked := b.standing(ctx, path); looked == nil && !there {
			return nil
		}
	}
	return err
}

// standing reports whether the post is there.
func (b *bot) standing(ctx context.Context, path string) (bool, error) {
	var seen post
	_, err := b.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: path, Into: &seen, Classify: classify(aboutPost)})
	switch {
	case errors.Is(err, errAbsent):
		return false, nil
	case err != nil:
		return false, err
	case seen.ID == "":
		return false, &announce.Error{Outcome: announce.Temporary, Fault: "Mattermost did not show the post: it will be tried again"}
	}
	return seen.Deleted == 0, nil
}

func place(r announce.Receipt) (string, error) {
	if !identifier.MatchString(r.ID) {
		return "", &announce.Error{Outcome: announce.Permanent, Fault: "the post was not made by this Mattermost bot, so it cannot be changed by it: do it in Mattermost"}
	}
	return "/api/v4/posts/" + r.ID, nil
}

// upload gives the pictures to the server, which shows them nowhere until a post names them.
func (b *bot) upload(ctx context.Context, pictures []announce.Picture) ([]string, error) {
	files := []string{}
	for n, p := range pictures {
		var made struct {
			Files []struct {
				ID string `json:"id"`
			} `json:"file_infos"`
		}
		_, err := b.client.Do(ctx, rest.Call{
			Method: http.MethodPost, Path: "/api/v4/files", Query: url.Values{"channel_id": {b.channel}, "filename": {filename(n, p)}},
			Raw: p.Data, Type: p.Type, Into: &made, Classify: classify(aboutPicture),
		})
		if err != nil {
			return nil, err
		}
		if len(made.Files) != 1 || made.Files[0].ID == "" {
			return nil, &announce.Error{Outcome: announce.Temporary, Fault: "Mattermost took a picture and does not say where it is: it will be tried again"}
		}
		files = append(files, made.Files[0].ID)
	}
	return files, nil
}

// filename says what the picture shows: Mattermost writes it above the picture, and reads it out in its place.
func filename(n int, p announce.Picture) string {
	end := strings.TrimPrefix(p.Type, "image/")
	if end == "jpeg" {
		end = "jpg"
	}
	base := strings.Join(strings.FieldsFunc(p.Alt, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`/\:*?"<>|%`, r)
	}), " ")
	if r := []rune(base); len(r) > longestName {
		base = strings.TrimSpace(string(r[:longestName])) + "…"
	}
	if strings.Trim(base, ". ") == "" {
		base = "image" + strconv.Itoa(n+1)
	}
	return base + "." + end
}

const longestName = 60

// mostSince is how many posts Mattermost shows of a span of time.
const (
	mostSince = 1000
	skew      = 2 * time.Minute // between this machine's clock and the server's
)

// Find reads what changed in the channel since then and looks for the message's key.
func (b *bot) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	var got struct {
		Posts *map[string]post `json:"posts"` // nil: not the answer that was asked for
	}
	_, err := b.client.Do(ctx, rest.Call{
		Method: http.MethodGet, Path: "/api/v4/channels/" + b.channel + "/posts", Query: url.Values{"since": {strconv.FormatInt(since.Add(-skew).UnixMilli(), 10)}},
		Into: &got, Classify: classify(aboutChannel),
	})
	if err != nil {
		return announce.Receipt{}, false, err
	}
	if got.Posts == nil {
		return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "Mattermost gave no list of posts: it is looked at again"}
	}
	for _, p := range *got.Posts {
		if p.Props.Delivery == m.Key && m.Key != "" && p.Deleted == 0 {
			return b.receipt(p), true, nil
		}
	}
	if len(*got.Posts) >= mostSince {
		return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "so much was written in the Mattermost channel since then that the post could not be looked for: look for it yourself, then settle the delivery"}
	}
	return announce.Receipt{}, false, nil
}
