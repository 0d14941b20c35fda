package facebook

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/crieur/crieur/internal/announce"
)

const (
	lag      = 2 * time.Minute // Facebook's clock and this machine's differ by less
	pageSize = 50
	mostPage = 10
)

// listing is one page of what the Page has published, the newest first.
type listing struct {
	Data *[]struct { // nil: not the answer that was asked for
		made
		Message string `json:"message"`
	} `json:"data"`
	Paging struct {
		Cursors struct {
			After string `json:"after"`
		} `json:"cursors"`
		Next string `json:"next"` // holds the token: only whether it is there matters
	} `json:"paging"`
}

// Find looks for m among what the Page has published since a little before since, by its text.
func (c *channel) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	want, from := canonical(m.Text), since.Add(-lag)
	form := url.Values{"fields": {"id,message,created_time,permalink_url"}, "limit": {strconv.Itoa(pageSize)}}
	for range mostPage {
		var l listing
		if _, err := c.call(ctx, request{what: looking, method: http.MethodGet, path: "/" + c.page + "/published_posts", form: form, into: &l}); err != nil {
			return announce.Receipt{}, false, err
		}
		if l.Data == nil {
			return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "Facebook gave no list of posts: it is looked at again"}
		}
		older := false
		for _, x := range *l.Data {
			at := moment(x.Created)
			if older = !at.IsZero() && at.Before(from); !older && canonical(x.Message) == want {
				r, err := c.receipt(x.made, x.ID, nil)
				return r, err == nil, err
			}
		}
		if older || l.Paging.Next == "" || l.Paging.Cursors.After == "" {
			return announce.Receipt{}, false, nil
		}
		form.Set("after", l.Paging.Cursors.After)
	}
	return announce.Receipt{}, false, &announce.Error{Outcome: announce.Permanent, Fault: "the Page has published more than " + strconv.Itoa(mostPage*pageSize) + " posts since: look for this one by hand"}
}

// earlier turns a refused duplicate into success when it is this very message: a call before this one was lost on its
// way back. Any other refusal stays as it is.
func (c *channel) earlier(ctx context.Context, m announce.Message, refused error) (announce.Receipt, error) {
	since := m.Date
	for _, t := range []time.Time{m.Updated, m.Created} {
		if since.IsZero() {
			since = t
		}
	}
	if since.IsZero() {
		return announce.Receipt{}, refused
	}
	r, found, err := c.Find(ctx, m, since)
	switch {
	case err != nil:
		return announce.Receipt{}, &announce.Error{
			Outcome: announce.Ambiguous, Status: "code " + strconv.Itoa(codeDuplicate), Err: err,
			Fault: "the Page has a post with this text already, and Facebook could not be asked whether it is this one: look before it is repeated",
		}
	case !found:
		return announce.Receipt{}, refused
	}
	return r, nil
}

// moment reads Facebook's times.
func moment(s string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05-0700", time.RFC3339} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// canonical is what stays of a text whatever Facebook does to it: composed, single spaces, no characters without width.
func canonical(text string) string {
	visible := strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, text)
	return norm.NFC.String(strings.Join(strings.Fields(visible), " "))
}
