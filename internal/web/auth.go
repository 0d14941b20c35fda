package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Scopes of a token. Announce includes read; admin includes all. Subscribers stands aside: it is for a website's form or a
// members' register, and sees and changes who is told, and nothing else.
const (
	ScopeRead        = "read"
	ScopeAnnounce    = "announce"
	ScopeSubscribers = "subscribers"
	ScopeAdmin       = "admin"
)

// included are the scopes whose tokens may do what needs one.
func included(scope string) []string {
	switch scope {
	case ScopeRead:
		return []string{ScopeRead, ScopeAnnounce, ScopeAdmin}
	case ScopeAnnounce, ScopeSubscribers:
		return []string{scope, ScopeAdmin}
	}
	return []string{ScopeAdmin}
}

// actor is who makes a request: a token, or a person at the server itself.
type actor struct {
	Name   string // for the audit log
	Token  string // names the space of idempotency keys
	Scopes []string
}

type actorKey struct{}

// AtTheServer is the actor of whoever is at the server itself.
const AtTheServer = "the server's own machine"

// WithActor marks requests that come from the machine itself (a Unix socket, the command line) and have every right.
func WithActor(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor{name, "local", []string{ScopeAdmin}})
}

func actorOf(ctx context.Context) actor {
	a, _ := ctx.Value(actorKey{}).(actor)
	return a
}

func (a actor) may(scope string) bool {
	return slices.ContainsFunc(included(scope), func(s string) bool { return slices.Contains(a.Scopes, s) })
}

// scoped is the metadata key under which an operation names the scope it needs.
const scoped = "scope"

// authenticate lets a request through when its token has the operation's scope.
func (s *server) authenticate(ctx huma.Context, next func(huma.Context)) {
	scope, _ := ctx.Operation().Metadata[scoped].(string)
	who := actorOf(ctx.Context())
	if who.Name == "" {
		plain, ok := strings.CutPrefix(ctx.Header("Authorization"), "Bearer ")
		if !ok || plain == "" {
			ctx.SetHeader("WWW-Authenticate", `Bearer realm="crieur"`)
			_ = huma.WriteErr(s.api, ctx, http.StatusUnauthorized, "send a token: Authorization: Bearer crr_... (make one with: crieur token create)")
			return
		}
		t, ok, err := s.Store.Authenticate(ctx.Context(), plain)
		if err != nil {
			_ = s.fail(err)
			ctx.SetHeader("Retry-After", "10")
			p := answer(err)
			_ = huma.WriteErr(s.api, ctx, p.GetStatus(), p.Error())
			return
		}
		if !ok {
			ctx.SetHeader("WWW-Authenticate", `Bearer realm="crieur", error="invalid_token"`)
			_ = huma.WriteErr(s.api, ctx, http.StatusUnauthorized, "this token is unknown or revoked")
			return
		}
		who = actor{"token " + t.Name, t.ID, t.Scopes}
	}
	if !who.may(scope) {
		_ = huma.WriteErr(s.api, ctx, http.StatusForbidden, "this token lacks the scope "+scope)
		return
	}
	next(huma.WithValue(ctx, actorKey{}, who))
}
