package store

import (
	"context"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Ended is how a letter's call ended.
type Ended struct {
	Letter   *Letter           // as it was begun
	Delivery announce.Delivery // everything but what should be is taken from it
	Gone     bool              // the address was said not to exist
	Status   string            // what was answered
	Group    string            // whose fate the address shares
}

// Beginning is what became of the wish to begin a letter.
type Beginning int

// What becomes of it.
const (
	Passed Beginning = iota // nothing is to be done about it now, or not by this worker
	Begun                   // its call is on record as begun
	Held                    // the account may not be called now, or the mailing is held
	Paced                   // the account's pace allows it a little later
)

// Advance puts on record how a letter ended (nil: none did) and, in the same change or after it, that another begins (nil:
// none does). A letter that began carries the revision, the address and the name to use. It begins only while its lease
// lasts, the account may be called, the person wants to be written to and the plan stands; what was decided before the
// change is durable is seen by it. fenced: somebody else took over the letter that ended, and nothing of it was written.
func (db *DB) Advance(ctx context.Context, ended *Ended, next *Letter) (began Beginning, fenced bool, err error) {
	a := &advance{ended: ended, next: next}
	if db.postgres() {
		err = db.lanes.do(ctx, a)
	} else {
		err = db.group.advance(ctx, a)
	}
	if err != nil {
		return Passed, false, db.fault(err)
	}
	return a.began, a.fenced, nil
}

// advance is one Advance on its way.
type advance struct {
	ended  *Ended
	next   *Letter
	began  Beginning
	fenced bool
}

// round is what several advances have in common, read once: in one change, and on SQLite, whose only writer it belongs to,
// until that writer makes another change.
type round struct {
	t      *tx
	gates  map[string]gate
	plans  map[int64]*plan
	leases map[[2]int64]bool
}

type gate struct {
	open   bool
	paused time.Time
}

func newRound(t *tx) *round {
	return &round{t: t, gates: map[string]gate{}, plans: map[int64]*plan{}, leases: map[[2]int64]bool{}}
}

// open reports whether an account may be called.
func (r *round) open(ctx context.Context, account string) (bool, error) {
	g, ok := r.gates[account]
	if !ok {
		var err error
		if g.paused, _, g.open, err = r.t.open(ctx, account); err != nil {
			return false, err
		}
		r.gates[account] = g
	}
	return g.open && !g.paused.After(r.t.now), nil
}

// plan reads a plan. It stays as it is until the change commits: whatever turns a plan shuts the gate.
func (r *round) plan(ctx context.Context, id int64) (*plan, error) {
	if p := r.plans[id]; p != nil {
		return p, nil
	}
	all, err := r.t.plans(ctx, `id = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrNotFound
	}
	if err := r.t.waits(ctx, &all[0]); err != nil {
		return nil, err
	}
	if err := r.t.crowd(ctx, &all[0]); err != nil {
		return nil, err
	}
	r.plans[id] = &all[0]
	return &all[0], nil
}

// ours reports whether a batch's lease is still its worker's.
func (r *round) ours(ctx context.Context, b *Batch) (bool, error) {
	k := [2]int64{b.plan, b.fence}
	if ours, ok := r.leases[k]; ok {
		return ours, nil
	}
	var one int
	ours, err := r.t.one(ctx, `SELECT 1 FROM leases WHERE plan = ? AND fence = ? AND owner <> '' LIMIT 1`+r.t.lock("FOR SHARE"), []any{b.plan, b.fence}, &one)
	if err == nil {
		r.leases[k] = ours
	}
	return ours, err
}

// advance is Advance for one of the round.
func (r *round) advance(ctx context.Context, a *advance) error {
	a.began, a.fenced = Passed, false
	if a.ended != nil {
		if err := r.end(ctx, a); err != nil {
			return err
		}
	}
	if a.next == nil {
		return nil
	}
	may, p, err := r.mayBegin(ctx, a)
	if err != nil || !may {
		return err
	}
	return r.begin(ctx, a, p)
}

// mayBegin reports whether the lease lasts and the account may be called, and finds the plan.
func (r *round) mayBegin(ctx context.Context, a *advance) (bool, *plan, error) {
	ours, err := r.ours(ctx, a.next.batch)
	if err != nil || !ours {
		return false, nil, err
	}
	open, err := r.open(ctx, a.next.Account)
	if err != nil {
		return false, nil, err
	}
	if !open {
		a.began = Held
		return false, nil, nil
	}
	if b := a.next.batch; b.pace > 0 {
		n, err := r.t.exec(ctx, `UPDATE accounts SET slot = ? WHERE account = ? AND slot <= ?`, us(r.t.now.Add(b.pace)), b.Account, us(r.t.now))
		if err != nil || n == 0 {
			a.began = Paced
			return false, nil, err
		}
	}
	p, err := r.plan(ctx, a.next.Plan)
	if err == nil && p.held {
		a.began = Held
		return false, nil, nil
	}
	return err == nil, p, err
}

const endQuick = `UPDATE letters SET shown = call_rev, told = call_rev, receipt_id = ?, receipt_url = ?, receipt_at = ?, calling = '', call_rev = 0, began = 0, attempts = 0
	WHERE plan = ? AND address = ? AND began = ? AND calling = 'publish' AND rest = '' AND fault = '' AND looks = 0 AND repeats = 0 AND cuts = 0 AND wanted = 1 AND rev = call_rev
	AND next <= first_due`

// end writes how a letter ended.
func (r *round) end(ctx context.Context, a *advance) error {
	l, d := a.ended.Letter, a.ended.Delivery
	ours, err := r.ours(ctx, l.batch)
	if err != nil {
		return err
	}
	if !ours {
		a.fenced = true
		return nil
	}
	if a.ended.quick() {
		n, err := r.t.exec(ctx, endQuick, clean(d.Receipt.ID), clean(d.Receipt.URL), us(d.Receipt.At), l.Plan, l.Address, us(l.Began))
		if err == nil && n == 1 {
			r.t.count(l.Plan, announce.CallingNow, -1)
			r.t.count(l.Plan, announce.Published, 1)
		}
		if err != nil || n == 1 {
			return err
		}
	}
	return r.endSlow(ctx, a)
}

// quick: a first call that succeeded.
func (e *Ended) quick() bool {
	l, d := e.Letter, e.Delivery
	return l.Calling == announce.Publish && d.Calling == announce.Nothing && d.Shown == l.CallRev && d.Rest == announce.Moving && d.Fault == "" && d.Attempts == 0 && !e.Gone
}

func (r *round) endSlow(ctx context.Context, a *advance) error {
	e := a.ended
	l, found, err := r.t.letter(ctx, e.Letter.Plan, e.Letter.Address)
	if err != nil {
		return err
	}
	if !found || l.Calling == announce.Nothing || us(l.Began) != us(e.Letter.Began) {
		a.fenced = true
		return nil
	}
	p, err := r.plan(ctx, l.Plan)
	if err != nil {
		return err
	}
	before := l.State()
	d := e.Delivery
	d.Rev, d.Wanted = e.Letter.Rev, e.Letter.Wanted
	h := held{Delivery: l.Delivery}
	if h.Rev != d.Rev || h.Wanted != d.Wanted {
		if p.next.After(h.Next) {
			h.Next = p.next
		}
	}
	h.record(d)
	l.arrive(h.Delivery)
	l.keep(p)
	l.place()
	if err := r.t.putLetter(ctx, before, l); err != nil {
		return err
	}
	if !e.Gone {
		return nil
	}
	return r.t.gone(ctx, e)
}

const beginQuick = `UPDATE letters SET calling = 'publish', call_rev = rev, began = ?, attempts = 1
	WHERE plan = ? AND address = ? AND calling = '' AND rest = '' AND fault = '' AND wanted = 1 AND shown = 0 AND rev = ? AND attempts = 0 AND next <= first_due
	AND EXISTS (SELECT 1 FROM addresses a WHERE a.id = ? AND a.standing = 'active' AND a.paused_until <= ? AND a.updated_at = ?)`

// begin marks a letter as begun. The moment tells its call from every other of it.
func (r *round) begin(ctx context.Context, a *advance, p *plan) error {
	l := a.next
	if l.quick(p, r.t.now) {
		now := us(r.t.now)
		n, err := r.t.exec(ctx, beginQuick, now, l.Plan, l.Address, l.Rev, l.Address, now, l.updated)
		if err != nil {
			return err
		}
		if n == 1 {
			r.t.count(l.Plan, announce.Waiting, -1)
			r.t.count(l.Plan, announce.CallingNow, 1)
			l.begin(announce.Publish, r.t.now)
			a.began = Begun
			return nil
		}
	}
	return r.beginSlow(ctx, a, p)
}

// quick: it was never tried, and nothing was decided about it.
func (l *Letter) quick(p *plan, now time.Time) bool {
	if p.crowded && now.Sub(p.first) > slack { // planned long ago: who heard of the event since may be another
		return false
	}
	return l.Calling == announce.Nothing && l.Shown == 0 && l.Attempts == 0 && l.Fault == "" && l.Wanted && p.wanted && l.Rev == p.rev && p.turn.how == "" && !l.later() && p.audience.follows == 0
}

func (l *Letter) begin(verb announce.Verb, now time.Time) {
	l.Calling, l.CallRev, l.Began, l.Fault = verb, l.Rev, now, "" // what went wrong before this call says nothing of it
	l.Attempts++
}

const (
	faultGone    = "no longer subscribed"
	faultMaybe   = "no longer subscribed; a message that was under way may have arrived"
	faultBounced = "the address does not exist any more"
	faultClosed  = "it was cancelled, or too late, before it could be sent"
	faultPaused  = "the person paused their subscription"
	faultLately  = "another message about the event reached the person not long ago, or may have"
)

func (r *round) beginSlow(ctx context.Context, a *advance, p *plan) error {
	t, was := r.t, a.next
	if p.turn.how != "" && was.Address > p.turn.done {
		if err := t.apply(ctx, *p, was.Address-1, was.Address); err != nil {
			return err
		}
	}
	l, found, err := t.letter(ctx, was.Plan, was.Address)
	if err != nil || !found || l.later() != was.later() || l.Todo() == announce.Nothing || l.Next.After(t.now) {
		return err
	}
	before := l.State()
	if wait, err := t.follows(ctx, l, p); err != nil || wait {
		return err
	}
	fault, err := t.unwelcome(ctx, l, p)
	if err != nil {
		return err
	}
	if fault == "" && p.apart > 0 && l.Wanted && l.Shown == 0 && l.Calling == announce.Nothing {
		heard, err := t.heardLately(ctx, *p, l.Address)
		if err != nil {
			return err
		}
		if heard {
			fault = faultLately
		}
	}
	if fault == "" && !p.wanted && l.Wanted && l.Shown == 0 && l.Calling == announce.Nothing {
		fault = faultClosed
	}
	if fault != "" {
		l.Rest, l.Fault = announce.Skipped, fault
		switch {
		case l.Calling != announce.Nothing:
			l.Calling, l.Fault = announce.Nothing, faultMaybe
		case l.Lost() && (fault == faultGone || fault == faultBounced):
			l.Fault = faultMaybe
		case l.Lost():
			lose(&l.Delivery, fault, t.now)
		}
		l.place()
		return t.putLetter(ctx, before, l)
	}
	if l.settling = l.Calling != announce.Nothing; !l.settling {
		l.begin(l.Todo(), t.now)
		if err := t.putLetter(ctx, before, l); err != nil {
			return err
		}
	}
	l.Announcement, l.Account, l.batch = was.Announcement, was.Account, was.batch
	*was = *l
	a.began = Begun
	return nil
}

// unwelcome tells why nothing is sent to an address any more, or "". On Postgres what it read stays so until the change commits.
func (t *tx) unwelcome(ctx context.Context, l *Letter, p *plan) (string, error) {
	var standing string
	var paused int64
	_, err := t.one(ctx, `SELECT standing, paused_until, address, name, updated_at FROM addresses WHERE id = ?`+t.lock("FOR SHARE"),
		[]any{l.Address}, &standing, &paused, &l.To, &l.Name, &l.updated)
	asked := false
	if err == nil && standing != "active" && p.audience.kind == announce.KindConfirm {
		var last Act
		last, err = t.lastWord(ctx, l.Address)
		asked = last == Asked && standing != "complained"
	}
	switch {
	case err != nil:
		return "", err
	case standing == "active", asked:
	case standing == "bounced":
		return faultBounced, nil
	default:
		return faultGone, nil
	}
	if p.audience.only == 0 && at(paused).After(t.now) && l.Calling == announce.Nothing {
		return faultPaused, nil
	}
	return "", nil
}
