package store

import (
	"context"
	"time"
)

// Refund takes amount off an account's current month: what it was booked for did not happen.
func (db *DB) Refund(ctx context.Context, account string, amount int64) error {
	month := db.Now().UTC().Format("2006-01")
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE spending SET spent = CASE WHEN spent > ? THEN spent - ? ELSE 0 END WHERE account = ? AND month = ?`, amount, amount, account, month)
		return err
	})
}

// Spend books amount on an account's current month (UTC) unless its sum would pass budget; both are micro-dollars.
// booked: it was. next is when the next month begins. Servers that share the record share the budget.
func (db *DB) Spend(ctx context.Context, account string, amount, budget int64) (booked bool, next time.Time, err error) {
	now := db.Now().UTC()
	month := now.Format("2006-01")
	next = time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
	err = db.write(ctx, func(ctx context.Context, t *tx) error {
		booked = false
		if _, err := t.exec(ctx, `INSERT INTO spending (account, month, spent) VALUES (?, ?, 0) ON CONFLICT (account, month) DO NOTHING`, account, month); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE spending SET spent = spent + ? WHERE account = ? AND month = ? AND spent + ? <= ?`, amount, account, month, amount, budget)
		booked = n == 1
		return err
	})
	return booked && err == nil, next, err
}
