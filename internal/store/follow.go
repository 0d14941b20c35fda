package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// followPlan finds the plan whose letters are the audience of p.
func (t *tx) followPlan(ctx context.Context, a announce.Announcement, p Plan, who *audience) error {
	if p.Before == 0 {
		return nil
	}
	found, err := t.one(ctx, `SELECT id FROM plans WHERE announcement = ? AND account = ?`, []any{string(a.Of), p.Account}, &who.follows)
	if err == nil && !found {
		err = fmt.Errorf("%s has no plan on %s that %s could follow", a.Of, p.Account, a.ID)
	}
	who.before = p.Before
	return err
}

// reminded is the condition that somebody has a letter that follows the same announcement, in a form that was made from a
// revision before the plan's: a reminder, which they may have without the first letter. It takes two arguments: plan, revision.
const reminded = `EXISTS (SELECT 1 FROM plans first
	JOIN announcements other ON other.of = first.announcement AND other.of <> ''
	JOIN plans theirs ON theirs.announcement = other.id AND theirs.account = first.account AND theirs.follows = 0
	JOIN letters seen ON seen.plan = theirs.id AND seen.address = addresses.id AND (seen.told > 0 OR seen.calling = 'publish')
	JOIN revisions form ON form.announcement = other.id AND form.rev = CASE WHEN seen.told > 0 THEN seen.told ELSE seen.call_rev END
	WHERE first.id = ? AND form.of_rev < ?)`

// anybodyReminded finds whether a letter of a reminder was seen, or may have been. It takes the announcement that is
// reminded of and an account.
const anybodyReminded = `SELECT 1 FROM announcements other JOIN plans theirs ON theirs.announcement = other.id JOIN tallies n ON n.plan = theirs.id
	WHERE other.of = ? AND other.of <> '' AND theirs.account = ? AND theirs.follows = 0
	GROUP BY theirs.id HAVING SUM(n.calling + n.published + n.unknown) > 0 LIMIT 1`

// told is the condition that somebody has, is just getting, or may have by a call that was lost, a letter of the plan that is followed from before its
// revision, or a digest or a reminder that tells of it. Topics, languages and frequency do not matter: whoever was told of
// something hears what became of it.
func (who audience) told(now time.Time) (string, []any) {
	return `channel || '' = ? AND standing = 'active' AND paused_until <= ? AND (EXISTS (SELECT 1 FROM letters told WHERE told.plan = ? AND told.address = addresses.id
		AND (told.told > 0 AND told.told < ? OR told.calling = 'publish' AND told.call_rev < ?
		OR told.calling = '' AND told.rest = '' AND told.told = 0 AND told.repeats + told.cuts > 0)) OR EXISTS (` + inEdition + ` AND read.address = addresses.id) OR ` + reminded + `)`,
		[]any{who.channel, us(now), who.follows, who.before, who.before, who.follows, who.before, who.follows, who.before}
}

// followAgain is when a letter looks again that waits for the end of the call that it follows.
const followAgain = 20 * time.Second

// follows reports whether a letter that follows another has nothing to say now: something of what it follows is being called
// still, and it waits for the end; or whoever it is for was told nothing older, or nothing that differs, and it is wanted no
// more. Else it says what differs from what they were told last.
func (t *tx) follows(ctx context.Context, l *Letter, p *plan) (wait bool, err error) {
	if p.audience.follows == 0 || l.Shown > 0 || l.Calling != announce.Nothing || !l.Wanted {
		return false, nil
	}
	last, err := t.lastTold(ctx, p.audience.follows, l.Address)
	if err != nil {
		return false, err
	}
	before := l.State()
	if last.moving {
		l.Next = t.now.Add(followAgain)
		l.place()
		return true, t.putLetter(ctx, before, l)
	}
	since, older := last.before(p.audience.before)
	if older {
		silent, err := t.silent(ctx, packKey{p.announcement, p.account, l.Rev}, since)
		if l.Since = since; err != nil || !silent {
			return false, err
		}
	}
	l.Wanted = false
	l.place()
	return true, t.putLetter(ctx, before, l)
}

// keep lets a letter be content with the form that was seen, where the account cannot change it.
func (l *Letter) keep(p *plan) {
	if p.keeps && l.Shown > 0 && l.Calling == announce.Nothing && l.Rest == announce.Moving && (l.Wanted && l.Rev > l.Shown || !l.Wanted) {
		l.Wanted, l.Rev = true, l.Shown
	}
}

// Standing is a mark of everything that a change of an announcement rests on beside its revision: what of it is out, and
// where. It is another as soon as a post is called, seen or comes to rest, and when the first person of a mailing is written to.
func (db *DB) Standing(ctx context.Context, id announce.ID) (string, error) {
	mark, err := db.read().standing(ctx, id)
	return mark, db.fault(err)
}

