// The channel to copy for a new one: see CONTRIBUTING.md, "Add a channel in an hour". It is built and tested with
// -tags skeleton only, so that the program does not carry it.

//go:build skeleton

// Package skeleton publishes on a board with a small JSON API.
package skeleton

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// name is the folder, the word in CRIEUR_CHANNELS, and the beginning of the channel's variables.
const name = "skeleton"

// Config is one account. The variables are read below CRIEUR_SKELETON_, and `crieur env` prints the docs.
type Config struct {
	Token announce.Secret `env:"TOKEN,notEmpty" doc:"Token of the account (Settings, Applications, New token)."`
	Board string          `env:"BOARD,notEmpty" doc:"Board to post on, as its address ends: meetups of https://board.example/b/meetups."`
	API   string          `env:"API" envDefault:"https://board.example/api" doc:"Where the API is."`
}

var boardName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// New returns the publisher of one account. Errors begin with the variable at fault, without its prefix.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	if !boardName.MatchString(c.Board) {
		return nil, errors.New("BOARD: is not a board's name: write meetups, not its address")
	}
	client, err := rest.New("Board", c.API, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+c.Token.Reveal()) })
	if err != nil {
		return nil, err
	}
	return &publisher{client, c.Board}, nil
}

// publisher has a method for each thing that the platform can do, and no other: what cannot be done has no method.
type publisher struct {
	client *rest.Client
	board  string
}

var (
	_ announce.Amender   = (*publisher)(nil)
	_ announce.Retracter = (*publisher)(nil)
	_ announce.Finder    = (*publisher)(nil)
	_ announce.Checker   = (*publisher)(nil)
)

func (p *publisher) Name() string { return name }

// Limits are the platform's. Idempotent is zero: the platform takes the same post twice, so a lost call is looked for.
func (p *publisher) Limits() announce.Limits {
	return announce.Limits{Text: 500, Links: true, Pace: time.Second}
}

// post is a post as the platform takes and gives it. Key is shown to nobody.
type post struct {
	ID   string    `json:"id,omitempty"`
	URL  string    `json:"url,omitempty"`
	Text string    `json:"text"`
	Key  string    `json:"key"`
	At   time.Time `json:"at,omitzero"`
}

func (x post) receipt() announce.Receipt { return announce.Receipt{ID: x.ID, URL: x.URL, At: x.At} }

func (p *publisher) path(parts ...string) string {
	path := "/boards/" + url.PathEscape(p.board) + "/posts"
	for _, s := range parts {
		path += "/" + url.PathEscape(s)
	}
	return path
}

// Publish posts the message once.
func (p *publisher) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	var made post
	_, err := p.client.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: p.path(), Body: post{Text: m.Text, Key: m.Key}, Into: &made,
		Create: true, Classify: classify,
	})
	if err != nil {
		return announce.Receipt{}, err
	}
	if made.ID == "" {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "Board says yes without a post: look whether it is there"}
	}
	return made.receipt(), nil
}

// Amend edits the post in place.
func (p *publisher) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	_, err := p.client.Do(ctx, rest.Call{
		Method: http.MethodPut, Path: p.path(r.ID), Body: post{Text: m.Text, Key: m.Key}, Classify: classify,
	})
	return r, err
}

// Retract deletes the post. One that is gone is success.
func (p *publisher) Retract(ctx context.Context, r announce.Receipt) error {
	_, err := p.client.Do(ctx, rest.Call{Method: http.MethodDelete, Path: p.path(r.ID), Classify: classify})
	var e *announce.Error
	if errors.As(err, &e) && e.Status == "404" {
		return nil
	}
	return err
}

// Find looks among the posts since then for the message's key.
func (p *publisher) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	q := url.Values{"since": {since.UTC().Format(time.RFC3339)}}
	for {
		var page struct {
			Posts *[]post `json:"posts"` // nil: not the answer that was asked for
			Next  string  `json:"next"`
		}
		if _, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: p.path(), Query: q, Into: &page, Classify: classify}); err != nil {
			return announce.Receipt{}, false, err
		}
		if page.Posts == nil {
			return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "Board gave no list of posts: it is looked at again"}
		}
		if i := slices.IndexFunc(*page.Posts, func(x post) bool { return x.Key == m.Key }); i >= 0 {
			return (*page.Posts)[i].receipt(), true, nil
		}
		if page.Next == "" {
			return announce.Receipt{}, false, nil
		}
		q.Set("after", page.Next)
	}
}

// Check asks who the token belongs to and whether it may post on the board.
func (p *publisher) Check(ctx context.Context) (announce.Report, error) {
	var me struct {
		Name   string   `json:"name"`
		Boards []string `json:"boards"`
	}
	if _, err := p.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/me", Into: &me, Classify: classify}); err != nil {
		return announce.Report{}, err
	}
	report := announce.Report{Identity: me.Name + " on " + p.board}
	if !slices.Contains(me.Boards, p.board) {
		report.Findings = append(report.Findings, announce.Finding{
			Severe: true, What: me.Name + " may not post on " + p.board, Do: "ask a moderator of the board to let it post, or correct BOARD",
		})
	}
	return report, nil
}

// window is the platform's documented wait when it names none.
const window = time.Minute

// classify knows what the platform says in its own words. The rest is decided by the status.
func classify(status int, header http.Header, body []byte) *announce.Error {
	var refusal struct{ Error, Field string }
	_ = json.Unmarshal(body, &refusal) // not JSON: no words
	e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(status), Field: refusal.Field}
	switch {
	case status == http.StatusTooManyRequests && rest.RetryAfter(header, time.Now()) == 0:
		e.Outcome, e.RetryAfter, e.Fault = announce.RateLimited, window, "Board asks to wait: the channel pauses, nothing is lost"
	case status == http.StatusUnprocessableEntity && refusal.Error == "too_long":
		e.Fault = "Board finds the text too long: shorten the announcement, or give it an override for this channel"
	case status == http.StatusForbidden && refusal.Error == "suspended":
		e.Stop, e.Fault = true, "Board has suspended the account: ask its moderators, then resume the account"
	default:
		return nil
	}
	return e
}
