package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/store"
)

// Accepted answers a submission or an amendment.
type Accepted struct {
	ID        announce.ID      `json:"id"`
	Rev       int              `json:"rev"`
	StatusURL string           `json:"status_url" doc:"Where to read how it goes."`
	FollowUp  announce.ID      `json:"follow_up,omitempty" doc:"The announcement that tells what changed where what is out cannot be changed."`
	Reminders []broadcast.Wave `json:"reminders,omitempty" doc:"What becomes of each reminder, the earliest first."`
}

type acceptedOutput struct {
	Replayed string `header:"Idempotency-Replayed" doc:"true: the answer to an earlier request with this key is given again."`
	ETag     string `header:"ETag"`
	Body     Accepted
}

const (
	keyTTL     = 7 * 24 * time.Hour
	derivedTTL = 10 * time.Minute
)

// ByID names an announcement.
type ByID struct {
	ID announce.ID `path:"id" maxLength:"64"`
}

// Match makes a change conditional on a revision.
type Match struct {
	IfMatch string `header:"If-Match" doc:"The revision that the change is based on, in double quotes, as ETag gives it."`
}

// rev is the revision that the caller has seen (RFC 9110 section 13.1.1).
func (m Match) rev() (int, error) {
	if m.IfMatch == "" {
		return 0, huma.NewError(http.StatusPreconditionRequired, `send If-Match: "<rev>" with the revision that you have read`)
	}
	quoted, err := strconv.Unquote(m.IfMatch)
	n, notNumber := strconv.Atoi(quoted)
	if err != nil || notNumber != nil || m.IfMatch[0] != '"' {
		return 0, huma.Error400BadRequest(`If-Match must be one revision in double quotes, such as "3"`, &huma.ErrorDetail{Location: "header.If-Match", Value: m.IfMatch, Message: "is not a quoted number"})
	}
	return n, nil
}

func op(method, path, id, scope, summary string, errors ...int) huma.Operation {
	return huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary, Metadata: map[string]any{scoped: scope}, MaxBodyBytes: maxBody,
		Errors: append([]int{401, 403, 503}, errors...), Security: []map[string][]string{{"token": {}}},
		BodyReadTimeout: 30 * time.Second,
	}
}

