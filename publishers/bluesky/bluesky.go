// Package bluesky publishes on Bluesky, and on any server of the AT Protocol.
package bluesky

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "bluesky"

// Config is one account.
type Config struct {
	Handle   string          `env:"HANDLE,notEmpty" doc:"The account that posts, such as meetup.bsky.social."`
	Password announce.Secret `env:"APP_PASSWORD,notEmpty" doc:"App password (Settings, Privacy and security, App passwords), never the account's own."`
	Card     bool            `env:"CARD" envDefault:"true" doc:"The link of a post is shown as a card with the picture. false: the picture is shown whole, with its text alternative."`
	Edits    bool            `env:"EDITS" envDefault:"false" doc:"A correction replaces the post. Bluesky's own app goes on showing the first text, so by default a person is told instead."`
	Thread   int             `env:"THREAD" envDefault:"1" doc:"Most posts that a long text may take, each answering the one before. 1: it is shortened to one post."`
	API      string          `env:"API" envDefault:"https://bsky.social" doc:"Where the account signs in. The server that keeps it is looked up from there."`
}

const (
	collection = "app.bsky.feed.post"
	mostThread = 25
	mostImages = 4
	mostBytes  = 1_000_000 // of a picture on a card; elsewhere twice as many
	mostSide   = 2000
	mostAlt    = 2000
	pace       = time.Second     // 5000 points an hour, three for a post
	window     = 5 * time.Minute // of a 429 that names no end
)

