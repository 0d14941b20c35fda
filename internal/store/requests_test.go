package store

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

var most = Limits{Day: 1, Month: 3, NetworkHour: 10, NetworkDay: 50, Hour: 300}

func network(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, byte(n >> 8), byte(n), 0}), 24)
}

func TestAskAndConfirm(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		for _, want := range []Asking{Owed, TooOften} {
			_, got, err := db.Ask(ctx, Joining{Address: mail("ada@example.org"), Deed: Deed{How: "form", Basis: "express", Words: "I want it", Network: network(1)}, Most: most})
			if got != want || err != nil {
				t.Fatal(got, err)
			}
		}
		ada, err := db.AddressOf(ctx, "email", "ada@example.org")
		if err != nil || ada.Standing != Pending {
			t.Fatalf("%+v %v", ada, err)
		}
		owing, err := db.Owing(ctx, Owing{}, 10)
		if err != nil || len(owing) != 1 || owing[0].Letter != OwesConfirm || owing[0].Address.ID != ada.ID {
			t.Fatalf("%+v %v", owing, err)
		}
		must(t, db.Settled(ctx, owing[0]))
		for _, want := range []bool{true, false} {
			p.clock.forward(time.Minute)
			if confirmed, err := db.Confirm(ctx, ada.ID, Deed{How: "page", Basis: "express"}); confirmed != want || err != nil {
				t.Fatal(confirmed, err)
			}
		}
		proof, err := db.Consents(ctx, ada.ID)
		if err != nil || len(proof) != 2 || proof[0].Act != Asked || proof[1].Act != Confirmed || proof[1].Words != "I want it" {
			t.Fatalf("%+v %v", proof, err)
		}
		if owing, err = db.Owing(ctx, Owing{}, 10); err != nil || len(owing) != 1 || owing[0].Letter != OwesWelcome {
			t.Fatalf("%+v %v", owing, err)
		}
		// After leaving, an old link confirms nothing; a new request does.
		_, err = leave(ctx, db, ada.ID)
		must(t, err)
		_, err = db.Confirm(ctx, ada.ID, Deed{How: "page"})
		want(t, err, ErrNotFound)
		p.clock.forward(25 * time.Hour)
		if _, got, err := db.Ask(ctx, Joining{Address: mail("Ada@example.org"), Most: most}); got != Owed || err != nil {
			t.Fatal(got, err)
		}
		if a, err := db.Address(ctx, ada.ID); err != nil || a.Standing != Unsubscribed {
			t.Fatalf("asking by a stranger made it %s, %v", a.Standing, err)
		}
		if confirmed, err := db.Confirm(ctx, ada.ID, Deed{How: "page"}); !confirmed || err != nil {
			t.Fatal(confirmed, err)
		}
		_, err = db.Confirm(ctx, 1<<40, Deed{})
		want(t, err, ErrNotFound)
	})
}

// What strangers type changes nothing for whoever is active, or must be left in peace.
func TestAskingForOthers(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		a := mail("ada@example.org")
		a.Name, a.Language = "Ada", "fr"
		_, err := enlist(ctx, db, []Address{a, mail("eve@example.org")})
		must(t, err)
		must(t, db.Suppress(ctx, "email", "no@example.org", "by-hand", Deed{}))
		eve, err := db.AddressOf(ctx, "email", "eve@example.org")
		must(t, err)
		_, err = db.Hear(ctx, Report{ID: "1", Class: Spam, Address: eve.ID}, Patience{})
		must(t, err)
		before, err := db.AddressOf(ctx, "email", "ada@example.org")
		must(t, err)
		for i, c := range []struct {
			address string
			became  Asking
		}{{"ADA@example.org", AlreadyThere}, {"no@example.org", Refused}, {"eve@example.org", Refused}, {"new@example.org", Owed}} {
			typed := mail(c.address)
			typed.Name, typed.Language = "Mallory", "en"
			_, got, err := db.Ask(ctx, Joining{Address: typed, Deed: Deed{Network: network(i)}, Most: most})
			if got != c.became || err != nil {
				t.Errorf("%s: %s, %v", c.address, got, err)
			}
		}
		if after, err := db.Address(ctx, before.ID); err != nil || after.Name != "Ada" || after.Language != "fr" || after.Standing != Active {
			t.Errorf("%+v %v", after, err)
		}
		if owing, err := db.Owing(ctx, Owing{}, 10); err != nil || len(owing) != 1 || owing[0].Address.Address != "new@example.org" {
			t.Errorf("%+v %v", owing, err)
		}
	})
}

