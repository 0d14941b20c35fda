package store

import (
	"cmp"
	"context"
	"encoding/base32"
	"encoding/binary"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// Letter is one personal delivery: what an address gets by a plan. Its ID is LetterKey(Plan, Address).
type Letter struct {
	announce.Delivery
	Plan, Address int64
	Name          string // of the person
	told          int    // the revision in which it arrived; 0: it did not
	batch         *Batch
	updated       int64 // the address as it was read
	settling      bool  // its call is an earlier one
}

var keys = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// LetterKey names a letter for ever: 20 characters, the same on every server and after every restart. Letters of other
// installations have other keys.
func LetterKey(plan, address int64) string {
	var b [12]byte
	var w [8]byte
	binary.BigEndian.PutUint64(w[:], uint64(plan))
	copy(b[:6], w[2:])
	binary.BigEndian.PutUint64(w[:], uint64(address))
	copy(b[6:], w[2:])
	return keys.EncodeToString(b[:])
}

// ReadLetterKey is the inverse of LetterKey. False: the key is none.
func ReadLetterKey(key string) (plan, address int64, ok bool) {
	b, err := keys.DecodeString(key)
	if err != nil || len(b) != 12 || LetterKey(int48(b), int48(b[6:])) != key {
		return 0, 0, false
	}
	return int48(b), int48(b[6:]), true
}

func int48(b []byte) int64 {
	var w [8]byte
	copy(w[2:], b[:6])
	return int64(binary.BigEndian.Uint64(w[:]))
}

// State and Todo of announce.Delivery in SQL; a test compares every combination.
const (
	letterTodo = `(CASE WHEN rest <> '' THEN ''
		WHEN calling <> ''            THEN 'settle'
		WHEN wanted = 1 AND shown = 0 THEN 'publish'
		WHEN wanted = 1 AND shown < rev THEN 'amend'
		WHEN wanted = 0 AND shown > 0 THEN 'retract'
		ELSE '' END)`
	letterState = `(CASE WHEN calling <> '' AND (rest <> '' OR fault <> '' OR looks > 0) THEN 'unknown'
		WHEN calling <> ''                              THEN 'calling'
		WHEN rest = 'failed' AND shown = 0              THEN 'failed'
		WHEN rest = 'skipped'                           THEN 'skipped'
		WHEN shown > 0 AND (wanted = 1 OR rest <> '')   THEN 'published'
		WHEN wanted = 0 AND shown = 0                   THEN 'retracted'
		ELSE 'waiting' END)`
)

const letterQuery = `SELECT l.plan, l.address, l.language, l.wanted, l.rev, l.shown, l.calling, l.call_rev, l.began, l.attempts, l.looks, l.repeats, l.cuts,
	l.since, l.told, l.first_due, l.next, l.rest, l.fault, l.receipt_id, l.receipt_url, l.receipt_at, a.address, a.name, a.updated_at
	FROM letters l JOIN addresses a ON a.id = l.address `

func scanLetter(scan func(...any) error, l *Letter) error {
	var wanted, began, first, next, receipt int64
	err := scan(&l.Plan, &l.Address, &l.Language, &wanted, &l.Rev, &l.Shown, &l.Calling, &l.CallRev, &began, &l.Attempts, &l.Looks, &l.Repeats, &l.Cuts,
		&l.Since, &l.told, &first, &next, &l.Rest, &l.Fault, &l.Receipt.ID, &l.Receipt.URL, &receipt, &l.To, &l.Name, &l.updated)
	l.ID = LetterKey(l.Plan, l.Address)
	l.Wanted, l.Began, l.First, l.Next, l.Receipt.At = wanted == 1, at(began), at(first), at(next), at(receipt)
	return err
}

// letters reads letters, without announcement and account. tail goes behind the FROM.
func (c conn) letters(ctx context.Context, tail string, args ...any) (all []*Letter, err error) {
	err = c.each(ctx, letterQuery+tail, args, func(scan func(...any) error) error {
		l := &Letter{}
		all = append(all, l)
		return scanLetter(scan, l)
	})
	return all, err
}

// letter reads one letter, locked on Postgres until the change commits.
func (t *tx) letter(ctx context.Context, plan, address int64) (*Letter, bool, error) {
	all, err := t.letters(ctx, `WHERE l.plan = ? AND l.address = ?`+t.lock("FOR NO KEY UPDATE OF l"), plan, address)
	if err != nil || len(all) == 0 {
		return nil, false, err
	}
	return all[0], true, nil
}

// arrive makes the letter stand as d. Only the arrival itself tells a person anything: an edit notifies nobody, and the
// receipt keeps the moment.
func (l *Letter) arrive(d announce.Delivery) {
	switch {
	case d.Shown == 0:
		l.told = 0
	case l.Shown == 0:
		l.told = d.Shown
	default:
		d.Receipt.At = l.Receipt.At
	}
	l.Delivery = d
}

// Settling reports whether the call that a letter has on record was another's, not begun by this lease.
func (l *Letter) Settling() bool { return l.settling }

// place keeps a letter where it is looked for: what is done is not for later, what is left to do by nobody is.
func (l *Letter) place() {
	switch {
	case l.Todo() == announce.Nothing:
		l.Next = l.First
	case !l.Next.After(l.First):
		l.Next = l.First.Add(time.Microsecond)
	}
}

// later: it is looked for by its time, not in the lease of a range.
func (l *Letter) later() bool { return l.Next.After(l.First) }

// putLetter writes all of a letter, and counts it in its new state.
func (t *tx) putLetter(ctx context.Context, before announce.State, l *Letter) error {
	_, err := t.exec(ctx, `UPDATE letters SET language = ?, wanted = ?, rev = ?, shown = ?, calling = ?, call_rev = ?, began = ?, attempts = ?, looks = ?,
		repeats = ?, cuts = ?, since = ?, told = ?, first_due = ?, next = ?, rest = ?, fault = ?, receipt_id = ?, receipt_url = ?, receipt_at = ? WHERE plan = ? AND address = ?`,
		string(l.Language), flag(l.Wanted), l.Rev, l.Shown, string(l.Calling), l.CallRev, us(l.Began), l.Attempts, l.Looks,
		l.Repeats, l.Cuts, l.Since, l.told, us(l.First), us(l.Next), string(l.Rest), clean(l.Fault), clean(l.Receipt.ID), clean(l.Receipt.URL), us(l.Receipt.At), l.Plan, l.Address)
	t.count(l.Plan, before, -1)
	t.count(l.Plan, l.State(), 1)
	return err
}

// settleLetter is SettleByPerson for a letter.
func (db *DB) settleLetter(ctx context.Context, plan, address int64, change func(announce.Delivery) (announce.Delivery, error), actor string) (announce.Delivery, error) {
	var settled announce.Delivery
	err := db.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.advisory(ctx, lockGate, true); err != nil {
			return err
		}
		all, err := t.plans(ctx, `id = ?`+t.lock("FOR NO KEY UPDATE"), plan)
		if err != nil || len(all) == 0 {
			return cmp.Or(err, ErrNotFound)
		}
		l, found, err := t.letter(ctx, plan, address)
		if err != nil || !found {
			return cmp.Or(err, ErrNotFound)
		}
		var one int
		taken, err := t.one(ctx, `SELECT 1 FROM leases WHERE plan = ? AND first <= ? AND last >= ? AND later = ? AND lease_until > ?`,
			[]any{plan, address, address, flag(l.later()), us(t.now)}, &one)
		if err != nil || taken && l.Todo() != announce.Nothing {
			return cmp.Or(err, ErrFenced)
		}
		before := l.State()
		l.Announcement, l.Account = all[0].announcement, all[0].account
		d, err := change(l.Delivery)
		if err != nil {
			return err
		}
		d.Rev, d.Wanted = l.Rev, l.Wanted
		h := held{Delivery: l.Delivery}
		h.record(d)
		l.arrive(h.Delivery)
		l.keep(&all[0])
		l.place()
		settled = l.Delivery
		t.log(Event{Actor: actor, What: "settled", Announcement: l.Announcement, Delivery: l.ID, Account: l.Account, State: l.State(), Detail: detail(l.Delivery)})
		if _, err := t.exec(ctx, `UPDATE plans SET open = 1 WHERE id = ?`, plan); err != nil {
			return err
		}
		return t.putLetter(ctx, before, l)
	})
	return settled, err
}
