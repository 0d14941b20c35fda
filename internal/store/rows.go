package store

import (
	"context"
	"fmt"

	"github.com/crieur/crieur/internal/announce"
)

const deliveryColumns = `id, announcement, account, language, part, wanted, rev, manner, shown, receipt_id, receipt_url, receipt_at, posted_at, edits,
	calling, call_rev, began, attempts, looks, repeats, cuts, first_due, next, rest, fault, follows, follows_rev, since`

const heldColumns = deliveryColumns + `, paid, paid_in, fence, lease_until, owner`

// held is a delivery as it is stored: with who works on it.
type held struct {
	announce.Delivery
	fence, lease int64  // lease is 0 when nobody has one
	owner        string // who has it
	follows      string // the delivery whose post this one tells a change of
	paidIn       string // the month in which Paid is booked
	before       int    // with follows: where that post is of a revision before this one
}

func scanHeld(scan func(...any) error) (h held, err error) {
	var wanted, receipt, posted, began, first, next int64
	err = scan(&h.ID, &h.Announcement, &h.Account, &h.Language, &h.Part, &wanted, &h.Rev, &h.Manner, &h.Shown, &h.Receipt.ID, &h.Receipt.URL, &receipt, &posted, &h.Edits,
		&h.Calling, &h.CallRev, &began, &h.Attempts, &h.Looks, &h.Repeats, &h.Cuts, &first, &next, &h.Rest, &h.Fault, &h.follows, &h.before, &h.Since,
		&h.Paid, &h.paidIn, &h.fence, &h.lease, &h.owner)
	h.Wanted, h.Receipt.At, h.Posted, h.Began, h.First, h.Next = wanted == 1, at(receipt), at(posted), at(began), at(first), at(next)
	return h, err
}

// rows reads deliveries. where goes behind WHERE.
func (c conn) rows(ctx context.Context, where string, args ...any) ([]held, error) {
	var all []held
	err := c.each(ctx, `SELECT `+heldColumns+` FROM deliveries WHERE `+where, args, func(scan func(...any) error) error {
		h, err := scanHeld(scan)
		all = append(all, h)
		return err
	})
	return all, err
}

// insert adds deliveries. Those that are there already stay as they are and are not counted.
func (t *tx) insert(ctx context.Context, all []held) (int64, error) {
	rows := make([][]any, len(all))
	for i, h := range all {
		if h.ID == "" {
			h.ID = string(announce.NewID(t.now))
		}
		if h.First.IsZero() {
			h.First = h.Next
		}
		rows[i] = []any{h.ID, string(h.Announcement), h.Account, string(h.Language), h.Part, flag(h.Wanted), h.Rev, string(h.Manner), h.Shown,
			clean(h.Receipt.ID), clean(h.Receipt.URL), us(h.Receipt.At), us(h.Posted), h.Edits, string(h.Calling), h.CallRev, us(h.Began), h.Attempts, h.Looks, h.Repeats, h.Cuts,
			us(h.First), us(h.Next), string(h.Rest), clean(h.Fault), h.follows, h.before, h.Since}
	}
	return t.many(ctx, `INSERT INTO deliveries (`+deliveryColumns+`)`, rows, ` ON CONFLICT DO NOTHING`)
}

// insertAll adds deliveries none of which may be there already.
func (t *tx) insertAll(ctx context.Context, all []held) error {
	n, err := t.insert(ctx, all)
	if err == nil && int(n) != len(all) {
		return fmt.Errorf("of %d deliveries only %d are new and different", len(all), n)
	}
	return err
}

// putIs writes what is: everything that a call or a person can change, and the lease.
func (t *tx) putIs(ctx context.Context, h held) error {
	_, err := t.exec(ctx, `UPDATE deliveries SET shown = ?, receipt_id = ?, receipt_url = ?, receipt_at = ?, posted_at = ?, edits = ?,
		calling = ?, call_rev = ?, began = ?, attempts = ?, looks = ?, repeats = ?, cuts = ?, since = ?, next = ?, rest = ?, fault = ?, fence = ?, lease_until = ?, owner = ? WHERE id = ?`,
		h.Shown, clean(h.Receipt.ID), clean(h.Receipt.URL), us(h.Receipt.At), us(h.Posted), h.Edits,
		string(h.Calling), h.CallRev, us(h.Began), h.Attempts, h.Looks, h.Repeats, h.Cuts, h.Since, us(h.Next), string(h.Rest), clean(h.Fault), h.fence, h.lease, h.owner, h.ID)
	return err
}

// putShould writes what should be, and what a new intention clears. The lease stays.
func (t *tx) putShould(ctx context.Context, h held) error {
	if err := t.release(ctx, h.Delivery, &h); err != nil {
		return err
	}
	_, err := t.exec(ctx, `UPDATE deliveries SET language = ?, wanted = ?, rev = ?, manner = ?, attempts = ?, looks = ?, first_due = ?, next = ?, rest = ?, fault = ? WHERE id = ?`,
		string(h.Language), flag(h.Wanted), h.Rev, string(h.Manner), h.Attempts, h.Looks, us(h.First), us(h.Next), string(h.Rest), clean(h.Fault), h.ID)
	return err
}

// changed logs a delivery whose state or fault is another than before.
func (t *tx) changed(before, after announce.Delivery, actor string) {
	if before.State() == after.State() && before.Fault == after.Fault && before.Shown == after.Shown {
		return
	}
	t.log(Event{Actor: actor, What: "delivery", Announcement: after.Announcement, Delivery: after.ID, Account: after.Account,
		State: after.State(), Detail: detail(after)})
}

// detail is what a person wants to know with the state.
func detail(d announce.Delivery) string {
	switch {
	case d.Fault != "":
		return d.Fault
	case d.State() == announce.CallingNow:
		return string(d.Calling)
	case d.State() == announce.Published:
		return d.Receipt.URL
	}
	return ""
}
