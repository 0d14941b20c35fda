package store

import (
	"context"
	"fmt"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// follow finds the plan whose letters are the audience of p.
func (t *tx) follow(ctx context.Context, a announce.Announcement, p Plan, who *audience) error {
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

// told is the condition that somebody has, or is just getting, a letter of the plan that is followed from before its
// revision. Topics, languages and frequency do not matter: whoever was told of something hears what became of it.
func (who audience) told(now time.Time) (string, []any) {
	return `channel || '' = ? AND standing = 'active' AND paused_until <= ? AND EXISTS (SELECT 1 FROM letters told WHERE told.plan = ? AND told.address = addresses.id
		AND (told.shown > 0 AND told.shown < ? OR told.calling <> '' AND told.call_rev < ?))`,
		[]any{who.channel, us(now), who.follows, who.before, who.before}
}

// followAgain is when a letter looks again that waits for the end of the call that it follows.
const followAgain = 20 * time.Second

// follows reports whether a letter that follows another has nothing to say now: the other one is being called still, and
// it waits for the end; or whoever it is for got the new version at once, and it is wanted no more.
func (t *tx) follows(ctx context.Context, l *Letter, p *plan) (wait bool, err error) {
	if p.audience.follows == 0 || l.Shown > 0 || l.Calling != announce.Nothing || !l.Wanted {
		return false, nil
	}
	all, err := t.letters(ctx, `WHERE l.plan = ? AND l.address = ?`, p.audience.follows, l.Address)
	if err != nil {
		return false, err
	}
	before := l.State()
	if len(all) > 0 {
		switch told := all[0]; {
		case told.Shown > 0 && told.Shown < p.audience.before, told.Calling != announce.Nothing && told.Rest != announce.Moving:
			return false, nil
		case told.Calling != announce.Nothing && told.CallRev < p.audience.before:
			l.Next = t.now.Add(followAgain)
			l.place()
			return true, t.putLetter(ctx, before, l)
		}
	}
	l.Wanted = false
	l.place()
	return true, t.putLetter(ctx, before, l)
}

// keep lets a letter be content with the form that was seen, where the account cannot change it.
func (l *Letter) keep(p *plan) {
	if p.keeps && l.Wanted && l.Shown > 0 && l.Calling == announce.Nothing && l.Rev > l.Shown {
		l.Rev = l.Shown
	}
}
