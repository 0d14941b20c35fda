package discord

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// Discord's codes that the program itself acts upon.
const (
	noMessage = 10008
	noEvent   = 10070
	finished  = 180000
)

// speaker is who calls, and so what a refused credential means.
type speaker string

const (
	botSays  speaker = "Discord does not accept the bot's token: reset it in the Developer Portal (Bot, Reset Token), put the new one in TOKEN, then resume the account"
	hookSays speaker = "the Discord webhook is gone or its address is wrong: make a new one (channel settings, Integrations, Webhooks), put its address in WEBHOOK, then resume the account"
)

// says reports whether Discord refused with one of the codes.
func says(err error, codes ...int) bool {
	var e *announce.Error
	return errors.As(err, &e) && slices.ContainsFunc(codes, func(c int) bool { return e.Status == strconv.Itoa(c) })
}

// refusal is how Discord says no.
type refusal struct {
	Code       int                        `json:"code"`
	RetryAfter *float64                   `json:"retry_after"`
	Global     bool                       `json:"global"`
	Errors     map[string]json.RawMessage `json:"errors"`
}

// classify reads Discord's answers. elsewhere: the call is about a channel other than the account's, so that its end stops
// nobody.
func classify(who speaker, elsewhere bool) rest.Classifier {
	return func(status int, header http.Header, body []byte) *announce.Error {
		if status < 400 || status >= 500 {
			return nil
		}
		var a refusal
		_ = json.Unmarshal(body, &a) // not JSON: no code
		switch {
		case status == http.StatusTooManyRequests, slices.Contains([]int{20016, 20022, 20028, 20029, 30046, 40062}, a.Code):
			return limited(header, a)
		case slices.Contains([]int{40004, 40006}, a.Code):
			return &announce.Error{Outcome: announce.Temporary, Status: strconv.Itoa(a.Code), Fault: "Discord has switched this off for a while: it will be tried again"}
		}
		e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(a.Code)}
		if a.Code == 0 {
			e.Status = strconv.Itoa(status)
		}
		if status == http.StatusUnauthorized || slices.Contains([]int{10015, 40001, 50014, 50027}, a.Code) {
			e.Stop, e.Fault = true, string(who)
			return e
		}
		if e.Fault = account(a.Code); e.Fault != "" {
			e.Stop = !elsewhere
			return e
		}
		if e.Field, e.Fault = content(a); e.Fault != "" {
			if a.Code == 50035 {
				e.Status = "50035" + named(a)
			}
			return e
		}
		if status == http.StatusForbidden || status == http.StatusNotFound && who == hookSays {
			e.Stop = !elsewhere
			e.Fault = "Discord does not let the account do this: look at its permissions with crieur doctor, then resume the account"
			return e
		}
		return nil
	}
}

// account says what a refusal that is the account's fault asks of a person; empty: it is not.
func account(code int) string {
	const then = ", then resume the account"
	switch code {
	case 10003:
		return "Discord does not know the channel: check CHANNEL" + then
	case 10004, 50055:
		return "Discord does not know the server, or the bot is not on it: check GUILD and invite the bot" + then
	case 50001:
		return "the bot cannot see the Discord channel: invite it to the server and let it view the channel" + then
	case 50013, 160002:
		return "the bot lacks a permission on Discord: crieur doctor says which; give it" + then
	case 50008, 50024:
		return "nobody can write in a Discord channel of this kind: choose a text or announcement channel" + then
	case 40058, 220001, 220004:
		return "the Discord channel is a forum: set THREAD (with WEBHOOK) or CHANNEL (with TOKEN) to the number of one of its posts" + then
	case 220003:
		return "the Discord channel is no forum: remove THREAD" + then
	case 50083, 160005:
		return "the Discord thread is closed: open it again, or choose another" + then
	case 30038:
		return "the Discord server has 100 events coming, and takes no more: remove some" + then
	case 40002, 60003:
		return "Discord wants the bot's owner to confirm the account first: sign in to Discord and follow what it says" + then
	case 40333:
		return "Discord's gatekeeper keeps this machine out: ask its operator whether its address is blocked" + then
	}
	return ""
}

// content says what a refusal of this one post means, and which field is at fault; empty: it is none.
func content(a refusal) (field, fault string) {
	switch a.Code {
	case noMessage:
		return "", "the post is no longer in Discord: somebody deleted it there"
	case noEvent:
		return "", "the event is no longer in Discord: somebody deleted it there"
	case finished:
		return "", "the Discord event is over or was cancelled, and cannot be changed any more"
	case 50005, 50021:
		return "", "the post is not this account's, so Discord does not let it be changed: do it in Discord"
	case 200000, 200001, 240000:
		return "texts", "Discord's moderation blocks the text: change it, or let the bot past the rule (server settings, AutoMod)"
	case 50006:
		return "texts", "Discord takes no post without a text: write one"
	case 40005, 50045, 50046, 50110, 50123, 50146, 30015, 400001:
		return "images", "Discord does not take the picture: give the announcement another one"
	case 50035:
		return "", "Discord refuses the post: change what it names, or report this as a fault of the program"
	}
	return "", ""
}

// named lists the fields that Discord found wrong, shortly.
func named(a refusal) string {
	out := ""
	for f := range a.Errors {
		if len(f) <= 40 && strings.Trim(f, "abcdefghijklmnopqrstuvwxyz_") == "" && (out == "" || f < out) {
			out = f
		}
	}
	if out == "" {
		return ""
	}
	return " " + out
}

func limited(header http.Header, a refusal) *announce.Error {
	seconds := 0.0
	if a.RetryAfter != nil {
		seconds = *a.RetryAfter
	}
	if seconds <= 0 {
		seconds = rest.RetryAfter(header, time.Now()).Seconds()
	}
	if seconds <= 0 {
		seconds, _ = strconv.ParseFloat(header.Get("X-Ratelimit-Reset-After"), 64)
	}
	if !(seconds > 0) {
		seconds = window.Seconds()
	}
	e := &announce.Error{
		Outcome: announce.RateLimited, RetryAfter: time.Duration(math.Ceil(math.Min(seconds, 24*60*60)*1000)) * time.Millisecond,
		Status: "429", Fault: "Discord asks to wait: the channel pauses, nothing is lost",
	}
	if a.Code != 0 {
		e.Status = strconv.Itoa(a.Code)
	}
	if a.Global || header.Get("X-Ratelimit-Global") == "true" {
		e.Fault = "Discord asks the bot to wait with everything it does: the channel pauses, nothing is lost"
	}
	return e
}

func unsure(create bool, what, status string) *announce.Error {
	if create {
		return &announce.Error{Outcome: announce.Ambiguous, Status: status, Fault: what + ": the post may have appeared; look before it is repeated"}
	}
	return &announce.Error{Outcome: announce.Temporary, Status: status, Fault: what + ": it will be tried again"}
}
