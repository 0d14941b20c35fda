package linkedin

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

var errGone = errors.New("there is no such post")

// twinError is the cause of a refused duplicate.
type twinError struct{ urn string } // empty: LinkedIn does not name it

func (*twinError) Error() string { return "a post says the same" }

// doing is what a call is for.
type doing int

const (
	creating doing = iota
	uploading
	editing
	deleting
	looking // at many
	reading // one post
)

const (
	codeDuplicate = "DUPLICATE_POST"
	codeVersion   = "NONEXISTENT_VERSION"
)

// trouble is how LinkedIn tells of an error.
type trouble struct {
	Message string `json:"message"`
	Code    string `json:"code"`
	Details struct {
		Input []struct {
			Code        string `json:"code"`
			Description string `json:"description"`
		} `json:"inputErrors"`
	} `json:"errorDetails"`
}

func (t trouble) coded(code string) bool {
	if t.Code == code {
		return true
	}
	for _, i := range t.Details.Input {
		if i.Code == code {
			return true
		}
	}
	return false
}

// said is what LinkedIn says to a person, in brackets and on one line of at most 200 characters.
func (t trouble) said(token announce.Secret) string {
	all := []string{t.Message}
	for _, i := range t.Details.Input {
		all = append(all, i.Description)
	}
	s := strings.Join(strings.Fields(strings.Join(all, " ")), " ")
	if v := token.Reveal(); v != "" {
		s = strings.ReplaceAll(s, v, "***")
	}
	if r := []rune(s); len(r) > 200 {
		s = string(r[:199]) + "…"
	}
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

var (
	named = regexp.MustCompile(`urn:li:(?:share|ugcPost|activity):[0-9]+`)
	trace = regexp.MustCompile(`^[A-Za-z0-9+/=_-]{1,64}$`)
)

// classify reads LinkedIn's answers. Server errors are left to their status: when something was made, nobody can tell.
func (c *channel) classify(what doing) rest.Classifier {
	return func(status int, h http.Header, body []byte) *announce.Error {
		c.count(status)
		if status < 400 || status >= 500 || status == http.StatusRequestTimeout {
			return nil
		}
		var t trouble
		_ = json.Unmarshal(body, &t)
		ours := json.Valid(body) // else it comes from the edge, not from the API
		e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(status)}
		switch {
		case status == http.StatusTooManyRequests:
			e.Outcome, e.RetryAfter = announce.RateLimited, c.wait(h, time.Now())
			e.Fault = "LinkedIn takes no more calls for now: the account waits, nothing is lost"
		case status == http.StatusUpgradeRequired, t.coded(codeVersion):
			e.Stop, e.Fault = true, "VERSION: LinkedIn does not serve version "+c.version+" of its API any more: set VERSION (CRIEUR_LINKEDIN_VERSION) to a newer one, a year and a month as on learn.microsoft.com/linkedin/marketing/versioning, then resume the account"
		case status == http.StatusUnauthorized:
			e.Stop, e.Fault = true, "LinkedIn does not accept the token: it lasts 60 days, or it was revoked. Make a new one, put it in TOKEN and its end in TOKEN_EXPIRES, then resume the account"
		default:
			c.refuse(e, t, what, ours)
		}
		if id := h.Get("x-li-uuid"); trace.MatchString(id) {
			e.Fault += " [x-li-uuid " + id + "]"
		}
		return e
	}
}

// refuse says in e what LinkedIn has against the call.
func (c *channel) refuse(e *announce.Error, t trouble, what doing, ours bool) {
	said := t.said(c.token)
	denied, missing := e.Status == "403", e.Status == "404" || e.Status == "410"
	switch {
	case denied && (what == looking || what == reading):
		e.Fault = "LinkedIn does not let the page's posts be read" + said + ": the token needs r_organization_social, and the person who made it a role on the page"
	case denied && (what == editing || what == deleting): // perhaps of this post only
		e.Fault = "LinkedIn does not let this post be changed" + said + ": change it by hand on the page"
	case denied:
		e.Stop, e.Fault = true, "LinkedIn does not let the token post on the page"+said+": it needs w_organization_social, and the person who made it must be an administrator or content administrator of ORGANIZATION. Mend it, then resume the account"
	case missing && ours && (what == reading || what == editing || what == deleting):
		e.Err, e.Fault = errGone, "LinkedIn does not find this post: it may have been deleted"
	case missing:
		e.Fault = "LinkedIn does not know this address: check the API setting"
	case what == creating && t.coded(codeDuplicate):
		all := t.Message
		for _, i := range t.Details.Input {
			all += " " + i.Description
		}
		urn := named.FindString(all)
		e.Field, e.Err, e.Status = "text", &twinError{urn}, e.Status+" "+codeDuplicate
		e.Fault = "LinkedIn refuses the post because the page has one that says the same: change the text"
		if urn != "" {
			e.Fault += " (" + page(urn) + ")"
		}
	case what == uploading:
		e.Field, e.Fault = "images", "LinkedIn refuses a picture"+said+": JPEG, PNG or GIF"
	case what == editing, what == deleting:
		e.Fault = "LinkedIn does not let the post be changed" + said + ": change it by hand on the page"
	case what == looking, what == reading:
		e.Fault = "LinkedIn does not let the page's posts be read" + said + ": check ORGANIZATION and VERSION"
	default:
		e.Field, e.Fault = "text", "LinkedIn refuses the post"+said+": change the announcement"
	}
}

// count notes how many calls in a row came too many.
func (c *channel) count(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case status == http.StatusTooManyRequests:
		c.refused++
	case status/100 == 2:
		c.refused = 0
	}
}

const (
	window   = time.Minute // LinkedIn names no wait
	tries    = 3           // before a refusal is taken for the daily limit
	dayBegun = time.Minute // after midnight, where LinkedIn's day begins
)

// wait is how long LinkedIn wants no call: one minute, two, four, and when it still refuses until its day is over (UTC),
// because its daily limits look like its protection against bursts.
func (c *channel) wait(h http.Header, now time.Time) time.Duration {
	if w := rest.RetryAfter(h, now); w > 0 {
		return w
	}
	c.mu.Lock()
	n := c.refused
	c.mu.Unlock()
	if n <= tries {
		return window << max(0, n-1)
	}
	now = now.UTC()
	return time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC).Add(dayBegun).Sub(now)
}
