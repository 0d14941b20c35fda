package mastodon

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/net/html"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const (
	page     = 40
	mostPage = 30
	skew     = 2 * time.Minute // between this machine's clock and the server's
)

// Find reads the account's own posts since then and looks for one that says the same and answers the same post.
func (c *channel) Find(ctx context.Context, m announce.Message, since time.Time) (announce.Receipt, bool, error) {
	parent := c.named(m.Parent)
	if parent == "" && m.Part > 0 {
		return announce.Receipt{}, false, nil // which Publish does not post
	}
	me, err := c.whoami(ctx)
	if err != nil {
		return announce.Receipt{}, false, err
	}
	oldest, want := since.Add(-skew), words(m.Text)
	q := url.Values{"exclude_reblogs": {"true"}, "limit": {strconv.Itoa(page)}}
	for range mostPage {
		var seen []status
		_, err := c.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: me.posts(), Query: q, Into: &seen, Classify: refusal(reading)})
		if err != nil {
			return announce.Receipt{}, false, err
		}
		for _, s := range seen {
			if s.CreatedAt.Before(oldest) {
				return announce.Receipt{}, false, nil
			}
			if s.InReplyTo == parent && words(readable(s.Content)) == want {
				return s.receipt(), true, nil
			}
		}
		if len(seen) == 0 {
			return announce.Receipt{}, false, nil
		}
		q.Set("max_id", seen[len(seen)-1].ID)
	}
	return announce.Receipt{}, false, &announce.Error{Outcome: announce.Temporary, Fault: "so much was posted on Mastodon since then that the post could not be looked for: look for it yourself, then settle the delivery"}
}

var elsewhere = regexp.MustCompile(`(@[A-Za-z0-9_]+(?:[.-]+[A-Za-z0-9_]+)*)@[\pL\pN\pM_]+(?:[.-]+[\pL\pN\pM_]+)*`)

// words are the letters and digits of a text: what servers leave as it is. They show an account's name without its server.
func words(s string) string {
	s = strings.ReplaceAll(s, mark, "")
	for before := ""; s != before; { // what stood behind a server may seem to be one now
		before, s = s, elsewhere.ReplaceAllString(s, "$1")
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// readable is the text of a piece of HTML.
func readable(s string) string {
	var b strings.Builder
	for z := html.NewTokenizer(strings.NewReader(s)); ; {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			b.Write(z.Text())
		case html.StartTagToken, html.SelfClosingTagToken:
			if tag, _ := z.TagName(); string(tag) == "br" || string(tag) == "p" {
				b.WriteByte('\n')
			}
		}
	}
}
