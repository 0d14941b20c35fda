package facebook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

const (
	soon       = 90 * 24 * time.Hour // before a version ends
	expiring   = 14 * 24 * time.Hour // before a token ends
	nearlyAll  = 80                  // percent of what Facebook grants
	dateLayout = "2006-01-02"
)

// lives is until when Facebook serves each version of the Graph API: two years after the next one came out. The newest one
// had no successor on 2026-11-21, so that it lives two years from then at least.
func lives() map[string]string {
	return map[string]string{
		"v21.0": "2027-01-21", "v22.0": "2027-05-29", "v23.0": "2027-10-08", "v24.0": "2028-02-18", "v25.0": "2028-07-29", newest: "2028-11-21",
	}
}

const newest = "v26.0"

// ageing tells of a version that has ended or ends soon. Facebook serves calls to one that has ended by the next, and says
// nothing.
func ageing(version string, now time.Time) []announce.Finding {
	do := "set VERSION to a newer one, such as " + newest
	if version == newest {
		do = "set VERSION to a newer one (Changelog of the Graph API on developers.facebook.com)"
	}
	major := func(v string) int { n, _ := strconv.Atoi(strings.TrimPrefix(strings.Split(v, ".")[0], "v")); return n }
	end, err := time.Parse(dateLayout, lives()[version])
	switch {
	case err != nil && major(version) > major(newest):
		return nil
	case err != nil || !now.Before(end):
		return []announce.Finding{{What: "version " + version + " of the Graph API has ended: Facebook answers with a later one, which may behave otherwise", Do: do}}
	case end.Sub(now) < soon:
		return []announce.Finding{{What: "version " + version + " of the Graph API ends on " + end.Format(dateLayout) + ", or a little later", Do: do}}
	}
	return nil
}

// Check asks Facebook for the Page, for its posts, and what the token may do and until when.
func (c *channel) Check(ctx context.Context) (announce.Report, error) {
	page, header, err := c.readAll(ctx, c.page, "id,name,is_published")
	if err != nil {
		return announce.Report{}, err
	}
	r := announce.Report{Identity: fmt.Sprintf("%s (Page %s)", page.Name, page.ID), Findings: ageing(c.version, time.Now())}
	add := func(severe bool, what, do string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	if served := header.Get("facebook-api-version"); versionForm.MatchString(served) && served != c.version && len(r.Findings) == 0 {
		add(false, "Facebook answers with version "+served+" of the Graph API, not with "+c.version, "set VERSION to a version that lives")
	}
	if page.Published != nil && !*page.Published {
		add(false, "the Page is not published: nobody but its people sees the posts", "publish it in the Page's settings")
	}
	if u := usageOf(header); u.percent >= nearlyAll {
		add(false, fmt.Sprintf("the Page has used %d %% of the calls that Facebook grants it", u.percent), "see whether another program uses the same app, and wait")
	}
	token, err := c.passportOf(ctx)
	if err != nil {
		return r, err
	}
	readable := token == nil
	if token != nil {
		readable = token.judge(&r, c.page, time.Now())
	}
	if readable {
		return r, c.listable(ctx, &r)
	}
	return r, nil
}

// listable tells when the Page's posts cannot be listed.
func (c *channel) listable(ctx context.Context, r *announce.Report) error {
	_, err := c.call(ctx, request{what: looking, method: http.MethodGet, path: "/" + c.page + "/published_posts", form: url.Values{"fields": {"id"}, "limit": {"1"}}})
	var e *announce.Error
	if errors.As(err, &e) && e.Outcome == announce.Permanent && !e.Stop {
		r.Findings = append(r.Findings, blindness())
		return nil
	}
	return err
}

func blindness() announce.Finding {
	return announce.Finding{What: "the token may not read the Page's posts: after a lost connection nobody but a person can tell whether a post appeared", Do: "grant the app pages_read_engagement and make a new token"}
}

// passport is what Facebook says of a token.
type passport struct {
	Type    string   `json:"type"`
	Valid   *bool    `json:"is_valid"`
	Page    string   `json:"profile_id"`
	Expires int64    `json:"expires_at"` // 0: never
	Scopes  []string `json:"scopes"`
}

// passportOf asks what the token may do; nil when Facebook does not say so to this token. The token travels in the body: the
// plain call would carry it in the address.
func (c *channel) passportOf(ctx context.Context) (*passport, error) {
	ask := []map[string]string{{"method": http.MethodGet, "relative_url": "debug_token?input_token=" + url.QueryEscape(c.token.Reveal())}}
	batch, err := json.Marshal(ask)
	if err != nil {
		return nil, nil
	}
	var parts []*struct {
		Code int    `json:"code"`
		Body string `json:"body"`
	}
	_, err = c.call(ctx, request{
		what: looking, method: http.MethodPost, path: "/", into: &parts, form: url.Values{"batch": {string(batch)}, "include_headers": {"false"}},
	})
	var e *announce.Error
	if errors.As(err, &e) && e.Outcome == announce.Permanent && !e.Stop {
		return nil, nil
	}
	if err != nil || len(parts) != 1 || parts[0] == nil || parts[0].Code != http.StatusOK {
		return nil, err
	}
	var in struct{ Data *passport }
	if json.Unmarshal([]byte(parts[0].Body), &in) != nil || in.Data == nil || in.Data.Valid == nil {
		return nil, nil
	}
	return in.Data, nil
}

// judge adds to r what is wrong with the token, and reports whether it should be able to read the Page's posts.
func (p passport) judge(r *announce.Report, page string, now time.Time) (readable bool) {
	add := func(severe bool, what, do string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	if p.Expires > 0 {
		r.Expires = time.Unix(p.Expires, 0).UTC()
	}
	switch {
	case !*p.Valid:
		add(true, "the token is not valid any more", "make a new one and put it in TOKEN")
		return false
	case p.Type == "USER":
		add(true, "TOKEN is a person's token: it does not post as the Page", "ask GET /me/accounts for the Page's own token, and put that in TOKEN")
		return false
	case p.Page != "" && p.Page != page:
		add(true, "the token belongs to the Page "+plain(p.Page)+", PAGE says "+page, "correct PAGE or TOKEN")
		return false
	case p.Expires > 0 && r.Expires.Sub(now) < expiring:
		add(false, "the token ends on "+r.Expires.Format(dateLayout), "make one that does not end: a Page token made from a long-lived token, or a system user's")
	}
	if !slices.Contains(p.Scopes, "pages_manage_posts") {
		add(true, "the token lacks pages_manage_posts: nothing can be posted", "grant it to the app and make a new token")
	}
	if !slices.Contains(p.Scopes, "pages_read_engagement") {
		r.Findings = append(r.Findings, blindness())
		return false
	}
	return true
}
