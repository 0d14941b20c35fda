// Package facebook publishes on a Facebook Page through the Graph API.
package facebook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "facebook"

// Config is one Page.
type Config struct {
	Page      string          `env:"PAGE,notEmpty" doc:"ID of the Page: digits (About, Page transparency, Page ID)."`
	Token     announce.Secret `env:"TOKEN,notEmpty" doc:"Page access token of your app, with pages_manage_posts and pages_read_engagement."`
	AppSecret announce.Secret `env:"APP_SECRET,notEmpty" doc:"Secret of that app (App settings, Basic); it signs every call."`
	Version   string          `env:"VERSION" envDefault:"v26.0" doc:"Version of the Graph API. crieur doctor warns before it ends."`
	Preview   bool            `env:"PREVIEW" envDefault:"false" doc:"A post with a link shows the preview of that page instead of pictures."`
	API       string          `env:"API" envDefault:"https://graph.facebook.com" doc:"Address of the Graph API."`
}

const (
	mostText   = 63_206 // UTF-16 units
	mostImages = 10
	mostAlt    = 1000
	mostBytes  = 4_000_000 // Facebook refuses more than 4 MB
	mostSide   = 2048
)

var (
	pageID      = regexp.MustCompile(`^[0-9]{5,32}$`)
	versionForm = regexp.MustCompile(`^v[0-9]{1,3}\.[0-9]$`)
	postID      = regexp.MustCompile(`^[0-9]+(_[0-9]+)?$`)
)

// New returns the channel of one Page.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	switch {
	case !pageID.MatchString(c.Page):
		return nil, errors.New("PAGE: is not a Page's ID: write its digits, not its name or address (About, Page transparency)")
	case strings.ContainsAny(c.Token.Reveal(), " \t\r\n|"):
		return nil, errors.New("TOKEN: is not a Page access token: it has neither blanks nor |")
	case strings.ContainsAny(c.AppSecret.Reveal(), " \t\r\n"):
		return nil, errors.New("APP_SECRET: is not an app's secret: it has no blanks")
	case !versionForm.MatchString(c.Version):
		return nil, errors.New("VERSION: is not a version of the Graph API: write v26.0")
	}
	if err := rest.CheckAddress(c.API); err != nil {
		return nil, errors.New("API: " + err.Error())
	}
	api, err := rest.New("Facebook", strings.TrimRight(c.API, "/")+"/"+c.Version, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+c.Token.Reveal())
	})
	if err != nil {
		return nil, err
	}
	return &channel{
		api: api, page: c.Page, version: c.Version, preview: c.Preview, token: c.Token, secret: c.AppSecret,
		proof: announce.NewSecret(proof(c.AppSecret.Reveal(), c.Token.Reveal())),
	}, nil
}

// proof shows Facebook that whoever has the token has the app's secret too.
func proof(secret, token string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))
	return hex.EncodeToString(mac.Sum(nil))
}

// channel is one Page.
type channel struct {
	api                  *rest.Client
	page, version        string
	preview              bool
	token, secret, proof announce.Secret

	mu    sync.Mutex
	until time.Time // no call before this: the Page has used up what Facebook grants
}

var (
	_ announce.Amender   = (*channel)(nil)
	_ announce.Retracter = (*channel)(nil)
	_ announce.Finder    = (*channel)(nil)
	_ announce.Checker   = (*channel)(nil)
)

// Name is facebook.
func (c *channel) Name() string { return name }

// Limits are those of a Page. Facebook knows no key for repeating a call, so a lost one is looked for.
func (c *channel) Limits() announce.Limits {
	return announce.Limits{
		Text: mostText, Measure: func(s string) int { return units(neutral(s)) }, Links: true,
		Images: mostImages, Alt: mostAlt, Card: !c.preview,
		Picture: announce.PictureLimits{Bytes: mostBytes, Side: mostSide, Types: []string{"image/jpeg", "image/png", "image/gif"}},
		Pace:    time.Second, Patience: 3 * time.Minute, Editable: editable,
	}
}

// editable: an edit leaves the pictures as they were. They may stay when the text says that nothing takes place.
func editable(was, now announce.Message) bool {
	same := slices.EqualFunc(was.Images, now.Images, func(a, b announce.Picture) bool { return bytes.Equal(a.Data, b.Data) })
	return same || now.Event != nil && now.Event.Cancelled
}

func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// neutral is text in which nothing mentions a Page or a person: "@[" would.
func neutral(text string) string { return strings.ReplaceAll(text, "@[", "@\u2060[") }

// made is how Facebook names a new post.
type made struct {
	ID      string `json:"id"`
	PostID  string `json:"post_id"` // of a photo's post
	Link    string `json:"permalink_url"`
	Created string `json:"created_time"`
}

// Publish posts m: with its pictures, else with the preview of its link. Several pictures are uploaded unpublished first,
// which may be repeated.
func (c *channel) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	r, err := c.post(ctx, m)
	switch {
	case errors.Is(err, errDuplicate):
		return c.earlier(ctx, m, err)
	case errors.Is(err, errInvalid):
		return r, c.blame(ctx, err)
	}
	return r, err
}

