package broadcast

import (
	"context"
	"errors"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// UnknownLetter is a message to one person of which nobody knows whether it arrived.
type UnknownLetter struct {
	Delivery     string        `json:"delivery" doc:"Its ID, for settle."`
	Announcement announce.ID   `json:"announcement"`
	Title        string        `json:"title"`
	Channel      string        `json:"channel"`
	To           string        `json:"to"`
	Call         announce.Verb `json:"call" enum:"publish,amend,retract" doc:"What was not seen to end."`
	Since        time.Time     `json:"since" doc:"When that call began."`
	Why          string        `json:"why,omitempty"`
	Person       bool          `json:"person" doc:"It waits for a person. If not, it is settled by itself."`
}

// UnknownLetters lists the messages to people of which nobody knows whether they arrived, of one announcement or (id empty) of
// all, the newest first: at most limit, after the one with a delivery ID, empty for the first.
func (s *Service) UnknownLetters(ctx context.Context, id announce.ID, after string, limit int) ([]UnknownLetter, error) {
	letters, err := s.Store.UnknownLetters(ctx, id, after, limit)
	if err != nil {
		return nil, err
	}
	titles := map[announce.ID]string{}
	out := make([]UnknownLetter, len(letters))
	for i, l := range letters {
		if _, known := titles[l.Announcement]; !known {
			a, _, err := s.Store.Announcement(ctx, l.Announcement)
			if err != nil {
				return nil, err
			}
			titles[l.Announcement] = a.Texts[a.Default].Title
		}
		out[i] = UnknownLetter{
			Delivery: l.ID, Announcement: l.Announcement, Title: titles[l.Announcement], Channel: l.Account, To: l.To, Call: l.Calling, Since: l.Began, Why: l.Fault,
			Person: l.Rest == announce.Person,
		}
	}
	return out, nil
}

// SettleUnknown says the same of every message of an announcement on a personal account that waits for a person because nobody
// knows whether it arrived. When it fails, settled are settled all the same, and it may be repeated. A Faults when no such
// account has the announcement.
func (s *Service) SettleUnknown(ctx context.Context, id announce.ID, channel string, saw Saw, actor string) (settled int, err error) {
	if _, err := s.Store.Counts(ctx, id, channel); err != nil {
		if errors.Is(err, store.ErrNotFound) {
			return 0, announce.Faults{{Field: "channel", Say: "does not write this announcement to people: name one that does, as the status lists it"}}
		}
		return 0, err
	}
	const page = 500
	for after := ""; ; {
		letters, err := s.Store.UnknownLetters(ctx, id, after, page)
		if err != nil {
			return settled, err
		}
		for _, l := range letters {
			if after = l.ID; l.Account != channel || l.Rest != announce.Person {
				continue
			}
			_, err := s.Settle(ctx, id, l.ID, saw, nil, announce.Receipt{}, actor)
			if errors.Is(err, store.ErrFenced) {
				continue // it is being worked on this moment
			}
			if err != nil {
				return settled, err
			}
			settled++
		}
		if len(letters) < page {
			return settled, nil
		}
	}
}
