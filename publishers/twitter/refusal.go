package twitter

import (
	"encoding/json"
	"errors"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/dghubble/go-twitter/twitter"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

var (
	errDuplicate = errors.New("the text was posted before")
	errGone      = errors.New("there is no such post")
)

// Codes of v1.1, which v2 still sends now and then.
const (
	codeAuth        = 32
	codeNotFound    = 34
	codeSuspended   = 64
	codeRate        = 88
	codeToken       = 89
	codeClock       = 135
	codeNoStatus    = 144
	codeDailyLimit  = 185
	codeTooLong     = 186
	codeDuplicate   = 187
	codeBadAuth     = 215
	codeAutomated   = 226
	codeLocked      = 326
	codeAccessLevel = 453
)

// trouble is what X says about a call that was no success, out of any of its three forms.
type trouble struct {
	code  int    // of v1.1, or the HTTP status
	kind  string // last part of a v2 problem's type: "usage-capped"
	say   string // X's words, one line
	plain bool   // not JSON: it comes from the edge, not from the API
}

// understand reads the body of an answer that is no success.
func understand(status int, body []byte) trouble {
	var in struct {
		Title, Detail, Type string
		Errors              []struct {
			Message, Title, Detail, Type string
			Code                         int
		}
	}
	t := trouble{code: status}
	if err := json.Unmarshal(body, &in); err != nil {
		t.plain, t.say = true, http.StatusText(status)
		return t
	}
	said, kind := []string{in.Detail}, in.Type
	if in.Detail == "" {
		said[0] = in.Title
	}
	for _, e := range in.Errors {
		if e.Code != 0 && t.code == status {
			t.code = e.Code
		}
		if kind == "" {
			kind = e.Type
		}
		if e.Message == "" {
			e.Message = e.Detail
		}
		said = append(said, e.Message)
	}
	if strings.Contains(kind, "/problems/") {
		t.kind = path.Base(kind)
	}
	if t.say = line(strings.Join(said, " ")); t.say == "" {
		t.say = http.StatusText(status)
	}
	// A refused duplicate has neither a type nor a code of its own.
	if status == http.StatusForbidden && t.code == status && strings.Contains(strings.ToLower(t.say), "duplicate content") {
		t.code = codeDuplicate
	}
	switch {
	case t.code != status:
	case status == http.StatusTooManyRequests:
		t.code = codeRate
	case status == http.StatusUnauthorized:
		t.code = codeAuth
	case t.kind == "client-forbidden":
		t.code = codeAccessLevel
	}
	return t
}

// v1 is the trouble as v1.1 told it, which go-twitter takes for an error.
func (t trouble) v1() twitter.APIError {
	return twitter.APIError{Errors: []twitter.ErrorDetail{{Code: t.code, Message: t.say}}}
}

// line is s as one line of at most 200 characters.
func line(s string) string {
	r := []rune(strings.Join(strings.Fields(s), " "))
	if len(r) > 200 {
		r = append(r[:199], '…')
	}
	return string(r)
}

// doing is what a call is for.
type doing int

const (
	creating doing = iota
	editing
	uploading
	deleting
	looking // at posts
	asking  // whose tokens these are
)

// refusal reads X's answers. Server errors are left to their status: when something was made, nobody can tell.
func refusal(what doing) rest.Classifier {
	return func(status int, h http.Header, body []byte) *announce.Error {
		if status/100 == 2 {
			return within(what, body)
		}
		if status < 400 || status >= 500 || status == http.StatusRequestTimeout {
			return nil
		}
		t := understand(status, body)
		e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(status)}
		blind := what == looking && t.code == codeAccessLevel // the app may still post
		if !blind && t.account(e) || t.pause(e, h) {
			return e
		}
		t.refuse(e, what)
		return e
	}
}

// within finds an error inside a success: how X says that a post is not there.
func within(what doing, body []byte) *announce.Error {
	var in struct{ Data json.RawMessage }
	if what == creating || what == editing || json.Unmarshal(body, &in) != nil || in.Data != nil {
		return nil
	}
	if t := understand(http.StatusOK, body); t.kind == "resource-not-found" {
		return &announce.Error{Outcome: announce.Permanent, Status: "200", Fault: "X does not find this: it may have been deleted", Err: errGone}
	}
	return nil
}