func (c *channel) post(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	message, link := neutral(m.Text), reachable(m.Link)
	pictures := m.Images[:min(len(m.Images), mostImages)]
	if c.preview && link != "" {
		pictures = nil
	}
	if len(pictures) == 1 {
		x, err := c.photo(ctx, creating, pictures[0], message)
		return c.receipt(x, x.PostID, err)
	}
	form := url.Values{"message": {message}, "published": {"true"}, "fields": {"id,permalink_url,created_time"}}
	if len(pictures) > 1 {
		type medium struct {
			ID string `json:"media_fbid"`
		}
		var media []medium
		for _, p := range pictures {
			x, err := c.photo(ctx, uploading, p, "")
			if err != nil {
				return announce.Receipt{}, err
			}
			media = append(media, medium{x.ID})
		}
		list, err := json.Marshal(media)
		if err != nil {
			return announce.Receipt{}, &announce.Error{Outcome: announce.Permanent, Fault: "the pictures could not be listed for Facebook; this is a fault of the program", Err: err}
		}
		form.Set("attached_media", string(list))
	} else if link != "" {
		form.Set("link", link)
	}
	var x made
	_, err := c.call(ctx, request{what: creating, method: http.MethodPost, path: "/" + c.page + "/feed", form: form, into: &x})
	return c.receipt(x, x.ID, err)
}

// receipt is that of the new post id, unless Facebook does not name it.
func (c *channel) receipt(x made, id string, err error) (announce.Receipt, error) {
	switch {
	case err != nil:
		return announce.Receipt{}, err
	case !postID.MatchString(id):
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "Facebook says yes and does not name the post: look before it is repeated"}
	}
	r := announce.Receipt{ID: id, URL: x.Link, At: moment(x.Created)}
	if reachable(r.URL) == "" {
		r.URL = "https://www.facebook.com/" + id
	}
	if r.At.IsZero() {
		r.At = time.Now().UTC()
	}
	return r, nil
}

// reachable is the address if Facebook's servers could open it, else nothing.
func reachable(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || !strings.Contains(u.Hostname(), ".") {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && (ip.IsLoopback() || ip.IsPrivate() || ip.IsUnspecified() || ip.IsLinkLocalUnicast()) {
		return ""
	}
	return address
}

// Amend replaces the post's text. Its pictures and the preview of its link stay: Facebook changes nothing else.
func (c *channel) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	if err := known(r); err != nil {
		return announce.Receipt{}, err
	}
	var answer success
	_, err := c.call(ctx, request{
		what: editing, method: http.MethodPost, path: "/" + r.ID, form: url.Values{"message": {neutral(m.Text)}}, into: &answer,
	})
	if err == nil {
		err = answer.confirm()
	}
	if err != nil {
		return announce.Receipt{}, err
	}
	return r, nil
}

// Retract deletes the post. Facebook says the same of a post that is gone and of one that it hides, so a person is told
// when it can still be read.
func (c *channel) Retract(ctx context.Context, r announce.Receipt) error {
	if err := known(r); err != nil {
		return err
	}
	var answer success
	_, err := c.call(ctx, request{what: deleting, method: http.MethodDelete, path: "/" + r.ID, into: &answer})
	switch {
	case err == nil:
		return answer.confirm()
	case !errors.Is(err, errGone):
		return err
	}
	if _, err := c.read(ctx, r.ID, "id"); err == nil {
		return &announce.Error{Outcome: announce.Permanent, Fault: "Facebook does not let the app delete this post: delete it by hand on the Page"}
	} else if !errors.Is(err, errGone) {
		return err
	}
	_, err = c.read(ctx, c.page, "id")
	return err
}

// success is Facebook's yes to a change.
type success struct {
	Success bool `json:"success"`
}

func (s success) confirm() error {
	if s.Success {
		return nil
	}
	return &announce.Error{Outcome: announce.Temporary, Fault: "Facebook took the request and does not say that it was done: it will be tried again"}
}

// known refuses a receipt that names no post on Facebook.
func known(r announce.Receipt) error {
	if postID.MatchString(r.ID) {
		return nil
	}
	return &announce.Error{Outcome: announce.Permanent, Fault: "the receipt does not name a post on Facebook: change the post by hand on the Page"}
}

// node is what is asked of a Page or a post.
type node struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Published *bool  `json:"is_published"`
}

func (c *channel) read(ctx context.Context, id, fields string) (node, error) {
	x, _, err := c.readAll(ctx, id, fields)
	return x, err
}

func (c *channel) readAll(ctx context.Context, id, fields string) (node, http.Header, error) {
	var x node
	res, err := c.call(ctx, request{what: looking, method: http.MethodGet, path: "/" + id, form: url.Values{"fields": {fields}}, into: &x})
	switch {
	case err != nil:
		return node{}, nil, err
	case x.ID == "":
		return node{}, nil, &announce.Error{Outcome: announce.Temporary, Fault: "Facebook's answer cannot be understood: it is asked again"}
	}
	return x, res.Header, nil
}
