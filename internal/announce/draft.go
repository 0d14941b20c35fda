package announce

import (
	"fmt"
	"strings"
	"time"
)

// Draft is an announcement as its author writes it, in JSON or YAML. Times are strings that ParseWhen reads.
type Draft struct {
	Kind        Kind              `json:"kind" enum:"event,news,call-for-talks,reminder,change,cancellation,recap" doc:"What it is about; picks the template."`
	Default     Language          `json:"default_language,omitempty" doc:"A key of texts. Default: the server's first language, or the only language given."`
	Texts       map[Language]Text `json:"texts" doc:"Title, body and summary by language (BCP 47)."`
	TimeZone    string            `json:"time_zone,omitempty" doc:"IANA zone in which wall times are read. Default: the server's."`
	Event       *DraftEvent       `json:"event,omitempty" doc:"Required for the kinds event, reminder and cancellation."`
	Link        string            `json:"link,omitempty" doc:"Where to read more."`
	Images      []Image           `json:"images,omitempty"`
	Channels    []string          `json:"channels,omitempty" doc:"Accounts to publish on; empty: all that are switched on."`
	Topics      []string          `json:"topics,omitempty" doc:"Of those that people can choose, where there are any: they decide who is told, and are shown as hashtags. #word is only shown."`
	Audience    []Language        `json:"audience_languages,omitempty" doc:"On personal channels, only people who read one of these languages; empty: everybody."`
	Overrides   map[string]Text   `json:"overrides,omitempty" doc:"Other texts for one channel, by its name."`
	Reminders   []Reminder        `json:"reminders,omitempty" doc:"When the event is told of again: reminders before it, a recap after it. They move with it."`
	PublishAt   string            `json:"publish_at,omitempty" doc:"Not before: a wall time (2027-03-14T18:30) or RFC 3339 with offset."`
	IfMissed    IfMissed          `json:"if_missed,omitempty" enum:"hold,fire,skip" doc:"If publish_at came while no server ran, more than an hour before one started: hold it until a person releases it, fire it at once, or skip it. Default: the server's CRIEUR_MISSED."`
	ExpiresAt   string            `json:"expires_at,omitempty" doc:"Not after: as publish_at."`
	UndoSeconds *int              `json:"undo_seconds,omitempty" minimum:"0" maximum:"86400" doc:"How long to wait before the first call, so that it can be taken back."`
}

// DraftEvent is an Event as its author writes it.
type DraftEvent struct {
	StartsAt  string              `json:"starts_at" doc:"A wall time (2027-03-14T18:30) or RFC 3339 with offset."`
	EndsAt    string              `json:"ends_at,omitempty" doc:"As starts_at."`
	TimeZone  string              `json:"time_zone,omitempty" doc:"IANA zone of the event. Default: the announcement's."`
	Venue     *Venue              `json:"venue,omitempty"`
	OnlineURL string              `json:"online_url,omitempty"`
	SignUpURL string              `json:"sign_up_url,omitempty"`
	Talks     []Talk              `json:"talks,omitempty"`
	Partners  []Partner           `json:"partners,omitempty"`
	Cancelled bool                `json:"cancelled,omitempty" doc:"It does not take place: nothing that is not out is published any more, and what is out says so."`
	Postponed bool                `json:"postponed,omitempty" doc:"It is cancelled until a new date is known."`
	Why       map[Language]string `json:"why,omitempty" doc:"Why it is cancelled or postponed, in plain words, by language."`
}

// Rules are what a draft is read with.
type Rules struct {
	Now      time.Time
	Zone     string        // when the draft names none
	Language Language      // when the draft names none and has several
	Accounts []string      // those that are switched on
	Topics   []string      // that people can choose; none: an announcement's may be any words
	Undo     time.Duration // when the draft says nothing
	Known    bool          // it was announced before: of an event that is over the recap may still be given
}

// Fault is one thing wrong with what somebody wrote: where, and what to write instead.
type Fault struct {
	Field string `json:"field"` // path as in the request: texts.fr.title, images[0].alt
	Say   string `json:"message"`
}

