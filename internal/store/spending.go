package store

import (
	"context"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// monthOf names the calendar month (UTC) of a moment, as spending is kept.
func monthOf(when time.Time) string { return when.UTC().Format("2006-01") }

// Refund takes amount off an account's current month: what it was booked for did not happen.
func (db *DB) Refund(ctx context.Context, account string, amount int64) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error { return t.refund(ctx, account, monthOf(t.now), amount) })
}

func (t *tx) refund(ctx context.Context, account, month string, amount int64) error {
	_, err := t.exec(ctx, `UPDATE spending SET spent = CASE WHEN spent > ? THEN spent - ? ELSE 0 END WHERE account = ? AND month = ?`, amount, amount, account, month)
	return err
}

// Spend books amount on an account's current month (UTC) unless its sum would pass budget; both are micro-dollars.
// booked: it was. next is when the next month begins. Servers that share the record share the budget.
func (db *DB) Spend(ctx context.Context, account string, amount, budget int64) (booked bool, next time.Time, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) (err error) {
		next = nextMonth(t.now)
		booked, err = t.spend(ctx, account, amount, budget)
		return err
	})
	return booked && err == nil, next, err
}

func nextMonth(now time.Time) time.Time {
	now = now.UTC()
	return time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
}

func (t *tx) spend(ctx context.Context, account string, amount, budget int64) (booked bool, err error) {
	month := monthOf(t.now)
	if _, err := t.exec(ctx, `INSERT INTO spending (account, month, spent) VALUES (?, ?, 0) ON CONFLICT (account, month) DO NOTHING`, account, month); err != nil {
		return false, err
	}
	n, err := t.exec(ctx, `UPDATE spending SET spent = spent + ? WHERE account = ? AND month = ? AND spent + ? <= ?`, amount, account, month, amount, budget)
	return n == 1, err
}

// Prepay is Spend for publishing a claimed delivery anew, before its post is taken away: the amount stays booked until that
// is done, and is given back when the post is not taken away or not published any more. It may be called again: what the
// delivery has paid counts. ErrFenced as for Record.
func (db *DB) Prepay(ctx context.Context, delivery string, fence, amount, budget int64) (booked bool, next time.Time, err error) {
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		next = nextMonth(t.now)
		h, err := t.delivery(ctx, delivery, t.lock("FOR UPDATE"))
		if err != nil {
			return err
		}
		if h.fence != fence || h.lease == 0 {
			return ErrFenced
		}
		month := h.paidIn
		if more := amount - h.Paid; more <= 0 {
			booked, err = true, t.refund(ctx, h.Account, month, -more)
		} else {
			month = monthOf(t.now)
			booked, err = t.spend(ctx, h.Account, more, budget)
		}
		if err != nil || !booked {
			return err
		}
		_, err = t.exec(ctx, `UPDATE deliveries SET paid = ?, paid_in = ? WHERE id = ?`, amount, month, delivery)
		return err
	})
	return booked && err == nil, next, err
}

// release ends what is booked for publishing h anew, when that is done, or else gives it back, when it will not be done.
func (t *tx) release(ctx context.Context, before announce.Delivery, h *held) error {
	switch {
	case h.Paid == 0, h.Calling != announce.Nothing:
		return nil
	case h.Shown > 0 && before.Shown == 0: // it was for this
	case h.Shown > 0, !h.Wanted, h.Rest == announce.Failed, h.Rest == announce.Skipped:
		if err := t.refund(ctx, h.Account, h.paidIn, h.Paid); err != nil {
			return err
		}
	default:
		return nil
	}
	h.Paid, h.paidIn = 0, ""
	_, err := t.exec(ctx, `UPDATE deliveries SET paid = 0, paid_in = '' WHERE id = ?`, h.ID)
	return err
}
