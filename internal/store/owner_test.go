package store

import (
	"context"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

// After a crash the same state directory settles its calls at once; another server's leases stay.
func TestRestartTakesItsLeasesBack(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		p.Dir = t.TempDir()
		db := p.open(t)
		id := save(t, db, sample(db, "slack", "twitter"))
		for account, owner := range map[string]string{"slack": db.Owner(), "twitter": "server-elsewhere"} {
			if _, ok, err := db.Claim(t.Context(), account, id, ClaimOptions{Owner: owner, Lease: time.Hour}); err != nil || !ok {
				t.Fatal(ok, err)
			}
		}
		owner := db.Owner()
		must(t, db.Close())
		db = p.open(t)
		if db.Owner() != owner {
			t.Errorf("the state directory was %s and is %s", owner, db.Owner())
		}
		c, ok, err := db.Claim(context.Background(), "slack", id, worker)
		if err != nil || !ok || c.Verb != announce.Settle {
			t.Errorf("own call: %v %q %v", ok, c.Verb, err)
		}
		none(t, db, "twitter", id)
	})
}
