// Package proof says, signed, what became of an announcement: where it stands, since when, at which revision, and who
// decided so. Whoever has the server's public key can check it without asking the server. People are counts in it.
package proof

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// Statement is what is signed.
type Statement struct {
	Version      int        `json:"version" doc:"Of this form: 1."`
	Community    string     `json:"community"`
	Server       string     `json:"server,omitempty" doc:"Public address of the server that says so."`
	MadeAt       time.Time  `json:"made_at" doc:"How things stood at this moment."`
	Announcement About      `json:"announcement"`
	Decisions    []Decision `json:"decisions" doc:"Who accepted, changed or took it back, oldest first."`
	Places       []Place    `json:"places" doc:"One for each post."`
	People       []Reached  `json:"people" doc:"Channels that write to each person: how many are in each state, never who."`
	FollowedBy   []Sequel   `json:"followed_by,omitempty" doc:"Announcements that tell of a change of it or remind of it, each with a proof of its own."`
}

// About is which announcement it is about, in its present revision.
type About struct {
	ID        announce.ID                  `json:"id"`
	Rev       int                          `json:"rev"`
	Kind      announce.Kind                `json:"kind"`
	Titles    map[announce.Language]string `json:"titles"`
	Link      string                       `json:"link,omitempty"`
	Event     *Occasion                    `json:"event,omitempty"`
	Partners  []string                     `json:"partners,omitempty" doc:"As the announcement names them."`
	PublishAt *time.Time                   `json:"publish_at,omitempty" doc:"Not published before; absent: at once."`
	CreatedAt time.Time                    `json:"created_at"`
	UpdatedAt time.Time                    `json:"updated_at"`
	Retracted bool                         `json:"retracted"`
}

// Occasion is when and where.
type Occasion struct {
	StartsAt  time.Time `json:"starts_at"`
	Zone      string    `json:"time_zone"`
	Venue     string    `json:"venue,omitempty"`
	Online    bool      `json:"online"`
	Cancelled bool      `json:"cancelled"`
	Postponed bool      `json:"postponed,omitempty" doc:"With cancelled: it is put off, and a new date will follow."`
}

// Decision is something that somebody decided about the whole announcement or one place, as the audit log has it.
type Decision struct {
	At      time.Time `json:"at"`
	What    string    `json:"what" doc:"submitted, amended, retracted, settled and so on, as in the audit log."`
	By      string    `json:"by" doc:"The token's name, or how the person came in."`
	Rev     int       `json:"rev,omitempty" doc:"The revision that it made."`
	Note    string    `json:"note,omitempty" doc:"Of a revision: its title, or why it was made."`
	Account string    `json:"account,omitempty"`
	Event   Turn      `json:"event,omitempty" enum:"cancelled,postponed,moved,restored" doc:"What a change makes of the event: it is called off, put off until a date is known, at another time, or takes place after all."`
}

// Turn is what a change makes of an event.
type Turn string

// What becomes of events.
const (
	Cancelled Turn = "cancelled"
	Postponed Turn = "postponed"
	Moved     Turn = "moved"
	Restored  Turn = "restored"
)

// turn is what a revision makes of the event of the one before; empty: nothing of this.
func turn(before, now *announce.Event) Turn {
	switch {
	case before == nil || now == nil:
		return ""
	case now.Cancelled && (!before.Cancelled || now.Postponed != before.Postponed):
		if now.Postponed {
			return Postponed
		}
		return Cancelled
	case before.Cancelled && !now.Cancelled:
		return Restored
	case !now.Cancelled && !now.Start.Instant.Equal(before.Start.Instant):
		return Moved
	}
	return ""
}

// Place is one post.
type Place struct {
	Account  string            `json:"account"`
	Language announce.Language `json:"language"`
	Part     int               `json:"part,omitempty" doc:"Its place in a thread, from 0."`
	State    announce.State    `json:"state" enum:"waiting,calling,published,failed,unknown,retracted,skipped"`
	Rev      int               `json:"rev" doc:"The revision that can be seen; 0: none."`
	URL      string            `json:"url,omitempty"`
	At       *time.Time        `json:"at,omitempty" doc:"When the post was made, as the platform says."`
	Attempts int               `json:"attempts" doc:"Calls that were begun for it, whatever came of them."`
	History  []Stage           `json:"history" doc:"What became of it, oldest first."`
}

// Stage is a state that a place came to.
type Stage struct {
	At    time.Time      `json:"at"`
	State announce.State `json:"state"`
	URL   string         `json:"url,omitempty"`
}

// Sequel is an announcement that follows this one.
type Sequel struct {
	ID        announce.ID   `json:"id"`
	Kind      announce.Kind `json:"kind"`
	Retracted bool          `json:"retracted"`
}

// Reached is how many people of a channel are in each state.
type Reached struct {
	Account string                 `json:"account"`
	Planned int                    `json:"planned"`
	Counts  map[announce.State]int `json:"counts"`
}

// Office makes proofs of a record. Safe for concurrent use.
type Office struct {
	store *store.DB
	site  announce.Site
}

// New returns an office that speaks for a community.
func New(db *store.DB, site announce.Site) *Office { return &Office{db, site} }

