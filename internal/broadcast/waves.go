package broadcast

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// madeBefore is how long before it is told a wave becomes an announcement of its own: in time to be rehearsed.
const madeBefore = 25 * time.Hour

// recapLate is how long after its moment a recap is still told, at once, when it has got something to tell.
const recapLate = 14 * 24 * time.Hour

// wave is a reminder of an announcement with what becomes of it.
type wave struct {
	announce.Reminder
	n        int // its place among the author's
	when     announce.When
	accounts []string // where it is told
	state    store.WaveState
	why      string
}

func (w wave) row() store.Wave {
	r := store.Wave{At: w.At, Due: w.when.Instant, Make: w.when.Instant.Add(-madeBefore), State: w.state, Why: w.why}
	if w.Empty() {
		r.Make = r.Due
	}
	return r
}

// waves says what becomes of each reminder of a. Where two come closer than Options.ReminderGap the later is told, and a
// recap waits until it is far enough from the reminder before it. The announcement itself counts from the moment it is due.
func (s *Service) waves(a announce.Announcement, now time.Time) ([]wave, error) {
	out := make([]wave, len(a.Reminders))
	own := due(a, a.Created)
	for i, r := range a.Reminders {
		w := wave{Reminder: r, n: i, state: store.WavePlanned}
		var err error
		if w.when, err = r.Moment(a.Event); err != nil {
			return nil, announce.Faults{{Field: fmt.Sprintf("reminders[%d].at", i), Say: err.Error()}}
		}
		for _, t := range s.targets(s.child(a, w)) {
			w.accounts = append(w.accounts, t.Name)
		}
		out[i] = w
	}
	byTime := slices.SortedFunc(slices.Values(out), func(a, b wave) int {
		return cmp.Or(a.when.Instant.Compare(b.when.Instant), cmp.Compare(a.n, b.n))
	})
	var parent []string
	for _, t := range s.targets(a) {
		parent = append(parent, t.Name)
	}
	for i := len(byTime) - 1; i >= 0; i-- {
		w := &byTime[i]
		if w.Told() == announce.KindRecap {
			continue
		}
		for _, later := range byTime[i+1:] {
			if later.Told() == announce.KindReminder && later.when.Instant.Sub(w.when.Instant) < s.ReminderGap {
				w.yield(later.accounts, later.At, s.ReminderGap)
			}
		}
		if apart := w.when.Instant.Sub(own); apart < s.ReminderGap && apart > 0 {
			w.yield(parent, "the announcement itself", s.ReminderGap)
		}
	}
	for i := range byTime {
		w := &byTime[i]
		for _, before := range byTime[:i] {
			if least := before.when.Instant.Add(s.ReminderGap); w.Told() == announce.KindRecap && before.state == store.WavePlanned && least.After(w.when.Instant) && shared(w.accounts, before.accounts) {
				w.when = before.when.Later(s.ReminderGap)
				w.why = fmt.Sprintf("told later than %s, to be %s after %s", w.At, span(s.ReminderGap), before.At)
			}
		}
	}
	for i := range byTime {
		w := &byTime[i]
		switch {
		case a.Event.Postponed:
			w.state, w.why = store.WaveDropped, "the event is put off"
		case a.Event.Cancelled:
			w.state, w.why = store.WaveDropped, "the event is cancelled"
		case !w.when.Instant.After(own):
			w.state, w.why = store.WavePast, "its moment is before the announcement itself"
		case !w.when.Instant.After(now) && (w.Told() != announce.KindRecap || now.Sub(w.when.Instant) > recapLate):
			w.state, w.why = store.WavePast, "its moment has passed"
		case len(w.accounts) == 0 && w.state == store.WavePlanned:
			w.state, w.why = store.WaveDropped, "no account that is switched on takes it"
		}
		out[w.n] = *w
	}
	return out, nil
}

