package store

import (
	"bytes"
	"testing"
)

// The newest key signs, and those before are kept; what leaked is marked, and the new one is not.
func TestLinkKeys(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		first, err := db.LinkKeys(ctx)
		if must(t, err); len(first) != 1 || len(first[0].Secret) != 32 {
			t.Fatalf("%d keys", len(first))
		}
		must(t, db.RotateLinkKey(ctx, true, "ada"))
		must(t, db.RotateLinkKey(ctx, false, "ada"))
		all, err := db.LinkKeys(ctx)
		if must(t, err); len(all) != 3 || !bytes.Equal(all[2].Secret, first[0].Secret) || !all[2].Leaked || all[1].Leaked || all[0].Leaked {
			t.Errorf("%d keys", len(all))
		}
	})
}
