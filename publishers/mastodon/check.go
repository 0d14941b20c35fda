package mastodon

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// account is whose token it is.
type account struct {
	ID      string `json:"id"`
	Acct    string `json:"acct"`
	URL     string `json:"url"`
	Limited bool   `json:"limited"`
	Moved   any    `json:"moved"`
}

func (a account) posts() string { return "/api/v1/accounts/" + url.PathEscape(a.ID) + "/statuses" }

// whoami is whose token it is, asked once.
func (c *channel) whoami(ctx context.Context) (account, error) {
	c.mu.Lock()
	me := c.me
	c.mu.Unlock()
	if me.ID != "" {
		return me, nil
	}
	return c.verify(ctx)
}

// verify asks the server whose token it is.
func (c *channel) verify(ctx context.Context) (account, error) {
	var me account
	_, err := c.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/accounts/verify_credentials", Into: &me, Classify: refusal(reading)})
	switch {
	case err != nil:
		return account{}, err
	case me.ID == "":
		return account{}, &announce.Error{Outcome: announce.Temporary, Fault: "the Mastodon server does not say whose token it is: it will be tried again"}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.me = me
	return me, nil
}

// Check asks the server whose token it is, what the token may do, and for the server's rules.
func (c *channel) Check(ctx context.Context) (announce.Report, error) {
	me, err := c.verify(ctx)
	if err != nil {
		return announce.Report{}, err
	}
	report := announce.Report{Identity: "@" + me.Acct}
	if u, err := url.Parse(me.URL); err == nil && u.Host != "" && !strings.Contains(me.Acct, "@") {
		report.Identity += "@" + u.Host
	}
	add := func(severe bool, what, do string) {
		report.Findings = append(report.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	if me.Limited {
		add(false, "the server's moderators have limited the account: only followers see its posts", "ask them why")
	}
	if me.Moved != nil {
		add(false, "the account has moved to another one", "make a token for that account")
	}
	_, err = c.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: me.posts(), Query: url.Values{"limit": {"1"}}, Classify: refusal(reading)})
	var e *announce.Error
	switch {
	case errors.As(err, &e) && e.Status == "403":
		add(false, "the token may not read the account's posts, so a post whose answer was lost cannot be looked for", "give the application read:statuses, make the token anew, put it in TOKEN")
	case err != nil:
		return announce.Report{}, err
	}
	if may := c.scopes(ctx); len(may) > 0 {
		for _, needed := range []string{"write:statuses", "write:media"} {
			if broad, _, _ := strings.Cut(needed, ":"); !slices.Contains(may, needed) && !slices.Contains(may, broad) {
				add(true, "the application lacks the right "+needed, "edit the application's rights, make the token anew, put it in TOKEN")
			}
		}
	}
	brief, cancel := context.WithTimeout(ctx, 2*asksFor)
	defer cancel()
	if _, err := ask(brief, c.client); err != nil {
		add(false, "the server does not tell its limits; posts keep to those of Mastodon (500 characters)", "open "+c.client.Base()+"/api/v2/instance in a browser, or ask the server's administrator")
	}
	return report, nil
}

// scopes are the rights of the token's application, from servers that tell.
func (c *channel) scopes(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var app struct {
		Scopes []string `json:"scopes"`
	}
	if _, err := c.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/api/v1/apps/verify_credentials", Into: &app, Classify: refusal(reading)}); err != nil {
		return nil
	}
	return app.Scopes
}
