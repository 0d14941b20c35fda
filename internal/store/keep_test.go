package store

import (
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// After Options.Keep the record tells how a mailing went, and not any more to whom.
func TestKeep(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t, func(o *Options) { o.Keep = 90 * 24 * time.Hour })
		ctx := t.Context()
		add(t, db, 3)
		old := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 1000)
		sent := deliver(t, db, old)
		p.clock.forward(80 * 24 * time.Hour)
		young := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 1000)
		known := func(id announce.ID) (n int) {
			t.Helper()
			_, err := db.read().one(ctx, `SELECT COUNT(*) FROM letters l JOIN plans p ON p.id = l.plan JOIN addresses a ON a.id = l.address WHERE p.announcement = ?`, []any{string(id)}, &n)
			must(t, err)
			return n
		}
		must(t, db.Prune(ctx))
		if known(old) != 3 {
			t.Error("forgotten too early")
		}
		p.clock.forward(20 * 24 * time.Hour)
		must(t, db.Prune(ctx))
		if known(old) != 3 {
			t.Error("letters that wait were forgotten")
		}
		for range 2 {
			deliver(t, db, old)
		}
		idle(t, db, old)
		before := balanced(t, db, old, "email")
		must(t, db.Prune(ctx))
		if n := known(old); n != 0 {
			t.Errorf("%d letters still name their reader", n)
		}
		if after := balanced(t, db, old, "email"); after.Planned != 3 || after.By[announce.Published] != before.By[announce.Published] || known(young) != 3 {
			t.Errorf("%+v, before %+v", after, before)
		}
		var answers int
		_, err := db.read().one(ctx, `SELECT COUNT(*) FROM letters l JOIN plans p ON p.id = l.plan WHERE p.announcement = ? AND receipt_id <> ''`, []any{string(old)}, &answers)
		if err != nil || answers != 0 || sent.Address == 0 {
			t.Errorf("%d answers are kept, %v", answers, err)
		}
	})
}
