package ntfy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// window is for a 429 that names no wait: one more request is given every five seconds.
const window = 10 * time.Second

// classify reads ntfy's own codes: three digits of the status, then two. reading: nothing was to be published, so that
// a refusal does not stop the account.
func classify(reading bool) rest.Classifier {
	return func(status int, header http.Header, body []byte) *announce.Error {
		var refusal struct {
			Code int `json:"code"`
		}
		if status < 300 {
			return nil
		}
		_ = json.Unmarshal(body, &refusal) // not JSON: no code
		e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(status)}
		if refusal.Code/100 == status {
			e.Status = strconv.Itoa(refusal.Code)
		}
		switch {
		case refusal.Code == 42908:
			e.Outcome, e.RetryAfter = announce.RateLimited, untilReset(time.Now())
			e.Fault = "the ntfy server takes no more messages today: the channel waits until its day ends (midnight UTC), nothing is lost. More a day needs an account with a higher limit"
		case refusal.Code == 42909:
			e.Stop, e.Fault = true, "the ntfy server has seen too many false tokens from here: correct TOKEN, then resume the account"
		case refusal.Code == 42904:
			e.Stop, e.Fault = true, "the ntfy server has no room for another topic: ask who runs it, then resume the account"
		case status == http.StatusTooManyRequests:
			e.Outcome, e.Fault = announce.RateLimited, "ntfy asks to wait: the channel pauses, nothing is lost"
			if e.RetryAfter = rest.RetryAfter(header, time.Now()); e.RetryAfter == 0 {
				e.RetryAfter = window
			}
		case status == http.StatusForbidden && reading:
			e.Ask, e.Fault = true, "the ntfy account may not read the topic, so nobody can look whether the notification appeared: ask a subscriber, then settle the delivery"
		case status == http.StatusForbidden:
			e.Stop, e.Fault = true, "the ntfy account may not write to the topic: let it, or correct TOPIC and TOKEN, then resume the account"
		case refusal.Code == 40009, refusal.Code == 40010:
			e.Stop, e.Fault = true, "the ntfy server does not take this name for a topic: set another TOPIC, then resume the account"
		case refusal.Code == 40013:
			e.Field, e.Fault = "images", "ntfy takes only pictures at a public address: check CRIEUR_PUBLIC_URL, or leave the picture out"
		case status == http.StatusRequestEntityTooLarge:
			e.Field, e.Fault = "text", "the text is too long for ntfy: shorten it"
		case refusal.Code == 50701:
			e.Outcome, e.Fault = announce.Temporary, "nobody is subscribed to the ntfy topic, and the server keeps no message for later: it will be tried again"
		default:
			return nil
		}
		return e
	}
}

// untilReset is how long the server's day still lasts, and a little more.
func untilReset(now time.Time) time.Duration {
	return now.UTC().Truncate(24 * time.Hour).Add(24*time.Hour + time.Minute).Sub(now)
}

// account is who the server says is asking, be it nobody in particular.
type account struct {
	Username string `json:"username"`
	Limits   *struct {
		Messages int64 `json:"messages"`                 // a day
		Expiry   int64 `json:"messages_expiry_duration"` // seconds
	} `json:"limits"`
	Stats *struct {
		Remaining int64 `json:"messages_remaining"`
	} `json:"stats"`
	Tokens []struct {
		Token   string `json:"token"`
		Expires int64  `json:"expires"` // 0: never
	} `json:"tokens"`
}

// kept is for how long the server keeps a message.
func (a account) kept() time.Duration {
	if a.Limits == nil {
		return 0
	}
	return time.Duration(a.Limits.Expiry) * time.Second
}

// soon is how long before its end a token is worth a word.
const soon = 14 * 24 * time.Hour

// Check asks the server who the token is, what is left of the day, and whether the topic can be read.
func (t *topic) Check(ctx context.Context) (announce.Report, error) {
	r, err := t.standing(ctx, "topic "+t.name)
	if err != nil {
		return r, err
	}
	add := func(severe bool, what, do string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	_, err = t.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/" + t.name + "/auth", Classify: classify(true)})
	var e *announce.Error
	switch {
	case errors.As(err, &e) && e.Ask:
		add(false, "the account may not read the topic (whether it may write cannot be asked)", "let it read and write: after a lost connection the notification is looked for there")
	case e != nil && e.Stop && e.Status != "401" && e.Status != "40101":
		add(true, e.Fault, "correct TOPIC")
	case err != nil:
		return r, err
	}
	return r, nil
}

// standing is how the account stands with the server; what is where it publishes.
func (t *topic) standing(ctx context.Context, what string) (announce.Report, error) {
	var a account
	if _, err := t.client.Do(ctx, rest.Call{Method: http.MethodGet, Path: "/v1/account", Into: &a, Classify: classify(true)}); err != nil {
		return announce.Report{}, err
	}
	host := ""
	if u, err := url.Parse(t.client.Base()); err == nil {
		host = u.Host
	}
	r := announce.Report{Identity: fmt.Sprintf("%s on %s, as %s", what, host, a.Username)}
	if a.Username == "*" || a.Username == "" {
		r.Identity = fmt.Sprintf("%s on %s, without an account", what, host)
	}
	add := func(severe bool, what, do string) {
		r.Findings = append(r.Findings, announce.Finding{Severe: severe, What: what, Do: do})
	}
	for _, x := range a.Tokens {
		if x.Token != t.token.Reveal() || x.Expires == 0 {
			continue
		}
		r.Expires = time.Unix(x.Expires, 0).UTC()
		if left := time.Until(r.Expires); left < soon {
			add(false, fmt.Sprintf("the token ends on %s", r.Expires.Format(time.DateOnly)), "make a new one (Account, Access tokens) and put it in TOKEN")
		}
	}
	if a.Stats != nil && a.Limits != nil && a.Limits.Messages > 0 && a.Stats.Remaining <= 0 {
		add(false, "the server takes no more messages today", "wait until midnight UTC, or use an account with a higher limit")
	}
	if a.kept() == 0 {
		add(false, "the server keeps no messages: after a lost connection nobody but a person can tell whether a notification appeared", "set cache-duration on the server")
	}
	return r, nil
}