// Faults is every fault at once. It is an error when there is at least one.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.Field + ": " + x.Say
	}
	return strings.Join(lines, "\n")
}

// Err is nil when there is no fault.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f
}

func (f *Faults) add(field, format string, a ...any) {
	*f = append(*f, Fault{field, fmt.Sprintf(format, a...)})
}

// Announcement reads the draft by the rules. The result has no ID, Rev, Created or Updated yet. The error is nil or
// a Faults with everything that is wrong.
func (d Draft) Announcement(r Rules) (Announcement, error) {
	var f Faults
	a := Announcement{
		Kind: d.Kind, Default: d.Default, Texts: d.Texts, Link: d.Link, Images: d.Images,
		Channels: d.Channels, Topics: d.Topics, Audience: d.Audience, Overrides: d.Overrides, Reminders: d.Reminders, Zone: d.TimeZone, IfMissed: d.IfMissed, Undo: r.Undo,
	}
	if a.Zone == "" {
		a.Zone = r.Zone
	}
	if a.Default == "" {
		a.Default = r.Language
		if len(d.Texts) == 1 {
			for l := range d.Texts {
				a.Default = l
			}
		}
	}
	if d.UndoSeconds != nil {
		a.Undo = time.Duration(*d.UndoSeconds) * time.Second
		if *d.UndoSeconds < 0 || *d.UndoSeconds > 86400 {
			f.add("undo_seconds", "must be between 0 and 86400")
		}
	}
	if _, err := Zone(a.Zone); err != nil {
		f.add("time_zone", "%v", err)
		a.Zone = "UTC"
	}
	a.At = f.when("publish_at", d.PublishAt, a.Zone)
	a.Expires = f.when("expires_at", d.ExpiresAt, a.Zone)
	if d.Event != nil {
		a.Event = f.event(*d.Event, a.Zone)
	}
	f.texts(a)
	f.rest(a, r)
	return a, f.Err()
}

// Draft is the announcement as its author would write it again: reading it back by the same rules changes nothing.
func (a Announcement) Draft() Draft {
	undo := int(a.Undo / time.Second)
	d := Draft{
		Kind: a.Kind, Default: a.Default, Texts: a.Texts, TimeZone: a.Zone, Link: a.Link, Images: a.Images, Channels: a.Channels,
		Topics: a.Topics, Audience: a.Audience, Overrides: a.Overrides, Reminders: a.Reminders, PublishAt: a.At.String(), IfMissed: a.IfMissed, ExpiresAt: a.Expires.String(), UndoSeconds: &undo,
	}
	if e := a.Event; e != nil {
		d.Event = &DraftEvent{
			StartsAt: e.Start.String(), EndsAt: e.End.String(), TimeZone: e.Zone, Venue: e.Venue, OnlineURL: e.OnlineURL,
			SignUpURL: e.SignUpURL, Talks: e.Talks, Partners: e.Partners, Cancelled: e.Cancelled && !e.Postponed, Postponed: e.Postponed, Why: e.Why,
		}
	}
	return d
}

func (f *Faults) when(field, s, zone string) When {
	if s == "" {
		return When{}
	}
	w, err := ParseWhen(s, zone)
	if err != nil {
		f.add(field, "%v", err)
		return When{}
	}
	return w
}

func (f *Faults) event(d DraftEvent, zone string) *Event {
	e := &Event{Zone: d.TimeZone, Venue: d.Venue, OnlineURL: d.OnlineURL, SignUpURL: d.SignUpURL, Talks: d.Talks, Partners: d.Partners, Cancelled: d.Cancelled || d.Postponed, Postponed: d.Postponed, Why: d.Why}
	if e.Zone == "" {
		e.Zone = zone
	}
	if _, err := Zone(e.Zone); err != nil {
		f.add("event.time_zone", "%v", err)
		return e
	}
	if d.StartsAt == "" {
		f.add("event.starts_at", "is required: write 2027-03-14T18:30")
	}
	e.Start = f.when("event.starts_at", d.StartsAt, e.Zone)
	e.End = f.when("event.ends_at", d.EndsAt, e.Zone)
	return e
}