func shared(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

// yield leaves accounts to what is told there in place of w.
func (w *wave) yield(to []string, what string, gap time.Duration) {
	var given []string
	w.accounts = slices.DeleteFunc(w.accounts, func(a string) bool {
		gives := slices.Contains(to, a)
		if gives {
			given = append(given, a)
		}
		return gives
	})
	switch {
	case len(given) == 0:
	case len(w.accounts) == 0:
		w.state, w.why = store.WaveMerged, fmt.Sprintf("less than %s from %s, which is told in its place", span(gap), what)
	default:
		w.why = strings.TrimPrefix(fmt.Sprintf("%s; not on %s: less than %s from %s", w.why, strings.Join(given, ", "), span(gap), what), "; ")
	}
}

// span is a duration as people write it: 12h, 90m.
func span(d time.Duration) string {
	if d%time.Hour == 0 {
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dm", d/time.Minute)
}

// child is the announcement that tells a wave of a, as a is now. It has no ID yet.
func (s *Service) child(a announce.Announcement, w wave) announce.Announcement {
	event := *a.Event
	event.Of, event.Entries = cmp.Or(event.Of, a.ID), s.Templates.Entries(a, s.Site)
	c := announce.Announcement{
		Rev: 1, Of: a.ID, OfRev: a.Rev, Wave: w.At, Kind: w.Told(), Default: a.Default, Texts: a.Texts, Event: &event, Link: cmp.Or(w.Link, a.Link), Images: a.Images,
		Channels: w.Channels, Topics: w.Topics, Audience: w.Audience, Overrides: a.Overrides, Zone: a.Zone, At: w.when, IfMissed: a.IfMissed,
	}
	if a.Expires.Instant.After(w.when.Instant) {
		c.Expires = a.Expires
	}
	if len(c.Channels) == 0 {
		c.Channels = a.Channels
	}
	if len(c.Topics) == 0 {
		c.Topics = a.Topics
	}
	if len(c.Audience) == 0 {
		c.Audience = a.Audience
	}
	switch {
	case len(w.Texts) > 0:
		c.Texts, c.Overrides = w.Texts, nil
	case c.Kind == announce.KindRecap: // what was written before the event invites to it
		c.Texts, c.Overrides = map[announce.Language]announce.Text{}, nil
		for l, t := range a.Texts {
			c.Texts[l] = announce.Text{Title: back(l) + t.Title}
		}
	}
	return c
}

// back begins the title of a recap that has no text of its own.
func back(l announce.Language) string {
	if l.Base() == "fr" {
		return "Retour\u00a0: "
	}
	return "Looking back: "
}

// Wave is a reminder of an event as people read it.
type Wave struct {
	At       string          `json:"at" doc:"As the author wrote it."`
	Kind     announce.Kind   `json:"kind"`
	Due      time.Time       `json:"due" doc:"When it is told."`
	State    store.WaveState `json:"state" enum:"planned,made,merged,past,dropped,awaited,failed" doc:"made: announcement is its own announcement. merged: another is told in its place. past: its moment had passed, or is before the announcement itself. dropped: the event is off, the announcement was left out, there is nowhere to tell it, or it was taken back. awaited: a recap that is due and has no texts or link of its own yet."`
	Why      string          `json:"why,omitempty"`
	Child    announce.ID     `json:"announcement,omitempty" doc:"The announcement that was made of it, a day before it is told."`
	Delivery State           `json:"announcement_state,omitempty" doc:"How that one stands."`
}

// planned is rows as people read them, the earliest first.
func planned(rows []store.Wave) []Wave {
	var out []Wave
	for _, w := range rows {
		out = append(out, Wave{At: w.At, Kind: announce.Reminder{At: w.At}.Told(), Due: w.Due, State: w.State, Why: w.Why, Child: w.Child})
	}
	slices.SortStableFunc(out, func(a, b Wave) int { return a.Due.Compare(b.Due) })
	return out
}

// reminders is what becomes of the waves of an announcement.
func (s *Service) reminders(ctx context.Context, id announce.ID) ([]Wave, error) {
	rows, err := s.Store.Waves(ctx, id)
	return planned(rows), err
}

// plannedOf is what becomes of the waves of an announcement, and how those stand that were made.
func (s *Service) plannedOf(ctx context.Context, id announce.ID, h heldBack) ([]Wave, error) {
	all, err := s.reminders(ctx, id)
	if err != nil {
		return nil, err
	}
	for i, p := range all {
		if p.Child == "" {
			continue
		}
		c, retracted, err := s.Store.Announcement(ctx, p.Child)
		if err != nil {
			return nil, err
		}
		st, err := s.describe(ctx, c, retracted, h)
		if err != nil {
			return nil, err
		}
		all[i].Delivery = st.State
	}
	return all, nil
}

// fits renders each wave that will be told, so that what does not fit is the author's to mend now.
func (s *Service) fits(ctx context.Context, a announce.Announcement, all []wave) error {
	var faults announce.Faults
	for _, w := range all {
		if w.state != store.WavePlanned || w.Empty() {
			continue
		}
		c := s.child(a, w)
		c.ID, c.Channels, c.Created, c.Updated = a.ID, w.accounts, a.Updated, a.Updated
		if _, err := s.compose(ctx, c); err != nil {
			var own announce.Faults
			if !errors.As(err, &own) {
				return err
			}
			for _, f := range own {
				faults = append(faults, announce.Fault{Field: fmt.Sprintf("reminders[%d].%s", w.n, f.Field), Say: f.Say})
			}
		}
	}
	return faults.Err()
}

// remindersOf is what becomes of the waves of a with a revision of it, to be stored with it: those that are not told yet
// tell the new revision at their new moment, those that are out are brought to it where the channel can, and what the
// event leaves no place for is not told. The error is a Faults when one does not fit.
func (s *Service) remindersOf(ctx context.Context, a announce.Announcement, actor string, now time.Time) (*store.Waves, error) {
	old, err := s.Store.Waves(ctx, a.ID)
	if err != nil || len(old) == 0 && len(a.Reminders) == 0 {
		return nil, err
	}
	var all []wave
	if a.Event != nil {
		if all, err = s.waves(a, now); err != nil {
			return nil, err
		}
	}
	if err := s.fits(ctx, a, all); err != nil {
		return nil, err
	}
	out := &store.Waves{}
	taken := map[string]bool{} // waves that have their announcement
	for _, o := range old {
		if o.Child == "" {
			continue
		}
		i := slices.IndexFunc(all, func(w wave) bool { return w.At == o.At })
		if err := s.bring(ctx, a, o, all, i, out, taken, actor, now); err != nil {
			return nil, err
		}
	}
	for _, w := range all {
		if !taken[w.At] {
			out.All = append(out.All, w.row())
		}
	}
	return out, nil
}

// bring decides what becomes of o, whose announcement was made: wave i of all, or none of them (i < 0).
func (s *Service) bring(ctx context.Context, a announce.Announcement, o store.Wave, all []wave, i int, out *store.Waves, taken map[string]bool, actor string, now time.Time) error {
	c, retracted, err := s.Store.Announcement(ctx, o.Child)
	if err != nil {
		return err
	}
	if retracted {
		o.State, o.Why, taken[o.At] = store.WaveDropped, "it was taken back", true
		out.All = append(out.All, o)
		return nil
	}
	shown, err := s.begun(ctx, o.Child)
	if err != nil {
		return err
	}
	schedule, err := s.Store.Schedule(ctx, o.Child)
	if err != nil {
		return err
	}
	w := wave{Reminder: announce.Reminder{At: o.At}, when: c.At, accounts: c.Channels, state: store.WavePlanned}
	if i >= 0 {
		w = all[i]
	}
	same := w.when.Instant.Equal(c.At.Instant)
	switch {
	case shown: // it was told: it stays, and says what is true
		if same || w.state != store.WavePlanned || !w.when.Instant.After(now) {
			taken[w.At] = true
		}
		w.when, w.accounts = c.At, c.Channels
	case i >= 0 && a.Event != nil && !a.Event.Cancelled && (w.state == store.WavePlanned || w.state == store.WavePast && same && w.when.Instant.After(due(a, a.Created))) && !w.Empty():
		taken[w.At] = true
	default:
		out.Stopped = append(out.Stopped, o.Child)
		return nil
	}
	passed := !w.when.Instant.After(now)
	if passed && o.State == store.WavePast { // it was left out, and stays so
		out.All = append(out.All, o)
		return nil
	}
	if o.Due, o.State, o.Why = w.when.Instant, store.WaveMade, w.why; a.Event != nil {
		sub, changed, err := s.retell(ctx, a, c, w, actor, now)
		sub.Hold = passed && !schedule.Held.IsZero()
		if err != nil {
			return err
		}
		if changed {
			out.Children = append(out.Children, sub)
		}
	}
	out.All = append(out.All, o)
	return nil
}

// begun reports whether anybody was told by an announcement, or is just being told.
func (s *Service) begun(ctx context.Context, id announce.ID) (bool, error) {
	rows, err := s.Store.Deliveries(ctx, id)
	if err != nil || slices.ContainsFunc(rows, func(d announce.Delivery) bool { return d.Shown > 0 || d.Calling != announce.Nothing }) {
		return err == nil, err
	}
	accounts, err := s.Store.PersonalAccounts(ctx, id)
	for _, account := range accounts {
		n, err := s.Store.Counts(ctx, id, account)
		if err != nil || n.By[announce.Published]+n.By[announce.CallingNow]+n.By[announce.Unknown] > 0 {
			return err == nil, err
		}
	}
	return false, err
}
