package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
)

// Subscriber is one address of a person, and what they chose for it.
type Subscriber struct {
	ID          int64             `json:"id,omitempty" readOnly:"true"`
	Person      int64             `json:"person,omitempty" readOnly:"true" doc:"The same for all addresses of a person."`
	Channel     string            `json:"channel,omitempty" maxLength:"40" doc:"Personal channel. Default: email."`
	Address     string            `json:"address" maxLength:"2000"`
	Name        string            `json:"name,omitempty" maxLength:"200"`
	Language    announce.Language `json:"language,omitempty" maxLength:"35" doc:"Absent: each announcement's default."`
	Zone        string            `json:"time_zone,omitempty" maxLength:"64" doc:"IANA. Absent: the community's."`
	Standing    store.Standing    `json:"standing,omitempty" readOnly:"true" enum:"pending,active,unsubscribed,bounced,complained,removed,erased"`
	PausedUntil *time.Time        `json:"paused_until,omitempty"`
	Frequency   store.Frequency   `json:"frequency,omitempty" maxLength:"40" doc:"How often: now, each announcement by itself, or the name of a digest."`
	Quiet       string            `json:"quiet,omitempty" maxLength:"11" doc:"Hours in which nothing is sent: 22:00-07:00."`
	Everything  *bool             `json:"everything,omitempty" doc:"Every topic that is not private. Default: true where no topics are given."`
	Topics      []string          `json:"topics,omitempty" maxItems:"100"`
	Created     *time.Time        `json:"created_at,omitempty" readOnly:"true"`
	Updated     *time.Time        `json:"updated_at,omitempty" readOnly:"true"`
}

// Consent is how the people that are added agreed. It is kept as proof.
type Consent struct {
	Basis    string            `json:"basis,omitempty" enum:"express,implied" doc:"Default: express."`
	Words    string            `json:"words,omitempty" maxLength:"5000" doc:"The exact words that they agreed to."`
	How      string            `json:"how,omitempty" maxLength:"200" doc:"Form, sign-up sheet at a meeting, members' register. Default: api."`
	Language announce.Language `json:"language,omitempty" maxLength:"35" doc:"Of the words."`
	At       *time.Time        `json:"at,omitempty" doc:"When they agreed. Default: now."`
}

// Addition is people to be added.
type Addition struct {
	Subscribers []Subscriber `json:"subscribers" minItems:"1" maxItems:"10000"`
	Consent     Consent      `json:"consent,omitzero"`
	Confirm     bool         `json:"confirm,omitempty" doc:"Write to each first and ask them to confirm; without it, they are active at once."`
}

// Added is what became of an Addition.
type Added struct {
	Added      int `json:"added" doc:"Those who were not on the list; people who unsubscribed stay unsubscribed."`
	Known      int `json:"known" doc:"Those on record already; nothing was changed."`
	Suppressed int `json:"suppressed" doc:"Those who must never be written to again; nothing of them was kept."`
}

// SubscriberChange changes what is named.
type SubscriberChange struct {
	Name        *string            `json:"name,omitempty" maxLength:"200"`
	Language    *announce.Language `json:"language,omitempty" maxLength:"35"`
	Zone        *string            `json:"time_zone,omitempty" maxLength:"64"`
	Frequency   *store.Frequency   `json:"frequency,omitempty" maxLength:"40" doc:"How often: now, each announcement by itself, or the name of a digest."`
	Quiet       *string            `json:"quiet,omitempty" maxLength:"11" doc:"22:00-07:00; empty: any time will do."`
	Everything  *bool              `json:"everything,omitempty"`
	Topics      *[]string          `json:"topics,omitempty" maxItems:"100"`
	PausedUntil *time.Time         `json:"paused_until,omitempty" doc:"A past moment ends a pause."`
}

// SubscriberFilter picks subscribers.
type SubscriberFilter struct {
	Channel  string         `json:"channel,omitempty" query:"channel" maxLength:"40"`
	Standing store.Standing `json:"standing,omitempty" query:"standing" enum:"pending,active,unsubscribed,bounced,complained,removed" doc:"Default: active."`
	Topic    string         `json:"topic,omitempty" query:"topic" maxLength:"64" doc:"Who chose it."`
	Search   string         `json:"search,omitempty" query:"search" maxLength:"320" doc:"How the address begins."`
}

