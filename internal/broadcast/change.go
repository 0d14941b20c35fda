package broadcast

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// change is an amendment thought through, and not yet made.
type change struct {
	old, now announce.Announcement
	why      string // for the audit log
	closes   bool   // nothing that is not out is published any more
	composed composed
	rows     []announce.Delivery
	before   []store.Payload                     // what old looked like
	told     time.Time                           // since when readers may have seen something; zero: nobody has
	facts    map[announce.Language]announce.Text // what became of them since the oldest revision that readers may know; nil: nothing
	since    []saying                            // the same, by what readers were told last, the oldest first
	heard    map[string]map[int]int              // how many were told which revision last, by account; nil: it does not matter, or nobody was
	follow   announce.Announcement               // tells the change where nothing else can; no ID: nobody needs it
	said     composed                            // of follow
	ways     []way
}

// think works out what an amendment from old to now means on every account. The error is a Faults when it does not fit.
func (s *Service) think(ctx context.Context, old, now announce.Announcement) (c change, err error) {
	c = change{old: old, now: now}
	if c.composed, err = s.compose(ctx, now); err != nil {
		return c, err
	}
	c.composed.counted = s.count(&c.composed, now.ID)
	if c.rows, err = s.Store.Deliveries(ctx, now.ID); err != nil {
		return c, err
	}
	var closed bool
	if c.told, closed, err = s.Store.FirstTold(ctx, now.ID); err != nil {
		return c, err
	}
	c.closes = called(now) && (closed || !called(old))
	if c.before, err = s.Store.Payloads(ctx, now.ID, old.Rev); err != nil {
		return c, err
	}
	if err := s.compare(ctx, &c); err != nil {
		return c, err
	}
	for _, t := range s.targets(now) {
		c.ways = append(c.ways, s.wayOf(&c, t))
	}
	if _, err := s.payable(ctx, &c, WayRepost); err != nil {
		return c, err
	}
	if err := s.tellChange(ctx, &c); err != nil {
		return c, err
	}
	if changed, err := s.payable(ctx, &c, WayReply, WayFollowUp); err != nil || !changed {
		return c, err
	}
	c.follow, c.said = announce.Announcement{}, composed{}
	return c, s.tellChange(ctx, &c)
}

// called reports whether an amendment calls the event off, or says so still.
func called(a announce.Announcement) bool {
	switch a.Kind {
	case announce.KindCancellation, announce.KindRecap, announce.KindDigest:
		return false
	}
	return a.Event != nil && a.Event.Cancelled
}

// Way is how an account comes to say what an amendment says.
type Way string

// The ways, from what readers like best to what is left.
const (
	WayEdit     Way = "edit"      // the post is edited in place
	WayReply    Way = "reply"     // the post stays, and a correction answers it
	WayRepost   Way = "repost"    // the post is deleted, and published anew
	WayFollowUp Way = "follow-up" // what is out stays, and another message tells what changed
	WayTask     Way = "task"      // a person does it
	WayPublish  Way = "publish"   // nothing is out there yet: the new version is published
	WayRemove   Way = "remove"    // the account is not wanted any more: what is out is taken away
	WayNone     Way = "none"
)

// way is what happens on one account.
type way struct {
	account
	way      Way
	why      string
	tells    bool      // beside the edit, which nobody notices, a message tells what people must know
	deadline time.Time // until when the platform lets it be edited; zero: it sets none
}

// follows reports whether a message of its own tells the change there.
func (w way) follows() bool { return w.way == WayReply || w.way == WayFollowUp || w.tells }

// wayOf decides how an account comes to say what is new, if something of it is out there when the change is made.
func (s *Service) wayOf(c *change, t account) way {
	w := way{account: t}
	rows := rowsOf(c.rows, t.Name)
	edit, why := t.ability.Amend, ""
	if len(rows) > 0 {
		edit, w.deadline, why = t.editable(rows[0], s.Store.Now())
	}
	kind, news := c.tells(), c.news(t.Name, false)
	switch {
	case s.unchanged(c, t, rows):
		w.way, w.why = WayNone, "nothing that readers see changes there"
	case t.Manual:
		w.way = WayTask
	case edit && (!news || t.makes(c)):
		w.way = WayEdit
		w.tells = t.Personal && t.takes(kind) && c.news(t.Name, true)
	case slices.ContainsFunc(rows, repostPending):
		w.way = WayRepost
	case !news:
		w.way, w.why = WayNone, "what is out cannot be edited, and only the wording changed: announce a change (kind: change) if readers must hear of it"
	case t.Limits.Replies && t.takes(kind):
		w.way = WayReply
	case t.ability.Retract && !t.Personal && t.Idempotent == 0 && len(rows) <= 1:
		w.way = WayRepost // where keys are remembered, a second post with the key of the first would be taken for a repeat
	case t.takes(kind):
		w.way = WayFollowUp
	default:
		w.way = WayTask
	}
	if w.why == "" {
		w.why = why
	}
	return w
}

// repostPending: an earlier change has yet to take the post away, or it is not known whether it is there.
func repostPending(d announce.Delivery) bool {
	return d.Manner == announce.Anew && (d.Shown > 0 && d.Shown < d.Rev || d.Calling != announce.Nothing)
}

// tells is the kind of the announcement that tells the change.
func (c *change) tells() announce.Kind {
	if c.closes {
		return announce.KindCancellation
	}
	return announce.KindChange
}

