package broadcast

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// State is the one word for a whole announcement.
type State string

// The states of an announcement.
const (
	Scheduled      State = "scheduled"
	Held           State = "held" // its time came while no server ran; a person says what becomes of it
	Publishing     State = "publishing"
	Published      State = "published"
	NeedsAttention State = "needs_attention"
	Retracted      State = "retracted"
	Cancelled      State = "cancelled" // its event is called off, and everything says so that can
)

// Status is an announcement with everything that is known of its deliveries.
type Status struct {
	ID           announce.ID              `json:"id"`
	Rev          int                      `json:"rev"`
	State        State                    `json:"state" enum:"scheduled,held,publishing,published,needs_attention,retracted,cancelled"`
	Title        string                   `json:"title"`
	Announcement announce.Draft           `json:"announcement" doc:"As it was accepted; can be changed and sent back with PUT."`
	Times        map[string]announce.When `json:"times" doc:"Every time of the announcement as wall time, zone and instant."`
	CreatedAt    time.Time                `json:"created_at"`
	UpdatedAt    time.Time                `json:"updated_at"`
	Deliveries   []Row                    `json:"deliveries"`
	People       []People                 `json:"people,omitempty" doc:"Personal channels: how many people are in each state."`
	HeldAt       *time.Time               `json:"held_at,omitempty" doc:"Its time came while no server ran. Since then it waits for a person: release it, amend it or take it back."`
	Counts       *Counts                  `json:"counts,omitempty" doc:"How often mails were opened and links followed, by everybody together; absent: it is not counted."`
	Rehearsal    *Rehearsal               `json:"rehearsal,omitempty" doc:"What was found when it was last rehearsed; see rev."`
	Of           announce.ID              `json:"of,omitempty" doc:"The announcement that this one follows: it tells of a change of it, or reminds of it."`
	Followers    []Follower               `json:"followed_by,omitempty" doc:"What follows this announcement."`
	Reminders    []Wave                   `json:"reminders,omitempty" doc:"What becomes of each reminder, the earliest first."`
	Stopped      bool                     `json:"stopped,omitempty" doc:"All publishing is stopped: what waits goes on after a resume."`
}

// Row is one delivery on a broadcast account.
type Row struct {
	ID       string            `json:"id"`
	Channel  string            `json:"channel"`
	Language announce.Language `json:"language"`
	Part     int               `json:"part,omitempty" doc:"Its place in a thread, from 0."`
	State    announce.State    `json:"state" enum:"waiting,calling,published,failed,unknown,retracted,skipped"`
	Rev      int               `json:"rev" doc:"The revision that can be seen; 0: none."`
	Receipt  *announce.Receipt `json:"receipt,omitempty"`
	Attempts int               `json:"attempts"`
	Next     *time.Time        `json:"next,omitempty" doc:"Not called before this."`
	Fault    string            `json:"fault,omitempty" doc:"What went wrong, and what to do."`
	Person   bool              `json:"person" doc:"Waits for a person: mend the fault, or settle."`
	Manual   bool              `json:"manual,omitempty" doc:"A person posts there: fault says what to do, and the task has the text."`
}

// People are the deliveries on a personal account. The counts always add up to Planned.
type People struct {
	Channel string                 `json:"channel"`
	Planned int                    `json:"planned"`
	Counts  map[announce.State]int `json:"counts"`
	Done    bool                   `json:"planning_done"`
	Held    string                 `json:"held,omitempty" doc:"Nothing more of the mailing begins, why, and what to do."`
	Rest    *time.Time             `json:"rest_at,omitempty" doc:"The mailing is tried out on the first people; the others are written to from then on."`
	Note    string                 `json:"note,omitempty" doc:"What people hold that cannot be changed, and what to announce instead."`
}

// Status tells how an announcement stands.
func (s *Service) Status(ctx context.Context, id announce.ID) (Status, error) {
	a, retracted, err := s.Store.Announcement(ctx, id)
	if err != nil {
		return Status{}, err
	}
	h, err := s.heldBack(ctx)
	if err != nil {
		return Status{}, err
	}
	st, err := s.describe(ctx, a, retracted, h)
	if err != nil {
		return Status{}, err
	}
	if st.Reminders, err = s.plannedOf(ctx, id, h); err != nil {
		return Status{}, err
	}
	following, err := s.Store.Following(ctx, id)
	for _, f := range following {
		st.Followers = append(st.Followers, Follower{f.ID, f.Kind, f.Retracted})
	}
	if err == nil {
		st.Counts, err = s.counts(ctx, id)
	}
	return st, err
}

