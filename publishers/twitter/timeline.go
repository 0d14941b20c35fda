package twitter

import (
	"context"
	"errors"
	"html"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dghubble/go-twitter/twitter"
	"golang.org/x/text/unicode/norm"

	"github.com/crieur/crieur/internal/announce"
)

const (
	lag      = 2 * time.Minute // X's clock and this machine's differ by less
	pageSize = 100
	mostPage = 10
)

// Find looks for m among the account's own posts since a little before since. X changes texts when it keeps them, so
// both are compared in one form.
func (c *channel) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	me, err := c.whoami(ctx)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	want := canonical(c.shown(m.Text))
	query := url.Values{"start_time": {since.Add(-lag).UTC().Format(time.RFC3339)}}
	for range mostPage {
		client, x, t := c.client(ctx, query)
		posts, res, err := client.Timelines.UserTimeline(&twitter.UserTimelineParams{UserID: me.id, Count: pageSize, IncludeRetweets: twitter.Bool(false)})
		if err == nil && res.StatusCode/100 != 2 {
			err = errNoID
		}
		if err := c.api.Judge(x, err, false, refusal(looking)); err != nil {
			return announce.Receipt{}, false, err
		}
		for _, p := range posts {
			if canonical(original(p)) == want {
				return c.receipt(p.IDStr), true, nil
			}
		}
		if t.next == "" {
			return announce.Receipt{}, false, nil
		}
		query.Set("pagination_token", t.next)
	}
	return announce.Receipt{}, false, &announce.Error{Outcome: announce.Permanent, Fault: "the account has made more than " + strconv.Itoa(mostPage*pageSize) + " posts since: look for this one by hand"}
}

// earlier turns a refused duplicate into success when it is this very message: a call before this one was lost on its
// way back. Any other error stays as it is.
func (c *channel) earlier(ctx context.Context, m announce.Message, refused error) (announce.Receipt, error) {
	since := m.Date
	for _, t := range []time.Time{m.Updated, m.Created} {
		if since.IsZero() {
			since = t
		}
	}
	if !errors.Is(refused, errDuplicate) || since.IsZero() {
		return announce.Receipt{}, refused
	}
	r, found, err := c.Find(ctx, m, since)
	switch {
	case err != nil:
		return announce.Receipt{}, &announce.Error{
			Outcome: announce.Ambiguous, Status: "403", Err: err,
			Fault: "X has a post with this text already, and could not be asked whether it is this one: look before it is repeated",
		}
	case !found:
		return announce.Receipt{}, refused
	}
	return r, nil
}

// shows reports whether the post of r can be read and says what m says.
func (c *channel) shows(ctx context.Context, r announce.Receipt, m announce.Message) bool {
	id, err := strconv.ParseInt(r.ID, 10, 64)
	if err != nil {
		return false
	}
	client, x, _ := c.client(ctx, nil)
	p, _, err := client.Statuses.Show(id, nil)
	if c.api.Judge(x, err, false, refusal(looking)) != nil {
		return false
	}
	return canonical(original(*p)) == canonical(c.shown(m.Text))
}

// original is the text of a post as it was sent: X escapes three characters, shortens links and appends an address for
// the pictures.
func original(p twitter.Tweet) string {
	text := html.UnescapeString(p.Text)
	if p.Entities == nil {
		return text
	}
	for _, m := range p.Entities.Media {
		text = strings.ReplaceAll(text, m.URL, "")
	}
	for _, u := range p.Entities.Urls {
		if u.URL != "" && u.ExpandedURL != "" {
			text = strings.ReplaceAll(text, u.URL, u.ExpandedURL)
		}
	}
	return text
}

// canonical is what stays of a text whatever X does to it: composed, in lower case, single spaces, no characters without
// width, links without scheme and final slash.
func canonical(text string) string {
	visible := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, text)
	words := strings.Fields(strings.ToLower(norm.NFC.String(visible)))
	for i, w := range words {
		words[i] = strings.TrimRight(schemes.Replace(w), "/")
	}
	return norm.NFC.String(strings.Join(words, " "))
}

var schemes = strings.NewReplacer("https://", "", "http://", "")
