package matrix

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

// unsaid is the wait when the homeserver names none.
const unsaid = time.Minute

// subject is what a call is about, which decides whose fault a refusal is.
type subject int

const (
	aboutPost subject = iota
	aboutPicture
	aboutAccount
	aboutAlias
	aboutState  // of the room: what is not there is an answer
	aboutPerson // whom the account opens a room with
)

// Words of a homeserver: for what is not there, for what the account may not do, and for an alias that leads to a room.
const (
	notFound  = "M_NOT_FOUND"
	forbidden = "M_FORBIDDEN"
	inUse     = "M_ROOM_IN_USE"
)

// gone reports whether err says that what was asked for is not there.
func gone(err error) bool {
	var e *announce.Error
	return errors.As(err, &e) && e.Status == notFound
}

// classify reads a homeserver's errcode. A refusal in a room other than the configured one stops nobody.
func (p *publisher) classify(about subject, room string) rest.Classifier {
	return func(status int, header http.Header, body []byte) *announce.Error {
		var a struct {
			Code string  `json:"errcode"`
			Wait float64 `json:"retry_after_ms"`
		}
		_ = json.Unmarshal(body, &a) // not JSON: no words
		switch {
		case status < 300:
			return nil
		case status == http.StatusTooManyRequests, a.Code == "M_LIMIT_EXCEEDED":
			return limited(header, a.Wait)
		case status >= 500, !strings.HasPrefix(a.Code, "M_") && a.Code != "ORG_MATRIX_EXPIRED_ACCOUNT", status < 400:
			return nil
		}
		e := &announce.Error{Outcome: announce.Permanent, Status: short(a.Code, status)}
		p.mu.Lock()
		elsewhere := room != "" && p.home.room != "" && room != p.home.room
		p.mu.Unlock()
		stop := func(what string) { e.Stop, e.Fault = !elsewhere && !p.person, what }
		switch a.Code {
		case "M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_UNAUTHORIZED":
			e.Stop, e.Fault = true, "the Matrix homeserver does not accept the access token: log the bot in again, put its new token in TOKEN, then resume the account"
		case "M_USER_DEACTIVATED", "M_USER_LOCKED", "M_USER_SUSPENDED", "M_GUEST_ACCESS_FORBIDDEN", "M_CONSENT_NOT_GIVEN", "ORG_MATRIX_EXPIRED_ACCOUNT":
			e.Stop, e.Fault = true, "the Matrix homeserver keeps the bot's account from posting: ask its administrator, then resume the account"
		case "M_RESOURCE_LIMIT_EXCEEDED":
			e.Stop, e.Fault = true, "the Matrix homeserver has reached a limit of its own and takes no messages: ask its administrator, then resume the account"
		case "M_UNRECOGNIZED":
			e.Stop, e.Fault = true, "the server at API does not know this Matrix call: check API, then resume the account"
		case inUse:
			e.Fault = "the Matrix homeserver has a room of this name already"
		case forbidden:
			if about == aboutPerson {
				e.Fault = "the Matrix homeserver does not let the bot invite this person, or open rooms: they may be unknown, or take no invitations"
				break
			}
			if about == aboutPicture {
				e.Field, e.Fault = "images", "the Matrix homeserver does not take this picture: leave it out, or ask its administrator"
				break
			}
			if p.person {
				e.Fault = "the bot is no longer in the Matrix room with this person"
				break
			}
			stop("the bot is not in the Matrix room, or may not write there: invite it, let it join, give it the right to send messages, then resume the account")
		case "M_UNSUPPORTED_ROOM_VERSION":
			stop("the Matrix homeserver does not know the room: check ROOM and invite the bot, then resume the account")
		case notFound:
			e.Fault = "the Matrix homeserver does not know this: check ROOM, and that the bot is still in the room"
			if about == aboutAlias {
				stop("no Matrix room is called " + p.named + ": correct ROOM, then resume the account")
			}
		case "M_TOO_LARGE":
			e.Fault = tooLarge(e, about)
		default:
			e.Fault = "the Matrix homeserver refuses the post: change it, or report this as a fault of the program"
			if status == http.StatusRequestEntityTooLarge {
				e.Fault = tooLarge(e, about)
			}
			if status == http.StatusUnauthorized {
				return nil
			}
		}
		return e
	}
}

func tooLarge(e *announce.Error, about subject) string {
	if about == aboutPicture {
		e.Field = "images"
		return "the picture is too large for the Matrix homeserver: give a smaller one"
	}
	e.Field = "text"
	return "the text is too long for a Matrix message: shorten it"
}

func limited(header http.Header, ms float64) *announce.Error {
	wait := rest.RetryAfter(header, time.Now())
	if wait == 0 && ms > 0 {
		wait = time.Duration(math.Min(math.Ceil(ms/1000), 24*3600)) * time.Second
	}
	if wait == 0 {
		wait = unsaid
	}
	return &announce.Error{Outcome: announce.RateLimited, RetryAfter: wait, Status: "429", Fault: "the Matrix homeserver asks to wait: the channel pauses, nothing is lost"}
}

// short is the errcode when it is one, so that no text of a stranger's server passes for a status.
func short(code string, status int) string {
	if len(code) <= 50 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" {
		return code
	}
	return strconv.Itoa(status)
}