func (f SubscriberFilter) search() store.Search {
	s := store.Search{Channel: f.Channel, Topic: f.Topic, Prefix: f.Search, Standing: []store.Standing{store.Active}}
	if f.Standing != "" {
		s.Standing = []store.Standing{f.Standing}
	}
	return s
}

// SubscriberSweep is one change to many subscribers.
type SubscriberSweep struct {
	IDs         []int64           `json:"ids,omitempty" maxItems:"10000" doc:"Either ids or filter."`
	Filter      *SubscriberFilter `json:"filter,omitempty"`
	AddTopics   []string          `json:"add_topics,omitempty" maxItems:"100"`
	DropTopics  []string          `json:"remove_topics,omitempty" maxItems:"100"`
	PausedUntil *time.Time        `json:"paused_until,omitempty" doc:"A past moment ends a pause."`
	Remove      bool              `json:"remove,omitempty" doc:"Take them off the list."`
}

// ConsentLine is one line of the proof of consent.
type ConsentLine struct {
	At       time.Time         `json:"at"`
	Act      store.Act         `json:"act" doc:"asked, confirmed, changed, unsubscribed, imported, added, bounced, complained, removed or erased."`
	How      string            `json:"how"`
	Basis    string            `json:"basis,omitempty" doc:"express or implied."`
	Words    string            `json:"words,omitempty" doc:"The exact words that were shown."`
	Language announce.Language `json:"language,omitempty"`
	Network  string            `json:"network,omitempty" doc:"Truncated: /24 or /48."`
	Detail   string            `json:"detail,omitempty"`
}

func subscriberOf(a store.Address) Subscriber {
	s := Subscriber{
		ID: a.ID, Person: a.Person, Channel: a.Channel, Address: a.Address, Name: a.Name, Language: a.Language, Zone: a.Zone, Standing: a.Standing,
		Frequency: a.Frequency, Everything: &a.Everything, Topics: a.Topics, Created: &a.Created, Updated: &a.Updated,
	}
	if !a.PausedUntil.IsZero() {
		s.PausedUntil = &a.PausedUntil
	}
	if a.QuietFrom != a.QuietTo {
		s.Quiet = fmt.Sprintf("%02d:%02d-%02d:%02d", a.QuietFrom/60, a.QuietFrom%60, a.QuietTo/60, a.QuietTo%60)
	}
	return s
}

// quiet reads hours as subscriberOf writes them.
func quiet(s string) (from, to int, ok bool) {
	if s == "" {
		return 0, 0, true
	}
	a, b, _ := strings.Cut(s, "-")
	start, err1 := time.Parse("15:04", strings.TrimSpace(a))
	end, err2 := time.Parse("15:04", strings.TrimSpace(b))
	return start.Hour()*60 + start.Minute(), end.Hour()*60 + end.Minute(), err1 == nil && err2 == nil
}

const badQuiet = "is not a span of the day: write 22:00-07:00"

func addressesOf(in []Subscriber) ([]store.Address, error) {
	var faults announce.Faults
	out := make([]store.Address, len(in))
	for i, p := range in {
		a := store.Address{
			Channel: p.Channel, Address: strings.TrimSpace(p.Address), Name: strings.TrimSpace(p.Name), Language: p.Language, Zone: p.Zone, Frequency: p.Frequency,
			Everything: len(p.Topics) == 0, Topics: p.Topics,
		}
		if p.Everything != nil {
			a.Everything = *p.Everything
		}
		if p.PausedUntil != nil {
			a.PausedUntil = *p.PausedUntil
		}
		var ok bool
		if a.QuietFrom, a.QuietTo, ok = quiet(p.Quiet); !ok {
			faults = append(faults, announce.Fault{Field: fmt.Sprintf("subscribers[%d].quiet", i), Say: badQuiet})
		}
		if a.Channel == "" {
			a.Channel = "email"
		}
		if a.Frequency == "" {
			a.Frequency = store.Now
		}
		out[i] = a
	}
	return out, faults.Err()
}

