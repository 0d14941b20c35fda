// Package twitter publishes on X (Twitter): go-twitter and oauth1 on X's API v2.
package twitter

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dghubble/go-twitter/twitter"
	"github.com/dghubble/oauth1"
	"golang.org/x/text/unicode/norm"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// Config is one account on X.
type Config struct {
	ConsumerKey    announce.Secret `env:"CONSUMER_KEY,notEmpty" doc:"API key of your app (developer.x.com, Keys and tokens)."`
	ConsumerSecret announce.Secret `env:"CONSUMER_SECRET,notEmpty" doc:"API key secret of your app."`
	AccessToken    announce.Secret `env:"ACCESS_TOKEN,notEmpty" doc:"Access token of the account that posts, with Read and Write permission."`
	AccessSecret   announce.Secret `env:"ACCESS_SECRET,notEmpty" doc:"Access token secret of the account that posts."`
	Handle         string          `env:"HANDLE" doc:"The account that posts, as @name. When given, nothing is posted with the tokens of another one."`
	Links          bool            `env:"LINKS" envDefault:"true" doc:"Posts hold links. X charges 0.200 US dollars for a post with a link, 0.015 without; false keeps every word from becoming one."`
	Budget         float64         `env:"BUDGET" envDefault:"0" doc:"Most US dollars that posts may cost in a calendar month (UTC); 0: no ceiling. At the ceiling the account waits for the next month."`
	Premium        bool            `env:"PREMIUM" envDefault:"false" doc:"The account has X Premium, so posts can be edited (5 times, within 30 minutes)."`
	API            string          `env:"API" envDefault:"https://api.x.com" doc:"Address of X's API."`
}

// What X charges, in micro-dollars (pay per use, since April 2026).
const (
	costPlain = 15_000
	costLink  = 200_000
	costAlt   = 5_000
)

// What X says of editing (docs.x.com, edit posts): 5 times within 30 minutes. Elsewhere it says an hour; the shorter holds.
const (
	editWithin = 30 * time.Minute
	mostEdits  = 5
)

const (
	mostImages = 4
	mostAlt    = 1000
	mostBytes  = 5_000_000 // of a picture
)

var handleForm = regexp.MustCompile(`^@?[A-Za-z0-9_]{1,15}$`)

// New returns the channel: with PREMIUM it can also amend.
func New(c Config, _ announce.Site) (announce.Publisher, error) {
	if c.Handle != "" && !handleForm.MatchString(c.Handle) {
		return nil, errors.New("HANDLE: is not an account name: write @name, 1 to 15 letters, digits or _")
	}
	dearest := int64(costPlain + mostImages*costAlt)
	if c.Links {
		dearest += costLink - costPlain
	}
	budget := int64(math.Round(c.Budget * 1e6))
	switch {
	case math.IsNaN(c.Budget), c.Budget < 0, c.Budget > 1e6:
		return nil, errors.New("BUDGET: is not an amount of US dollars: write 5 or 12.50, or 0 for no ceiling")
	case c.Budget > 0 && budget < dearest:
		return nil, fmt.Errorf("BUDGET: does not pay for one post, which costs up to %.3f US dollars here; raise it, or write 0 for no ceiling", float64(dearest)/1e6)
	}
	api, err := rest.New("X", c.API, nil)
	if err != nil {
		return nil, err
	}
	signer := oauth1.NewConfig(c.ConsumerKey.Reveal(), c.ConsumerSecret.Reveal())
	token := oauth1.NewToken(c.AccessToken.Reveal(), c.AccessSecret.Reveal())
	signed := api.Through(func(via http.RoundTripper) http.RoundTripper {
		ctx := context.WithValue(context.Background(), oauth1.HTTPClient, &http.Client{Transport: via})
		return signer.Client(ctx, token).Transport
	})
	ch := &channel{api: signed, handle: strings.TrimPrefix(c.Handle, "@"), links: c.Links, premium: c.Premium, budget: budget}
	if c.Premium {
		return editor{ch}, nil
	}
	return ch, nil
}

