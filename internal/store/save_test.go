package store

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func TestSaveReadsBack(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack", "twitter").personal(db, "email")
		picture := bytes.Repeat([]byte{1, 0, 255}, 1000)
		s.Announcement.Images = []announce.Image{{Data: picture, Type: "image/png", Alt: map[announce.Language]string{"fr": "Une salle"}}, {URL: "https://example.org/a.png"}}
		for i := range s.Payloads {
			s.Payloads[i].Message.Images = []announce.Picture{{Data: picture, Type: "image/png", Alt: "Une salle"}, {URL: "https://example.org/a.png"}}
		}
		id := save(t, db, s)
		a, retracted, err := db.Announcement(t.Context(), id)
		must(t, err)
		if retracted || !reflect.DeepEqual(a, s.Announcement) {
			t.Errorf("read back %+v\nwant %+v", a, s.Announcement)
		}
		all, err := db.Deliveries(t.Context(), id)
		must(t, err)
		if len(all) != 2 || all[0].ID == all[1].ID || !all[0].First.Equal(db.Now()) || all[0].State() != announce.Waiting {
			t.Errorf("deliveries %+v", all)
		}
		c := claim(t, db, "slack", id)
		if !bytes.Equal(c.Message.Images[0].Data, picture) || c.Message.Images[1].URL == "" || c.Message.Key != c.Delivery.ID || !c.Message.Date.Equal(c.Delivery.First) {
			t.Errorf("message %+v", c.Message)
		}
		var stored int
		_, err = db.read().one(t.Context(), `SELECT COUNT(*) FROM blobs`, nil, &stored)
		must(t, err)
		if stored != 1 {
			t.Errorf("the picture of one announcement and four messages is stored %d times", stored)
		}
		entries, err := db.Announcements(t.Context(), "", 10)
		must(t, err)
		if len(entries) != 1 || entries[0].Counts[announce.Waiting] != 1 || entries[0].Counts[announce.CallingNow] != 1 {
			t.Errorf("entries %+v", entries)
		}
		if accounts, err := db.PersonalAccounts(t.Context(), id); err != nil || !reflect.DeepEqual(accounts, []string{"email"}) {
			t.Errorf("personal accounts %v, %v", accounts, err)
		}
		_, _, err = db.Announcement(t.Context(), "nothing")
		want(t, err, ErrNotFound)
		_, err = db.Delivery(t.Context(), "nothing")
		want(t, err, ErrNotFound)
	})
}

func TestAnnouncementsPageByPage(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		var ids []announce.ID
		for range 5 {
			p.clock.forward(time.Second)
			ids = append([]announce.ID{save(t, db, sample(db, "slack"))}, ids...)
		}
		var seen []announce.ID
		for before := announce.ID(""); ; {
			page, err := db.Announcements(t.Context(), before, 2)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				seen = append(seen, e.Announcement.ID)
				before = e.Announcement.ID
			}
		}
		if !reflect.DeepEqual(seen, ids) {
			t.Errorf("listed %v, want %v", seen, ids)
		}
	})
}

func TestSaveIsAllOrNothing(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		s := sample(db, "slack", "slack") // the same delivery twice
		s.Payloads = s.Payloads[:1]
		if _, _, err := db.Save(t.Context(), s); err == nil {
			t.Fatal("two equal deliveries were accepted")
		}
		_, _, err := db.Announcement(t.Context(), s.Announcement.ID)
		want(t, err, ErrNotFound)
		if seq, err := db.LastEvent(t.Context()); err != nil || seq != 0 {
			t.Errorf("%d events, %v", seq, err)
		}
	})
}

func TestKeys(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		s := sample(db, "slack")
		s.Key = key("k", "body")
		if _, _, found, err := db.Recall(ctx, *s.Key); found || err != nil {
			t.Fatalf("recalled before it was saved: %v", err)
		}
		save(t, db, s)
		answer, status, found, err := db.Recall(ctx, *s.Key)
		if err != nil || !found || status != 202 || !bytes.Equal(answer, s.Key.Answer) {
			t.Fatalf("recalled %q %d %v %v", answer, status, found, err)
		}
		again := sample(db, "slack")
		again.Key = key("k", "body")
		again.Key.Answer = []byte("another answer")
		replay, replayed, err := db.Save(ctx, again)
		if err != nil || !replayed || !bytes.Equal(replay, s.Key.Answer) {
			t.Fatalf("replayed %q %v %v", replay, replayed, err)
		}
		_, _, err = db.Announcement(ctx, again.Announcement.ID)
		want(t, err, ErrNotFound)

		other := sample(db, "slack")
		other.Key = key("k", "another body")
		_, _, err = db.Save(ctx, other)
		want(t, err, ErrKeyReused)
		_, _, _, err = db.Recall(ctx, *other.Key)
		want(t, err, ErrKeyReused)
		other.Key.Token = "somebody else"
		save(t, db, other)

		p.clock.forward(time.Hour)
		if _, _, found, _ := db.Recall(ctx, *s.Key); found {
			t.Fatal("an expired key was recalled")
		}
		must(t, db.Prune(ctx))
		if _, replayed, err := db.Save(ctx, again); err != nil || replayed {
			t.Fatalf("after it expired a key was replayed: %v %v", replayed, err)
		}
	})
}

func TestFiftyAtOnceAreOne(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		var fresh, replays atomic.Int32
		var group sync.WaitGroup
		for i := range 50 {
			group.Go(func() {
				db := all[i%len(all)]
				s := sample(db, "slack", "twitter")
				s.Key = key("k", "body")
				s.Key.Answer = []byte(strconv.Itoa(i))
				switch _, replayed, err := db.Save(context.Background(), s); {
				case err != nil:
					t.Error(err)
				case replayed:
					replays.Add(1)
				default:
					fresh.Add(1)
				}
			})
		}
		group.Wait()
		entries, err := all[0].Announcements(t.Context(), "", 100)
		must(t, err)
		if fresh.Load() != 1 || replays.Load() != 49 || len(entries) != 1 {
			t.Errorf("%d fresh, %d replays, %d announcements", fresh.Load(), replays.Load(), len(entries))
		}
	})
}

func TestReviseNeedsTheCurrentRevision(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		db := all[0]
		s := sample(db, "slack")
		save(t, db, s)
		var stale, fine atomic.Int32
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				err := all[i%len(all)].Revise(context.Background(), 1, s.next(db))
				var e *StaleError
				switch {
				case err == nil:
					fine.Add(1)
				case errors.As(err, &e) && e.Current == 2 && errors.Is(err, ErrStale):
					stale.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		group.Wait()
		if fine.Load() != 1 || stale.Load() != 9 {
			t.Errorf("%d amended, %d stale", fine.Load(), stale.Load())
		}
		missing := sample(db, "slack").next(db)
		want(t, db.Revise(t.Context(), 1, missing), ErrNotFound)
		want(t, db.Withdraw(t.Context(), s.Announcement.ID, 1, "ada", nil, db.Now()), ErrStale)
		must(t, db.Withdraw(t.Context(), s.Announcement.ID, 2, "ada", nil, db.Now()))
		must(t, db.Withdraw(t.Context(), s.Announcement.ID, 2, "ada", nil, db.Now()))
		want(t, db.Revise(t.Context(), 2, s.next(db).next(db)), ErrRetracted)
	})
}
