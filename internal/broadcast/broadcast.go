// Package broadcast is the one service of Crieur: it previews, accepts, amends, retracts and settles announcements,
// and carries each delivery to its channel. The store is the record; the queue only nudges.
package broadcast

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/media"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/queue"
	"github.com/crieur/crieur/templates"
)

// Account is one configured place to publish.
type Account struct {
	Name      string // slack, slack@partners
	Publisher announce.Publisher
	Languages []announce.Language // of its posts; none: the announcement's default
	Replies   bool                // languages after the first answer it, each in a post of its own; else one post says all
	Hashtags  []string            // words for hashtags of its own
	Handles   map[string]string   // account names on its channel by the name of a speaker or partner
	Campaign  bool                // links carry UTM parameters
	NoImages  bool                // posts have no pictures
	To        string              // on a personal channel: the one address that gets everything, such as a mailing list's
	Aside     bool                // gets only the announcements that name it
}

// Options are what a Service works with. All but Queue, the durations and Point are required.
type Options struct {
	Store     *store.DB
	Queue     *queue.Queue // nil where Run is never called: the server that runs finds what was accepted here
	Templates *templates.Set
	Media     *media.Library
	Accounts  []Account
	Links     *people.Links              // in messages to people; nil: they get none
	Returns   func(people.Bearer) string // where the bounces of a letter by mail come; nil: where the account's come
	Notices   []string                   // accounts that hear what organisers must know: a task, a refusal, a dead token; none: only the log does
	Site      announce.Site
	Log       *slog.Logger
	Metrics   *Metrics

	CountKey []byte // signs the links in mails that are counted; nil: nothing is counted, and links are as their author wrote them

	Cards      bool   // an event without an image gets a card
	CardColour string // of cards, #rrggbb; empty: by the community's name

	Undo        time.Duration     // before the first call, unless the announcement says otherwise
	Missed      announce.IfMissed // what becomes of what was missed while no server ran, unless the announcement says otherwise; empty: it is held
	Lead        time.Duration     // how long before its time a scheduled announcement is rehearsed; 0: none is
	CheckEvery  time.Duration     // between two looks at the accounts' health; 0: none
	SettleGap   time.Duration     // between two looks for a lost call; 0: 60 s
	Grace       time.Duration     // for calls under way when Run is told to stop; 0: 25 s
	Lease       time.Duration     // how long a delivery is kept from others after the last sign of life; 0: 90 s
	ReminderGap time.Duration     // least time between two messages about one event, where reminders are concerned; 0: none

	Answers func(ctx context.Context, address string) error // whether readers see something at a link; its error says what they see instead; nil: links are not rehearsed

	Point func(string) // called at each named point of a delivery's life; nil: nothing. For fault tests
}

// Service is the broadcast service. Safe for concurrent use.
type Service struct {
	Options
	accounts map[string]account
	wake     chan struct{}  // the sweeper
	audience chan struct{}  // the planner
	calendar chan struct{}  // whoever rehearses
	running  sync.Map       // idempotency keys of submissions under way
	nudges   sync.WaitGroup // nudges on their way to the queue
	told     sync.Map       // keys of notices that this process saw on record; the record decides
	checkups sync.Map       // the last Checkup of each account, by its name
	woken    atomic.Bool    // what was missed while no server ran is decided
	visits   visits
	working  sync.Map // pairs of account and announcement that are being worked on
}

type account struct {
	Account
	ability
	slots  chan struct{} // one for each call at once
	groups *groups
}

// New returns a service that publishes on the given accounts. Nothing is called before Run.
func New(o Options) *Service {
	if o.SettleGap == 0 {
		o.SettleGap = time.Minute
	}
	if o.Grace == 0 {
		o.Grace = 25 * time.Second
	}
	if o.Lease == 0 {
		o.Lease = 90 * time.Second
	}
	if o.Missed == "" {
		o.Missed = announce.MissedHold
	}
	if o.Point == nil {
		o.Point = func(string) {}
	}
	s := &Service{Options: o, accounts: map[string]account{}, wake: make(chan struct{}, 1), audience: make(chan struct{}, 1), calendar: make(chan struct{}, 1)}
	for _, a := range o.Accounts {
		able := abilityOf(a.Publisher)
		able.Personal = able.Personal && a.To == ""
		if a.NoImages {
			able.Images, able.Card = 0, false
		}
		s.accounts[a.Name] = account{a, able, make(chan struct{}, max(1, able.Concurrent)), &groups{}}
	}
	return s
}

