package web

import (
	"context"
	"encoding/base64"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Topic is something that people can choose to hear about.
type Topic struct {
	Name    string                       `json:"name" minLength:"1" maxLength:"64" doc:"As announcements name it. One that is named like a kind (event, news) is about all of that kind."`
	Facet   string                       `json:"facet,omitempty" maxLength:"64" doc:"Heading under which it is offered: kind, place, theme."`
	Private bool                         `json:"private,omitempty" doc:"Not offered; only whoever was added hears of it."`
	Labels  map[announce.Language]string `json:"labels,omitempty" doc:"What people read, by language. Default: the name."`
	Place   int                          `json:"place,omitempty" minimum:"0" maximum:"100000" doc:"Order on pages."`
}

func (s *server) topics() {
	huma.Register(s.api, op("GET", "/v1/topics", "topics", ScopeRead, "List what people can choose to hear about"),
		func(ctx context.Context, _ *struct{}) (*body[struct {
			Topics []Topic `json:"topics"`
		}], error) {
			all, err := s.Store.Topics(ctx)
			if err != nil {
				return nil, s.fail(err)
			}
			out := &body[struct {
				Topics []Topic `json:"topics"`
			}]{}
			out.Body.Topics = make([]Topic, len(all))
			for i, t := range all {
				out.Body.Topics[i] = Topic(t)
			}
			return out, nil
		})
	put := op("POST", "/v1/topics", "putTopic", ScopeAdmin, "Add a topic, or change the one of that name", 422)
	put.DefaultStatus = http.StatusNoContent
	huma.Register(s.api, put, func(ctx context.Context, in *body[Topic]) (*struct{}, error) {
		t := store.Topic(in.Body)
		if faults := announce.BadTopic(t.Name); faults != "" {
			return nil, s.fail(announce.Faults{{Field: "name", Say: faults}})
		}
		if err := s.Store.PutTopic(ctx, t, actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
	huma.Register(s.api, op("DELETE", "/v1/topics/{name}", "removeTopic", ScopeAdmin, "Take a topic out of every choice", 404, 409),
		func(ctx context.Context, in *struct {
			Name string `path:"name" maxLength:"64"`
		}) (*struct{}, error) {
			if err := s.Store.RemoveTopic(ctx, in.Name, actorOf(ctx).Name); err != nil {
				return nil, s.fail(err)
			}
			return nil, nil
		})
}

// opaque is where a page begins, in a form that nobody takes apart.
func opaque(next string) string { return base64.RawURLEncoding.EncodeToString([]byte(next)) }

func unopaque(after string) string {
	b, err := base64.RawURLEncoding.DecodeString(after)
	if err != nil {
		return ""
	}
	return string(b)
}