// editable reports whether a post can be edited still, and until when. why: it cannot any more.
func (a account) editable(d announce.Delivery, now time.Time) (edit bool, deadline time.Time, why string) {
	if !a.ability.Amend || d.Posted.IsZero() {
		return a.ability.Amend, deadline, ""
	}
	if a.EditWithin > 0 {
		if deadline = d.Posted.Add(a.EditWithin); !deadline.After(now) {
			return false, deadline, fmt.Sprintf("the platform lets a post be edited for %s only, and that is over", a.EditWithin)
		}
	}
	if a.Edits > 0 && d.Edits >= a.Edits {
		return false, deadline, fmt.Sprintf("the platform lets a post be edited %d times only", a.Edits)
	}
	return true, deadline, ""
}

// makes reports whether an edit can make what is to be said of what was.
func (a account) makes(c *change) bool {
	before, after := payloadsOf(c.before, a.Name), payloadsOf(c.composed.payloads, a.Name)
	if a.Editable == nil || len(before) != len(after) {
		return true
	}
	for i := range after {
		if !a.Editable(before[i].Message, after[i].Message) {
			return false
		}
	}
	return true
}

func rowsOf(all []announce.Delivery, account string) (rows []announce.Delivery) {
	for _, d := range all {
		if d.Account == account && d.Wanted {
			rows = append(rows, d)
		}
	}
	return rows
}

// unchanged reports whether readers on an account see the same before and after. What is out in an older form, or being
// called, is brought up to date all the same.
func (s *Service) unchanged(c *change, t account, rows []announce.Delivery) bool {
	before, after := payloadsOf(c.before, t.Name), payloadsOf(c.composed.payloads, t.Name)
	if len(before) == 0 || len(before) != len(after) {
		return false
	}
	for i := range after {
		if before[i].Language != after[i].Language || before[i].Message.Part != after[i].Message.Part || !alike(before[i].Message, after[i].Message) {
			return false
		}
	}
	return !slices.ContainsFunc(rows, func(d announce.Delivery) bool {
		return d.Calling != announce.Nothing || d.Rest != announce.Moving || d.Shown > 0 && d.Shown < c.old.Rev && d.Manner != announce.Kept
	})
}

func payloadsOf(all []store.Payload, account string) (out []store.Payload) {
	for _, p := range all {
		if p.Account == account {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b store.Payload) int {
		return cmp.Or(cmp.Compare(a.Language, b.Language), cmp.Compare(a.Message.Part, b.Message.Part))
	})
	return out
}

// submission is the change as the record takes it.
func (s *Service) submission(ctx context.Context, c *change, actor string) (sub store.Submission, with store.Change, err error) {
	now := c.now.Updated
	at := due(c.now, now)
	sub = store.Submission{Announcement: c.now, Payloads: c.composed.payloads, Deliveries: c.composed.deliveries, Counted: c.composed.counted, Actor: actor, Why: c.why}
	if c.closes { // nobody is asked to post any more what is called off
		sub.Deliveries = slices.DeleteFunc(sub.Deliveries, func(d announce.Delivery) bool { return s.accounts[d.Account].Manual && !seen(c.rows, d) })
	}
	for i := range sub.Deliveries {
		d := &sub.Deliveries[i]
		d.First, d.Next = at, at
		if out(c.rows, *d) {
			d.Next = now
		}
		d.Manner, d.Rest, d.Fault = s.mannerOf(c.wayOn(d.Account))
	}
	if sub.Cannot, err = s.cannot(ctx, c.now.ID); err != nil {
		return sub, with, err
	}
	for _, p := range c.composed.personal {
		sub.Plans = append(sub.Plans, store.Plan{Account: p, First: at, Next: at, Keeps: !s.accounts[p].ability.Amend || c.wayOn(p).way == WayNone})
	}
	with.Close = c.closes
	if c.follow.ID == "" {
		return sub, with, nil
	}
	f := store.Submission{Announcement: c.follow, Payloads: c.said.payloads, Deliveries: c.said.deliveries, Counted: c.said.counted, Actor: actor}
	for i := range f.Deliveries {
		f.Deliveries[i].First, f.Deliveries[i].Next = now, now
	}
	for _, p := range c.said.personal {
		f.Plans = append(f.Plans, store.Plan{Account: p, First: now, Next: now, Before: c.now.Rev, Keeps: !s.accounts[p].ability.Amend})
	}
	with.Follow = &f
	return sub, with, nil
}

func (c *change) wayOn(account string) way {
	if i := slices.IndexFunc(c.ways, func(w way) bool { return w.Name == account }); i >= 0 {
		return c.ways[i]
	}
	return way{}
}

// mannerOf is how a post that can be seen comes to its new revision.
func (s *Service) mannerOf(w way) (announce.Manner, announce.Rest, string) {
	switch w.way {
	case WayRepost:
		return announce.Anew, announce.Moving, ""
	case WayReply, WayFollowUp, WayNone:
		return announce.Kept, announce.Moving, ""
	case WayTask:
		if w.Manual { // the channel asks, in its own words
			return announce.Edited, announce.Moving, ""
		}
		if w.why != "" {
			return announce.Edited, announce.Cannot, w.why + ": say there by hand what changed, then settle this delivery as done"
		}
		return announce.Edited, announce.Cannot, s.cannotAmend(w.Name)
	}
	return announce.Edited, announce.Moving, ""
}
