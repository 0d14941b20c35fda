package store

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func TestTheLogTellsTheStory(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 2)
		s := sample(db, "slack").personal(db, "email")
		id := save(t, db, s)
		planAll(t, db, 10)
		publish(t, db, "slack", id)
		deliver(t, db, id)
		n := s.next(db)
		must(t, db.Revise(ctx, 1, n))
		c := claim(t, db, "slack", id)
		d := c.Delivery
		d.Fault = "no answer"
		record(t, db, c, d)
		must(t, db.Withdraw(ctx, id, 2, "bea", nil, db.Now()))
		must(t, db.Stop(ctx, "bea", "enough"))
		_, err := db.StopAccount(ctx, "slack", "token revoked")
		must(t, err)
		all, err := db.Events(ctx, 0, 100)
		must(t, err)
		var story []string
		for i, e := range all {
			story = append(story, strings.TrimSpace(fmt.Sprintf("%s %s %s %s: %s", e.Actor, e.What, e.Account, e.State, e.Detail)))
			if i > 0 && e.Seq <= all[i-1].Seq {
				t.Errorf("%d after %d", e.Seq, all[i-1].Seq)
			}
			if !e.At.Equal(db.Now()) {
				t.Errorf("at %v", e.At)
			}
		}
		told := []string{
			"test subscribers  : 2 added", "ada submitted  : Réunion d’été", "planned email : 2", "worker delivery slack calling: publish", "worker delivery slack published: https://example.org/slack",
			"ada amended  : Réunion d’été", "worker delivery slack calling: amend", "worker delivery slack unknown: no answer",
			"bea retracted  :", "bea stopped  : enough", "account-stopped slack : token revoked",
		}
		if !reflect.DeepEqual(story, told) {
			t.Errorf("%s\nwant\n%s", strings.Join(story, "\n"), strings.Join(told, "\n"))
		}
		last, err := db.LastEvent(ctx)
		if err != nil || last != all[len(all)-1].Seq {
			t.Errorf("last %d, %v", last, err)
		}
		if rest, err := db.Events(ctx, all[3].Seq, 2); err != nil || !reflect.DeepEqual(rest, all[4:6]) {
			t.Errorf("%+v %v", rest, err)
		}
	})
}

func TestTheLogIsAppendOnly(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		save(t, db, sample(db, "slack"))
		for _, query := range []string{`UPDATE events SET actor = 'nobody'`, `DELETE FROM events`, `TRUNCATE events`} {
			if err := raw(db, query); err == nil {
				t.Errorf("%s: done", query)
			}
		}
		if all, err := db.Events(t.Context(), 0, 10); err != nil || len(all) != 1 || all[0].Actor != "ada" {
			t.Errorf("%+v %v", all, err)
		}
	})
}

// A reader who goes on from the last number it saw misses no event, whoever commits first.
func TestNoEventIsMissed(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		db := all[0]
		const writers, each = 8, 15
		var group sync.WaitGroup
		for i := range writers {
			group.Go(func() {
				for k := range each {
					_, err := all[i%len(all)].StopAccount(context.Background(), fmt.Sprintf("a%d-%d", i, k), "")
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		over := make(chan struct{})
		go func() { group.Wait(); close(over) }()
		var last int64
		seen := 0
		for ended := false; ; {
			some, err := db.Events(t.Context(), last, 7)
			must(t, err)
			for _, e := range some {
				last, seen = e.Seq, seen+1
			}
			if len(some) > 0 {
				continue
			}
			if ended {
				break
			}
			select {
			case <-over:
				ended = true
			default:
			}
		}
		if seen != writers*each {
			t.Errorf("%d of %d events were seen", seen, writers*each)
		}
	})
}

func TestTokens(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		plain, made, err := db.CreateToken(ctx, "web", []string{"read", "announce"})
		must(t, err)
		word := plain.Reveal()
		if !strings.HasPrefix(word, "crr_") || len(word) != 36 {
			t.Errorf("token of %d characters", len(word))
		}
		got, good, err := db.Authenticate(ctx, word)
		if err != nil || !good || got.ID != made.ID || !reflect.DeepEqual(got.Scopes, []string{"read", "announce"}) || !got.Used.Equal(db.Now()) {
			t.Fatalf("%+v %v %v", got, good, err)
		}
		used := db.Now()
		for _, step := range []time.Duration{30 * time.Second, 30 * time.Second} {
			p.clock.forward(step)
			_, _, err := db.Authenticate(ctx, word)
			must(t, err)
			all, err := db.Tokens(ctx)
			must(t, err)
			if w := used.Add(time.Minute); db.Now().Before(w) != all[0].Used.Equal(used) {
				t.Errorf("used %v at %v", all[0].Used, db.Now())
			}
		}
		for _, wrong := range []string{"", "crr_", word + "a", strings.ToUpper(word)} {
			if _, good, err := db.Authenticate(ctx, wrong); good || err != nil {
				t.Errorf("%q: %v %v", wrong, good, err)
			}
		}
		must(t, db.RevokeToken(ctx, made.ID))
		want(t, db.RevokeToken(ctx, made.ID), ErrNotFound)
		if _, good, err := db.Authenticate(ctx, word); good || err != nil {
			t.Error("a revoked token is good", err)
		}
		all, err := db.Tokens(ctx)
		if err != nil || len(all) != 1 || !all[0].Revoked.Equal(db.Now()) {
			t.Errorf("%+v %v", all, err)
		}
		var stored int
		_, err = db.read().one(ctx, `SELECT COUNT(*) FROM tokens WHERE hash LIKE '%' || ? || '%'`, []any{word[4:]}, &stored)
		if err != nil || stored != 0 {
			t.Error("the secret is stored", err)
		}
	})
}

