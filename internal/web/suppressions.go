package web

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/store"
)

// Suppression tells whether an address may be written to.
type Suppression struct {
	Suppressed bool           `json:"suppressed" doc:"It is never written to, even if it is added or imported again."`
	Reason     string         `json:"reason,omitempty" doc:"erased or by-hand."`
	Since      *time.Time     `json:"since,omitempty"`
	Standing   store.Standing `json:"standing,omitempty" doc:"Of the address, where it is on record: nobody who complained is asked again either, until it is lifted."`
}

// Suppressing names an address that must never be written to.
type Suppressing struct {
	Channel string `json:"channel,omitempty" maxLength:"40" doc:"Personal channel. Default: email."`
	Address string `json:"address" maxLength:"2000"`
}

// Lifting ends a suppression.
type Lifting struct {
	Suppressing
	Reason string `json:"reason" maxLength:"300" doc:"Why. It is kept on the log for ever: write no address into it."`
	Asked  bool   `json:"asked,omitempty" doc:"The person asked for it. Required when they were erased or complained."`
}

func (s *server) suppressions() {
	huma.Register(s.api, op("GET", "/v1/suppressions", "suppression", ScopeAdmin, "Tell whether an address may be written to", 422),
		func(ctx context.Context, in *struct {
			Channel string `query:"channel" maxLength:"40" default:"email"`
			Address string `query:"address" maxLength:"2000" required:"true"`
		}) (*body[Suppression], error) {
			found, err := s.People.Suppression(ctx, in.Channel, strings.TrimSpace(in.Address))
			if err != nil {
				return nil, s.fail(err)
			}
			out := &body[Suppression]{Suppression{Suppressed: found.Reason != "", Reason: found.Reason, Standing: found.Standing}}
			if out.Body.Suppressed {
				out.Body.Since = &found.Since
			}
			return out, nil
		})
	suppress := op("POST", "/v1/suppressions", "suppress", ScopeAdmin, "Never write to an address again", 422)
	suppress.DefaultStatus = http.StatusNoContent
	huma.Register(s.api, suppress, func(ctx context.Context, in *body[Suppressing]) (*struct{}, error) {
		if err := s.People.Suppress(ctx, cmp.Or(in.Body.Channel, email), strings.TrimSpace(in.Body.Address), actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
	lift := op("POST", "/v1/suppressions/lift", "liftSuppression", ScopeAdmin, "Let an address be written to again, if it is added or asks to join", 422)
	lift.DefaultStatus = http.StatusNoContent
	huma.Register(s.api, lift, func(ctx context.Context, in *body[Lifting]) (*struct{}, error) {
		b := in.Body
		if err := s.People.Lift(ctx, cmp.Or(b.Channel, email), strings.TrimSpace(b.Address), b.Reason, b.Asked, actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
}