// The points of a delivery's life at which a fault test may strike.
const (
	AfterCommit  = "after-commit"  // accepted, nobody told
	AfterEnqueue = "after-enqueue" // nudged
	AfterIntent  = "after-intent"  // the call is on record, nothing sent
	AfterCall    = "after-call"    // the platform did it, the result is not on record
	AfterResult  = "after-result"  // the result is on record
)

// Points lists the points in the order of a delivery's life.
func Points() []string {
	return []string{AfterCommit, AfterEnqueue, AfterIntent, AfterCall, AfterResult}
}

// ErrRunning means that a request with the same idempotency key has not ended yet.
var ErrRunning = errors.New("a request with this Idempotency-Key is still running; wait for its answer, then repeat it")

// names lists the accounts that are switched on, as organisers name them.
func (s *Service) names() []string {
	names := make([]string, len(s.Accounts))
	for i, a := range s.Accounts {
		names[i] = a.Name
	}
	return names
}

func (s *Service) rules(ctx context.Context, now time.Time) (announce.Rules, error) {
	r := announce.Rules{Now: now, Zone: s.Site.Zone, Accounts: s.names(), Undo: s.Undo}
	if len(s.Site.Languages) > 0 {
		r.Language = s.Site.Languages[0]
	}
	topics, err := s.Store.Topics(ctx)
	for _, t := range topics {
		r.Topics = append(r.Topics, t.Name)
	}
	return r, err
}

// Channel describes an account to people and programs.
type Channel struct {
	Name      string              `json:"name"`
	Channel   string              `json:"channel"`
	Languages []announce.Language `json:"languages,omitempty" doc:"Languages of its posts; absent: the announcement's default."`
	Personal  bool                `json:"personal"`
	Amend     bool                `json:"amend" doc:"Posts can be edited in place."`
	Retract   bool                `json:"retract" doc:"Posts can be taken back."`
	Find      bool                `json:"find" doc:"A post whose answer was lost can be looked up."`
	Repeat    bool                `json:"idempotent" doc:"Repeating a call with the same key has one effect."`
	Text      int                 `json:"text_limit,omitempty" doc:"Most units of text, as the platform counts; absent: no limit."`
	Images    int                 `json:"images" doc:"Most images in a post."`
	Thread    int                 `json:"thread,omitempty" doc:"Most posts in which a longer text is told."`
	Cost      bool                `json:"costs" doc:"Posts cost money; see the channel's page."`
	Manual    bool                `json:"manual" doc:"A person posts; every delivery is a task."`
	Aside     bool                `json:"aside" doc:"Gets only the announcements that name it."`
	Pace      float64             `json:"pace_seconds,omitempty" doc:"Least seconds between two posts."`
	State     string              `json:"state" enum:"ready,paused,stopped"`
	Until     *time.Time          `json:"paused_until,omitempty"`
	Fault     string              `json:"fault,omitempty" doc:"Why it is paused or stopped, and what to do."`
	Identity  string              `json:"identity,omitempty" doc:"Who the platform says we are, when it was last asked."`
	Checked   *time.Time          `json:"checked_at,omitempty" doc:"When the platform was last asked."`
	Expires   *time.Time          `json:"expires_at,omitempty" doc:"When the credentials end."`
	DaysLeft  *int                `json:"days_left,omitempty" doc:"Whole days until then."`
	Findings  []announce.Finding  `json:"findings,omitempty" doc:"What the last look at the account found."`
	Groups    []PausedGroup       `json:"paused_groups,omitempty" doc:"Groups of addresses, such as mail domains, that are not written to for a while."`
}

