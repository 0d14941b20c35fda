package digest

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/crieur/crieur/internal/store"
)

// So many digests are due at the same minute (DUE, by default 20), each with a reader of its own, and two servers make them at
// once: each is made once, and everybody has one letter.
func TestManyDue(t *testing.T) {
	many := 20
	if n, err := strconv.Atoi(os.Getenv("DUE")); err == nil {
		many = n
	}
	both(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		servers := []*Service{d.Service}
		if d.o.Dir == "" {
			db, err := store.Open(ctx, d.o)
			must(t, err)
			t.Cleanup(func() { must(t, db.Close()) })
			servers = append(servers, d.server(db))
		} else { // one process has the record, and works twice at once
			servers = append(servers, d.server(d.db))
		}
		who := map[int64]bool{}
		d.to("2027-03-08T12:00")
		for i := range many {
			name := fmt.Sprintf("due-%04d", i)
			must(t, d.db.PutDigest(ctx, store.Digest{Name: name, Schedule: "0 8 * * *"}, "test"))
			who[d.join(store.Address{Address: name + "@example.org", Language: "en", Everything: true, Frequency: store.Frequency(name)})] = true
		}
		d.work()
		d.to("2027-03-08T13:00")
		d.news("The one news")
		d.to("2027-03-09T08:01")
		var g sync.WaitGroup
		for _, s := range servers {
			g.Go(func() {
				for range 2 { // whoever comes second finds what is left
					if _, err := s.Work(ctx); err != nil {
						t.Error(err)
					}
				}
			})
		}
		g.Wait()
		d.work()
		got := d.letters()
		for id := range who {
			if len(got[id]) != 1 {
				t.Errorf("%d has %d letters", id, len(got[id]))
			}
		}
		runs := 0
		for i := range many {
			all, err := d.db.DigestRuns(ctx, fmt.Sprintf("due-%04d", i), 10)
			must(t, err)
			for _, r := range all {
				if r.State != store.RunDone || r.Letters != 1 {
					t.Errorf("%+v", r)
				}
				runs++
			}
		}
		if runs != many || len(got) != many {
			t.Errorf("%d runs and %d readers of %d", runs, len(got), many)
		}
		d.to("2027-03-09T08:30")
		d.work()
		if again := d.letters(); len(again) > 0 {
			t.Errorf("%d are told again", len(again))
		}
	})
}
