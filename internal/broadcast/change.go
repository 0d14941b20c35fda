package broadcast

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	before   []store.Payload // what old looked like
	told     time.Time       // since when readers may have seen something; zero: nobody has
	facts    map[announce.Language]announce.Text
	follow   announce.Announcement // tells the change where nothing else can; no ID: nobody needs it
	said     composed              // of follow
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

// compare finds what became of the facts since the oldest revision that readers may have seen.
func (s *Service) compare(ctx context.Context, c *change) error {
	revisions, err := s.Store.Revisions(ctx, c.now.ID)
	if err != nil {
		return err
	}
	var was []announce.Announcement
	for i, r := range revisions {
		if r.Rev >= c.now.Rev {
			break
		}
		if last := i+1 == len(revisions) || revisions[i+1].Rev >= c.now.Rev; last || !c.told.IsZero() && revisions[i+1].Updated.After(c.told) {
			was = append(was, r)
		}
	}
	off := called(c.now) && (!called(c.old) || c.now.Event.Postponed != c.old.Event.Postponed)
	some := off
	facts := map[announce.Language]announce.Text{}
	for l, text := range c.now.Texts {
		var t announce.Text
		if !called(c.now) { // why it is called off, the event says
			t.Body, t.Summary = s.Templates.Difference(l, was, c.now, s.Site)
			some = some || t.Body != ""
			if e := c.now.Event; e != nil && (c.old.Event == nil || !maps.Equal(e.Why, c.old.Event.Why)) && t.Body != "" {
				t.Body, t.Summary = e.Reason(l)+"\n\n"+t.Body, strings.TrimSpace(e.Reason(l)+" "+t.Summary)
			}
		}
		t.Title = text.Title
		facts[l] = t
	}
	if some {
		c.facts = facts
	}
	return nil
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
	deadline time.Time // until when the platform lets it be edited; zero: it sets none
}

// follows reports whether a message of its own tells the change there.
func (w way) follows() bool { return w.way == WayReply || w.way == WayFollowUp }

// wayOf decides how an account comes to say what is new, if something of it is out there when the change is made.
func (s *Service) wayOf(c *change, t account) way {
	w := way{account: t}
	rows := rowsOf(c.rows, t.Name)
	edit, why := t.ability.Amend, ""
	if len(rows) > 0 {
		edit, w.deadline, why = t.editable(rows[0], s.Store.Now())
	}
	kind := c.tells()
	switch {
	case s.unchanged(c, t, rows):
		w.way, w.why = WayNone, "nothing that readers see changes there"
	case t.Manual:
		w.way = WayTask
	case edit && (c.facts == nil || t.makes(c)):
		w.way = WayEdit
	case slices.ContainsFunc(rows, repostPending):
		w.way = WayRepost
	case c.facts == nil:
		w.way, w.why = WayNone, "what is out cannot be edited, and only the wording changed: announce a change (kind: change) if readers must hear of it"
	case t.Replies && t.takes(kind):
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

// soon is how long before it is due an announcement may go out while its amendment is being thought through.
const soon = time.Minute

// tellChange makes the announcement that tells the change on the accounts that need one.
func (s *Service) tellChange(ctx context.Context, c *change) (err error) {
	var accounts []string
	for _, w := range c.ways {
		if w.follows() {
			accounts = append(accounts, w.Name)
		}
	}
	if len(accounts) == 0 || c.told.IsZero() && due(c.old, c.old.Updated).After(s.Store.Now().Add(soon)) {
		return nil
	}
	a := announce.Announcement{
		ID: announce.NewID(c.now.Updated), Rev: 1, Of: c.now.ID, OfRev: c.now.Rev, Kind: c.tells(), Default: c.now.Default, Texts: c.facts, Link: c.now.Link,
		Channels: accounts, Topics: c.now.Topics, Zone: c.now.Zone, Expires: c.now.Expires, Created: c.now.Updated, Updated: c.now.Updated,
	}
	if c.now.Event != nil {
		e := *c.now.Event
		e.Of = cmp.Or(e.Of, c.now.ID)
		e.Talks, e.Partners = nil, nil
		a.Event = &e
	}
	c.follow = a
	if c.said, err = s.compose(ctx, a); err == nil {
		c.said.counted = s.count(&c.said, a.ID)
	}
	return err
}

// submission is the change as the record takes it.
func (s *Service) submission(ctx context.Context, c *change, actor string) (sub store.Submission, with store.Change, err error) {
	now := c.now.Updated
	at := due(c.now, now)
	sub = store.Submission{Announcement: c.now, Payloads: c.composed.payloads, Deliveries: c.composed.deliveries, Counted: c.composed.counted, Actor: actor, Why: c.why}
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
		return announce.Edited, announce.Cannot, s.cannotAmend(w.Name)
	}
	return announce.Edited, announce.Moving, ""
}
