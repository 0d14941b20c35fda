package linkedin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// Check asks LinkedIn for the page, its posts and the roles of the person who made the token, as far as the token may read
// them, and tells how many days the token has left.
func (c *channel) Check(ctx context.Context) (announce.Report, error) {
	r := announce.Report{Identity: "organization " + strings.TrimPrefix(c.organization, "urn:li:organization:"), Expires: c.expires}
	add := func(severe bool, what, do string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	_, err := c.list(ctx, 0, 1)
	if err != nil && !forbidden(err) {
		return r, err
	}
	if err != nil {
		add(false, "the token may not read the page's posts: after a lost connection nobody but a person can tell whether a post appeared", "give it r_organization_social, and see that the person who made it has a role on the page")
	}
	var page struct {
		Name string `json:"localizedName"`
	}
	if err := c.ask(ctx, "/organizations/"+strings.TrimPrefix(c.organization, "urn:li:organization:"), nil, &page); err != nil {
		return r, err
	}
	if page.Name != "" {
		r.Identity = page.Name + " (" + r.Identity + ")"
	}
	var roles struct {
		Elements *[]struct {
			Role         string `json:"role"`
			State        string `json:"state"`
			Organization string `json:"organization"`
		} `json:"elements"`
	}
	if err := c.ask(ctx, "/organizationAcls", url.Values{"q": {"roleAssignee"}, "state": {"APPROVED"}, "count": {"100"}}, &roles); err != nil {
		return r, err
	}
	if roles.Elements != nil {
		may := false
		for _, x := range *roles.Elements {
			may = may || x.Organization == c.organization && (x.State == "" || x.State == "APPROVED") &&
				slices.Contains([]string{"ADMINISTRATOR", "CONTENT_ADMIN", "CONTENT_ADMINISTRATOR", "DIRECT_SPONSORED_CONTENT_POSTER"}, x.Role)
		}
		if !may && len(*roles.Elements) < 100 {
			add(true, "the person who made the token may not post on the page", "let an administrator of the page make them content administrator, or correct ORGANIZATION")
		}
	}
	now := time.Now()
	r.Findings = append(r.Findings, slices.Concat(c.ending(now), ageing(c.version, now))...)
	return r, nil
}

// ask reads what the token may or may not be allowed to read; into stays as it is when it may not.
func (c *channel) ask(ctx context.Context, path string, query url.Values, into any) error {
	call := rest.Call{Method: http.MethodGet, Path: path, Query: query, Into: into, Classify: c.classify(looking)}
	if query.Get("q") != "" {
		call.Header = http.Header{"X-RestLi-Method": {"FINDER"}}
	}
	_, err := c.api.Do(ctx, call)
	var e *announce.Error
	if errors.As(err, &e) && e.Outcome == announce.Permanent && !e.Stop {
		return nil
	}
	return err
}

func forbidden(err error) bool {
	var e *announce.Error
	return errors.As(err, &e) && e.Status == "403"
}

const day = 24 * time.Hour

// ending tells of the token's end 14, 7 and 2 days before, in words that change on those days only.
func (c *channel) ending(now time.Time) []announce.Finding {
	const do = "make a new token, put it in TOKEN and its end in TOKEN_EXPIRES"
	on, left := c.expires.Format(time.DateOnly), c.expires.Sub(now)
	switch {
	case c.expires.IsZero():
		return []announce.Finding{{What: "nobody knows when the token ends: LinkedIn's tokens last 60 days and do not tell", Do: "put the day on which it ends in TOKEN_EXPIRES"}}
	case left <= 0:
		return []announce.Finding{{What: "TOKEN_EXPIRES says that the token ended on " + on + ", and LinkedIn still accepts it", Do: "correct TOKEN_EXPIRES"}}
	}
	for _, days := range []int{2, 7, 14} {
		if left < time.Duration(days)*day {
			return []announce.Finding{{What: "the token ends on " + on + ", in less than " + strconv.Itoa(days) + " days", Do: do}}
		}
	}
	return nil
}

// ageing tells of a version that is about to end. LinkedIn keeps each for twelve months at least.
func ageing(version string, now time.Time) []announce.Finding {
	began, err := time.Parse("200601", version)
	if err != nil || now.Before(began.AddDate(0, 11, 0)) {
		return nil
	}
	return []announce.Finding{{
		What: "version " + version + " of LinkedIn's API is only promised until " + began.AddDate(0, 12, 0).Format("2006-01"),
		Do:   "set VERSION to a newer one, a year and a month as on learn.microsoft.com/linkedin/marketing/versioning",
	}}
}
