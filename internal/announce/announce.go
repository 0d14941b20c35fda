// Package announce is the vocabulary of Crieur: the announcement an organiser makes, the message a channel
// publishes, the delivery that joins the two, and the rules that need nothing but these. It imports the standard
// library only, so that every other package can share its words.
package announce

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

// ID names an announcement for ever: 26 lower-case characters that sort by time of creation.
type ID string

var alphabet = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewID returns an ID that nobody else holds: 48 bits of milliseconds, then 80 random bits.
func NewID(now time.Time) ID {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(now.UnixMilli())<<16)
	if _, err := rand.Read(b[6:]); err != nil {
		panic(err) // crypto/rand never fails on a supported system (its documentation)
	}
	return ID(alphabet.EncodeToString(b[:]))
}

// Kind says what an announcement is about. It picks the template.
type Kind string

// The kinds of announcement.
const (
	KindEvent        Kind = "event"
	KindNews         Kind = "news"
	KindCallForTalks Kind = "call-for-talks"
	KindReminder     Kind = "reminder"
	KindChange       Kind = "change"
	KindCancellation Kind = "cancellation"
	KindRecap        Kind = "recap"
	KindDigest       Kind = "digest"
	KindWelcome      Kind = "welcome"     // to one person, who has just joined
	KindConfirm      Kind = "confirm"     // to one person: is it you who asked to join?
	KindPreferences  Kind = "preferences" // to one person: a fresh link to their choices
	KindNotice       Kind = "notice"      // from Crieur to the organisers
)

// Kinds lists the kinds that an organiser can announce, in the order a person would read them.
func Kinds() []Kind {
	return []Kind{KindEvent, KindNews, KindCallForTalks, KindReminder, KindChange, KindCancellation, KindRecap}
}

// Listed reports whether announcements of this kind are among those that organisers made.
func (k Kind) Listed() bool {
	return k != KindWelcome && k != KindConfirm && k != KindPreferences && k != KindNotice
}

// Urgent reports whether announcements of this kind go at once to everybody whom they concern, also to those who chose a
// digest: it would come too late.
func (k Kind) Urgent() bool { return k == KindChange || k == KindCancellation }

// AboutPast reports whether an announcement of this kind makes sense after its event is over.
func (k Kind) AboutPast() bool { return k == KindRecap || k == KindNews || k == KindDigest }

// Language is a BCP 47 tag: "fr", "fr-CA", "en".
type Language string

// Base is the language without its region: "fr" of "fr-CA".
func (l Language) Base() Language {
	base, _, _ := strings.Cut(string(l), "-")
	return Language(strings.ToLower(base))
}

// Text is what the author wrote in one language. Title and Summary are one line; Body is Markdown. It is data, never a template.
type Text struct {
	Title   string `json:"title" doc:"One line, without markup."`
	Body    string `json:"body,omitempty" doc:"Markdown. Raw HTML is not passed on."`
	Summary string `json:"summary,omitempty" doc:"One or two plain sentences for short channels and previews."`
}

// Announcement is one thing a community makes known, as it was accepted.
type Announcement struct {
	ID        ID                `json:"id"`
	Rev       int               `json:"rev"`              // 1 when first accepted, one more with each amendment
	Of        ID                `json:"of,omitempty"`     // the announcement that this one follows: it tells of a change of it, or reminds of it
	OfRev     int               `json:"of_rev,omitempty"` // the revision of it that this one was made from
	Kind      Kind              `json:"kind"`
	Default   Language          `json:"default_language"` // a key of Texts
	Texts     map[Language]Text `json:"texts"`
	Event     *Event            `json:"event,omitempty"`
	Link      string            `json:"link,omitempty"`
	Images    []Image           `json:"images,omitempty"`
	Channels  []string          `json:"channels,omitempty"`           // accounts, as slack or slack@partners; empty: every account that is switched on
	Topics    []string          `json:"topics,omitempty"`             // see PickedBy and Words
	Audience  []Language        `json:"audience_languages,omitempty"` // only people who read one of them, on personal channels; empty: everybody
	Overrides map[string]Text   `json:"overrides,omitempty"`          // by channel or account
	Reminders []Reminder        `json:"reminders,omitempty"`          // when the event is told of again
	Wave      string            `json:"wave,omitempty"`               // of what Of reminds with: Reminder.At
	Digest    *Digest           `json:"digest,omitempty"`             // what a digest tells of; nil: it is none
	Zone      string            `json:"time_zone"`
	At        When              `json:"publish_at,omitzero"` // zero: now
	IfMissed  IfMissed          `json:"if_missed,omitempty"` // empty: as the server does
	Expires   When              `json:"expires_at,omitzero"` // zero: never
	Undo      time.Duration     `json:"undo"`                // first calls wait this long after acceptance
	Created   time.Time         `json:"created_at"`
	Updated   time.Time         `json:"updated_at"` // when Rev was accepted
}

// TooLate is the moment from which it makes no sense to publish the announcement: it expires, or its event is over. Zero:
// it never is.
func (a *Announcement) TooLate() time.Time {
	late := a.Expires.Instant
	if a.Event != nil && !a.Kind.AboutPast() {
		if over := a.Event.Over(); late.IsZero() || over.Before(late) {
			late = over
		}
	}
	return late
}

// IfMissed is what becomes of an announcement whose time came while no server ran, more than an hour before one started.
type IfMissed string

// The choices.
const (
	MissedHold IfMissed = "hold" // nothing is published until a person says so
	MissedFire IfMissed = "fire" // it is published at once
	MissedSkip IfMissed = "skip" // it is not published any more
)