func TestLimitsOfAsking(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		all := p.servers(t)
		db := all[0]
		ctx := t.Context()
		ask := func(address string, n int) Asking {
			t.Helper()
			_, became, err := db.Ask(ctx, Joining{Address: mail(address), Deed: Deed{Network: network(n)}, Most: most})
			must(t, err)
			return became
		}
		// A thousand at once, from 500 networks, for one address: one letter.
		count := map[Asking]int{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for i := range 1000 {
			group.Go(func() {
				_, became, err := all[i%len(all)].Ask(ctx, Joining{Address: mail("victim@example.org"), Deed: Deed{Network: network(i % 500)}, Most: most})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				count[became]++
			})
		}
		group.Wait()
		if count[Owed] != 1 || count[TooOften] != 999 {
			t.Fatal(count)
		}
		// Three in 30 days.
		for day := range 40 {
			p.clock.forward(24*time.Hour + time.Second)
			if got := ask("victim@example.org", 600+day) == Owed; got != (day < 2 || day == 29 || day == 30 || day == 31) {
				t.Errorf("day %d: %v", day, got)
			}
		}
		// Ten of a network in an hour, fifty in a day.
		var got []int
		for i := range 24 {
			n := 0
			for k := range 12 {
				if ask(fmt.Sprintf("p%d.%d@example.org", i, k), 9999) == Owed {
					n++
				}
			}
			got = append(got, n)
			p.clock.forward(time.Hour + time.Second)
		}
		if got[0] != 10 || slices.Max(got) > 10 {
			t.Error(got)
		}
		sum := 0
		for _, n := range got {
			sum += n
		}
		if sum > 50 {
			t.Errorf("%d in a day: %v", sum, got)
		}
		// The breaker: so many letters in an hour, whoever asks.
		p.clock.forward(2 * time.Hour)
		n := 0
		for i := range 400 {
			switch ask(fmt.Sprintf("crowd%d@example.org", i), 20000+i) {
			case Owed:
				n++
			case TooMany:
			default:
				t.Fatal("neither owed nor too many")
			}
		}
		if n != most.Hour {
			t.Errorf("%d letters in an hour", n)
		}
		p.clock.forward(time.Hour + time.Second)
		if got := ask("later@example.org", 30000); got != Owed {
			t.Errorf("afterwards: %s", got)
		}
		must(t, db.Prune(ctx))
		p.clock.forward(32 * 24 * time.Hour)
		must(t, db.Prune(ctx))
		var requests, pending int
		_, err := db.read().one(ctx, `SELECT (SELECT COUNT(*) FROM requests), (SELECT COUNT(*) FROM addresses WHERE standing = 'pending')`, nil, &requests, &pending)
		if err != nil || requests != 0 || pending != 0 {
			t.Errorf("%d requests, %d pending, %v", requests, pending, err)
		}
	})
}

