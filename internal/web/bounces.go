package web

import (
	"bytes"
	"context"

	"github.com/danielgtaylor/huma/v2"
)

// maxBounce is the most bytes of a mail that came back.
const maxBounce = 4 << 20

// bounces takes in mail that came back, from `crieur bounce`.
func (s *server) bounces() {
	o := op("POST", "/v1/bounces", "takeBounce", ScopeAdmin, "Take in a mail that came back", 409, 413)
	o.MaxBodyBytes = maxBounce
	huma.Register(s.api, o, func(ctx context.Context, in *struct {
		To      []string `query:"to" maxItems:"10" doc:"Envelope recipients, as far as they are known."`
		RawBody []byte   `contentType:"message/rfc822"`
	}) (*struct{}, error) {
		if s.Bounced == nil {
			return nil, huma.Error409Conflict("bounces are not read here: set CRIEUR_BOUNCE_RETURN_PATH to the address that they come to")
		}
		if err := s.Bounced(ctx, bytes.NewReader(in.RawBody), in.To); err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
}
