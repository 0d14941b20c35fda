package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/broadcast"
	"github.com/crieur/crieur/internal/store"
)

// Token is a token without its secret.
type Token struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Scopes  []string   `json:"scopes"`
	Created time.Time  `json:"created_at"`
	Used    *time.Time `json:"last_used_at,omitempty"`
	Revoked *time.Time `json:"revoked_at,omitempty"`
}

// NewToken is a token with its secret, shown once.
type NewToken struct {
	Token
	Secret string `json:"secret" doc:"Shown this once; only its hash is kept."`
}

// Stopped answers a stop: what had left already.
type Stopped struct {
	Left []broadcast.Left `json:"left" doc:"Posts of the last day that are out or on their way."`
}

type body[T any] struct{ Body T }

func (s *server) operations() {
	huma.Register(s.api, op("GET", "/v1/channels", "channels", ScopeRead, "List the channels: what each can do, and how it is"),
		func(ctx context.Context, _ *struct{}) (*body[struct {
			Channels []broadcast.Channel `json:"channels"`
		}], error) {
			out := &body[struct {
				Channels []broadcast.Channel `json:"channels"`
			}]{}
			var err error
			if out.Body.Channels, err = s.Service.Channels(ctx); err != nil {
				return nil, s.fail(err)
			}
			return out, nil
		})
	huma.Register(s.api, op("GET", "/v1/checks", "check", ScopeAdmin, "Look at every account without changing anything"),
		func(ctx context.Context, _ *struct{}) (*body[struct {
			Checks []broadcast.Checkup `json:"checks"`
		}], error) {
			out := &body[struct {
				Checks []broadcast.Checkup `json:"checks"`
			}]{}
			out.Body.Checks = s.Service.Check(ctx)
			return out, nil
		})
	huma.Register(s.api, op("POST", "/v1/stop", "stop", ScopeAnnounce, "Stop all publishing at once"),
		func(ctx context.Context, in *struct {
			Body *struct {
				Why string `json:"why,omitempty" maxLength:"500"`
			}
		}) (*body[Stopped], error) {
			why := ""
			if in.Body != nil {
				why = in.Body.Why
			}
			left, err := s.Service.Stop(ctx, actorOf(ctx).Name, why)
			if err != nil {
				return nil, s.fail(err)
			}
			return &body[Stopped]{Stopped{left}}, nil
		})
	resume := op("POST", "/v1/resume", "resume", ScopeAnnounce, "Publish again, after a stop or after a channel's fault was mended", 422)
	resume.DefaultStatus = http.StatusNoContent
	huma.Register(s.api, resume, func(ctx context.Context, in *struct {
		Body *struct {
			Channel string `json:"channel,omitempty" maxLength:"100" doc:"The account whose fault was mended; empty: end the stop."`
		}
	}) (*struct{}, error) {
		channel := ""
		if in.Body != nil {
			channel = in.Body.Channel
		}
		if err := s.Service.Resume(ctx, actorOf(ctx).Name, channel); err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
	letGo := op("POST", "/v1/announcements/{id}/resume", "resumeAnnouncement", ScopeAnnounce, "Let a mailing that was held go on", 404, 422)
	letGo.DefaultStatus = http.StatusNoContent
	letGo.Description = "A mailing is held when too many of its addresses do not exist, or too many people called it spam: people[].held says which. What was heard so far does not count any more afterwards."
	huma.Register(s.api, letGo, func(ctx context.Context, in *ByID) (*struct{}, error) {
		if err := s.Service.ResumeAnnouncement(ctx, in.ID, actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
	s.tokens()
	s.subscribers()
	s.lists()
	s.suppressions()
	s.linkKeys()
	s.topics()
}

func (s *server) tokens() {
	create := op("POST", "/v1/tokens", "createToken", ScopeAdmin, "Make a token", 422)
	create.DefaultStatus = http.StatusCreated
	huma.Register(s.api, create, func(ctx context.Context, in *body[struct {
		Name   string   `json:"name" minLength:"1" maxLength:"100" doc:"What will use it."`
		Scopes []string `json:"scopes" minItems:"1" enum:"read,announce,subscribers,admin"`
	}]) (*body[NewToken], error) {
		plain, t, err := s.Store.CreateToken(ctx, in.Body.Name, in.Body.Scopes)
		if err != nil {
			return nil, s.fail(err)
		}
		return &body[NewToken]{NewToken{tokenOf(t), plain.Reveal()}}, nil
	})
	huma.Register(s.api, op("GET", "/v1/tokens", "tokens", ScopeAdmin, "List the tokens, without their secrets"),
		func(ctx context.Context, _ *struct{}) (*body[struct {
			Tokens []Token `json:"tokens"`
		}], error) {
			out := &body[struct {
				Tokens []Token `json:"tokens"`
			}]{}
			all, err := s.Store.Tokens(ctx)
			if err != nil {
				return nil, s.fail(err)
			}
			out.Body.Tokens = make([]Token, 0, len(all))
			for _, t := range all {
				out.Body.Tokens = append(out.Body.Tokens, tokenOf(t))
			}
			return out, nil
		})
	huma.Register(s.api, op("DELETE", "/v1/tokens/{id}", "revokeToken", ScopeAdmin, "Revoke a token for ever", 404),
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"64"`
		}) (*struct{}, error) {
			if err := s.Store.RevokeToken(ctx, in.ID); err != nil {
				return nil, s.fail(err)
			}
			return nil, nil
		})
}

func tokenOf(t store.Token) Token {
	out := Token{ID: t.ID, Name: t.Name, Scopes: t.Scopes, Created: t.Created}
	if !t.Used.IsZero() {
		out.Used = &t.Used
	}
	if !t.Revoked.IsZero() {
		out.Revoked = &t.Revoked
	}
	return out
}