func (s *server) announcements() {
	submit := op("POST", "/v1/announcements", "submit", ScopeAnnounce, "Announce something", 400, 409, 413, 422, 507)
	submit.DefaultStatus = http.StatusAccepted
	submit.Description = "202 means durable: it is published even if the server dies right after. Send an Idempotency-Key to make repeating safe; without one, the same body sent again within ten minutes is the same announcement."
	huma.Register(s.api, submit, s.submit)

	huma.Register(s.api, op("GET", "/v1/announcements", "list", ScopeRead, "List announcements, newest first"),
		func(ctx context.Context, in *struct {
			Before announce.ID `query:"before" maxLength:"64" doc:"Only those older than this ID."`
			Limit  int         `query:"limit" default:"20" minimum:"1" maximum:"100"`
		}) (*struct {
			Body struct {
				Announcements []broadcast.Summary `json:"announcements"`
			}
		}, error) {
			out := &struct {
				Body struct {
					Announcements []broadcast.Summary `json:"announcements"`
				}
			}{}
			var err error
			if out.Body.Announcements, err = s.Service.List(ctx, in.Before, in.Limit); err != nil {
				return nil, s.fail(err)
			}
			return out, nil
		})

	huma.Register(s.api, op("GET", "/v1/announcements/{id}", "status", ScopeRead, "Tell how an announcement stands", 404),
		func(ctx context.Context, in *ByID) (*struct {
			ETag string `header:"ETag"`
			Body broadcast.Status
		}, error) {
			st, err := s.Service.Status(ctx, in.ID)
			if err != nil {
				return nil, s.fail(err)
			}
			return &struct {
				ETag string `header:"ETag"`
				Body broadcast.Status
			}{etag(st.Rev), st}, nil
		})

	retract := op("DELETE", "/v1/announcements/{id}", "retract", ScopeAnnounce, "Take an announcement back everywhere", 400, 404, 412, 428)
	retract.DefaultStatus = http.StatusAccepted
	huma.Register(s.api, retract, func(ctx context.Context, in *struct {
		ByID
		Match
	}) (*acceptedOutput, error) {
		rev, err := in.rev()
		if err != nil {
			return nil, err
		}
		if err := s.Service.Retract(ctx, in.ID, rev, actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		return s.accepted(broadcast.Accepted{ID: in.ID, Rev: rev}, false), nil
	})

	s.changes()

	huma.Register(s.api, op("POST", "/v1/announcements/{id}/deliveries/{delivery}/settle", "settle", ScopeAnnounce, "Say what you saw of a delivery", 404, 409, 422), s.settle)

	huma.Register(s.api, op("POST", "/v1/previews", "preview", ScopeRead, "Show how an announcement would look on every channel; nothing is stored", 400, 413, 422),
		func(ctx context.Context, in *struct{ Body announce.Draft }) (*struct {
			Body struct {
				Previews []broadcast.Preview `json:"previews"`
			}
		}, error) {
			out := &struct {
				Body struct {
					Previews []broadcast.Preview `json:"previews"`
				}
			}{}
			var err error
			if out.Body.Previews, err = s.Service.Preview(ctx, in.Body); err != nil {
				return nil, s.fail(err)
			}
			return out, nil
		})
}

func (s *server) submit(ctx context.Context, in *struct {
	Key     string `header:"Idempotency-Key" maxLength:"255" doc:"Any text that is new for each announcement; kept for 7 days."`
	RawBody []byte
	Body    announce.Draft
}) (*acceptedOutput, error) {
	key := &store.Key{Token: actorOf(ctx).Token, Key: in.Key, Hash: sha256.Sum256(in.RawBody), TTL: keyTTL}
	if in.Key == "" {
		key.Key, key.TTL, key.Derived = "body:"+hex.EncodeToString(key.Hash[:]), derivedTTL, true
	} else {
		key.Key = "key:" + in.Key
	}
	a, replayed, err := s.Service.Submit(ctx, in.Body, actorOf(ctx).Name, key)
	if err != nil {
		return nil, s.fail(err)
	}
	return s.accepted(a, replayed), nil
}

func (s *server) accepted(a broadcast.Accepted, replayed bool) *acceptedOutput {
	out := &acceptedOutput{ETag: etag(a.Rev), Body: Accepted{a.ID, a.Rev, s.Site.URL + "/v1/announcements/" + string(a.ID), a.FollowUp, a.Reminders}}
	if replayed {
		out.Replayed = "true"
	}
	return out
}

func etag(rev int) string { return fmt.Sprintf(`"%d"`, rev) }

// Settlement is what a person saw.
type Settlement struct {
	Saw broadcast.Saw `json:"saw" enum:"appeared,absent,done" doc:"appeared: the post, or its change, is there. absent: it is not; do it again. done: I did by hand what was wanted."`
	ID  string        `json:"id,omitempty" maxLength:"500" doc:"The platform's ID of the post, if known: with it Crieur can edit and delete the post later."`
	URL string        `json:"url,omitempty" maxLength:"2000" doc:"Where the post can be seen."`

	Seen *broadcast.Wanted `json:"seen,omitempty" doc:"What was wanted when you looked, as the task said: if something else is wanted now, nothing is recorded and the answer is 422."`
}

func (s *server) settle(ctx context.Context, in *struct {
	ByID
	Delivery string `path:"delivery" maxLength:"64"`
	Body     Settlement
}) (*struct{ Body broadcast.Row }, error) {
	d, err := s.Service.Settle(ctx, in.ID, in.Delivery, in.Body.Saw, in.Body.Seen, announce.Receipt{ID: in.Body.ID, URL: in.Body.URL}, actorOf(ctx).Name)
	if err != nil {
		return nil, s.fail(err)
	}
	return &struct{ Body broadcast.Row }{broadcast.RowOf(d)}, nil
}
