package store

import (
	"slices"
	"testing"
)

// The counted links of an announcement stay through its revisions, and count for it alone.
func TestCounts(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		first := []Counted{{Token: "a", Target: "https://example.org/"}, {Token: "b"}}
		s := sample(db, "slack")
		s.Counted = first
		id := save(t, db, s)
		s.Announcement.Rev, s.Deliveries = 2, nil
		s.Counted = []Counted{first[0], {Token: "c", Target: "https://example.org/c"}}
		must(t, db.Revise(ctx, 1, s))
		other := save(t, db, sample(db, "slack"))
		must(t, db.AddCounts(ctx, map[string]int{"a": 2, "c": 5}))
		must(t, db.AddCounts(ctx, map[string]int{"a": 1, "nothing": 1}))
		expected := []Counted{{"c", "https://example.org/c", 5}, {"a", "https://example.org/", 3}, {"b", "", 0}}
		if got, err := db.CountedLinks(ctx, id); err != nil || !slices.Equal(got, expected) {
			t.Errorf("%+v %v", got, err)
		}
		if got, err := db.CountedLinks(ctx, other); err != nil || len(got) != 0 {
			t.Errorf("%+v %v", got, err)
		}
		if target, err := db.CountedTarget(ctx, "a"); err != nil || target != "https://example.org/" {
			t.Error(target, err)
		}
		_, err := db.CountedTarget(ctx, "nothing")
		want(t, err, ErrNotFound)
	})
}
