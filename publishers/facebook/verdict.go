package facebook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

var (
	errDuplicate = errors.New("the post before this one says the same")
	errGone      = errors.New("there is no such object, or the app does not see it")
	errInvalid   = errors.New("a parameter is not taken")
)

// doing is what a call is for.
type doing int

const (
	creating doing = iota
	uploading
	editing
	deleting
	looking
)

const (
	window  = time.Hour // when Facebook asks to wait and does not say how long
	tooFast = time.Hour // least wait after posting too fast
	longest = 24 * time.Hour
)

// trouble is how the Graph API tells of an error, whatever the status.
type trouble struct {
	Message   string `json:"message"`
	Code      int    `json:"code"`
	Subcode   int    `json:"error_subcode"`
	User      string `json:"error_user_msg"`
	Trace     string `json:"fbtrace_id"`
	Transient bool   `json:"is_transient"`
}

// Codes and subcodes of the Graph API.
const (
	codeUnknown   = 1
	codeService   = 2
	codeMethod    = 3
	codePolicy    = 368
	codeDuplicate = 506
	codeParameter = 100
	codeAlias     = 803

	subGone        = 33
	subTooFast     = 1390008
	subPhoto       = 1366046
	subPhotoTwice  = 1366051
	subScrape      = 1609005
	subOwnLink     = 1609008
	subAbusive     = 1346003
	subAbusiveLink = 1404102
)

// classify reads Facebook's answers: an error decides by its code, even in a 200.
func (c *channel) classify(what doing) rest.Classifier {
	return func(status int, h http.Header, body []byte) *announce.Error {
		u := usageOf(h)
		c.note(u)
		var in struct{ Error *trouble }
		_ = json.Unmarshal(body, &in) // no JSON: the status decides
		switch {
		case in.Error != nil:
			return c.judge(*in.Error, what, status, h, u)
		case status == http.StatusTooManyRequests:
			return &announce.Error{Outcome: announce.RateLimited, RetryAfter: wait(h, u), Status: "429", Fault: asksToWait}
		}
		return nil
	}
}

const asksToWait = "Facebook asks to wait: the account pauses, nothing is lost"

func (c *channel) judge(t trouble, what doing, status int, h http.Header, u usage) *announce.Error {
	e := &announce.Error{Outcome: announce.Permanent, Status: fmt.Sprintf("%d, code %d", status, t.Code)}
	if t.Subcode != 0 {
		e.Status += fmt.Sprintf("/%d", t.Subcode)
	}
	switch {
	case status == http.StatusTooManyRequests, t.Code == 4, t.Code == 17, t.Code == 32, t.Code == 341, t.Code == 613, t.Code == 80001:
		e.Outcome, e.RetryAfter, e.Fault = announce.RateLimited, wait(h, u), asksToWait
	case t.Subcode == subTooFast:
		e.Outcome, e.RetryAfter = announce.RateLimited, max(wait(h, u), tooFast)
		e.Fault = "Facebook finds that the Page posts too fast: it waits an hour or more, nothing is lost"
	case t.Transient, status >= 500, status == http.StatusRequestTimeout, t.Code == 0, t.Code == codeUnknown, t.Code == codeService:
		e.Outcome, e.Fault = announce.Temporary, "Facebook failed at the request: it will be tried again"
		if what == creating {
			e.Outcome, e.Fault = announce.Ambiguous, "Facebook failed at the request: the post may have appeared; look before it is repeated"
		}
	case t.account(e, what):
	default:
		t.refuse(e, what, c.scrub(t.said()))
	}
	if t.Trace = plain(t.Trace); t.Trace != "" {
		e.Fault += " [fbtrace_id " + t.Trace + "]"
	}
	return e
}