// Follower is an announcement that follows another.
type Follower struct {
	ID        announce.ID   `json:"id"`
	Kind      announce.Kind `json:"kind"`
	Retracted bool          `json:"retracted,omitempty" doc:"Nothing of it is out, or is to be."`
}

// heldBack is what keeps deliveries from being called.
type heldBack struct {
	all      bool
	accounts map[string]string // the fault of each stopped account
}

func (s *Service) heldBack(ctx context.Context) (h heldBack, err error) {
	states, err := s.Store.Accounts(ctx)
	if err != nil {
		return h, err
	}
	h.accounts = map[string]string{}
	for _, a := range states {
		if a.Stopped {
			h.accounts[a.Account] = a.Fault
		}
	}
	h.all, _, _, err = s.Store.Stopped(ctx)
	return h, err
}

func (s *Service) describe(ctx context.Context, a announce.Announcement, retracted bool, h heldBack) (Status, error) {
	rows, err := s.Store.Deliveries(ctx, a.ID)
	if err != nil {
		return Status{}, err
	}
	people, err := s.people(ctx, a.ID)
	if err != nil {
		return Status{}, err
	}
	schedule, err := s.Store.Schedule(ctx, a.ID)
	if err != nil {
		return Status{}, err
	}
	_, text := a.Pick(a.Default)
	if a.Kind == announce.KindNotice {
		a.Link = "" // whoever has it can settle the task
	}
	st := Status{
		ID: a.ID, Rev: a.Rev, Of: a.Of, Title: text.Title, Announcement: s.shared(a).Draft(), Times: times(a), CreatedAt: a.Created, UpdatedAt: a.Updated,
		Deliveries: make([]Row, 0, len(rows)), People: people, Rehearsal: schedule.Rehearsal, Stopped: h.all,
	}
	slices.SortStableFunc(rows, func(a, b announce.Delivery) int {
		return cmp.Or(cmp.Compare(s.place(a.Account), s.place(b.Account)), cmp.Compare(a.Part, b.Part))
	})
	var sum tally
	for i, d := range rows {
		r := RowOf(d)
		if behind := i > 0 && d.Part > 0 && d.Todo() == announce.Publish && rows[i-1].Account == d.Account && st.Deliveries[i-1].waits(rows[i-1]); behind {
			r.Person, r.Fault = true, "it answers the part before, which is not out"
		}
		r.Manual = s.accounts[d.Account].Manual
		if fault, stopped := h.accounts[d.Account]; stopped && d.Todo() != announce.Nothing {
			r.Fault, r.Person = fault, true
		}
		if _, on := s.accounts[d.Account]; !on && d.Todo() != announce.Nothing {
			r.Fault, r.Person = switchedOff(d.Account), true
		}
		sum.row(d, r)
		st.Deliveries = append(st.Deliveries, r)
	}
	for i, p := range people {
		sum.people(p)
		able := s.accounts[p.Channel].ability
		if n := p.Counts[announce.Published]; n > 0 && retracted && !able.Retract {
			people[i].Note = fmt.Sprintf("%d people have it: %s%s", n, s.cannotRetract(p.Channel), afterwards(a))
		}
	}
	if st.State = sum.state(retracted, due(a, a.Updated), s.Store.Now()); st.State == Published && called(a) {
		st.State = Cancelled
	}
	if !schedule.Held.IsZero() {
		st.State, st.HeldAt = Held, &schedule.Held
		for i := range st.Deliveries {
			st.Deliveries[i].Next = nil
		}
	}
	return st, nil
}

// afterwards is how people who have a, which was taken back, can be told more. Of an event that was called off before they
// were told: nothing.
func afterwards(a announce.Announcement) string {
	switch {
	case called(a):
		return ""
	case a.Event != nil:
		return ". If the event is off, tell them by a new announcement of it (kind: cancellation); of an event that is not taken back yet, crieur cancel tells them by itself"
	}
	return ". What they should know now can be told by a new announcement (kind: change)"
}

// waits reports whether a delivery is not out and nothing more happens to it by itself.
func (r Row) waits(d announce.Delivery) bool {
	return d.Shown == 0 && (r.Person || d.Rest != announce.Moving)
}

// place is where an account stands in the configuration; after all others when it is switched off.
func (s *Service) place(account string) int {
	if i := slices.IndexFunc(s.Accounts, func(a Account) bool { return a.Name == account }); i >= 0 {
		return i
	}
	return len(s.Accounts)
}

