package mattermost

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// unsaid is the wait when Mattermost names none. It counts by the second.
const unsaid = 10 * time.Second

// subject is what a call is about, which decides whose fault a refusal is.
type subject int

const (
	aboutChannel subject = iota
	aboutPost            // one that is there, maybe in another channel
	aboutPicture
)

// Causes that callers look for: what was asked for is not there, or the account may not see it.
var (
	errAbsent    = errors.New("not there")
	errForbidden = errors.New("not allowed")
)

// classify reads the name of Mattermost's error. The rest is decided by the status.
func classify(about subject) rest.Classifier {
	return func(status int, header http.Header, body []byte) *announce.Error {
		var a struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(body, &a) // not JSON: no words
		switch {
		case status < 300, status >= 300 && status < 400:
			return nil
		case status == http.StatusTooManyRequests:
			return limited(header)
		case a.ID == "" || !strings.Contains(a.ID, "."), status >= 500 && status != http.StatusNotImplemented:
			return nil
		}
		e := &announce.Error{Outcome: announce.Permanent, Status: short(a.ID, status)}
		switch status {
		case http.StatusNotFound:
			e.Err = errAbsent
		case http.StatusForbidden:
			e.Err = errForbidden
		}
		switch {
		case status == http.StatusUnauthorized:
			e.Stop, e.Fault = true, "Mattermost does not accept the access token: make a new one for the bot, put it in TOKEN, then resume the account"
		case about == aboutPost && status == http.StatusNotFound:
			e.Fault = "the post is no longer in Mattermost: somebody deleted it there"
		case a.ID == "api.post.update_post.permissions_time_limit.app_error":
			e.Fault = "Mattermost lets nobody edit a post any more after some time: do it there as an administrator, or lengthen that time in the System Console"
		case about == aboutPost && status == http.StatusForbidden:
			e.Fault = "Mattermost does not let the bot change this post: a person can do it there"
		case about == aboutPicture && (status == http.StatusRequestEntityTooLarge || status == http.StatusNotImplemented || status == http.StatusBadRequest):
			e.Field, e.Fault = "images", "Mattermost does not take the picture: give a smaller one, or let an administrator allow files"
		case status == http.StatusNotImplemented:
			return nil
		case a.ID == "api.post.create_post.can_not_post_to_deleted.error":
			e.Stop, e.Fault = true, "the Mattermost channel is archived: unarchive it or set another CHANNEL, then resume the account"
		case status == http.StatusForbidden:
			e.Stop, e.Fault = true, "the bot may not post in the Mattermost channel: add it to the team and to the channel, then resume the account"
		case status == http.StatusNotFound:
			e.Stop, e.Fault = true, "Mattermost does not know the channel: check CHANNEL and API, then resume the account"
		case strings.HasPrefix(a.ID, "model.post.is_valid.m"): // message_length and msg
			e.Field, e.Fault = "text", "the text is too long for Mattermost: shorten it"
		default:
			e.Fault = "Mattermost refuses the post: change it, or report this as a fault of the program"
		}
		return e
	}
}

// classifyHook reads the answers of an incoming webhook: "ok", or an error with a name.
func classifyHook(status int, header http.Header, body []byte) *announce.Error {
	var a struct {
		ID string `json:"id"`
	}
	_ = json.Unmarshal(body, &a) // not JSON: no words
	word, hook := strings.CutPrefix(a.ID, "web.incoming_webhook.")
	switch {
	case status == http.StatusTooManyRequests:
		return limited(header)
	case status == http.StatusOK && strings.TrimSpace(string(body)) == "ok", status >= 300 && status < 400:
		return nil
	case status < 300:
		return &announce.Error{Outcome: announce.Ambiguous, Status: strconv.Itoa(status), Fault: "Mattermost's answer cannot be understood: the post may have appeared; look before it is repeated"}
	case status >= 500 && !(hook && status == http.StatusNotImplemented):
		return nil
	}
	e := &announce.Error{Outcome: announce.Permanent, Status: short(a.ID, status), Field: "text", Fault: "Mattermost refuses the post: change it, or report this as a fault of the program"}
	switch {
	case strings.HasPrefix(word, "invalid"), strings.HasPrefix(word, "disabled"), strings.HasPrefix(word, "permissions"), strings.HasPrefix(word, "channel"), strings.HasPrefix(word, "user"),
		status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusGone:
		e.Stop, e.Field, e.Fault = true, "", "the Mattermost webhook is gone or not allowed to post: make a new one, put its address in WEBHOOK, then resume the account"
	case a.ID == "api.post.create_post.can_not_post_to_deleted.error":
		e.Stop, e.Field, e.Fault = true, "", "the Mattermost channel is archived: unarchive it, or make a webhook for another one, then resume the account"
	}
	return e
}

func limited(header http.Header) *announce.Error {
	wait := rest.RetryAfter(header, time.Now())
	if wait == 0 {
		wait = unsaid
	}
	return &announce.Error{Outcome: announce.RateLimited, RetryAfter: wait, Status: "429", Fault: "Mattermost asks to wait: the channel pauses, nothing is lost"}
}

// short is the error's name when it is one, so that no text of a stranger's server passes for a status.
func short(id string, status int) string {
	if id != "" && len(id) <= 60 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789._") == "" {
		return id
	}
	return strconv.Itoa(status)
}
