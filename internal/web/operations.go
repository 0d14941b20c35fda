package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
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

// Subscriber is a person on the mailing list.
type Subscriber struct {
	Address  string            `json:"address" maxLength:"320"`
	Name     string            `json:"name,omitempty" maxLength:"200"`
	Language announce.Language `json:"language,omitempty" maxLength:"35"`
	Created  *time.Time        `json:"created_at,omitempty" readOnly:"true"`
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
	s.tokens()
	s.subscribers()
}

func (s *server) tokens() {
	create := op("POST", "/v1/tokens", "createToken", ScopeAdmin, "Make a token", 422)
	create.DefaultStatus = http.StatusCreated
	huma.Register(s.api, create, func(ctx context.Context, in *body[struct {
		Name   string   `json:"name" minLength:"1" maxLength:"100" doc:"What will use it."`
		Scopes []string `json:"scopes" minItems:"1" enum:"read,announce,admin"`
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

func (s *server) subscribers() {
	huma.Register(s.api, op("POST", "/v1/subscribers", "addSubscribers", ScopeAdmin, "Add people to the mailing list", 413, 422, 507),
		func(ctx context.Context, in *body[struct {
			Subscribers []Subscriber `json:"subscribers" minItems:"1" maxItems:"10000"`
		}]) (*body[struct {
			Added int `json:"added" doc:"Those who were not on the list; people who unsubscribed stay unsubscribed."`
		}], error) {
			people, err := subscribersOf(in.Body.Subscribers)
			if err != nil {
				return nil, s.fail(err)
			}
			out := &body[struct {
				Added int `json:"added" doc:"Those who were not on the list; people who unsubscribed stay unsubscribed."`
			}]{}
			if out.Body.Added, err = s.Store.AddSubscribers(ctx, people); err != nil {
				return nil, s.fail(err)
			}
			return out, nil
		})
	huma.Register(s.api, op("GET", "/v1/subscribers", "subscribers", ScopeAdmin, "List the people on the mailing list, by address"),
		func(ctx context.Context, in *struct {
			After string `query:"after" maxLength:"320"`
			Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
		}) (*body[struct {
			Subscribers []Subscriber `json:"subscribers"`
		}], error) {
			people, err := s.Store.Subscribers(ctx, in.After, in.Limit)
			if err != nil {
				return nil, s.fail(err)
			}
			out := &body[struct {
				Subscribers []Subscriber `json:"subscribers"`
			}]{}
			out.Body.Subscribers = make([]Subscriber, 0, len(people))
			for _, p := range people {
				out.Body.Subscribers = append(out.Body.Subscribers, Subscriber{p.Address, p.Name, p.Language, &p.Created})
			}
			return out, nil
		})
	huma.Register(s.api, op("DELETE", "/v1/subscribers/{address}", "removeSubscriber", ScopeAdmin, "Take a person off the mailing list", 404),
		func(ctx context.Context, in *struct {
			Address string `path:"address" maxLength:"320"`
		}) (*struct{}, error) {
			ok, err := s.Store.RemoveSubscriber(ctx, in.Address)
			if err == nil && !ok {
				err = store.ErrNotFound
			}
			if err != nil {
				return nil, s.fail(err)
			}
			return nil, nil
		})
}