// account reports whether the account or the app is at fault, not the message, and says so in e.
func (t trouble) account(e *announce.Error) bool {
	switch {
	case e.Status == "402", t.kind == "usage-capped", t.kind == "credits":
		e.Fault = "X wants to be paid: the credits of the app are used up or its spending cap is reached. Buy credits or raise the cap on developer.x.com, then resume the account"
	case t.code == codeClock:
		e.Fault = "X refuses the signature because this machine's clock is wrong: set the clock, then resume the account"
	case t.code == codeSuspended, t.kind == "user-suspended":
		e.Fault = "X has suspended the account: sign in on x.com and appeal, then resume the account"
	case t.code == codeLocked, t.code == codeAutomated:
		e.Fault = "X has locked the account or takes it for a machine: sign in on x.com and follow its instructions, check that the account carries the Automated label, then resume the account"
	case t.kind == "oauth1-permissions":
		e.Fault = "the access token may only read: set the app's permissions to Read and Write on developer.x.com, generate the access token again, then resume the account"
	case t.code == codeAccessLevel, t.kind == "client-forbidden", t.kind == "client-not-enrolled", t.kind == "unsupported-authentication":
		e.Fault = "X does not let this app use its API v2: put the app into a project with access on developer.x.com, then resume the account"
	case e.Status == "401", t.code == codeAuth, t.code == codeToken, t.code == codeBadAuth:
		e.Fault = "X does not accept the keys: generate them again on developer.x.com, correct CONSUMER_KEY, CONSUMER_SECRET, ACCESS_TOKEN and ACCESS_SECRET, then resume the account"
	default:
		return false
	}
	e.Stop = true
	return true
}

const (
	window     = 15 * time.Minute // of X's rate limits
	dailyPause = 30 * time.Minute // X counts its daily limit in half hours
	margin     = 2 * time.Second
	longest    = 24 * time.Hour
)

// pause reports whether X asks to wait, and says so in e.
func (t trouble) pause(e *announce.Error, h http.Header) bool {
	switch {
	case t.code == codeDailyLimit:
		e.RetryAfter, e.Fault = dailyPause, "the account has made all the posts that X allows in a day: it waits half an hour, nothing is lost"
	case e.Status == "429", t.code == codeRate:
		e.RetryAfter, e.Fault = wait(h), "X asks to wait: the account pauses, nothing is lost"
	default:
		return false
	}
	e.Outcome = announce.RateLimited
	return true
}

// wait is how long until X's window ends, by X's own clock; a whole window when X does not say.
func wait(h http.Header) time.Duration {
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	longer := time.Duration(0)
	for _, limit := range []string{"x-rate-limit", "x-app-limit-24hour", "x-user-limit-24hour"} {
		reset, err := strconv.ParseInt(h.Get(limit+"-reset"), 10, 64)
		if err != nil || limit != "x-rate-limit" && h.Get(limit+"-remaining") != "0" {
			continue
		}
		longer = max(longer, time.Unix(reset, 0).Sub(now)+margin, margin)
	}
	if longer == 0 {
		longer = rest.RetryAfter(h, now)
	}
	if longer == 0 {
		return window
	}
	return min(longer, longest)
}

// refuse says in e what X has against the call.
func (t trouble) refuse(e *announce.Error, what doing) {
	gone := e.Status == "404" && !t.plain || t.code == codeNoStatus || t.code == codeNotFound
	switch {
	case t.code == codeDuplicate:
		e.Field, e.Err = "text", errDuplicate
		e.Fault = "X refuses the post because it is identical to an earlier post, perhaps a deleted one: change the text"
	case what == editing:
		e.Fault = "X refuses the edit (" + t.say + "). A post can be edited 5 times within 30 minutes: delete it and announce again, or reply to it by hand"
	case gone && what != creating:
		e.Err = errGone
		e.Fault = "X does not find this: it may have been deleted"
	case e.Status == "404":
		e.Fault = "X does not know this address: check the API setting"
	case what == uploading:
		e.Field = "images"
		e.Fault = "X refuses a picture (" + t.say + "): JPEG, PNG, GIF or WebP of at most 5 MB"
	case what == deleting:
		e.Fault = "X does not let the post be deleted (" + t.say + "): delete it by hand"
	case what == looking, what == asking:
		e.Fault = "X does not let the account be read (" + t.say + "): check the app's access on developer.x.com"
	case t.plain:
		e.Fault = "X's edge refuses the request without saying why: see whether this machine's address is blocked, and try another text"
	default:
		e.Field = "text"
		e.Fault = "X refuses the post (" + t.say + "): change the announcement"
	}
}
