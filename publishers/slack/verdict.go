package slack

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

const (
	pace   = time.Second     // Slack takes about one message a second in a channel
	window = 1 * time.Minute // its other limits count by the minute; for a 429 that names no wait
)

// remedy says what a refusal that is the account's fault asks of a person, and whether it is one.
func remedy(word string) (string, bool) {
	switch word {
	case "invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive":
		return "Slack does not accept the bot token: install the app again, put its new token in TOKEN, then resume the account", true
	case "missing_scope", "no_permission", "not_allowed_token_type":
		return "the Slack app lacks a right: add the scope under OAuth & Permissions, install it again, then resume the account", true
	case "org_login_required", "ekm_access_denied", "accesslimited", "team_access_not_granted", "access_denied", "two_factor_setup_required", "enterprise_is_restricted":
		return "the Slack workspace keeps the app out: ask its administrator, then resume the account", true
	case "messages_tab_disabled":
		return "the Slack app takes no messages from people, so it cannot write to them: switch on Messages Tab under App Home, then resume the account", true
	case "not_in_channel":
		return "the Slack app is not in the channel: write /invite @app there, then resume the account", true
	case "channel_not_found":
		return "Slack does not know the channel, or hides it from the app: check CHANNEL and invite the app, then resume the account", true
	case "is_archived", "channel_is_archived":
		return "the Slack channel is archived: unarchive it or set another CHANNEL, then resume the account", true
	}
	if strings.HasPrefix(word, "restricted_action") {
		return "the Slack workspace does not let the app post in this channel: ask its administrator, then resume the account", true
	}
	return "", false
}

// classify reads Slack's answers: always 200, with the truth inside. create: a message is made. elsewhere: the call is
// about a channel other than the account's, so that its end stops nobody.
func classify(create, elsewhere bool) rest.Classifier {
	return func(status int, header http.Header, body []byte) *announce.Error {
		var a struct {
			OK       *bool  `json:"ok"`
			Error    string `json:"error"`
			TS       string `json:"ts"`
			Metadata struct {
				Messages []string `json:"messages"`
			} `json:"response_metadata"`
		}
		readable := json.Unmarshal(body, &a) == nil
		switch {
		case status == http.StatusTooManyRequests:
			return limited(header, "429")
		case status >= 300 && (status >= 500 || !readable || a.Error == ""):
			return nil
		case !readable, a.OK == nil, *a.OK && create && a.TS == "", !*a.OK && a.Error == "":
			return unsure(create, "Slack's answer cannot be understood", "")
		case *a.OK:
			return nil
		}
		if do, ok := remedy(a.Error); ok {
			return &announce.Error{Outcome: announce.Permanent, Stop: !elsewhere, Status: short(a.Error), Fault: do}
		}
		e := &announce.Error{Outcome: announce.Permanent, Status: short(a.Error)}
		switch a.Error {
		case "ratelimited", "rate_limited", "message_limit_exceeded":
			return limited(header, a.Error)
		case "internal_error", "fatal_error", "service_unavailable", "request_timeout":
			return unsure(create, "Slack failed at the request", a.Error)
		case "team_added_to_org":
			e.Outcome, e.Fault = announce.Temporary, "the Slack workspace is being moved: it will be tried again"
		case "message_not_found":
			e.Fault = "the post is no longer in Slack: somebody deleted it there"
		case "edit_window_closed", "cant_update_message", "cant_delete_message":
			e.Fault = "Slack does not let the app change this post any more: a person can do it in Slack"
		case "msg_too_long", "msg_blocks_too_long":
			e.Field, e.Fault = "text", "the text is too long for Slack: shorten it"
		case "no_text":
			e.Field, e.Fault = "text", "Slack takes no post without a text: write one"
		default:
			at := strings.Join(a.Metadata.Messages, " ")
			switch blocks := strings.HasPrefix(a.Error, "invalid_blocks"); {
			case blocks && strings.Contains(at, "/image_url"):
				e.Field, e.Err, e.Fault = "images", errAddress, "Slack could not fetch a picture: it must be at a public address, as PNG, JPEG or GIF"
			case blocks && strings.Contains(at, "/slack_file"):
				e.Field, e.Err, e.Fault = "images", errFile, "Slack does not show a picture that was uploaded to it: leave the picture out, or give another"
			default:
				e.Fault = "Slack refuses the post: change it, or report this as a fault of the program"
			}
		}
		return e
	}
}

// classifyHook reads the answers of an incoming webhook: a word of plain text.
func classifyHook(status int, header http.Header, body []byte) *announce.Error {
	word := strings.TrimSpace(string(body))
	switch {
	case status == http.StatusTooManyRequests:
		return limited(header, "429")
	case status == http.StatusOK && word == "ok", status >= 500, status >= 300 && status < 400:
		return nil
	case status < 300:
		return unsure(true, "Slack's answer cannot be understood", "")
	}
	e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(status), Field: "text", Fault: "Slack refuses the post: change it, or report this as a fault of the program"}
	if plainWord(word) {
		e.Status = word
	}
	if word == "invalid_blocks" {
		e.Err = errAddress // the likeliest reason, and the answer names none
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		e.Stop, e.Field, e.Fault = true, "", "the Slack webhook is gone or not allowed to post: make a new one, put its address in WEBHOOK, then resume the account"
		if do, ok := remedy(word); ok && status != http.StatusNotFound {
			e.Fault = do
		}
	}
	return e
}

// classifyUpload reads the answers of the place for a file's bytes: its status says all.
func classifyUpload(status int, header http.Header, _ []byte) *announce.Error {
	if status == http.StatusTooManyRequests {
		return limited(header, "429")
	}
	return nil
}

func limited(header http.Header, status string) *announce.Error {
	wait := rest.RetryAfter(header, time.Now())
	if wait == 0 {
		wait = window
	}
	return &announce.Error{Outcome: announce.RateLimited, RetryAfter: wait, Status: status, Fault: "Slack asks to wait: the channel pauses, nothing is lost"}
}

func unsure(create bool, what, status string) *announce.Error {
	if create {
		return &announce.Error{Outcome: announce.Ambiguous, Status: status, Fault: what + ": the post may have appeared; look before it is repeated"}
	}
	return &announce.Error{Outcome: announce.Temporary, Status: status, Fault: what + ": it will be tried again"}
}

// short is Slack's word when it is one, so that no text of a stranger's server passes for a status.
func short(word string) string {
	if plainWord(word) {
		return word
	}
	return "refused"
}

func plainWord(s string) bool {
	return s != "" && len(s) <= 50 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
