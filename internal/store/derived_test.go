package store

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// The columns todo, state and due say what announce.Delivery says, whatever a delivery holds.
func TestDerivedColumns(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		id := save(t, db, sample(db))
		base := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		var all []held
		for _, wanted := range []bool{true, false} {
			for _, shown := range []int{0, 1, 2, 3} {
				for _, calling := range []announce.Verb{announce.Nothing, announce.Publish, announce.Amend, announce.Retract} {
					for _, rest := range []announce.Rest{announce.Moving, announce.Failed, announce.Skipped, announce.Person, announce.Cannot} {
						for _, fault := range []string{"", "broken"} {
							for looks := range 2 {
								for _, manner := range []announce.Manner{announce.Edited, announce.Anew, announce.Kept} {
									n := len(all)
									all = append(all, held{Delivery: announce.Delivery{
										ID: fmt.Sprintf("%05d", n), Announcement: id, Account: "slack", Language: "fr", Part: n,
										Wanted: wanted, Rev: 2, Manner: manner, Shown: shown, Calling: calling, Rest: rest, Fault: fault, Looks: looks,
										First: base, Next: base.Add(time.Duration(n) * time.Second),
									}})
								}
							}
						}
					}
				}
			}
		}
		for _, h := range all {
			h.ID = "leased" + h.ID
			h.Part += 10000
			all = append(all, h)
		}
		must(t, db.write(t.Context(), func(ctx context.Context, x *tx) error {
			if err := x.insertAll(ctx, all); err != nil {
				return err
			}
			_, err := x.exec(ctx, `UPDATE deliveries SET lease_until = 42 WHERE id LIKE 'leased%'`)
			return err
		}))
		type derived struct {
			todo  announce.Verb
			state announce.State
			due   sql.NullInt64
		}
		got := map[string]derived{}
		must(t, db.read().each(t.Context(), `SELECT id, todo, state, due FROM deliveries`, nil, func(scan func(...any) error) error {
			var id string
			var d derived
			err := scan(&id, &d.todo, &d.state, &d.due)
			got[id] = d
			return err
		}))
		if len(got) != len(all) {
			t.Fatalf("%d of %d rows", len(got), len(all))
		}
		for i, h := range all {
			w := derived{todo: h.Todo(), state: h.State()}
			if h.Todo() != announce.Nothing {
				w.due = sql.NullInt64{Int64: us(h.Next), Valid: true}
				if i >= len(all)/2 {
					w.due.Int64 = 42
				}
			}
			if got[h.ID] != w {
				t.Errorf("%+v: stored %+v, want %+v", h.Delivery, got[h.ID], w)
			}
		}
	})
}
