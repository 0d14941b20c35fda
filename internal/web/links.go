package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

func (s *server) linkKeys() {
	rotate := op("POST", "/v1/links/rotate", "rotateLinks", ScopeAdmin, "Sign the links that people get with a new key")
	rotate.DefaultStatus = http.StatusNoContent
	rotate.Description = "Links in mails that were sent stay good. With leaked, all of them are worthless but those that unsubscribe."
	huma.Register(s.api, rotate, func(ctx context.Context, in *body[struct {
		Leaked bool `json:"leaked,omitempty" doc:"Somebody else may have the key until now."`
	}]) (*struct{}, error) {
		if err := s.People.RotateLinks(ctx, in.Body.Leaked, actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
}
