package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/store"
)

// answer is the one place where errors of the service become problems (RFC 9457).
func answer(err error) huma.StatusError {
	var faults announce.Faults
	var stale *store.StaleError
	switch {
	case errors.As(err, &faults):
		details := make([]error, len(faults))
		for i, f := range faults {
			details[i] = &huma.ErrorDetail{Location: "body." + f.Field, Message: f.Say}
		}
		return huma.NewError(http.StatusUnprocessableEntity, "this cannot be accepted as it is; errors says what to change", details...)
	case errors.As(err, &stale):
		return huma.Error412PreconditionFailed(fmt.Sprintf("the announcement is at revision %d by now; read it again, then repeat the change", stale.Current))
	case errors.Is(err, broadcast.ErrRunning):
		return huma.Error409Conflict(err.Error())
	case errors.Is(err, store.ErrMoved):
		return huma.Error409Conflict("what this plan rests on has changed since it was made: plan the change again")
	case errors.Is(err, store.ErrRetracted):
		return huma.Error409Conflict(err.Error() + ": nothing of it can be changed or called off any more. What people should know now is told by a new announcement: of the kind cancellation if the event is off, else of the kind change")
	case errors.Is(err, store.ErrNamed):
		return huma.Error409Conflict(err.Error() + ": without the topic it would go to others; wait until it is out, or take it back first")
	case errors.Is(err, store.ErrKeyReused):
		return huma.Error422UnprocessableEntity("this Idempotency-Key was used for another body; use a new key for a new announcement",
			&huma.ErrorDetail{Location: "header.Idempotency-Key", Message: "was used for another body"})
	case errors.Is(err, store.ErrNotFound):
		return huma.Error404NotFound("nothing here has this name or ID: it is mistyped, or was removed")
	case errors.Is(err, store.ErrFenced):
		return huma.Error409Conflict("a call to the channel is under way; wait for its end, then look again")
	case errors.Is(err, store.ErrFull):
		return huma.NewError(http.StatusInsufficientStorage, "the disk of the server is full; nothing was changed, and what was accepted before is safe")
	case errors.Is(err, store.ErrMade):
		return huma.Error503ServiceUnavailable(err.Error() + "; repeat the request")
	case errors.Is(err, store.ErrBusy), errors.Is(err, context.DeadlineExceeded):
		return huma.Error503ServiceUnavailable("the database does not answer in time; repeat the request with the same Idempotency-Key")
	}
	return huma.Error500InternalServerError("the server failed at this request; its log says why")
}

// fail is answer for handlers: it logs what the caller is not told, and says when to come again.
func (s *server) fail(err error) error {
	p := answer(err)
	if p.GetStatus() < 500 {
		return p
	}
	if errors.Is(err, context.Canceled) {
		return p // nobody waits for the answer
	}
	s.Log.Error("a request failed", "status", p.GetStatus(), "err", err)
	return huma.ErrorWithHeaders(p, http.Header{"Retry-After": {"10"}})
}

// problem writes a problem outside the API's own machinery.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail})
}
