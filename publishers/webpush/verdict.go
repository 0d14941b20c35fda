package webpush

import (
	"net/http"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// window is for a service that asks to wait and does not say how long.
const window = time.Minute

// classify reads a status by RFC 8030, and by what the known services make of it. The body of an answer says nothing that
// two of them agree on. heeded: the service speaks for more than one subscription.
func classify(heeded bool) rest.Classifier {
	return func(status int, header http.Header, _ []byte) *announce.Error {
		e := &announce.Error{Outcome: announce.Permanent, Field: "to", Status: strconv.Itoa(status)}
		wait := rest.RetryAfter(header, time.Now())
		switch {
		case status == http.StatusNotFound, status == http.StatusGone:
			e.Gone, e.Fault = true, "the browser takes no more notifications: the subscription is taken off"
		case status == http.StatusRequestEntityTooLarge:
			e.Field, e.Fault = "text", who+" finds the notification too long: shorten the announcement"
		case status == http.StatusForbidden, status == http.StatusUnauthorized && !heeded:
			e.Fault = "the subscription was made with another key than KEY: put the former key back, or let the person subscribe again"
		case status == http.StatusUnauthorized:
			e.Stop, e.Field = true, ""
			e.Fault = who + " does not accept the signature: check this machine's clock, CONTACT, and that KEY is the one that pages subscribe with, then resume the account"
		case status == http.StatusTooManyRequests, status == http.StatusNotAcceptable, status == http.StatusServiceUnavailable && wait > 0:
			// 406 is how Microsoft's service says 429.
			if wait == 0 {
				wait = window
			}
			e.Outcome, e.Field, e.RetryAfter, e.Fault = announce.RateLimited, "", wait, who+" asks to wait: the channel pauses, nothing is lost"
			if !heeded {
				e.Outcome, e.Fault = announce.Temporary, who+" of this subscription asks to wait: it will be tried again"
			}
		case status >= 300 && status < 400, status == http.StatusPaymentRequired:
			e.Fault = who + " of this subscription does not take notifications: let the person subscribe again"
		default:
			return nil
		}
		return e
	}
}
