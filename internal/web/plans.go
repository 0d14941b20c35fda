package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
)

// Amended answers an amendment, or the plan of one.
type Amended struct {
	Accepted
	PlanID    announce.ID      `json:"plan_id,omitempty" doc:"Of a plan: POST it to /v1/announcements/{id}/plans/{plan_id} to make the change."`
	ExpiresAt *time.Time       `json:"expires_at,omitempty" doc:"Until when the plan can be run."`
	Steps     []broadcast.Step `json:"steps,omitempty" doc:"Of a plan: what the change does on each channel."`
}

type amendedOutput struct {
	Status int
	ETag   string `header:"ETag"`
	Body   Amended
}

// Turn is what is said of an event that is called off or put off.
type Turn struct {
	Why map[announce.Language]string `json:"why,omitempty" doc:"The reason in plain words, by language."`
}

// Postponement is when an event takes place instead.
type Postponement struct {
	Turn
	To string `json:"to,omitempty" minLength:"1" doc:"The new start: a wall time (2027-03-14T18:30) or RFC 3339 with offset. Absent: it is not known yet."`
}

// changes registers how an announcement is changed.
func (s *server) changes() {
	amend := op("PUT", "/v1/announcements/{id}", "amend", ScopeAnnounce, "Change an announcement everywhere", 400, 404, 409, 412, 413, 422, 428, 507)
	amend.DefaultStatus = http.StatusAccepted
	amend.Description = "Posts are edited in place where the channel can; elsewhere a correction answers them, they are published anew, or another message tells what changed. " +
		"People who were told of an earlier version hear only what changed, those who were not told yet get the new version. With plan=true nothing is changed: the answer is 200 with the steps, and with what would become of the reminders."
	huma.Register(s.api, amend, func(ctx context.Context, in *struct {
		ByID
		Match
		Plan bool `query:"plan" doc:"Only tell what the change would do; it can be made as told for a day."`
		Body announce.Draft
	}) (*amendedOutput, error) {
		rev, err := in.rev()
		if err != nil {
			return nil, err
		}
		if in.Plan {
			p, err := s.Service.Plan(ctx, in.ID, rev, in.Body)
			if err != nil {
				return nil, s.fail(err)
			}
			planned := s.accepted(broadcast.Accepted{ID: p.ID, Rev: p.Rev, Reminders: p.Reminders}, false).Body
			return &amendedOutput{http.StatusOK, etag(p.Rev), Amended{Accepted: planned, PlanID: p.PlanID, ExpiresAt: &p.ExpiresAt, Steps: p.Steps}}, nil
		}
		a, err := s.Service.Amend(ctx, in.ID, rev, in.Body, actorOf(ctx).Name)
		if err != nil {
			return nil, s.fail(err)
		}
		return &amendedOutput{http.StatusAccepted, etag(a.Rev), Amended{Accepted: s.accepted(a, false).Body}}, nil
	})

	run := op("POST", "/v1/announcements/{id}/plans/{plan}", "run-plan", ScopeAnnounce, "Make a change as it was planned", 404, 409, 422, 507)
	run.DefaultStatus = http.StatusAccepted
	run.Description = "409 when anything that the plan rests on has changed since: the revision, what is out, or what the channels can do. Repeating it is harmless."
	huma.Register(s.api, run, func(ctx context.Context, in *struct {
		ByID
		Plan announce.ID `path:"plan" maxLength:"64"`
	}) (*acceptedOutput, error) {
		a, err := s.Service.RunPlan(ctx, in.ID, in.Plan, actorOf(ctx).Name)
		if err != nil {
			return nil, s.fail(err)
		}
		return s.accepted(a, false), nil
	})

	cancel := op("POST", "/v1/announcements/{id}/cancel", "cancel", ScopeAnnounce, "Call the event off", 400, 404, 409, 422, 507)
	cancel.DefaultStatus = http.StatusAccepted
	cancel.Description = "When this is answered, nothing of the announcement, its reminders and its follow-ups begins any more. Then what is out says so: posts, messages to those who were told, the feed and the calendars."
	huma.Register(s.api, cancel, func(ctx context.Context, in *struct {
		ByID
		Body *Turn `required:"false"`
	}) (*acceptedOutput, error) {
		var t Turn
		if in.Body != nil {
			t = *in.Body
		}
		a, err := s.Service.Cancel(ctx, in.ID, t.Why, actorOf(ctx).Name)
		if err != nil {
			return nil, s.fail(err)
		}
		return s.accepted(a, false), nil
	})

	postpone := op("POST", "/v1/announcements/{id}/postpone", "postpone", ScopeAnnounce, "Put the event off", 400, 404, 409, 422, 507)
	postpone.DefaultStatus = http.StatusAccepted
	postpone.Description = "To another date, or until one is known: then nothing that is not out is published, what is out says so, and a change with a date brings the event back."
	huma.Register(s.api, postpone, func(ctx context.Context, in *struct {
		ByID
		Body *Postponement `required:"false"`
	}) (*acceptedOutput, error) {
		var p Postponement
		if in.Body != nil {
			p = *in.Body
		}
		a, err := s.Service.Postpone(ctx, in.ID, p.To, p.Why, actorOf(ctx).Name)
		if err != nil {
			return nil, s.fail(err)
		}
		return s.accepted(a, false), nil
	})
}