var handleForm = regexp.MustCompile(`^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// New returns the channel: with EDITS it can also amend. It asks the server nothing.
func New(c Config, site announce.Site) (announce.Publisher, error) {
	var errs []error
	c.Handle = strings.TrimPrefix(strings.TrimSpace(c.Handle), "@")
	if !handleForm.MatchString(c.Handle) && !strings.HasPrefix(c.Handle, "did:") {
		errs = append(errs, errors.New("HANDLE: is not an account's name: write meetup.bsky.social"))
	}
	if c.Thread < 1 || c.Thread > mostThread {
		errs = append(errs, errors.New("THREAD: is a number of posts from 1 to "+strconv.Itoa(mostThread)))
	}
	agent := "Crieur"
	if site.URL != "" {
		agent += " (+" + site.URL + ")"
	}
	signer := func(r *http.Request) { r.Header.Set("User-Agent", agent) }
	entry, err := rest.New(platform, c.API, signer)
	if err == nil && strings.Contains(c.API, "/xrpc") {
		err = errors.New("API: is the address of the server alone: https://bsky.social")
	}
	if err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	ch := &channel{config: c, sessions: newSessions(entry, signer, c.Handle, c.Password)}
	if c.Edits {
		return editor{ch}, nil
	}
	return ch, nil
}

// platform is its name in faults.
const platform = "Bluesky"

// channel is an account whose posts stay as they are.
type channel struct {
	config   Config
	sessions *sessions
}

// editor is an account whose posts are replaced.
type editor struct{ *channel }

var (
	_ announce.Retracter = (*channel)(nil)
	_ announce.Finder    = (*channel)(nil)
	_ announce.Checker   = (*channel)(nil)
	_ announce.Amender   = editor{}
)

// Name is bluesky.
func (c *channel) Name() string { return name }

// Limits are Bluesky's. A post's name follows from its key and date, so that a repeat makes the same post.
func (c *channel) Limits() announce.Limits {
	return announce.Limits{
		Text: mostGraphemes, Measure: measure, Short: true, Links: true, Images: mostImages, Alt: mostAlt,
		Picture: announce.PictureLimits{Bytes: mostBytes, Side: mostSide, Types: []string{"image/jpeg", "image/png"}}, Card: true,
		Replies: true, Thread: c.config.Thread, Idempotent: announce.Forever, Pace: pace,
	}
}

// kept is a post as the server keeps it.
type kept struct {
	URI   string `json:"uri"`
	CID   string `json:"cid"`
	Value struct {
		Text      string `json:"text"`
		CreatedAt string `json:"createdAt"`
		Reply     *reply `json:"reply"`
	} `json:"value"`
}

func (k kept) complete() bool { return k.URI != "" && k.CID != "" }

// Publish makes the post under its own name, unless it is there already.
func (c *channel) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	s, err := c.sessions.open(ctx)
	if err != nil {
		return announce.Receipt{}, err
	}
	key, err := recordKey(m)
	if err != nil {
		return announce.Receipt{}, err
	}
	r, err := c.compose(ctx, s, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	k, err := c.put(ctx, s, key, r, nil, true)
	if errors.Is(err, errSwap) {
		return c.earlier(ctx, s, key, r)
	}
	if err != nil {
		return announce.Receipt{}, err
	}
	return s.receipt(k, r.CreatedAt), nil
}

// earlier is the receipt of the post that an earlier call made under the same name.
func (c *channel) earlier(ctx context.Context, s *session, key string, r record) (announce.Receipt, error) {
	k, err := c.get(ctx, s, key)
	switch {
	case errors.Is(err, errMissing):
		return announce.Receipt{}, &announce.Error{Outcome: announce.Temporary, Fault: "Bluesky refused the post because it was there, and then it was not: it will be tried again"}
	case err != nil:
		return announce.Receipt{}, err
	case k.Value.Text != r.Text:
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Fault: "an earlier text of this post is on Bluesky already: delete it there, or retract the announcement"}
	}
	return s.receipt(k, k.Value.CreatedAt), nil
}

// put writes a record: a new one, or in place of the one whose version is old.
func (c *channel) put(ctx context.Context, s *session, key string, r record, old *string, create bool) (kept, error) {
	var k kept
	_, err := c.sessions.call(ctx, s, rest.Call{
		Method: http.MethodPost, Path: "/xrpc/com.atproto.repo.putRecord", Into: &k, Create: create,
		Body: struct {
			Repo       string  `json:"repo"`
			Collection string  `json:"collection"`
			Key        string  `json:"rkey"`
			Validate   bool    `json:"validate"`
			Record     record  `json:"record"`
			Swap       *string `json:"swapRecord"`
		}{s.did, collection, key, true, r, old},
	}, writing)
	if err == nil && !k.complete() {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Bluesky does not say what became of the post: it will be tried again"}
		if create {
			err = &announce.Error{Outcome: announce.Ambiguous, Fault: "Bluesky took the post and does not say how it is called: look before it is repeated"}
		}
	}
	return k, err
}

// get reads a post of the account. errMissing: there is none of that name.
func (c *channel) get(ctx context.Context, s *session, key string) (kept, error) {
	var k kept
	_, err := c.sessions.call(ctx, s, rest.Call{
		Method: http.MethodGet, Path: "/xrpc/com.atproto.repo.getRecord", Into: &k,
		Query: map[string][]string{"repo": {s.did}, "collection": {collection}, "rkey": {key}},
	}, reading)
	if err == nil && !k.complete() {
		err = &announce.Error{Outcome: announce.Temporary, Fault: "Bluesky's answer cannot be understood: it will be tried again"}
	}
	return k, err
}

// Amend replaces the post of r. Bluesky's own app goes on showing what it showed first.
func (c editor) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	s, key, err := c.of(ctx, r)
	if err != nil {
		return announce.Receipt{}, err
	}
	k, err := c.get(ctx, s, key)
	if errors.Is(err, errMissing) {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Fault: "the post is no longer on Bluesky: somebody deleted it there", Err: errMissing}
	}
	if err != nil {
		return announce.Receipt{}, err
	}
	rec, err := c.compose(ctx, s, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	rec.CreatedAt, rec.Reply = k.Value.CreatedAt, k.Value.Reply
	k, err = c.put(ctx, s, key, rec, &k.CID, false)
	if errors.Is(err, errSwap) {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Temporary, Fault: "the post on Bluesky was changed at the same moment: it will be tried again"}
	}
	if err != nil {
		return announce.Receipt{}, err
	}
	return s.receipt(k, rec.CreatedAt), nil
}

// Retract deletes the post. What is not there is deleted.
func (c *channel) Retract(ctx context.Context, r announce.Receipt) error {
	s, key, err := c.of(ctx, r)
	if err != nil {
		return err
	}
	_, err = c.sessions.call(ctx, s, rest.Call{
		Method: http.MethodPost, Path: "/xrpc/com.atproto.repo.deleteRecord",
		Body: map[string]string{"repo": s.did, "collection": collection, "rkey": key},
	}, writing)
	return err
}

// Find looks for the post under its own name.
func (c *channel) Find(ctx context.Context, m announce.Message, _ time.Time) (announce.Receipt, bool, error) {
	s, err := c.sessions.open(ctx)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	key, err := recordKey(m)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	k, err := c.get(ctx, s, key)
	switch {
	case errors.Is(err, errMissing):
		return announce.Receipt{}, false, nil
	case err != nil:
		return announce.Receipt{}, false, err
	}
	return s.receipt(k, k.Value.CreatedAt), true, nil
}

// of is the name of the post that r stands for, which must be one of this account.
func (c *channel) of(ctx context.Context, r announce.Receipt) (*session, string, error) {
	s, err := c.sessions.open(ctx)
	if err != nil {
		return nil, "", err
	}
	key := s.key(r)
	if key == "" {
		return nil, "", &announce.Error{Outcome: announce.Permanent, Fault: "the receipt names no post of this Bluesky account: change the post by hand"}
	}
	return s, key, nil
}