func TestMoving(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		_, err := enlist(ctx, db, []Address{mail("old@example.org")})
		must(t, err)
		old, err := db.AddressOf(ctx, "email", "old@example.org")
		must(t, err)
		id, became, err := db.Ask(ctx, Joining{Address: mail("new@example.org"), InPlace: old.ID, Most: most})
		if became != Owed || err != nil {
			t.Fatal(became, err)
		}
		if a, err := db.Address(ctx, id); err != nil || a.Person == old.ID || a.Standing != Pending {
			t.Fatalf("%+v %v", a, err)
		}
		if a, err := db.Address(ctx, old.ID); err != nil || a.Standing != Active {
			t.Fatalf("%+v %v", a, err)
		}
		if _, err := db.Confirm(ctx, id, Deed{How: "page"}); err != nil {
			t.Fatal(err)
		}
		// A chat in which start was pressed needs no letter.
		chat, became, err := db.Ask(ctx, Joining{Address: Address{Channel: "telegram", Address: "5"}, InPlace: id, NoLetter: true, Most: most})
		if became != Owed || err != nil {
			t.Fatal(became, err)
		}
		all, err := db.AddressesOf(ctx, old.ID)
		if err != nil || len(all) != 3 || all[0].Standing != Removed || all[1].Standing != Removed || all[2].ID != chat || all[2].Standing != Active {
			t.Fatalf("%+v %v", all, err)
		}
	})
}

// A mailing that was accepted and of which nothing came back forgives the bounces before it; one of yesterday does not yet.
func TestSilentDelivery(t *testing.T) {
	patience := Patience{Hard: 24 * time.Hour, Soft: 3, Over: 7 * 24 * time.Hour, Silent: 5 * 24 * time.Hour}
	for name, c := range map[string]struct {
		mail int // the day of the one that is accepted; 0: none
		want Standing
	}{"no mail": {0, Bounced}, "a mail of which nothing came back": {12, Active}, "a mail of yesterday": {19, Bounced}, "a mail before the bounces": {1, Bounced}} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, p *place) {
				db := p.open(t)
				add(t, db, 1)
				all, err := enlisted(t.Context(), db, 1)
				must(t, err)
				for day := 1; day <= 20; day++ {
					p.clock.forward(24 * time.Hour)
					switch day {
					case c.mail:
						id := save(t, db, sample(db).personal(db, "email"))
						planAll(t, db, 10)
						deliver(t, db, id)
					case 2, 9, 20:
						fresh, err := db.Hear(t.Context(), Report{ID: fmt.Sprint(day), Source: "dsn", Class: Soft, Status: "5.2.2", Address: all[0].ID}, patience)
						if must(t, err); !fresh {
							t.Fatal("not heard")
						}
					}
				}
				if a, err := db.Address(t.Context(), all[0].ID); err != nil || a.Standing != c.want {
					t.Errorf("%s %v", a.Standing, err)
				}
			})
		})
	}
}