func TestShelf(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		shelf := p.open(t).Shelf()
		ctx := t.Context()
		first := p.clock.Now()
		item := func(key, text string) announce.ShelfItem {
			now := p.clock.Now()
			return announce.ShelfItem{Key: key, First: now, Updated: now, Message: announce.Message{Key: key, Text: text,
				Images: []announce.Picture{{Data: []byte{1, 2}, Type: "image/png", Alt: "Une salle"}}}}
		}
		list := func() []announce.ShelfItem {
			t.Helper()
			all, err := shelf.List(ctx)
			must(t, err)
			return all
		}
		editions := map[string]bool{}
		edition := func(fresh bool) {
			t.Helper()
			e, err := shelf.Edition(ctx)
			must(t, err)
			if editions[e] == fresh {
				t.Errorf("edition %s: fresh %v", e, !fresh)
			}
			editions[e] = true
		}
		edition(true)
		must(t, shelf.Put(ctx, item("a", "un")))
		edition(true)
		edition(false)
		p.clock.forward(time.Hour)
		must(t, shelf.Put(ctx, item("b", "deux")))
		if all := list(); len(all) != 2 || all[0].Key != "b" || !reflect.DeepEqual(all[1].Message, item("a", "un").Message) {
			t.Fatalf("%+v", all)
		}
		p.clock.forward(time.Hour)
		for i := range 2 { // a repeat changes nothing
			must(t, shelf.Put(ctx, item("a", "un, mieux")))
			edition(i == 0)
			if a := list()[0]; a.Key != "a" || a.Message.Text != "un, mieux" || !a.First.Equal(first) || !a.Updated.Equal(p.clock.Now()) || a.Sequence != 1 {
				t.Fatalf("%+v", a)
			}
		}
		p.clock.forward(time.Hour)
		removed := p.clock.Now()
		for i := range 2 {
			must(t, shelf.Remove(ctx, "b", p.clock.Now()))
			edition(i == 0)
			p.clock.forward(time.Hour)
		}
		must(t, shelf.Remove(ctx, "nothing", removed))
		if b := list()[0]; b.Key != "b" || !b.Removed.Equal(removed) || !b.Updated.Equal(removed) || b.Sequence != 1 {
			t.Fatalf("%+v", b)
		}
		must(t, shelf.Put(ctx, item("b", "deux")))
		if b := list()[0]; b.Key != "b" || !b.Removed.IsZero() || b.Sequence != 2 || !b.First.Equal(first.Add(time.Hour)) {
			t.Fatalf("%+v", b)
		}
		for i := range shelved {
			p.clock.forward(time.Second)
			must(t, shelf.Put(ctx, item(fmt.Sprint("n", i), "")))
		}
		if all := list(); len(all) != shelved || all[0].Key != fmt.Sprint("n", shelved-1) {
			t.Fatalf("%d items", len(all))
		}
		if old, found, err := shelf.Item(ctx, "a"); err != nil || !found || old.Message.Text != "un, mieux" {
			t.Errorf("%+v %v %v", old, found, err)
		}
		if _, found, err := shelf.Item(ctx, "nothing"); found || err != nil {
			t.Error(found, err)
		}
	})
}

func TestTotals(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		if by, oldest, err := db.Totals(t.Context()); err != nil || len(by) != 0 || !oldest.IsZero() {
			t.Fatal(by, oldest, err)
		}
		first := db.Now()
		id := save(t, db, sample(db, "slack", "twitter"))
		publish(t, db, "slack", id)
		p.clock.forward(time.Hour)
		save(t, db, sample(db, "slack"))
		by, oldest, err := db.Totals(t.Context())
		must(t, err)
		if !oldest.Equal(first) || !reflect.DeepEqual(by, map[string]map[announce.State]int{"slack": {announce.Published: 1, announce.Waiting: 1}, "twitter": {announce.Waiting: 1}}) {
			t.Errorf("%v %v", by, oldest)
		}
	})
}
