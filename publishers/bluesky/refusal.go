package bluesky

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// What the errors of this channel are about, for those who ask with errors.Is.
var (
	errToken   = errors.New("the token is over")
	errSwap    = errors.New("the record is another one")
	errMissing = errors.New("there is no such record")
)

// purpose is what a call is for.
type purpose int

const (
	entering purpose = iota // signing in
	writing
	uploading
	reading
	resolving
)

var errorName = regexp.MustCompile(`^[A-Za-z]{1,50}$`)

// refusal reads answers by the name of their error, which says more than their status: a token that is over and a
// record that is missing are both a 400. What they say in words is quoted, never understood.
func refusal(of purpose) rest.Classifier {
	return func(code int, header http.Header, body []byte) *announce.Error {
		if code < 400 {
			return nil
		}
		var a struct {
			Error   string `json:"error"`
			Message string `json:"message"`
		}
		_ = json.Unmarshal(body, &a)
		e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(code)}
		if errorName.MatchString(a.Error) {
			e.Status += " " + a.Error
		}
		switch {
		case code == http.StatusTooManyRequests || a.Error == "RateLimitExceeded":
			e.Outcome, e.RetryAfter, e.Fault = announce.RateLimited, wait(header, time.Now()), "Bluesky asks to wait: the channel pauses, nothing is lost"
			return e
		case code >= 500:
			return nil
		case byName(e, a.Error, of):
		case code == http.StatusUnauthorized && of == entering:
			e.Stop, e.Err = true, errToken
			e.Fault = "Bluesky does not accept HANDLE with APP_PASSWORD: make a new app password, put it in APP_PASSWORD, then resume the account"
		case code == http.StatusUnauthorized, code == http.StatusForbidden:
			e.Stop, e.Fault = true, "Bluesky does not let the account do this: look at the account in Bluesky, then resume it"
		case code == http.StatusNotFound:
			e.Stop, e.Fault = true, "the server does not know the call: check the API setting, then resume the account"
		case of == entering:
			e.Stop, e.Fault = true, "Bluesky refuses to sign the account in: check HANDLE and APP_PASSWORD, then resume the account"
		case of == uploading:
			e.Field, e.Fault = "images", "Bluesky refuses a picture: replace it"
		case of == writing:
			e.Fault = "Bluesky refuses the post: change it"
		default:
			e.Fault = "Bluesky refuses the request; this is a fault of the program"
		}
		e.Fault += quoted(a.Message)
		return e
	}
}

// byName judges errors by their name alone, and reports whether it could.
func byName(e *announce.Error, word string, of purpose) bool {
	switch word {
	case "ExpiredToken", "InvalidToken":
		e.Outcome, e.Err, e.Fault = announce.Temporary, errToken, "Bluesky has ended the session: the account signs in anew, and it will be tried again"
	case "InvalidSwap":
		e.Err, e.Fault = errSwap, "the post on Bluesky is not the one it was"
	case "RecordNotFound":
		e.Err, e.Fault = errMissing, "the post is not on Bluesky"
	case "BlobNotFound":
		e.Outcome, e.Fault = announce.Temporary, "Bluesky has dropped an uploaded picture before it was posted: it will be tried again"
	case "BlobTooLarge", "PayloadTooLarge", "InvalidMimeType":
		e.Field, e.Fault = "images", "Bluesky refuses a picture: replace it"
	case "AuthFactorTokenRequired":
		e.Stop, e.Fault = true, "APP_PASSWORD is the account's own password, for which Bluesky wants a code by mail: make an app password, put it in APP_PASSWORD, then resume the account"
	case "AccountTakedown", "AccountSuspended", "AccountDeactivated", "RepoTakendown", "RepoSuspended", "RepoDeactivated":
		e.Stop, e.Fault = true, "the Bluesky account is suspended or switched off: look at it in Bluesky, then resume the account"
	default:
		return false
	}
	if of == entering && e.Err == errToken { // of a renewal
		e.Fault = "Bluesky has ended the session: sign in anew"
	}
	return true
}

// quoted is the server's own explanation for a person, when it gives one.
func quoted(message string) string {
	said := strings.Join(strings.FieldsFunc(message, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if r := []rune(said); len(r) > 200 {
		said = string(r[:200]) + "…"
	}
	if said == "" {
		return ""
	}
	return ". It says: " + said
}

const longestWait = 24 * time.Hour

// wait is until when the server asks to wait: seconds, or a moment by its own clock; without either, its usual window.
func wait(h http.Header, now time.Time) time.Duration {
	if s := rest.RetryAfter(h, now); s > 0 {
		return s
	}
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		now = sent
	}
	n, err := strconv.ParseInt(h.Get("RateLimit-Reset"), 10, 64)
	if err != nil {
		return window
	}
	return max(time.Second, min(time.Unix(n, 0).Sub(now).Truncate(time.Second)+time.Second, longestWait))
}