// account reports whether the token, the app or the Page is at fault, not the message, and says so in e.
func (t trouble) account(e *announce.Error, what doing) bool {
	right := t.Code == 10 || t.Code >= 200 && t.Code <= 299
	switch {
	case t.Code == codePolicy:
		e.Fault = "Facebook keeps the Page or the app from posting: see Page Quality and the app's alerts on developers.facebook.com, then resume the account"
	case t.Code == 102, t.Code == 190:
		why := map[int]string{
			458: "the app was removed from the account of the person who made it", 459: "that person must sign in on facebook.com and confirm who they are",
			460: "that person has changed the password", 463: "it has expired", 464: "the account of the person who made it is not confirmed",
			467: "it was revoked", 492: "the person who made it has no role on the Page any more",
		}[t.Subcode]
		if why != "" {
			why = " (" + why + ")"
		}
		e.Fault = "Facebook does not accept the Page's token" + why + ": make a new one, put it in TOKEN, then resume the account"
	case t.Code == codeMethod:
		e.Fault = "Facebook does not let this app use the Pages API: add it to the app on developers.facebook.com, then resume the account"
	case right && what == looking:
		e.Fault = "the token may not read the Page: grant the app pages_read_engagement and make a new token"
		return true
	case right && (what == editing || what == deleting): // perhaps of this post only
		e.Fault = "Facebook does not let the app change this post: it was made by another app, or the token has lost pages_manage_posts. Change it by hand on the Page"
		return true
	case right:
		e.Fault = "the token may not post on the Page: grant the app pages_manage_posts and pages_read_engagement, see that the person who made the token may create content on the Page, make a new token, then resume the account"
	case what == creating && (t.Code == codeAlias || t.Code == codeParameter && t.Subcode == subGone), what == uploading && t.Subcode == subGone:
		e.Fault = "Facebook does not know the Page, or hides it from the token: check PAGE and TOKEN, then resume the account"
	default:
		return false
	}
	e.Stop = true
	return true
}

// refuse says in e what Facebook has against the call.
func (t trouble) refuse(e *announce.Error, what doing, said string) {
	if said != "" {
		said = " (" + said + ")"
	}
	switch {
	case t.Code == codeDuplicate, t.Subcode == subPhotoTwice:
		e.Field, e.Err = "text", errDuplicate
		e.Fault = "Facebook refuses the post because the one before it on the Page says the same: change the text"
	case t.Subcode == subGone, t.Code == codeAlias:
		e.Err = errGone
		e.Fault = "Facebook does not find this, or hides it from the app: it may have been deleted"
	case t.Subcode == subScrape:
		e.Field = "link"
		e.Fault = "Facebook cannot read the page that the link leads to: see that it opens for everybody (Facebook's Sharing Debugger tells what is wrong), then announce again"
	case t.Subcode == subOwnLink:
		e.Field = "link"
		e.Fault = "Facebook takes no link of this kind to Facebook itself: give another link"
	case t.Subcode == subPhoto, what == uploading:
		e.Field = "images"
		e.Fault = "Facebook refuses a picture" + said + ": JPEG, PNG or GIF of less than 4 MB"
	case t.Subcode == subAbusive, t.Subcode == subAbusiveLink:
		e.Field = "text"
		e.Fault = "Facebook takes the post or its link for abusive" + said + ": change it, or ask Facebook to look again"
	case what == editing, what == deleting:
		e.Fault = "Facebook does not let the post be changed" + said + ": change it by hand on the Page"
	case what == looking:
		e.Fault = "Facebook does not let the Page be read" + said + ": check PAGE, TOKEN and APP_SECRET"
	default:
		e.Fault = "Facebook refuses the post" + said + ": change the announcement"
		if t.Code == codeParameter {
			e.Err = errInvalid
		}
	}
}

// blame finds out whether a parameter is wrong for every call, such as APP_SECRET: then the account is at fault. Facebook
// has one code for both.
func (c *channel) blame(ctx context.Context, refused error) error {
	_, err := c.read(ctx, c.page, "id")
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent {
		return refused
	}
	return &announce.Error{Outcome: announce.Permanent, Stop: true, Status: e.Status, Err: err, Fault: e.Fault + "; then resume the account"}
}

// said is what Facebook says to a person, as one line of at most 200 characters.
func (t trouble) said() string {
	s := t.User
	if s == "" {
		s = t.Message
	}
	r := []rune(strings.TrimRight(strings.Join(strings.Fields(s), " "), "."))
	if len(r) > 200 {
		r = append(r[:199], '…')
	}
	return string(r)
}

// scrub takes this account's secrets out of Facebook's words: at times it quotes a token.
func (c *channel) scrub(s string) string {
	for _, secret := range []announce.Secret{c.token, c.secret, c.proof} {
		if v := secret.Reveal(); v != "" {
			s = strings.ReplaceAll(s, v, "***")
		}
	}
	return s
}

// plain is s when it is a word of letters, digits, - and _, so that no text of a stranger's server passes for one.
func plain(s string) string {
	const word = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
	if len(s) > 64 || strings.Trim(s, word) != "" {
		return ""
	}
	return s
}