func (c conn) standing(ctx context.Context, id announce.ID) (string, error) {
	rows, err := c.rows(ctx, `announcement = ? ORDER BY id`, string(id))
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, d := range rows {
		fmt.Fprintln(h, d.ID, d.Wanted, d.Rev, d.Shown, d.Calling, d.Rest, d.Manner, d.Edits)
	}
	plans, err := c.plans(ctx, `announcement = ? ORDER BY id`, string(id))
	if err != nil {
		return "", err
	}
	for _, p := range plans {
		told, err := c.anybodyTold(ctx, p.id)
		if err != nil {
			return "", err
		}
		_, _ = io.WriteString(h, fmt.Sprintln(p.id, p.wanted, told))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// stands checks that an announcement stands as it was read. ErrMoved: it does not.
func (t *tx) stands(ctx context.Context, id announce.ID, standing string) error {
	if standing == "" {
		return nil
	}
	now, err := t.standing(ctx, id)
	if err == nil && now != standing {
		err = ErrMoved
	}
	return err
}

// anybodyTold reports whether a letter of a plan was seen, or may have been.
func (c conn) anybodyTold(ctx context.Context, plan int64) (bool, error) {
	var n int
	_, err := c.one(ctx, `SELECT COALESCE(SUM(calling + published + unknown), 0) FROM tallies WHERE plan = ?`, []any{plan}, &n)
	return n > 0, err
}

// followed is what of f has somebody to tell that something of a has changed; nil: nobody.
func (t *tx) followed(ctx context.Context, a announce.Announcement, f *Submission) (*Submission, error) {
	if f == nil {
		return nil, nil
	}
	rows, err := t.rows(ctx, `announcement = ? AND part = 0 ORDER BY id`+t.lock("FOR UPDATE"), string(a.ID))
	if err != nil {
		return nil, err
	}
	out := *f
	out.Announcement.Channels, out.Deliveries, out.Payloads, out.Plans, out.follows = nil, nil, nil, nil, map[string]string{}
	for _, account := range f.Announcement.Channels {
		if i := slices.IndexFunc(rows, func(h held) bool { return h.Account == account && h.tells(a.Rev) }); i >= 0 {
			out.follows[account] = rows[i].ID
			out.Announcement.Channels = append(out.Announcement.Channels, account)
			continue
		}
		p, planned, err := t.planOf(ctx, a.ID, account)
		if err != nil {
			return nil, err
		}
		if planned {
			if planned, err = t.anybodyTold(ctx, p.id); err == nil && !planned {
				if planned, err = t.anybodyRead(ctx, p.id, a.Rev); err == nil && !planned {
					var one int64
					planned, err = t.one(ctx, anybodyReminded, []any{string(a.ID), account}, &one)
				}
			}
			if err != nil {
				return nil, err
			}
		}
		if planned {
			out.Announcement.Channels = append(out.Announcement.Channels, account)
		}
	}
	stays := func(account string) bool { return slices.Contains(out.Announcement.Channels, account) }
	for _, d := range f.Deliveries {
		if stays(d.Account) {
			out.Deliveries = append(out.Deliveries, d)
		}
	}
	for _, p := range f.Payloads {
		if stays(p.Account) {
			out.Payloads = append(out.Payloads, p)
		}
	}
	for _, p := range f.Plans {
		if stays(p.Account) {
			out.Plans = append(out.Plans, p)
		}
	}
	if len(out.Announcement.Channels) == 0 {
		return nil, nil
	}
	return &out, nil
}

// tells: a post of a revision before rev can be seen, or may be when its call has ended.
func (h held) tells(rev int) bool {
	return h.Wanted && (h.Shown > 0 && h.Shown < rev || h.Calling == announce.Publish && h.CallRev < rev)
}

// follow stores what tells of a change, and stops what earlier ones had still to say in its place; closed: what anything
// that follows the announcement had still to say.
func (t *tx) follow(ctx context.Context, s Submission, f *Submission, closed bool) error {
	following, err := t.following(ctx, s.Announcement.ID)
	if err != nil {
		return err
	}
	var renewed []announce.ID
	if s.Waves != nil {
		for _, c := range s.Waves.Children {
			renewed = append(renewed, c.Announcement.ID)
		}
	}
	for _, x := range following {
		on := func(account string) bool {
			replaced := f != nil && slices.Contains(f.Announcement.Channels, account)
			switch x.kind {
			case announce.KindCancellation:
				return replaced // that it is called off is said also when it is called off again
			case announce.KindChange:
				return closed || replaced
			}
			return closed
		}
		if err := t.stop(ctx, x.id, on, s.Announcement.Updated, s.Actor, renewed...); err != nil {
			return err
		}
	}
	if f == nil {
		return nil
	}
	w, err := f.encode()
	if err != nil {
		return err
	}
	return t.save(ctx, *f, w)
}

// follower is an announcement that follows another.
type follower struct {
	id   announce.ID
	kind announce.Kind
}

// following is what follows an announcement and was not retracted, locked.
func (t *tx) following(ctx context.Context, id announce.ID) (all []follower, err error) {
	err = t.each(ctx, `SELECT a.id, r.document FROM announcements a JOIN revisions r ON r.announcement = a.id AND r.rev = a.rev
		WHERE a.of = ? AND a.of <> '' AND a.retracted = 0 ORDER BY a.id`+t.lock("FOR NO KEY UPDATE OF a"), []any{string(id)}, func(scan func(...any) error) error {
		var f follower
		var document string
		if err := scan(&f.id, &document); err != nil {
			return err
		}
		var of struct {
			Kind announce.Kind `json:"kind"`
		}
		err := json.Unmarshal([]byte(document), &of)
		f.kind = of.Kind
		all = append(all, f)
		return err
	})
	return all, err
}

// stop lets nothing more of an announcement begin on some accounts. What can be seen stays; of an
// announcement that the same change brought to a new form (renewed), in that form. One of which nothing is out then
// counts as retracted.
func (t *tx) stop(ctx context.Context, id announce.ID, on func(account string) bool, now time.Time, actor string, renewed ...announce.ID) error {
	accounts, err := t.planned(ctx, id)
	if err != nil {
		return err
	}
	out := false
	for _, account := range accounts {
		p, _, err := t.planOf(ctx, id, account)
		if err != nil {
			return err
		}
		told, err := t.anybodyTold(ctx, p.id)
		if err != nil {
			return err
		}
		if out = out || told; !on(account) {
			out = out || p.wanted
			continue
		}
		how := turn{how: "stopped", at: now}
		if slices.Contains(renewed, id) { // what can be seen is on its way to its new form
			how.how, how.first, how.next = "closed", p.turn.first, p.turn.next
		} else if _, err := t.exec(ctx, `UPDATE plans SET keeps = 1 WHERE id = ?`, p.id); err != nil {
			return err
		}
		if err := t.turn(ctx, id, account, how); err != nil {
			return err
		}
	}
	rows, err := t.rows(ctx, `announcement = ? ORDER BY id`+t.lock("FOR UPDATE"), string(id))
	if err != nil {
		return err
	}
	for _, h := range rows {
		before := h.Delivery
		if on(h.Account) && h.Shown == 0 {
			h.unwant("", now)
			h.Manner = announce.Kept
		}
		out = out || h.Wanted || h.Shown > 0 || h.Calling != announce.Nothing
		if h.Delivery == before {
			continue
		}
		if err := t.putShould(ctx, h); err != nil {
			return err
		}
		t.changed(before, h.Delivery, actor)
	}
	if out {
		return nil
	}
	_, err = t.exec(ctx, `UPDATE announcements SET retracted = 1, updated_at = ? WHERE id = ?`, us(now), string(id))
	t.log(Event{Actor: actor, What: "retracted", Announcement: id})
	return err
}

// moot reports whether a post has nothing to tell any more: its announcement was cancelled before it was out, or the post
// that it tells a change of shows the change itself, or nothing, or a correction tells it. Else told is the receipt of that
// post, if there is one, and h says since when it tells what changed.
func (t *tx) moot(ctx context.Context, h *held) (moot bool, told announce.Receipt, err error) {
	var closed int
	if _, err := t.one(ctx, `SELECT closed FROM announcements WHERE id = ?`, []any{string(h.Announcement)}, &closed); err != nil || closed == 1 && !h.Reposting() {
		return closed == 1, told, err
	}
	if h.follows == "" {
		return false, told, nil
	}
	of, err := t.delivery(ctx, h.follows, "")
	if err != nil {
		return false, told, err
	}
	lost := of.Calling == announce.Publish && of.Rest != announce.Moving // a person is asked whether it is there
	if !lost && (of.Shown == 0 || of.Shown >= h.before) {
		return true, told, nil
	}
	if h.Part > 0 { // as the first part
		return false, of.Receipt, nil
	}
	last, err := t.lastPosted(ctx, of, h.Announcement)
	since, older := last.before(h.before)
	if err != nil || !older {
		return !older, told, err
	}
	h.Since = since
	silent, err := t.silent(ctx, packKey{h.Announcement, h.Account, h.Rev}, since)
	return silent, of.Receipt, err
}

// drop lets all posts of an announcement on an account that are not out be wanted no more. Those that another claim has
// are left to it: each holds a row already, and would wait for the other's.
func (t *tx) drop(ctx context.Context, h held, actor string) error {
	rows, err := t.rows(ctx, `announcement = ? AND account = ? AND shown = 0 AND calling = '' ORDER BY id`+t.lock("FOR UPDATE SKIP LOCKED"), string(h.Announcement), h.Account)
	if err != nil {
		return err
	}
	for _, h := range rows {
		before := h.Delivery
		h.unwant("", t.now)
		if err := t.putShould(ctx, h); err != nil {
			return err
		}
		t.changed(before, h.Delivery, actor)
	}
	return nil
}
