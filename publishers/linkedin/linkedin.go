// Package linkedin publishes on a LinkedIn organization page through the Posts API.
package linkedin

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const name = "linkedin"

// Config is one organization page.
type Config struct {
	Organization string          `env:"ORGANIZATION,notEmpty" doc:"ID of the organization: the digits in the address of its admin page."`
	Token        announce.Secret `env:"TOKEN,notEmpty" doc:"Access token with w_organization_social and r_organization_social. It lasts 60 days."`
	TokenExpires string          `env:"TOKEN_EXPIRES" doc:"Day on which the token ends, as 2027-01-20: LinkedIn does not tell. crieur doctor warns 14, 7 and 2 days before."`
	Version      string          `env:"VERSION" envDefault:"202607" doc:"Version of LinkedIn's API, as YYYYMM. Each lives about a year."`
	Article      bool            `env:"ARTICLE" envDefault:"true" doc:"A post with a link and at most one picture shows a card that leads there; false: the picture alone."`
	Links        string          `env:"LINKS" envDefault:"escape" doc:"How links are written in a text: escape (with LinkedIn's backslashes) or encode (with percent signs instead), in case links cannot be followed."`
	API          string          `env:"API" envDefault:"https://api.linkedin.com/rest" doc:"Address of LinkedIn's versioned API."`
}

const (
	mostText   = 3000
	mostImages = 20
	mostAlt    = 4000
	mostBytes  = 5_000_000
	mostSide   = 4096 // LinkedIn takes 36 million pixels in all
)

var (
	organizationID = regexp.MustCompile(`^[0-9]{1,20}$`)
	versionForm    = regexp.MustCompile(`^20[0-9]{2}(0[1-9]|1[0-2])$`)
	postURN        = regexp.MustCompile(`^urn:li:(share|ugcPost|activity):[0-9]+$`)
)

// New returns the channel of one organization page.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	var expires time.Time
	if c.TokenExpires != "" {
		var err error
		if expires, err = time.Parse(time.DateOnly, c.TokenExpires); err != nil {
			return nil, errors.New("TOKEN_EXPIRES: is not a day: write 2027-01-20")
		}
	}
	switch {
	case !organizationID.MatchString(c.Organization):
		return nil, errors.New("ORGANIZATION: is not an organization's ID: write its digits, as in linkedin.com/company/12345/admin")
	case strings.ContainsAny(c.Token.Reveal(), " \t\r\n"):
		return nil, errors.New("TOKEN: is not an access token: it has no blanks")
	case !versionForm.MatchString(c.Version):
		return nil, errors.New("VERSION: is not a version of LinkedIn's API: write a year and a month, such as 202607")
	case c.Links != escaped && c.Links != encoded:
		return nil, errors.New("LINKS: write escape or encode")
	}
	ch := &channel{
		token: c.Token, organization: "urn:li:organization:" + c.Organization, version: c.Version, expires: expires,
		article: c.Article, pen: pen{encode: c.Links == encoded},
	}
	api, err := rest.New("LinkedIn", c.API, ch.sign)
	if err != nil {
		return nil, err
	}
	ch.api = api
	return ch, nil
}

// channel is one organization page.
type channel struct {
	api                   *rest.Client
	token                 announce.Secret
	organization, version string
	expires               time.Time // of the token; zero: nobody said
	article               bool
	pen                   pen

	mu      sync.Mutex
	refused int // calls in a row that came too many
}

var (
	_ announce.Amender   = (*channel)(nil)
	_ announce.Retracter = (*channel)(nil)
	_ announce.Finder    = (*channel)(nil)
	_ announce.Checker   = (*channel)(nil)
)

func (c *channel) sign(r *http.Request) {
	r.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	r.Header.Set("LinkedIn-Version", c.version)
	r.Header.Set("X-Restli-Protocol-Version", "2.0.0")
}

// Name is linkedin.
func (c *channel) Name() string { return name }