func TestReports(t *testing.T) {
	patience := Patience{Hard: 24 * time.Hour, Soft: 5, Over: 14 * 24 * time.Hour}
	type heard struct {
		class Class
		day   float64
	}
	for name, c := range map[string]struct {
		heard []heard
		want  Standing
	}{
		"one hard":             {[]heard{{Hard, 0}}, Active},
		"two hard in an hour":  {[]heard{{Hard, 0}, {Hard, 0.04}}, Active},
		"two hard":             {[]heard{{Hard, 0}, {Hard, 0.5}, {Hard, 1}}, Bounced},
		"hard, then delivered": {[]heard{{Hard, 0}, {Delivered, 1}, {Hard, 2}}, Active},
		"four soft":            {[]heard{{Soft, 0}, {Soft, 5}, {Soft, 10}, {Soft, 20}}, Active},
		"five soft too quick":  {[]heard{{Soft, 0}, {Soft, 1}, {Soft, 2}, {Soft, 3}, {Soft, 13}}, Active},
		"five soft":            {[]heard{{Soft, 0}, {Soft, 1}, {Soft, 2}, {Soft, 3}, {Soft, 14}}, Bounced},
		"soft forgiven":        {[]heard{{Soft, 0}, {Soft, 1}, {Delivered, 2}, {Soft, 3}, {Soft, 14}, {Soft, 18}}, Active},
		"blocked":              {[]heard{{Block, 0}, {Block, 5}, {Block, 10}, {Block, 15}, {Block, 20}, {Block, 25}}, Active},
		"complaint":            {[]heard{{Spam, 0}}, Complained},
		"unsubscribe":          {[]heard{{Left, 0}}, Unsubscribed},
		"left, then complains": {[]heard{{Left, 0}, {Spam, 1}}, Complained},
	} {
		t.Run(name, func(t *testing.T) {
			p := sqlitePlace(t)
			db := p.open(t)
			ctx := t.Context()
			add(t, db, 1)
			all, err := enlisted(ctx, db, 1)
			must(t, err)
			for i, h := range c.heard {
				r := Report{ID: fmt.Sprint(i), At: db.Now().Add(time.Duration(h.day * float64(24*time.Hour))), Source: "dsn", Class: h.class, Status: "5.1.1", Address: all[0].ID}
				for k := range 3 { // each counts once
					fresh, err := db.Hear(ctx, r, patience)
					if fresh != (k == 0) || err != nil {
						t.Fatal(fresh, err)
					}
				}
			}
			a, err := db.Address(ctx, all[0].ID)
			if err != nil || a.Standing != c.want {
				t.Fatalf("%s, %v", a.Standing, err)
			}
			proof, err := db.Consents(ctx, a.ID)
			if last := proof[len(proof)-1]; err != nil || (c.want != Active) != (string(last.Act) == string(c.want)) {
				t.Errorf("%+v %v", proof, err)
			}
			if heard, err := db.Reports(ctx, a.ID); err != nil || len(heard) != len(c.heard) {
				t.Errorf("%+v %v", heard, err)
			}
		})
	}
	t.Run("postgres", func(t *testing.T) {
		db := postgresPlace(t).open(t)
		add(t, db, 1)
		all, err := enlisted(t.Context(), db, 1)
		must(t, err)
		if fresh, err := db.Hear(t.Context(), Report{ID: "1", Class: Hard, Address: all[0].ID}, patience); !fresh || err != nil {
			t.Fatal(fresh, err)
		}
		if fresh, err := db.Hear(t.Context(), Report{ID: "2", Class: Hard, Address: 1 << 40}, patience); !fresh || err != nil {
			t.Fatal(fresh, err)
		}
	})
}

// Whoever left, was asked for again by a stranger, and unsubscribes once more gets no letter that asks, and none confirms.
func TestUnsubscribingAgain(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		_, err := enlist(ctx, db, []Address{mail("ada@example.org")})
		must(t, err)
		ada, err := db.AddressOf(ctx, "email", "ada@example.org")
		must(t, err)
		_, err = leave(ctx, db, ada.ID)
		must(t, err)
		for i, end := range []func() error{
			func() error { _, err := leave(ctx, db, ada.ID); return err },
			func() error { return db.Suppress(ctx, "email", "ada@example.org", "by-hand", Deed{}) },
		} {
			p.clock.forward(25 * time.Hour)
			if _, got, err := db.Ask(ctx, Joining{Address: mail("ada@example.org"), Deed: Deed{Network: network(i)}, Most: most}); got != Owed || err != nil {
				t.Fatal(got, err)
			}
			must(t, end())
			if owing, err := db.Owing(ctx, Owing{}, 10); err != nil || len(owing) != 0 {
				t.Errorf("%+v %v", owing, err)
			}
			_, err = db.Confirm(ctx, ada.ID, Deed{How: "page"})
			want(t, err, ErrNotFound)
		}
		proof, err := db.Consents(ctx, ada.ID)
		if n := len(proof); err != nil || n != 6 || proof[n-1].Act != Unsubscribe || proof[n-2].Act != Asked {
			t.Errorf("%+v %v", proof, err)
		}
	})
}