// channel is an account that cannot edit.
type channel struct {
	api     *rest.Client
	handle  string // without @; empty: any
	links   bool
	premium bool
	budget  int64

	mu sync.Mutex
	me account // zero until X was asked
}

// editor is an account that can edit.
type editor struct{ *channel }

// account is whose tokens these are.
type account struct {
	id     int64
	handle string
}

// Name is twitter.
func (c *channel) Name() string { return "twitter" }

// Limits are those of X.
func (c *channel) Limits() announce.Limits {
	return announce.Limits{
		Text: mostWeight, Short: true, Measure: func(s string) int { return measure(c.shown(s)) }, Links: c.links,
		Images: mostImages, Alt: mostAlt, Card: true, FreshAmends: c.premium, EditWithin: editWithin, Edits: mostEdits, Budget: c.budget,
		Picture: announce.PictureLimits{Bytes: mostBytes, Types: []string{"image/jpeg", "image/png", "image/gif", "image/webp"}},
	}
}

// Cost is what X charges for posting m, in micro-dollars.
func (c *channel) Cost(m announce.Message) int64 {
	cost := int64(costPlain)
	if len(links(norm.NFC.String(c.shown(m.Text)))) > 0 {
		cost = costLink
	}
	for _, p := range pictures(m) {
		if p.Alt != "" {
			cost += costAlt
		}
	}
	return cost
}

// shown is text as it is posted.
func (c *channel) shown(text string) string {
	if c.links {
		return text
	}
	return neutral(text)
}