// RowOf is a delivery as the API shows it.
func RowOf(d announce.Delivery) Row {
	r := Row{
		ID: d.ID, Channel: d.Account, Language: d.Language, Part: d.Part, State: d.State(), Rev: d.Shown, Attempts: d.Attempts, Fault: d.Fault,
		Person: d.Rest == announce.Failed || d.Rest == announce.Person || d.Rest == announce.Cannot,
	}
	if d.Shown > 0 {
		r.Receipt = &d.Receipt
	}
	if d.Todo() != announce.Nothing {
		r.Next = &d.Next
	}
	return r
}

// tally gathers what the one word for an announcement depends on.
type tally struct {
	out, open int // shown or being called; still to be done
	tried     bool
	attention bool
	next      time.Time
}

func (t *tally) row(d announce.Delivery, r Row) {
	if d.Shown > 0 || d.Calling != announce.Nothing {
		t.out++
	}
	if d.Todo() != announce.Nothing {
		t.open++
		if t.next.IsZero() || d.Next.Before(t.next) {
			t.next = d.Next
		}
	}
	t.tried = t.tried || d.Attempts > 0
	t.attention = t.attention || r.Person || r.State == announce.Unknown || r.State == announce.SkippedState
}

// people counts a personal account. Single failures are expected there; only a channel that reached nobody is a person's business.
func (t *tally) people(p People) {
	t.out += p.Counts[announce.Published] + p.Counts[announce.CallingNow] + p.Counts[announce.Unknown]
	t.open += p.Counts[announce.Waiting] + p.Counts[announce.CallingNow]
	if !p.Done {
		t.open++
	}
	t.attention = t.attention || p.Held != "" || p.Planned > 0 && p.Counts[announce.FailedState]+p.Counts[announce.SkippedState] == p.Planned
}

func (t *tally) state(retracted bool, due, now time.Time) State {
	if !t.next.IsZero() {
		due = t.next
	}
	switch {
	case t.attention:
		return NeedsAttention
	case retracted && t.open == 0:
		return Retracted
	case t.out == 0 && t.open > 0 && !t.tried && due.After(now):
		return Scheduled
	case t.open > 0:
		return Publishing
	}
	return Published
}

// times are all the moments of an announcement by the name of their field.
func times(a announce.Announcement) map[string]announce.When {
	t := map[string]announce.When{}
	add := func(name string, w announce.When) {
		if !w.IsZero() {
			t[name] = w
		}
	}
	add("publish_at", a.At)
	add("expires_at", a.Expires)
	if a.Event != nil {
		add("event.starts_at", a.Event.Start)
		add("event.ends_at", a.Event.End)
	}
	return t
}

func (s *Service) people(ctx context.Context, id announce.ID) ([]People, error) {
	accounts, err := s.Store.PersonalAccounts(ctx, id)
	if err != nil {
		return nil, err
	}
	holds, err := s.Store.Holds(ctx, id)
	if err != nil {
		return nil, err
	}
	var out []People
	for _, name := range accounts {
		c, err := s.Store.Counts(ctx, id, name)
		if err != nil {
			return nil, err
		}
		p := People{Channel: name, Planned: c.Planned, Counts: c.By, Done: c.Done}
		if c.Rest.After(s.Store.Now()) {
			p.Rest = &c.Rest
		}
		for _, h := range holds {
			if h.Account == name && (!c.Done || c.By[announce.Waiting] > 0) {
				p.Held = heldWords(h).english
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// Summary is an announcement in a list.
type Summary struct {
	ID        announce.ID            `json:"id"`
	Rev       int                    `json:"rev"`
	Kind      announce.Kind          `json:"kind"`
	Title     string                 `json:"title"`
	State     State                  `json:"state" enum:"scheduled,held,publishing,published,needs_attention,retracted,cancelled"`
	Counts    map[announce.State]int `json:"counts" doc:"Deliveries by state, people included."`
	CreatedAt time.Time              `json:"created_at"`
}

// List returns the announcements that organisers made, older than before (empty: all), newest first.
func (s *Service) List(ctx context.Context, before announce.ID, limit int) ([]Summary, error) {
	h, err := s.heldBack(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Summary, 0, limit)
	for {
		entries, err := s.Store.Announcements(ctx, before, limit)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			before = e.Announcement.ID
			st, err := s.describe(ctx, e.Announcement, e.Retracted, h)
			if err != nil {
				return nil, err
			}
			if out = append(out, Summary{st.ID, st.Rev, e.Announcement.Kind, st.Title, st.State, e.Counts, st.CreatedAt}); len(out) == limit {
				return out, nil
			}
		}
		if len(entries) < limit {
			return out, nil
		}
	}
}
