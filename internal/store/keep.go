package store

import (
	"context"
	"math/rand/v2"
	"time"
)

// anonymize cuts the letters of plans that were over before a moment from the people they went to: in place of an address
// stands a number that nobody can trace, and what a platform answered is gone. Counts stay. Some at a time; more: repeat it.
func (t *tx) anonymize(ctx context.Context, before time.Time) (more bool, err error) {
	var plan int64
	found, err := t.one(ctx, `SELECT id FROM plans WHERE open = 0 AND first_due < ? AND EXISTS (SELECT 1 FROM letters WHERE plan = plans.id AND address > 0)
		ORDER BY first_due LIMIT 1`+t.lock("FOR UPDATE"), []any{us(before)}, &plan)
	if err != nil || !found {
		return false, err
	}
	var addresses []int64
	err = t.each(ctx, `SELECT address FROM letters WHERE plan = ? AND address > 0 ORDER BY address LIMIT ?`, []any{plan, atOnce}, func(scan func(...any) error) error {
		var a int64
		err := scan(&a)
		addresses = append(addresses, a)
		return err
	})
	for _, a := range addresses {
		if err == nil {
			_, err = t.exec(ctx, `UPDATE letters SET address = ?, fault = CASE WHEN fault = '' THEN '' ELSE 'no longer kept' END, receipt_id = '', receipt_url = ''
				WHERE plan = ? AND address = ?`, -1-rand.Int64N(1<<62), plan, a)
		}
	}
	if err == nil {
		_, err = t.exec(ctx, `DELETE FROM reports WHERE plan = ? AND source = ?`, plan, byDelivery) // their IDs name letters
	}
	if err == nil {
		_, err = t.exec(ctx, `UPDATE reports SET plan = 0 WHERE plan = ?`, plan)
	}
	if err == nil {
		_, err = t.exec(ctx, `UPDATE plans SET only_to = CASE WHEN only_to > 0 THEN -1 ELSE 0 END WHERE id = ?`, plan)
	}
	return true, err
}