// Channels describes every account, in the order of the configuration.
func (s *Service) Channels(ctx context.Context) ([]Channel, error) {
	states, err := s.Store.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	all, _, why, err := s.Store.Stopped(ctx)
	if err != nil {
		return nil, err
	}
	pauses, err := s.Store.GroupPauses(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Store.Now()
	out := []Channel{}
	for _, x := range s.Accounts {
		a := s.accounts[x.Name]
		c := Channel{
			Name: a.Name, Channel: a.Publisher.Name(), Languages: a.Languages, Personal: a.Personal,
			Amend: a.ability.Amend, Retract: a.ability.Retract, Find: a.Find, Repeat: a.Idempotent > 0,
			Text: a.Limits.Text, Images: a.Images, Thread: a.Thread, Manual: a.Manual, Aside: a.Aside, Pace: a.Pace.Seconds(), State: "ready",
		}
		_, c.Cost = a.Publisher.(announce.Coster)
		if v, ok := s.checkups.Load(a.Name); ok {
			c.seen(v.(Checkup), now)
		}
		if i := slices.IndexFunc(states, func(st store.AccountState) bool { return st.Account == a.Name }); i >= 0 {
			st := states[i]
			switch {
			case st.Stopped:
				c.State, c.Fault = "stopped", st.Fault
			case st.PausedUntil.After(now):
				c.State, c.Until, c.Fault = "paused", &st.PausedUntil, st.Why
			}
		}
		for _, p := range pauses {
			if p.Account == a.Name && p.Until.After(now) {
				c.Groups = append(c.Groups, PausedGroup{p.Group, p.Until, p.Why})
			}
		}
		if all {
			c.State, c.Fault = "stopped", strings.TrimSpace("all publishing is stopped; publish again with: crieur resume. "+why)
		}
		out = append(out, c)
	}
	return out, nil
}

// Left is a post that was already out, or on its way, when publishing was stopped.
type Left struct {
	Announcement announce.ID    `json:"announcement"`
	Title        string         `json:"title"`
	Channel      string         `json:"channel"`
	State        announce.State `json:"state"`
	URL          string         `json:"url,omitempty"`
	People       int            `json:"people,omitempty" doc:"On a personal channel: how many got it."`
}

// Stop freezes all publishing, on every server of this database, until Resume. Calls under way end by themselves.
// It returns what already left within the last day, of the 100 newest announcements; the list is short when it cannot be
// read whole, the stop holds all the same.
func (s *Service) Stop(ctx context.Context, actor, why string) ([]Left, error) {
	if err := s.Store.Stop(ctx, actor, why); err != nil {
		return nil, err
	}
	s.Log.Warn("all publishing is stopped", "actor", actor, "why", why)
	left, err := s.left(ctx)
	if err != nil {
		s.Log.Error("what left before the stop cannot be listed whole", "err", err)
	}
	return left, nil
}

func (s *Service) left(ctx context.Context) ([]Left, error) {
	left := []Left{}
	since := s.Store.Now().Add(-24 * time.Hour)
	entries, err := s.Store.Announcements(ctx, "", 100)
	if err != nil {
		return left, err
	}
	for _, e := range entries {
		_, text := e.Announcement.Pick(e.Announcement.Default)
		rows, err := s.Store.Deliveries(ctx, e.Announcement.ID)
		if err != nil {
			return left, err
		}
		for _, d := range rows {
			if d.Shown > 0 && d.Receipt.At.After(since) || d.Calling != announce.Nothing {
				left = append(left, Left{e.Announcement.ID, text.Title, d.Account, d.State(), d.Receipt.URL, 0})
			}
		}
		people, err := s.people(ctx, e.Announcement.ID)
		if err != nil {
			return left, err
		}
		for _, p := range people {
			if due(e.Announcement, e.Announcement.Updated).Before(since) {
				continue
			}
			if n := p.Counts[announce.Published] + p.Counts[announce.CallingNow] + p.Counts[announce.Unknown]; n > 0 {
				left = append(left, Left{e.Announcement.ID, text.Title, p.Channel, announce.Published, "", n})
			}
		}
	}
	return left, nil
}

// Resume ends a Stop. With an account it lets that account publish again after a fault of its own was mended.
func (s *Service) Resume(ctx context.Context, actor, account string) error {
	defer s.nudge()
	if account == "" {
		return s.Store.Resume(ctx, actor)
	}
	if _, ok := s.accounts[account]; !ok {
		return announce.Faults{{Field: "channel", Say: fmt.Sprintf("%q is not switched on here", account)}}
	}
	if err := s.Store.ResumeAccount(ctx, account, actor); err != nil {
		return err
	}
	s.readGroups(ctx)
	return nil
}

// nudge wakes the sweeper, the planner and whoever rehearses.
func (s *Service) nudge() {
	for _, c := range []chan struct{}{s.wake, s.audience, s.calendar} {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
