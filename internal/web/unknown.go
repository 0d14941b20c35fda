package web

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/broadcast"
)

// Unsure is what a person says of every message whose fate is not known.
type Unsure struct {
	Channel string        `json:"channel" maxLength:"100" doc:"The account that wrote to people."`
	Saw     broadcast.Saw `json:"saw" enum:"appeared,absent" doc:"appeared: count them as arrived. absent: they did not arrive; send them anew."`
}

// unknownLetters registers what is known of messages of which nobody knows whether they arrived.
func (s *server) unknownLetters() {
	list := op("GET", "/v1/letters/unknown", "unknown-letters", ScopeSubscribers, "List the messages to people of which nobody knows whether they arrived", 404)
	list.Description = "The newest first. Settle one as any delivery, or all of an announcement at once."
	huma.Register(s.api, list, func(ctx context.Context, in *struct {
		Announcement announce.ID `query:"announcement" maxLength:"26" doc:"Only those of this one."`
		After        string      `query:"after" maxLength:"64" doc:"The delivery that the last page ended with."`
		Limit        int         `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	}) (*struct {
		Body struct {
			Letters []broadcast.UnknownLetter `json:"letters"`
		}
	}, error) {
		out := &struct {
			Body struct {
				Letters []broadcast.UnknownLetter `json:"letters"`
			}
		}{}
		var err error
		if out.Body.Letters, err = s.Service.UnknownLetters(ctx, in.Announcement, in.After, in.Limit); err != nil {
			return nil, s.fail(err)
		}
		return out, nil
	})
	settle := op("POST", "/v1/announcements/{id}/letters/settle", "settle-letters", ScopeAnnounce, "Say the same of all messages of an announcement of which nobody knows whether they arrived", 404, 422)
	settle.Description = "Only those that wait for a person. It may be repeated."
	huma.Register(s.api, settle, func(ctx context.Context, in *struct {
		ByID
		Body Unsure
	}) (*struct {
		Body struct {
			Settled int `json:"settled"`
		}
	}, error) {
		out := &struct {
			Body struct {
				Settled int `json:"settled"`
			}
		}{}
		var err error
		if out.Body.Settled, err = s.Service.SettleUnknown(ctx, in.ID, in.Body.Channel, in.Body.Saw, actorOf(ctx).Name); err != nil {
			return nil, s.fail(err)
		}
		return out, nil
	})
}
