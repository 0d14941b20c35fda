package mastodon

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// errGone is behind the refusal to change a post that is not there.
var errGone = errors.New("the post is not there")

// purpose is what a call is for.
type purpose int

const (
	posting purpose = iota
	answering
	editing
	deleting
	uploading
	reading
)

func creating(parent string) purpose {
	if parent != "" {
		return answering
	}
	return posting
}

// refusal reads answers by the rules that servers of this API share. What they say in words is quoted, never understood.
func refusal(of purpose) rest.Classifier {
	return func(code int, header http.Header, body []byte) *announce.Error {
		e := &announce.Error{Outcome: announce.Permanent, Status: strconv.Itoa(code)}
		switch {
		case code < 400, code == http.StatusRequestTimeout, code >= 500:
			return nil
		case code == http.StatusTooManyRequests:
			e.Outcome, e.RetryAfter = announce.RateLimited, wait(header, time.Now())
			e.Fault = "Mastodon asks to wait: the channel pauses, nothing is lost"
			return e
		case code == http.StatusUnauthorized:
			e.Stop, e.Fault = true, "the Mastodon server does not accept the access token: make a new one, put it in TOKEN, then resume the account"
		case code == http.StatusForbidden:
			e.Stop, e.Fault = true, "the Mastodon server does not allow this: the token needs write:statuses, write:media, read:statuses and read:accounts, and the account must not be suspended; then resume the account"
		case code == http.StatusNotFound || code == http.StatusGone:
			missing(e, of)
		case of == uploading:
			e.Field, e.Fault = "images", "the Mastodon server refuses a picture: replace it"
		case of == posting || of == answering || of == editing:
			e.Field, e.Fault = "text", "the Mastodon server refuses the post: change it"
		default:
			return nil
		}
		e.Fault += quoted(body)
		return e
	}
}

func missing(e *announce.Error, of purpose) {
	switch of {
	case editing, deleting:
		e.Err, e.Fault = errGone, "the post is no longer on Mastodon: somebody deleted it there"
	case answering:
		e.Fault = "the post that this one answers is no longer on Mastodon: retract the announcement and announce it again"
	default:
		e.Fault = "the Mastodon server does not know the call: check the API setting"
	}
}

// quoted is the server's own explanation for a person, when it gives one.
func quoted(body []byte) string {
	var a struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &a) != nil {
		return ""
	}
	said := strings.Join(strings.FieldsFunc(a.Error, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
	if r := []rune(said); len(r) > 200 {
		said = string(r[:200]) + "…"
	}
	if said == "" {
		return ""
	}
	return ". It says: " + said
}

const longestWait = 24 * time.Hour

// wait is until when a server asks to wait: a moment by its own clock, or seconds; without either, its usual window.
func wait(h http.Header, now time.Time) time.Duration {
	if s := rest.RetryAfter(h, now); s > 0 {
		return s
	}
	if sent, err := http.ParseTime(h.Get("Date")); err == nil {
		now = sent
	}
	reset := h.Get("X-RateLimit-Reset")
	until, err := time.Parse(time.RFC3339, reset)
	if n, number := strconv.ParseInt(reset, 10, 64); number == nil {
		until, err = time.Unix(n, 0), nil
	}
	if err != nil {
		return window
	}
	return max(time.Second, min(until.Sub(now).Truncate(time.Second)+time.Second, longestWait))
}