// which is the address that a path names: by its number, or as a mail address.
func (s *server) which(ctx context.Context, name string) (store.Address, error) {
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		return s.Store.Address(ctx, id)
	}
	return s.Store.AddressOf(ctx, "email", name)
}

type named struct {
	ID string `path:"id" maxLength:"2000" doc:"The subscriber's number, or a mail address."`
}

func (s *server) subscribers() {
	huma.Register(s.api, op("POST", "/v1/subscribers", "addSubscribers", ScopeSubscribers, "Add people", 413, 422, 507), s.addSubscribers)
	huma.Register(s.api, op("GET", "/v1/subscribers", "subscribers", ScopeSubscribers, "List people, by channel and address"), s.listSubscribers)
	huma.Register(s.api, op("POST", "/v1/subscribers/bulk", "sweepSubscribers", ScopeSubscribers, "Change many people at once", 422), s.sweepSubscribers)
	huma.Register(s.api, op("GET", "/v1/subscribers/{id}", "subscriber", ScopeSubscribers, "Show one subscriber", 404),
		func(ctx context.Context, in *named) (*body[Subscriber], error) {
			a, err := s.which(ctx, in.ID)
			if err != nil {
				return nil, s.fail(err)
			}
			return &body[Subscriber]{subscriberOf(a)}, nil
		})
	huma.Register(s.api, op("PATCH", "/v1/subscribers/{id}", "changeSubscriber", ScopeSubscribers, "Change what a person chose", 404, 422), s.changeSubscriber)
	huma.Register(s.api, op("DELETE", "/v1/subscribers/{id}", "removeSubscriber", ScopeSubscribers, "Take a person off the list", 404),
		func(ctx context.Context, in *named) (*struct{}, error) {
			a, err := s.which(ctx, in.ID)
			removed := false
			if err == nil {
				removed, err = s.Store.RemoveAddress(ctx, a.ID, store.Deed{How: actorOf(ctx).Name})
			}
			if err == nil && !removed {
				err = store.ErrNotFound
			}
			if err != nil {
				return nil, s.fail(err)
			}
			return nil, nil
		})
	huma.Register(s.api, op("GET", "/v1/subscribers/{id}/consents", "consents", ScopeAdmin, "Prove the consent of a person: every act, with the words that were shown", 404), s.consents)
	huma.Register(s.api, op("GET", "/v1/subscribers/{id}/export", "exportSubscriber", ScopeAdmin, "Export everything that is known of a person", 404),
		func(ctx context.Context, in *named) (*body[json.RawMessage], error) {
			a, err := s.which(ctx, in.ID)
			if err != nil {
				return nil, s.fail(err)
			}
			all, err := s.Store.AddressesOf(ctx, a.Person)
			if err != nil {
				return nil, s.fail(err)
			}
			export, err := s.Store.Export(ctx, all)
			if err != nil {
				return nil, s.fail(err)
			}
			return &body[json.RawMessage]{export}, nil
		})
	erase := op("POST", "/v1/subscribers/{id}/erase", "eraseSubscriber", ScopeAdmin, "Forget a person for ever: all their addresses", 404)
	erase.DefaultStatus = http.StatusNoContent
	huma.Register(s.api, erase, func(ctx context.Context, in *named) (*struct{}, error) {
		a, err := s.which(ctx, in.ID)
		if err == nil {
			err = s.People.Forget(ctx, a.Person, actorOf(ctx).Name)
		}
		if err != nil {
			return nil, s.fail(err)
		}
		return nil, nil
	})
}

func (s *server) addSubscribers(ctx context.Context, in *body[Addition]) (*body[Added], error) {
	all, err := addressesOf(in.Body.Subscribers)
	if err != nil {
		return nil, s.fail(err)
	}
	c := in.Body.Consent
	d := store.Deed{Act: store.Added, How: actorOf(ctx).Name, Basis: c.Basis, Words: c.Words, Language: c.Language}
	if c.How != "" {
		d.How, d.Detail = c.How, actorOf(ctx).Name
	}
	if c.At != nil {
		d.At = *c.At
	}
	n, err := s.People.Add(ctx, all, d, in.Body.Confirm)
	if err != nil {
		return nil, s.fail(err)
	}
	return &body[Added]{Added{n.Added, n.Known, n.Suppressed}}, nil
}

