package linkedin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const (
	lag      = 2 * time.Minute // LinkedIn's clock and this machine's differ by less
	pageSize = 50
	mostPage = 10
)

// seen is a post as LinkedIn gives it. Times are milliseconds.
type seen struct {
	ID         string `json:"id"`
	Author     string `json:"author"`
	Commentary string `json:"commentary"`
	Created    int64  `json:"createdAt"`
	Published  int64  `json:"publishedAt"`
	Modified   int64  `json:"lastModifiedAt"`
}

// at is when the post appeared.
func (s seen) at() time.Time { return time.UnixMilli(max(s.Created, s.Published)) }

// says reports whether the post's text is that of m.
func (s seen) says(m announce.Message, p pen) bool {
	want := canonical(p.shown(m.Text))
	return canonical(read(s.Commentary)) == want || canonical(s.Commentary) == want
}

// Find looks for m among the page's posts since a little before since, by its text.
func (c *channel) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	from := since.Add(-lag)
	for n := range mostPage {
		list, err := c.list(ctx, n*pageSize, pageSize)
		if err != nil {
			return announce.Receipt{}, false, err
		}
		older := len(list) < pageSize
		for _, s := range list {
			if s.Modified != 0 && time.UnixMilli(s.Modified).Before(from) {
				older = true // the list begins with what was changed last
				continue
			}
			if postURN.MatchString(s.ID) && !s.at().Before(from) && s.says(m, c.pen) {
				return receipt(s.ID, s.at()), true, nil
			}
		}
		if older {
			return announce.Receipt{}, false, nil
		}
	}
	return announce.Receipt{}, false, &announce.Error{Outcome: announce.Permanent, Fault: "the page has had more than " + strconv.Itoa(mostPage*pageSize) + " posts since: look for this one by hand"}
}

// list is a part of the page's posts, what was changed last first.
func (c *channel) list(ctx context.Context, start, count int) ([]seen, error) {
	var l struct {
		Elements *[]seen `json:"elements"` // nil: not the answer that was asked for
	}
	_, err := c.api.Do(ctx, rest.Call{
		Method: http.MethodGet, Path: "/posts", Into: &l, Classify: c.classify(looking), Header: http.Header{"X-RestLi-Method": {"FINDER"}},
		Query: url.Values{"q": {"author"}, "author": {c.organization}, "start": {strconv.Itoa(start)}, "count": {strconv.Itoa(count)}, "sortBy": {"LAST_MODIFIED"}},
	})
	switch {
	case err != nil:
		return nil, err
	case l.Elements == nil:
		return nil, again("LinkedIn gave no list of posts")
	}
	return *l.Elements, nil
}

// settle finds out what a refused duplicate means. The post that LinkedIn names is this message when a call before this one
// was lost on its way back. One that nobody can see is left to a person: LinkedIn remembers deleted posts for a day or two.
func (c *channel) settle(ctx context.Context, m announce.Message, urn string, refused error) (announce.Receipt, error) {
	since := m.Date
	for _, t := range []time.Time{m.Updated, m.Created} {
		if since.IsZero() {
			since = t
		}
	}
	unsure := &announce.Error{
		Outcome: announce.Ambiguous, Status: "422 " + codeDuplicate,
		Fault: "LinkedIn has a post with this text already, and could not be asked whether it is this one: look before it is repeated",
	}
	if urn == "" {
		r, found, err := c.Find(ctx, m, since)
		switch {
		case err != nil:
			unsure.Err = err
			return announce.Receipt{}, unsure
		case !found:
			return announce.Receipt{}, refused
		}
		return r, nil
	}
	var s seen
	_, err := c.api.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/posts/" + url.QueryEscape(urn), Into: &s, Classify: c.classify(reading)})
	switch {
	case errors.Is(err, errGone):
		unsure.Ask = true
		unsure.Fault = "LinkedIn refuses the post as a copy of " + urn + ", which nobody can see: so it does for a day or two after a post with this text was deleted. Look at the page; if the post is not there, change the text, or announce it again in two days"
		return announce.Receipt{}, unsure
	case err != nil:
		unsure.Err = err
		return announce.Receipt{}, unsure
	case s.Author == c.organization && !s.at().Before(since.Add(-lag)) && s.says(m, c.pen):
		return receipt(urn, s.at()), nil
	}
	return announce.Receipt{}, refused
}

// canonical is what stays of a text whatever LinkedIn does to it: composed, single spaces, no characters without width.
func canonical(text string) string {
	visible := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, text)
	return norm.NFC.String(strings.Join(strings.Fields(visible), " "))
}
