package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/broadcast"
)

// schedule registers what can be done about an announcement whose time is still to come, or was missed.
func (s *server) schedule() {
	release := op("POST", "/v1/announcements/{id}/release", "release", ScopeAnnounce, "Publish now what is held because its time was missed", 404, 422)
	release.DefaultStatus = http.StatusNoContent
	release.Description = "An announcement is held (state held, held_at) when publish_at came while no server ran, more than an hour before one started, and neither it (if_missed) nor the server (CRIEUR_MISSED) says otherwise."
	huma.Register(s.api, release, func(ctx context.Context, in *ByID) (*struct{}, error) {
		if err := s.Service.Release(ctx, in.ID, actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
	rehearse := op("POST", "/v1/announcements/{id}/rehearsal", "rehearse", ScopeAnnounce, "Look whether what waits will leave well; nothing is published", 404, 409, 422)
	rehearse.Description = "Asks each account whether its credentials work, and looks at budgets, pictures, texts, links and lists. The same happens by itself CRIEUR_REHEARSAL before publish_at, at once when that is nearer, and again after an amendment; organisers hear of what is found then. The last result is in the announcement's status."
	huma.Register(s.api, rehearse, func(ctx context.Context, in *ByID) (*body[broadcast.Rehearsal], error) {
		r, err := s.Service.Rehearse(ctx, in.ID, actorOf(ctx).Name)
		if err != nil {
			return nil, s.fail(err)
		}
		return &body[broadcast.Rehearsal]{r}, nil
	})
}
