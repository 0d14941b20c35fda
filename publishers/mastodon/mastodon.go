// Package mastodon publishes on any server that speaks Mastodon's API: Mastodon and its forks, GoToSocial, Pleroma, Akkoma.
package mastodon

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "mastodon"

// Config is one account on one server.
type Config struct {
	API        string          `env:"API,notEmpty" doc:"Address of your server, such as https://mastodon.social."`
	Token      announce.Secret `env:"TOKEN,notEmpty" doc:"Access token of the account that posts (Preferences, Development, New application)."`
	Visibility string          `env:"VISIBILITY" envDefault:"public" doc:"Who sees the posts: public, unlisted (everybody, but in no public timeline) or private (followers)."`
	Warning    string          `env:"WARNING" doc:"Content warning that every post stands behind, such as Jeux vidéo. Default: none."`
	Sensitive  bool            `env:"SENSITIVE" envDefault:"false" doc:"Pictures are hidden until a reader asks for them."`
	Thread     int             `env:"THREAD" envDefault:"1" doc:"Most posts that a long text may take, each answering the one before. 1: it is shortened to one post."`
}

const (
	mostWarning = 100
	mostThread  = 25
	pace        = time.Second     // 300 calls in five minutes
	window      = 5 * time.Minute // of a 429 that names no end
	patience    = 3 * time.Minute // pictures are processed on the server
)

// New returns the channel. It asks the server nothing.
func New(c Config, site announce.Site) (announce.Publisher, error) {
	var errs []error
	if strings.ContainsAny(c.Token.Reveal(), " \t\r\n") {
		errs = append(errs, errors.New("TOKEN: is not an access token: it holds no blanks"))
	}
	if !slices.Contains([]string{"public", "unlisted", "private"}, c.Visibility) {
		errs = append(errs, errors.New("VISIBILITY: is none of public, unlisted and private"))
	}
	if utf8.RuneCountInString(c.Warning) > mostWarning || strings.ContainsAny(c.Warning, "\r\n") {
		errs = append(errs, errors.New("WARNING: is one line of at most "+strconv.Itoa(mostWarning)+" characters"))
	}
	if c.Thread < 1 || c.Thread > mostThread {
		errs = append(errs, errors.New("THREAD: is a number of posts from 1 to "+strconv.Itoa(mostThread)))
	}
	agent := "Crieur"
	if site.URL != "" {
		agent += " (+" + site.URL + ")"
	}
	client, err := rest.New("Mastodon", c.API, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
		r.Header.Set("User-Agent", agent)
	})
	if err == nil && strings.Contains(client.Base(), "/api") {
		err = errors.New("API: is the address of the server alone: https://mastodon.social")
	}
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &channel{client: client, config: c}, nil
}

type channel struct {
	client *rest.Client
	config Config
	server server

	mu sync.Mutex
	me account // zero until the server was asked
}

var (
	_ announce.Amender   = (*channel)(nil)
	_ announce.Retracter = (*channel)(nil)
	_ announce.Finder    = (*channel)(nil)
	_ announce.Checker   = (*channel)(nil)
)

// Name is mastodon.
func (c *channel) Name() string { return name }

// Limits are the server's, which is asked at most once a day and for at most three seconds; without an answer they are
// those of Mastodon. A lost call is looked for: not every server heeds a repeated key, so none is relied upon.
func (c *channel) Limits() announce.Limits {
	r := c.server.rules(c.client)
	return announce.Limits{
		Text: max(r.text-utf8.RuneCountInString(c.config.Warning), 1), Measure: r.measure, Short: true, Links: true,
		Images: r.images, Alt: r.alt, Picture: announce.PictureLimits{Bytes: r.bytes, Side: r.side, Types: r.types}, Card: true,
		Replies: true, Thread: c.config.Thread, Pace: pace, Patience: patience,
	}
}

// post is a status as it is sent.
type post struct {
	Status     string   `json:"status"`
	MediaIDs   []string `json:"media_ids,omitempty"`
	Warning    string   `json:"spoiler_text,omitempty"`
	Sensitive  bool     `json:"sensitive,omitempty"`
	Language   string   `json:"language,omitempty"`
	Visibility string   `json:"visibility,omitempty"`
	InReplyTo  string   `json:"in_reply_to_id,omitempty"`
}

// status is one as the server tells of it.
type status struct {
	ID        string    `json:"id"`
	URL       string    `json:"url"`
	Content   string    `json:"content"`
	CreatedAt time.Time `json:"created_at"`
	InReplyTo string    `json:"in_reply_to_id"`
}

func (s status) receipt() announce.Receipt {
	return announce.Receipt{ID: s.ID, URL: s.URL, At: s.CreatedAt.UTC()}
}

// compose is m with its pictures, which are uploaded first: that may be repeated.
func (c *channel) compose(ctx context.Context, m announce.Message) (post, error) {
	media, err := c.upload(ctx, m.Images)
	return post{
		Status: neutral(m.Text, m.Tags, m.Mentions), MediaIDs: media, Warning: c.config.Warning, Sensitive: c.config.Sensitive,
		Language: string(m.Language.Base()),
	}, err
}

// Publish posts m, as an answer to the part before it when it has one. Further parts stay out of public timelines.
func (c *channel) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	parent, err := c.answered(m)
	if err != nil {
		return announce.Receipt{}, err
	}
	p, err := c.compose(ctx, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	p.Visibility, p.InReplyTo = c.config.Visibility, parent
	if p.InReplyTo != "" && p.Visibility == "public" {
		p.Visibility = "unlisted"
	}
	var s status
	_, err = c.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/api/v1/statuses", Body: p, Into: &s, Create: true, Classify: refusal(creating(parent)),
		Header: http.Header{"Idempotency-Key": {m.Key + "-" + strconv.Itoa(m.Rev)}},
	})
	switch {
	case err != nil:
		return announce.Receipt{}, err
	case s.ID == "":
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "Mastodon took the post and does not say how it is called: look before it is repeated"}
	}
	return s.receipt(), nil
}

// Amend edits the post in place. Who boosted it is told by the server.
func (c *channel) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	path, err := c.place(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	p, err := c.compose(ctx, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	var s status
	_, err = c.client.Do(ctx, rest.Call{Method: http.MethodPut, Path: path, Body: p, Into: &s, Classify: refusal(editing)})
	switch {
	case err != nil:
		return announce.Receipt{}, err
	case s.ID == "":
		return announce.Receipt{}, &announce.Error{Outcome: announce.Temporary, Fault: "Mastodon's answer to the correction cannot be understood: it will be tried again"}
	}
	return s.receipt(), nil
}

// Retract deletes the post. One that is gone is success.
func (c *channel) Retract(ctx context.Context, r announce.Receipt) error {
	path, err := c.place(r)
	if err != nil {
		return err
	}
	_, err = c.client.Do(ctx, rest.Call{Method: http.MethodDelete, Path: path, Classify: refusal(deleting)})
	if errors.Is(err, errGone) {
		return c.absent(ctx, path, r)
	}
	return err
}
