package web

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2/sse"

	"github.com/crieur/crieur/internal/announce"
)

// Change is one line of the audit log, as it is streamed.
type Change struct {
	Seq          int64          `json:"seq"`
	At           time.Time      `json:"at"`
	Actor        string         `json:"actor,omitempty"`
	What         string         `json:"what" doc:"submitted, amended, retracted, delivery, settled, skipped, missed, released, rehearsed, planned, paused, group-paused, held, announcement-resumed, account-stopped, account-resumed, stopped, resumed, token-created, token-revoked, topic, topic-removed, links-rotated, suppressed, suppression-lifted, subscribers (how many, and what was done) or subscriber (the number of the address, and what was done)."`
	Announcement announce.ID    `json:"announcement,omitempty"`
	Delivery     string         `json:"delivery,omitempty"`
	Channel      string         `json:"channel,omitempty"`
	State        announce.State `json:"state,omitempty"`
	Detail       string         `json:"detail,omitempty"`
}

// Ping tells that the stream is alive.
type Ping struct {
	At time.Time `json:"at"`
}

const (
	eventPoll = 100 * time.Millisecond
	eventPing = 20 * time.Second
)

// events streams every state change, from now on or from after Last-Event-ID. The log is in the database, so the changes
// made by other servers are in it too.
func (s *server) events() {
	o := op("GET", "/v1/events", "events", ScopeRead, "Stream every state change as server-sent events")
	sse.Register(s.api, o, map[string]any{"change": Change{}, "ping": Ping{}},
		func(ctx context.Context, in *struct {
			Last         int64       `header:"Last-Event-ID" minimum:"0" doc:"Continue after this event."`
			Announcement announce.ID `query:"announcement" maxLength:"64" doc:"Only changes of this announcement."`
		}, send sse.Sender) {
			after, err := in.Last, error(nil)
			if after == 0 {
				if after, err = s.Store.LastEvent(ctx); err != nil {
					return
				}
			}
			quiet := time.Now()
			if send.Data(Ping{s.Store.Now()}) != nil {
				return
			}
			for {
				events, err := s.Store.Events(ctx, after, 500)
				if err != nil {
					return
				}
				for _, e := range events {
					after = e.Seq
					if in.Announcement != "" && e.Announcement != in.Announcement {
						continue
					}
					quiet = time.Now()
					if send(sse.Message{ID: int(e.Seq), Data: Change{e.Seq, e.At, e.Actor, e.What, e.Announcement, e.Delivery, e.Account, e.State, e.Detail}}) != nil {
						return
					}
				}
				if time.Since(quiet) > eventPing {
					quiet = time.Now()
					if send.Data(Ping{s.Store.Now()}) != nil {
						return
					}
				}
				if len(events) == 500 {
					continue
				}
				select {
				case <-ctx.Done():
					return
				case <-s.Stopping:
					return
				case <-time.After(eventPoll):
				}
			}
		})
}