// Publish posts m. Pictures and their text alternatives are uploaded first, which may be repeated.
func (c *channel) Publish(ctx context.Context, m announce.Message) (announce.Receipt, error) {
	if err := c.rightful(ctx); err != nil {
		return announce.Receipt{}, err
	}
	media, err := c.upload(ctx, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	client, x, _ := c.client(ctx, nil)
	tweet, res, err := client.Statuses.Update(c.shown(m.Text), &twitter.StatusUpdateParams{MediaIds: media})
	if err == nil && (res.StatusCode/100 != 2 || tweet.IDStr == "") {
		err = errNoID
	}
	if err := c.api.Judge(x, err, true, refusal(creating)); err != nil {
		return c.earlier(ctx, m, err)
	}
	return c.receipt(tweet.IDStr), nil
}

// Amend edits the post of r. X makes a new post by it, so the receipt changes.
func (c editor) Amend(ctx context.Context, r announce.Receipt, m announce.Message) (announce.Receipt, error) {
	media, err := c.upload(ctx, m)
	if err != nil {
		return announce.Receipt{}, err
	}
	body := post{Text: c.shown(m.Text), Edit: &edit{r.ID}}
	if len(media) > 0 {
		body.Media = &attached{}
		for _, id := range media {
			body.Media.IDs = append(body.Media.IDs, strconv.FormatInt(id, 10))
		}
	}
	var answer struct{ Data struct{ ID string } }
	_, err = c.api.Do(ctx, rest.Call{
		Method: http.MethodPost, Path: "/2/tweets", Body: body, Into: &answer, Create: true, Classify: refusal(editing),
	})
	switch {
	case errors.Is(err, errDuplicate) && c.shows(ctx, r, m):
		return r, nil
	case err != nil:
		return c.earlier(ctx, m, err)
	case answer.Data.ID == "":
		return announce.Receipt{}, &announce.Error{Outcome: announce.Ambiguous, Err: errNoID, Fault: "X took the edit and does not say which post it made: look before it is repeated"}
	}
	return c.receipt(answer.Data.ID), nil
}

// Retract deletes the post of r, with every version before an edit.
func (c *channel) Retract(ctx context.Context, r announce.Receipt) error {
	id, err := strconv.ParseInt(r.ID, 10, 64)
	if err != nil {
		return &announce.Error{Outcome: announce.Permanent, Fault: "the receipt does not name a post on X: delete the post by hand", Err: err}
	}
	client, x, _ := c.client(ctx, nil)
	_, _, err = client.Statuses.Destroy(id, nil)
	err = c.api.Judge(x, err, false, refusal(deleting))
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// rightful refuses to post with the tokens of another account than HANDLE. X is asked once.
func (c *channel) rightful(ctx context.Context) error {
	if c.handle == "" {
		return nil
	}
	me, err := c.whoami(ctx)
	if err != nil || strings.EqualFold(me.handle, c.handle) {
		return err
	}
	return &announce.Error{Outcome: announce.Permanent, Stop: true, Fault: fmt.Sprintf("the tokens belong to @%s, HANDLE says @%s: correct one of them, then resume the account", me.handle, c.handle)}
}

// whoami is whose tokens these are, asked once.
func (c *channel) whoami(ctx context.Context) (account, error) {
	c.mu.Lock()
	me := c.me
	c.mu.Unlock()
	if me != (account{}) {
		return me, nil
	}
	me, _, err := c.verify(ctx)
	return me, err
}

// verify asks X whose tokens these are.
func (c *channel) verify(ctx context.Context) (account, http.Header, error) {
	client, x, _ := c.client(ctx, nil)
	user, res, err := client.Accounts.VerifyCredentials(nil)
	if err == nil && (res.StatusCode/100 != 2 || user.ID == 0 || user.ScreenName == "") {
		err = errNoID
	}
	if err := c.api.Judge(x, err, false, refusal(asking)); err != nil {
		return account{}, nil, err
	}
	me := account{user.ID, user.ScreenName}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.me = me
	return me, x.Header(), nil
}

// receipt is that of the post id. Posts are numbered by the moment they were made.
func (c *channel) receipt(id string) announce.Receipt {
	who := "i"
	if c.handle != "" {
		who = c.handle
	}
	r := announce.Receipt{ID: id, URL: "https://x.com/" + who + "/status/" + id, At: time.Now().UTC()}
	if n, err := strconv.ParseInt(id, 10, 64); err == nil && n > 1<<22 {
		r.At = time.UnixMilli(n>>22 + epoch).UTC()
	}
	return r
}

// epoch is where X's numbering of posts begins, in milliseconds.
const epoch = 1288834974657

// Check asks X whose tokens these are, and what they may do.
func (c *channel) Check(ctx context.Context) (announce.Report, error) {
	me, header, err := c.verify(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	report := announce.Report{Identity: "@" + me.handle}
	add := func(severe bool, what, do string) {
		report.Findings = append(report.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	if c.handle != "" && !strings.EqualFold(me.handle, c.handle) {
		add(true, "the tokens belong to @"+me.handle+", HANDLE says @"+c.handle, "correct HANDLE or the tokens")
	}
	if level := header.Get("x-access-level"); level == "read" {
		add(true, "the access token may only read", "set the app's permissions to Read and Write on developer.x.com, then generate the access token again")
	}
	for _, window := range []string{"x-rate-limit", "x-app-limit-24hour", "x-user-limit-24hour"} {
		most, err1 := strconv.Atoi(header.Get(window + "-limit"))
		left, err2 := strconv.Atoi(header.Get(window + "-remaining"))
		if err1 == nil && err2 == nil && left <= most/10 {
			add(false, fmt.Sprintf("X grants %d more of %d calls of this kind until %s", left, most, resets(header, window)), "wait, and see whether another program uses the same tokens")
		}
	}
	return report, nil
}

func resets(h http.Header, window string) string {
	n, err := strconv.ParseInt(h.Get(window+"-reset"), 10, 64)
	if err != nil {
		return "its window ends"
	}
	return time.Unix(n, 0).UTC().Format("15:04 UTC")
}

// pictures are those of m that can be uploaded. One that is only an address is left to the link's own preview.
func pictures(m announce.Message) []announce.Picture {
	all := slices.DeleteFunc(slices.Clone(m.Images), func(p announce.Picture) bool { return len(p.Data) == 0 })
	return all[:min(len(all), mostImages)]
}