// Limits are those of a page. LinkedIn knows no key for repeating a call, so a lost one is looked for.
func (c *channel) Limits() announce.Limits {
	return announce.Limits{
		Text: mostText, Measure: c.pen.measure, Links: true, Images: mostImages, Alt: mostAlt, Card: true,
		Picture: announce.PictureLimits{Bytes: mostBytes, Side: mostSide, Types: []string{"image/jpeg", "image/png", "image/gif"}},
		Pace:    time.Second, Patience: 5 * time.Minute, Editable: editable,
	}
}

// editable: an edit leaves the pictures and the card as they were. They may stay when the text says that nothing takes place.
func editable(was, now announce.Message) bool {
	same := slices.EqualFunc(was.Images, now.Images, func(a, b announce.Picture) bool { return bytes.Equal(a.Data, b.Data) })
	return same && was.Link == now.Link && was.Subject == now.Subject || now.Event != nil && now.Event.Cancelled
}

// post is a post as LinkedIn takes it.
type post struct {
	Author       string       `json:"author"`
	Commentary   string       `json:"commentary"`
	Visibility   string       `json:"visibility"`
	Distribution distribution `json:"distribution"`
	State        string       `json:"lifecycleState"`
	NoReshare    bool         `json:"isReshareDisabledByAuthor"`
	Content      *content     `json:"content,omitempty"`
}

type distribution struct {
	Feed     string   `json:"feedDistribution"`
	Targets  []string `json:"targetEntities"`
	Channels []string `json:"thirdPartyDistributionChannels"`
}

// Publish posts m. Its pictures are uploaded first, which may be repeated.
func (c *channel) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	content, err := c.content(ctx, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	res, err := c.api.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/posts", Create: true, Classify: c.classify(creating), Body: post{
			Author: c.organization, Commentary: c.pen.write(m.Text, m.Tags), Visibility: "PUBLIC", State: "PUBLISHED", Content: content,
			Distribution: distribution{"MAIN_FEED", []string{}, []string{}},
		},
	})
	var twin *twinError
	switch {
	case errors.As(err, &twin):
		return c.settle(ctx, m, twin.urn, err)
	case err != nil:
		return announce.Receipt{}, err
	}
	urn := res.Header.Get("x-restli-id")
	if !postURN.MatchString(urn) {
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Fault: "LinkedIn says yes and does not name the post: look before it is repeated"}
	}
	return receipt(urn, time.Now()), nil
}

func receipt(urn string, at time.Time) announce.Receipt {
	return announce.Receipt{ID: urn, URL: page(urn), At: at.UTC()}
}

// page is where people see a post.
func page(urn string) string { return "https://www.linkedin.com/feed/update/" + urn + "/" }

// path leads to the post of a receipt.
func path(r announce.Receipt) (string, error) {
	if !postURN.MatchString(r.ID) {
		return "", &announce.Error{Outcome: announce.Permanent, Fault: "the receipt does not name a post on LinkedIn: change the post by hand on the page"}
	}
	return "/posts/" + url.QueryEscape(r.ID), nil
}

// Amend replaces the post's text. Its card and pictures stay: LinkedIn changes nothing else.
func (c *channel) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	to, err := path(r)
	if err != nil {
		return announce.Receipt{}, err
	}
	type set struct {
		Commentary string `json:"commentary"`
	}
	type patch struct {
		Set set `json:"$set"`
	}
	_, err = c.api.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: to, Header: http.Header{"X-RestLi-Method": {"PARTIAL_UPDATE"}}, Classify: c.classify(editing),
		Body: struct {
			Patch patch `json:"patch"`
		}{patch{set{c.pen.write(m.Text, m.Tags)}}},
	})
	if err != nil {
		return announce.Receipt{}, err
	}
	return r, nil
}

// Retract deletes the post. LinkedIn says yes to one that is gone, too.
func (c *channel) Retract(ctx context.Context, r announce.Receipt) error {
	to, err := path(r)
	if err != nil {
		return err
	}
	_, err = c.api.Do(ctx, rest.Call{Method: http.MethodDelete, Path: to, Classify: c.classify(deleting)})
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}
