package mastodon

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// postAddress is the path of a post's page on Mastodon, GoToSocial or Pleroma: its author, where the path tells, and its name.
var postAddress = regexp.MustCompile(`^(?:/web)?(?:/@([^/@]+)(?:@[^/]+)?(?:/statuses)?|/notice|/statuses)/([0-9A-Za-z]+)/?$`)

// named is the server's name for the post of a receipt. Of one that a person gave there is only the address, which does
// when it is of this server; empty: it is not known.
func (c *channel) named(r announce.Receipt) string {
	if r.ID != "" {
		if strings.ContainsAny(r.ID, "/?#") {
			return ""
		}
		return r.ID
	}
	u, err := url.Parse(strings.TrimSpace(r.URL))
	own, failed := url.Parse(c.client.Base())
	if err != nil || failed != nil || !strings.EqualFold(u.Host, own.Host) {
		return ""
	}
	if parts := postAddress.FindStringSubmatch(u.Path); parts != nil {
		return parts[2]
	}
	return ""
}

// place is where the server changes the post of a receipt.
func (c *channel) place(r announce.Receipt) (string, error) {
	id := c.named(r)
	if id == "" {
		return "", &announce.Error{Outcome: announce.Permanent, Fault: "the receipt names no post on this Mastodon server: change the post by hand"}
	}
	return "/api/v1/statuses/" + url.PathEscape(id), nil
}

// answered is the server's name for the post that m answers; empty: it answers none.
func (c *channel) answered(m announce.Message) (string, error) {
	id := c.named(m.Parent)
	if id == "" && m.Part > 0 {
		return "", &announce.Error{Outcome: announce.Permanent, Ask: true, Fault: "it is not known which post on this Mastodon server this one answers: post it there by hand, then settle the delivery"}
	}
	return id, nil
}

// absent makes sure that a post which the server does not let this account delete is really gone. Servers say the same of
// posts of others, and whatever answers in the place of one says it of all.
func (c *channel) absent(ctx context.Context, path string, r announce.Receipt) error {
	const byHand = ": put a token of the account that posted it in TOKEN, or delete it by hand"
	_, err := c.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: path, Classify: refusal(reading)})
	var e *announce.Error
	switch {
	case err == nil:
		return &announce.Error{Outcome: announce.Permanent, Fault: "the post is on Mastodon, and is not this account's" + byHand}
	case !errors.As(err, &e) || e.Status != "404" && e.Status != "410":
		return err
	}
	me, err := c.verify(ctx)
	if err != nil {
		return err
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil
	}
	if parts := postAddress.FindStringSubmatch(u.Path); parts != nil && parts[1] != "" && !strings.EqualFold(parts[1], me.Acct) {
		return &announce.Error{Outcome: announce.Permanent, Fault: "the post on Mastodon is one of @" + parts[1] + ", and the token is of @" + me.Acct + byHand}
	}
	return nil
}
