package googlechat

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// window is for a 429, which never names a wait: Google Chat counts by the minute.
const window = time.Minute

// purpose is what a call is for, which decides whose fault a refusal is.
type purpose int

const (
	asApp     purpose = iota // a message is made
	asWebhook                // a message is made, without an app
	asChange                 // a message is edited or deleted
	asLook
)

// classify reads Google's errors: a code, a word, and reasons.
func classify(p purpose) rest.Classifier {
	return func(status int, header http.Header, body []byte) *announce.Error {
		var refusal struct {
			Error struct {
				Status  string `json:"status"`
				Details []struct {
					Reason string `json:"reason"`
				} `json:"details"`
			} `json:"error"`
		}
		if status < 400 || status >= 500 {
			return nil
		}
		_ = json.Unmarshal(body, &refusal) // not JSON: no word
		word := refusal.Error.Status
		known := word != "" && len(word) <= 40 && strings.Trim(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
		e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(status)}
		if known {
			e.Status += " " + word
		}
		badKey := slices.ContainsFunc(refusal.Error.Details, func(d struct {
			Reason string `json:"reason"`
		}) bool {
			return d.Reason == "API_KEY_INVALID"
		})
		switch {
		case status == http.StatusTooManyRequests:
			return limited(header)
		case status == http.StatusConflict && word == "ALREADY_EXISTS":
			e.Fault = "a message with this name is in the space already"
		case p == asWebhook && (badKey || status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound):
			e.Stop, e.Fault = true, "the Google Chat webhook is gone or not allowed to post: make a new one in the space's settings, put its address in WEBHOOK, then resume the account"
		case status == http.StatusForbidden && p == asApp:
			e.Stop, e.Fault = true, "the Chat app may not post in the space: add it there (Apps & integrations, Add apps), check that the Google Chat API is enabled, then resume the account"
		case status == http.StatusNotFound && p == asApp:
			e.Stop, e.Fault = true, "Google Chat does not know the space: correct SPACE or add the app to it, then resume the account"
		case status == http.StatusNotFound && word == "NOT_FOUND" && p == asLook:
			e.Fault = "it is not in Google Chat"
		case status == http.StatusNotFound && word == "NOT_FOUND":
			e.Fault = "the message is no longer in Google Chat: somebody deleted it there"
		case status == http.StatusForbidden:
			e.Fault = "Google Chat does not let the app do this: check that it is in the space"
		default:
			return nil
		}
		return e
	}
}

func limited(header http.Header) *announce.Error {
	wait := rest.RetryAfter(header, time.Now())
	if wait == 0 {
		wait = window
	}
	return &announce.Error{Outcome: announce.RateLimited, RetryAfter: wait, Status: "429", Fault: "Google Chat asks to wait: the channel pauses, nothing is lost"}
}

// missing reports whether Google itself says that there is no such thing: not a proxy, nor another server.
func missing(err error) bool { return says(err, "404 NOT_FOUND") }

// taken reports whether a message has the name already.
func taken(err error) bool { return says(err, "409 ALREADY_EXISTS") }

func says(err error, status string) bool {
	var e *announce.Error
	return errors.As(err, &e) && e.Status == status
}
