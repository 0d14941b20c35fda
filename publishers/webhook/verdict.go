package webhook

import (
	"net/http"
	"strconv"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/internal/rest"
)

// window is the wait when the receiver asks for one and names none.
const window = time.Minute

// classify reads a status as the specification does. The body of an answer says nothing. create: the event is of a publication.
func classify(create bool) rest.Classifier {
	return func(status int, header http.Header, _ []byte) *announce.Error {
		wait := rest.RetryAfter(header, time.Now())
		e := &announce.Error{Outcome: announce.Permanent, Stop: true, Status: strconv.Itoa(status)}
		switch {
		case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && wait > 0:
			if wait == 0 {
				wait = window
			}
			e.Outcome, e.Stop, e.RetryAfter, e.Fault = announce.RateLimited, false, wait, who+" asks to wait: the channel pauses, nothing is lost"
		case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
			e.Outcome, e.Stop, e.RetryAfter, e.Fault = announce.Temporary, false, wait, "the server before "+who+" got no answer from it: the event is sent again, with the same ID"
			if create {
				e.Outcome = announce.Ambiguous
			}
		case status == http.StatusGone:
			e.Fault = who + " wants no more events: take the account off, or set URL to the new address and resume the account"
		case status >= 300 && status < 400:
			e.Fault = who + " answers from another address, and redirections are not followed: set URL to that address, then resume the account"
		case status == http.StatusUnauthorized, status == http.StatusForbidden:
			e.Fault = who + " does not accept the signature: give it the secret that is in SECRET, then resume the account"
		case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
			e.Fault = who + " is not at this address: correct URL, then resume the account"
		case status == http.StatusRequestEntityTooLarge:
			e.Stop, e.Field, e.Fault = false, "text", who+" finds the event too large: shorten the announcement, or let the receiver take 20 kB"
		case status == http.StatusBadRequest:
			e.Stop, e.Fault = false, who+" refuses the event: look in its log for the reason; when it refuses every event, its secret is another one"
		default:
			return nil
		}
		return e
	}
}
