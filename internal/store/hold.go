package store

import (
	"context"
	"time"
)

// Pause keeps an account from being called before until. The later of two pauses wins.
func (db *DB) Pause(ctx context.Context, account string, until time.Time, why string) error {
	return db.hold(ctx, func(ctx context.Context, t *tx) error {
		if err := t.account(ctx, account); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE accounts SET paused_until = ?, why = ? WHERE account = ? AND paused_until < ?`,
			us(until), clean(why), account, us(until))
		if err == nil && n > 0 {
			t.log(Event{What: "paused", Account: account, Detail: why})
		}
		return err
	})
}

// StopAccount keeps an account from being called until ResumeAccount. first: it was not stopped before.
func (db *DB) StopAccount(ctx context.Context, account, fault string) (first bool, err error) {
	err = db.hold(ctx, func(ctx context.Context, t *tx) error {
		if err := t.account(ctx, account); err != nil {
			return err
		}
		n, err := t.exec(ctx, `UPDATE accounts SET stopped = ?, fault = ? WHERE account = ? AND stopped = 0`, us(t.now), clean(fault), account)
		if first = n > 0; err == nil && first {
			t.log(Event{What: "account-stopped", Account: account, Detail: fault})
		}
		return err
	})
	return first && err == nil, err
}

// ResumeAccount ends a stop and the pauses of an account and its groups.
func (db *DB) ResumeAccount(ctx context.Context, account, actor string) error {
	return db.hold(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE accounts SET stopped = 0, fault = '', paused_until = 0, why = '' WHERE account = ? AND (stopped > 0 OR paused_until > 0)`, account)
		if err == nil && n > 0 {
			t.log(Event{Actor: actor, What: "account-resumed", Account: account})
		}
		if err != nil {
			return err
		}
		return t.endPauses(ctx, account)
	})
}

// Accounts lists every account that was ever used, by name.
func (db *DB) Accounts(ctx context.Context) ([]AccountState, error) {
	var all []AccountState
	err := db.read().each(ctx, `SELECT account, paused_until, why, stopped, fault FROM accounts ORDER BY account`, nil, func(scan func(...any) error) error {
		var a AccountState
		var until, stopped int64
		err := scan(&a.Account, &until, &a.Why, &stopped, &a.Fault)
		a.PausedUntil, a.Stopped, a.Since = at(until), stopped > 0, at(stopped)
		all = append(all, a)
		return err
	})
	return all, db.fault(err)
}

// Stop keeps everything from being called: no claim succeeds after it returned.
func (db *DB) Stop(ctx context.Context, actor, why string) error {
	return db.hold(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE server SET stopped_at = ?, stopped_by = ?, why = ? WHERE stopped_at = 0`, us(t.now), clean(actor), clean(why))
		if err == nil && n > 0 {
			t.log(Event{Actor: actor, What: "stopped", Detail: why})
		}
		return err
	})
}

// Resume ends Stop.
func (db *DB) Resume(ctx context.Context, actor string) error {
	return db.hold(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `UPDATE server SET stopped_at = 0, stopped_by = '', why = '' WHERE stopped_at > 0`)
		if err == nil && n > 0 {
			t.log(Event{Actor: actor, What: "resumed"})
		}
		return err
	})
}

// Stopped tells whether, since when and why everything is stopped.
func (db *DB) Stopped(ctx context.Context) (stopped bool, since time.Time, why string, err error) {
	var when int64
	_, err = db.read().one(ctx, `SELECT stopped_at, why FROM server`, nil, &when, &why)
	return when > 0, at(when), why, db.fault(err)
}

// hold changes what claims and beginnings look at, while none is between looking and committing.
func (db *DB) hold(ctx context.Context, fn func(context.Context, *tx) error) error {
	return db.write(ctx, func(ctx context.Context, t *tx) error {
		if err := t.advisory(ctx, lockGate, false); err != nil {
			return err
		}
		return fn(ctx, t)
	})
}
