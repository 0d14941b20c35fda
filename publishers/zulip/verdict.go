package zulip

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// unsaid is the wait when Zulip names none: it counts by the minute.
const unsaid = time.Minute

// subject is what a call is about.
type subject int

const (
	aboutChannel subject = iota
	aboutMessage
	aboutPicture
	aboutAccount
)

// errRefused is the cause of a refusal for which Zulip gives no code, but a sentence in the bot's language.
var errRefused = errors.New("refused without a code")

func refused(err error) bool { return errors.Is(err, errRefused) }

// classify reads the code of Zulip's error. The rest is decided by the status.
func (p *publisher) classify(about subject) rest.Classifier {
	return func(status int, header http.Header, body []byte) *announce.Error {
		var a struct {
			Result string  `json:"result"`
			Code   string  `json:"code"`
			Wait   float64 `json:"retry-after"`
		}
		_ = json.Unmarshal(body, &a) // not JSON: no words
		switch {
		case status < 300, status >= 300 && status < 400, status >= 500:
			return nil
		case status == http.StatusTooManyRequests:
			return limited(header, a.Wait)
		case a.Result != "error":
			return nil
		}
		e := &announce.Error{Outcome: announce.Permanent, Status: short(a.Code, status)}
		switch {
		case a.Code == "REALM_DEACTIVATED", a.Code == "USER_DEACTIVATED":
			e.Stop, e.Fault = true, "the Zulip organisation or the bot in it is deactivated: activate it, then resume the account"
		case status == http.StatusUnauthorized, a.Code == "INVALID_API_KEY":
			e.Stop, e.Fault = true, "Zulip does not accept the bot's address and API key: put the current ones in EMAIL and KEY, then resume the account"
		case about == aboutPicture:
			e.Field, e.Fault = "images", "Zulip does not take the picture: give a smaller one, or let an administrator raise the limit for files"
		case a.Code == "STREAM_DOES_NOT_EXIST":
			e.Stop, e.Err, e.Fault = true, errRefused, "Zulip knows no channel "+p.label+", or hides it from the bot: correct STREAM or subscribe the bot, then resume the account"
		case about == aboutMessage:
			e.Err, e.Fault = errRefused, "Zulip does not let the bot change this message any more: a person can do it there; raise the time limits for editing and deleting for the next time"
		default:
			e.Err, e.Fault = errRefused, "Zulip refuses the message: see whether the bot may post in "+p.label+" (crieur doctor), or change the announcement"
		}
		return e
	}
}

func limited(header http.Header, seconds float64) *announce.Error {
	wait := rest.RetryAfter(header, time.Now())
	if wait == 0 && seconds > 0 {
		wait = time.Duration(math.Min(math.Ceil(seconds), 24*3600)) * time.Second
	}
	if wait == 0 {
		wait = unsaid
	}
	return &announce.Error{Outcome: announce.RateLimited, RetryAfter: wait, Status: "429", Fault: "Zulip asks to wait: the channel pauses, nothing is lost"}
}

// short is the code when it is one, so that no text of a stranger's server passes for a status.
func short(code string, status int) string {
	if code != "" && len(code) <= 50 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" {
		return code
	}
	return strconv.Itoa(status)
}