// Known reports whether it is one of the choices.
func (m IfMissed) Known() bool { return m == MissedHold || m == MissedFire || m == MissedSkip }

// Event is something to attend. End is zero when the author gave none.
type Event struct {
	Start     When                `json:"starts_at"`
	End       When                `json:"ends_at,omitzero"`
	Zone      string              `json:"time_zone"`
	Venue     *Venue              `json:"venue,omitempty"`
	OnlineURL string              `json:"online_url,omitempty"`
	SignUpURL string              `json:"sign_up_url,omitempty"`
	Talks     []Talk              `json:"talks,omitempty"`
	Partners  []Partner           `json:"partners,omitempty"`
	Sequence  int                 `json:"sequence"` // RFC 5545 section 3.8.7.4: one more with each revision
	Cancelled bool                `json:"cancelled,omitempty"`
	Postponed bool                `json:"postponed,omitempty"` // with Cancelled: a new date is to come
	Why       map[Language]string `json:"why,omitempty"`       // it is cancelled or postponed, in plain words
	Of        ID                  `json:"of,omitempty"`        // the announcement that made it known, where this one only tells of it again: in calendars they are one
	Entries   map[Language]Entry  `json:"entries,omitempty"`   // with Of: how that announcement has calendars show it
}

// Entry is what a calendar says of an event, beside when and where it is.
type Entry struct {
	Title   string `json:"title"`
	Summary string `json:"summary,omitempty"`
	Talks   []Talk `json:"talks,omitempty"`
	Link    string `json:"link,omitempty"`
}

// Over is the moment from which announcing the event makes no sense: its end, or three hours after its start when no end is known.
func (e *Event) Over() time.Time {
	if !e.End.IsZero() {
		return e.End.Instant
	}
	return e.Start.Instant.Add(DefaultLength)
}

// Reason is why the event is cancelled or postponed, for a reader of l: in that language, else in the first one by name.
func (e *Event) Reason(l Language) string {
	for _, c := range []Language{l, l.Base()} {
		if s := e.Why[c]; s != "" {
			return s
		}
	}
	if all := sortedKeys(e.Why); len(all) > 0 {
		return e.Why[all[0]]
	}
	return ""
}

// DefaultLength is how long an event lasts when its author gave no end.
const DefaultLength = 3 * time.Hour

// Venue is a place one can go to.
type Venue struct {
	Name    string `json:"name" doc:"What people call the place."`
	Address string `json:"address,omitempty" doc:"Street address, as one line."`
	URL     string `json:"url,omitempty" doc:"A web page about the place (http or https)."`
}

// Talk is a part of an event's programme.
type Talk struct {
	Title    string    `json:"title"`
	Abstract string    `json:"abstract,omitempty" doc:"Markdown."`
	Speakers []Speaker `json:"speakers,omitempty"`
}

// Speaker gives a talk. Handles are keyed by channel name, without "@".
type Speaker struct {
	Name    string            `json:"name"`
	URL     string            `json:"url,omitempty"`
	Handles map[string]string `json:"handles,omitempty" doc:"Account names by channel: {\"twitter\": \"ada\"}."`
}

// Partner helps an event happen. Handles are as a Speaker's.
type Partner struct {
	Name    string            `json:"name"`
	URL     string            `json:"url,omitempty"`
	Handles map[string]string `json:"handles,omitempty" doc:"Account names by channel: {\"mastodon\": \"club@example.social\"}."`
}

// Image is a picture with its text alternative in each language of the announcement. Data is set when it was uploaded
// rather than linked; Type is then its media type.
type Image struct {
	URL           string              `json:"url,omitempty" doc:"Address of the picture (https). Either url or data."`
	Data          []byte              `json:"data,omitempty" doc:"The picture itself, base64: PNG, JPEG, GIF or WebP."`
	Type          string              `json:"type,omitempty" doc:"Media type of data; found from its bytes when absent." readOnly:"true"`
	Width, Height int                 `json:"-"` // of Data, when known
	Alt           map[Language]string `json:"alt" doc:"Text alternative by language. The default language is required."`
}

// Pick returns the language whose text a reader of want gets, and the text: the exact language, its base language,
// another region of it, else the default.
func (a *Announcement) Pick(want Language) (Language, Text) {
	if t, ok := a.Texts[want]; ok {
		return want, t
	}
	if t, ok := a.Texts[want.Base()]; ok {
		return want, t // regional words come from the template, the text from the base language
	}
	best := Language("")
	for l := range a.Texts {
		if l.Base() == want.Base() && (best == "" || l < best) {
			best = l
		}
	}
	if best != "" {
		return best, a.Texts[best]
	}
	return a.Default, a.Texts[a.Default]
}

// AltFor is the text alternative for a reader of language l, by the same rule as Pick.
func (i Image) AltFor(l, fallback Language) string {
	for _, c := range []Language{l, l.Base(), fallback, fallback.Base()} {
		if s := i.Alt[c]; s != "" {
			return s
		}
	}
	return ""
}

// Site is the community that speaks: the same for every channel.
type Site struct {
	Name      string     // CRIEUR_NAME
	URL       string     // CRIEUR_PUBLIC_URL without a final slash; empty when there is none
	Postal    string     // CRIEUR_POSTAL_ADDRESS, one line
	Zone      string     // CRIEUR_ZONE, IANA
	Languages []Language // CRIEUR_LANGUAGES; the first is the default
}