// Make states how an announcement stands now, and signs it. store.ErrNotFound: there is none that organisers made.
func (o *Office) Make(ctx context.Context, id announce.ID) (Proof, error) {
	a, retracted, err := o.store.Announcement(ctx, id)
	if err != nil {
		return Proof{}, err
	}
	if !a.Kind.Listed() {
		return Proof{}, store.ErrNotFound
	}
	rows, err := o.store.Deliveries(ctx, id)
	if err != nil {
		return Proof{}, err
	}
	events, err := o.store.EventsOf(ctx, id)
	if err != nil {
		return Proof{}, err
	}
	revisions, err := o.store.Revisions(ctx, id)
	if err != nil {
		return Proof{}, err
	}
	s := Statement{
		Version: 1, Community: plain(o.site.Name), Server: o.site.URL, MadeAt: o.store.Now().UTC().Truncate(time.Second),
		Announcement: about(a, retracted), Decisions: decisions(events, rows, revisions), Places: places(rows, events), People: []Reached{},
	}
	following, err := o.store.Following(ctx, id)
	if err != nil {
		return Proof{}, err
	}
	for _, f := range following {
		s.FollowedBy = append(s.FollowedBy, Sequel{f.ID, f.Kind, f.Retracted})
	}
	accounts, err := o.store.PersonalAccounts(ctx, id)
	if err != nil {
		return Proof{}, err
	}
	for _, account := range accounts {
		n, err := o.store.Counts(ctx, id, account)
		if err != nil {
			return Proof{}, err
		}
		s.People = append(s.People, Reached{account, n.Planned, n.By})
	}
	key, err := o.key(ctx)
	if err != nil {
		return Proof{}, err
	}
	return sign(s, key, o.site.URL)
}

func about(a announce.Announcement, retracted bool) About {
	out := About{
		ID: a.ID, Rev: a.Rev, Kind: a.Kind, Titles: map[announce.Language]string{}, Link: address(a.Link),
		CreatedAt: a.Created.UTC(), UpdatedAt: a.Updated.UTC(), Retracted: retracted,
	}
	for l, t := range a.Texts {
		out.Titles[l] = plain(t.Title)
	}
	if !a.At.IsZero() {
		at := a.At.Instant.UTC()
		out.PublishAt = &at
	}
	if e := a.Event; e != nil {
		out.Event = &Occasion{StartsAt: e.Start.Instant.UTC(), Zone: e.Zone, Online: e.OnlineURL != "", Cancelled: e.Cancelled, Postponed: e.Cancelled && e.Postponed}
		if e.Venue != nil {
			out.Event.Venue = plain(e.Venue.Name)
		}
		for _, p := range e.Partners {
			out.Partners = append(out.Partners, plain(p.Name))
		}
	}
	return out
}

// decided reports whether what is logged is something that a person decided: a rehearsal decides nothing, and what a server
// leaves out because it is too late is the name of a machine.
func decided(what string) bool {
	switch what {
	case "submitted", "amended", "retracted", "settled", "released", "announcement-resumed":
		return true
	}
	return false
}

// decisions are what somebody decided. What is logged of a single letter is left out: its number stands for a person.
func decisions(events []store.Event, rows []announce.Delivery, revisions []announce.Announcement) []Decision {
	account := map[string]bool{"": true}
	for _, d := range rows {
		account[d.ID] = true
	}
	out, rev := []Decision{}, 0
	for _, e := range events {
		if !decided(e.What) || e.Actor == "" || !account[e.Delivery] {
			continue
		}
		d := Decision{At: e.At.UTC(), What: e.What, By: plain(e.Actor), Account: e.Account}
		if e.What == "submitted" || e.What == "amended" {
			rev++
			d.Rev, d.Note = rev, plain(e.Detail)
			if rev > 1 && rev <= len(revisions) {
				d.Event = turn(revisions[rev-2].Event, revisions[rev-1].Event)
			}
		}
		out = append(out, d)
	}
	return out
}

func places(rows []announce.Delivery, events []store.Event) []Place {
	out := make([]Place, len(rows))
	for i, d := range rows {
		p := Place{Account: d.Account, Language: d.Language, Part: d.Part, State: d.State(), Rev: d.Shown, History: []Stage{}}
		if d.Shown > 0 {
			p.URL = address(d.Receipt.URL)
			if !d.Receipt.At.IsZero() {
				at := d.Receipt.At.UTC()
				p.At = &at
			}
		}
		for _, e := range events {
			if e.Delivery != d.ID {
				continue
			}
			if e.State == announce.CallingNow {
				p.Attempts++
				continue
			}
			if e.State == announce.Waiting {
				continue
			}
			if n := len(p.History); n > 0 && e.State == announce.Unknown && p.History[n-1].State == announce.Unknown {
				continue // a person is asked something else about it
			}
			step := Stage{At: e.At.UTC(), State: e.State}
			if e.State == announce.Published {
				step.URL = address(e.Detail)
			}
			p.History = append(p.History, step)
		}
		out[i] = p
	}
	slices.SortStableFunc(out, func(a, b Place) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), cmp.Compare(a.Part, b.Part))
	})
	return out
}

// address is a web address that can be shown to anybody, or nothing.
func address(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	return plain(s)
}

// plain is one line without the characters that writers of JSON escape differently, so that any of them gives the signed bytes.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, s)
}

// key is the server's signing key. All servers of a record share it.
func (o *Office) key(ctx context.Context) (ed25519.PrivateKey, error) {
	seed, err := o.store.Secret(ctx, "proof")
	if err != nil {
		return nil, err
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
