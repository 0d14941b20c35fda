package store

import (
	"fmt"
	"testing"

	"github.com/crieur/crieur/internal/announce"
)

// threaded is s told in parts on an account, the last in another language.
func (s Submission) threaded(db *DB, account string, parts int) Submission {
	for part := range parts {
		l := announce.Language("fr")
		if part == parts-1 {
			l = "en"
		}
		m := announce.Message{Rev: s.Announcement.Rev, Language: l, Text: fmt.Sprintf("part %d", part), Part: part, Parts: parts}
		s.Payloads = append(s.Payloads, Payload{Account: account, Language: l, Message: m})
		s.Deliveries = append(s.Deliveries, announce.Delivery{Account: account, Language: l, Part: part, Wanted: true, Rev: s.Announcement.Rev, Next: db.Now()})
	}
	return s
}

// Each part of a thread answers the one before, and waits until that one can be seen.
func TestThreadIsPublishedInOrder(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		id := save(t, db, sample(db).threaded(db, "mastodon", 3))
		var receipts []announce.Receipt
		for part := range 3 {
			c := claim(t, db, "mastodon", id)
			if c.Message.Part != part || c.Message.Text != fmt.Sprintf("part %d", part) {
				t.Fatalf("part %d: %+v", part, c.Message)
			}
			if part > 0 && (c.Message.Root != receipts[0] || c.Message.Parent != receipts[part-1]) {
				t.Errorf("part %d answers %+v in the thread of %+v", part, c.Message.Parent, c.Message.Root)
			}
			none(t, db, "mastodon", id)
			d := shown(c, db.Now())
			record(t, db, c, d)
			receipts = append(receipts, d.Receipt)
		}
		none(t, db, "mastodon", id)
	})
}

// A thread that becomes shorter loses its last parts; nothing is answered that was refused.
func TestThreadFollowsAnAmendment(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db).threaded(db, "mastodon", 3)
		id := save(t, db, s)
		for range 3 {
			publish(t, db, "mastodon", id)
		}
		shorter := s.next(db)
		shorter.Payloads, shorter.Deliveries = shorter.Payloads[:1], shorter.Deliveries[:1]
		must(t, db.Revise(t.Context(), 1, shorter))
		verbs := map[int]announce.Verb{}
		for range 3 {
			c := claim(t, db, "mastodon", id)
			verbs[c.Delivery.Part] = c.Verb
			record(t, db, c, shown(c, db.Now()))
		}
		if verbs[0] != announce.Amend || verbs[1] != announce.Retract || verbs[2] != announce.Retract {
			t.Errorf("%v", verbs)
		}

		id = save(t, db, sample(db).threaded(db, "bluesky", 2))
		c := claim(t, db, "bluesky", id)
		d := c.Delivery
		d.Calling, d.Rest, d.Fault = announce.Nothing, announce.Failed, "refused"
		record(t, db, c, d)
		none(t, db, "bluesky", id)
		if jobs, err := db.Due(t.Context(), 10); err != nil || len(jobs) > 0 {
			t.Errorf("%v is due for ever, %v", jobs, err)
		}
	})
}