func (s *server) listSubscribers(ctx context.Context, in *struct {
	SubscriberFilter
	After string `query:"after" maxLength:"2000" doc:"What next was in the answer before."`
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000"`
}) (*body[SubscriberPage], error) {
	search := in.search()
	search.After, search.Limit = unopaque(in.After), in.Limit
	all, next, err := s.Store.Addresses(ctx, search)
	if err != nil {
		return nil, s.fail(err)
	}
	out := &body[SubscriberPage]{SubscriberPage{Subscribers: make([]Subscriber, 0, len(all)), Next: opaque(next)}}
	for _, a := range all {
		out.Body.Subscribers = append(out.Body.Subscribers, subscriberOf(a))
	}
	return out, nil
}

// SubscriberPage is a page of a list.
type SubscriberPage struct {
	Subscribers []Subscriber `json:"subscribers"`
	Next        string       `json:"next,omitempty" doc:"Where the next page begins; absent: this was the last."`
}

func (s *server) changeSubscriber(ctx context.Context, in *struct {
	ID   string `path:"id" maxLength:"2000" doc:"The subscriber's number, or a mail address."`
	Body SubscriberChange
}) (*body[Subscriber], error) {
	a, err := s.which(ctx, in.ID)
	if err != nil {
		return nil, s.fail(err)
	}
	b := in.Body
	c := people.Change{Name: b.Name, Language: b.Language, Zone: b.Zone, Frequency: b.Frequency, Everything: b.Everything, Topics: b.Topics, PausedUntil: b.PausedUntil}
	if b.Quiet != nil {
		from, to, ok := quiet(*b.Quiet)
		if !ok {
			return nil, s.fail(announce.Faults{{Field: "quiet", Say: badQuiet}})
		}
		c.Quiet = &[2]int{from, to}
	}
	if a, err = s.People.Amend(ctx, a.ID, c, actorOf(ctx).Name); err != nil {
		return nil, s.fail(err)
	}
	return &body[Subscriber]{subscriberOf(a)}, nil
}

func (s *server) sweepSubscribers(ctx context.Context, in *body[SubscriberSweep]) (*body[struct {
	Changed int `json:"changed"`
}], error) {
	b := in.Body
	if (b.Filter == nil) == (len(b.IDs) == 0) {
		return nil, s.fail(announce.Faults{{Field: "ids", Say: "give either ids or a filter: {} is everybody who is active"}})
	}
	var search store.Search
	if b.Filter != nil {
		search = b.Filter.search()
	}
	out := &body[struct {
		Changed int `json:"changed"`
	}]{}
	var err error
	out.Body.Changed, err = s.Store.SweepAddresses(ctx, b.IDs, search,
		store.Sweep{Add: b.AddTopics, Drop: b.DropTopics, Pause: b.PausedUntil, Remove: b.Remove}, store.Deed{How: actorOf(ctx).Name})
	if err != nil {
		return nil, s.fail(err)
	}
	return out, nil
}

func (s *server) consents(ctx context.Context, in *named) (*body[struct {
	Consents []ConsentLine `json:"consents"`
}], error) {
	a, err := s.which(ctx, in.ID)
	if err != nil {
		return nil, s.fail(err)
	}
	deeds, err := s.Store.Consents(ctx, a.ID)
	if err != nil {
		return nil, s.fail(err)
	}
	out := &body[struct {
		Consents []ConsentLine `json:"consents"`
	}]{}
	out.Body.Consents = make([]ConsentLine, len(deeds))
	for i, d := range deeds {
		out.Body.Consents[i] = consentOf(d)
	}
	return out, nil
}

func consentOf(d store.Deed) ConsentLine {
	l := ConsentLine{At: d.At, Act: d.Act, How: d.How, Basis: d.Basis, Words: d.Words, Language: d.Language, Detail: d.Detail}
	if d.Network.IsValid() {
		l.Network = d.Network.String()
	}
	return l
}
