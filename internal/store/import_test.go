package store

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func importOf(address string, standing Standing, at time.Time, more ...func(*Import)) Import {
	i := Import{
		Address: Address{Channel: "email", Address: address, Name: "Zoë", Language: "fr", Standing: standing, Everything: true},
		Deeds: []Deed{
			{At: at.AddDate(-3, 0, 0), Act: Confirmed, How: "import x.csv", Basis: "express", Network: netip.MustParsePrefix("203.0.113.0/24"), Detail: "as Mailchimp has it"},
			{At: at, Act: Imported, How: "import x.csv", Basis: "express", Detail: "line 2"},
		},
	}
	for _, f := range more {
		f(&i)
	}
	return i
}

func TestImport(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db, ctx := p.open(t), t.Context()
		now := db.Now()
		if err := db.PutTopic(ctx, Topic{Name: "ateliers"}, "ada"); err != nil {
			t.Fatal(err)
		}
		stand := map[string]Standing{"left@example.org": Unsubscribed, "spam@example.org": Complained, "gone@example.org": Bounced, "off@example.org": Removed, "wait@example.org": Pending, "here@example.org": Active}
		for address, standing := range stand {
			start := Active
			if standing == Pending {
				start = Pending
			}
			if _, err := db.AddAddresses(ctx, []Address{{Channel: "email", Address: address, Name: "Before", Standing: start}}, Deed{Act: Added, How: "test"}); err != nil {
				t.Fatal(err)
			}
			if standing == start {
				continue
			}
			a, err := db.AddressOf(ctx, "email", address)
			if err == nil {
				_, err = db.ChangeAddress(ctx, a.ID, func(a *Address) error { a.Standing = standing; return nil }, Deed{Act: Changed, How: "test"})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := db.Suppress(ctx, "email", "never@example.org", "erased", Deed{How: "test"}); err != nil {
			t.Fatal(err)
		}
		var all []Import
		for address := range stand {
			all = append(all, importOf(address, Active, now))
		}
		for i := range 300 { // more than one statement
			all = append(all, importOf(fmt.Sprintf("New%d@Example.org", i), Active, now, func(i *Import) { i.Address.Topics = []string{"ateliers"} }))
		}
		all = append(all,
			importOf("never@example.org", Active, now),
			importOf("twice@example.org", Active, now), importOf("Twice@example.org", Unsubscribed, now),
			importOf("zone@example.org", Pending, now, func(i *Import) {
				i.Address.Zone, i.Address.Frequency, i.Address.Everything = "America/Toronto", "weekly", false
			}),
			importOf("bad@example.org", Bounced, now))
		b := Intake{List: "x", All: all, To: Position{308, 9000}, Refused: 2, Actor: "ada"}
		dry, _, err := db.TryImport(ctx, slices.Clone(all))
		if err != nil {
			t.Fatal(err)
		}
		n, suppressed, err := db.Import(ctx, b)
		if err != nil {
			t.Fatal(err)
		}
		want := Tally{Added: 303, Known: 3, Kept: 4, Suppressed: 1, Refused: 2}
		if n != want || len(suppressed) != 1 || all[suppressed[0]].Address.Address != "never@example.org" {
			t.Errorf("%+v, suppressed %v, want %+v", n, suppressed, want)
		}
		if dry.Refused = 2; dry != want {
			t.Errorf("tried: %+v, want %+v", dry, want)
		}
		for address, standing := range stand {
			if a, err := db.AddressOf(ctx, "email", address); err != nil || a.Standing != standing || a.Name != "Before" {
				t.Errorf("%s: %+v, %v", address, a, err)
			}
		}
		for address, standing := range map[string]Standing{"twice@example.org": Unsubscribed, "bad@example.org": Bounced, "new7@example.org": Active} {
			if a, err := db.AddressOf(ctx, "email", address); err != nil || a.Standing != standing || a.Name != "Zoë" || a.Language != "fr" || !a.Everything || a.Frequency != Now {
				t.Errorf("%s: %+v, %v", address, a, err)
			}
		}
		a, err := db.AddressOf(ctx, "email", "zone@example.org")
		if err != nil || a.Zone != "America/Toronto" || a.Frequency != "weekly" || a.Everything || a.Standing != Pending {
			t.Errorf("zone: %+v, %v", a, err)
		}
		if owed, err := db.Owing(ctx, Owing{}, 10); err != nil || len(owed) != 2 || !slices.ContainsFunc(owed, func(o Owing) bool { return o.Address.ID == a.ID && o.Letter == OwesConfirm }) {
			t.Errorf("owed: %+v, %v", owed, err)
		}
		a, err = db.AddressOf(ctx, "email", "new7@example.org")
		if err != nil || !slices.Equal(a.Topics, []string{"ateliers"}) || a.Address != "New7@Example.org" {
			t.Errorf("topics: %+v, %v", a, err)
		}
		deeds, err := db.Consents(ctx, a.ID)
		if err != nil || len(deeds) != 2 || deeds[0].Act != Confirmed || deeds[0].Network.String() != "203.0.113.0/24" || !deeds[0].At.Equal(now.AddDate(-3, 0, 0)) || deeds[1].Act != Imported || deeds[1].Detail != "line 2" {
			t.Errorf("proof: %+v, %v", deeds, err)
		}
		before := dump(t, db)
		again, _, err := db.Import(ctx, Intake{All: all, Actor: "ada"})
		if err != nil || again.Added+again.Left != 0 {
			t.Errorf("again: %+v, %v", again, err)
		}
		if after := dump(t, db); after != before {
			t.Errorf("the second time something changed:\n%s\nto\n%s", before, after)
		}
		at, found, err := db.Importing(ctx, "x")
		if err != nil || !found || at.Done != b.To || at.Tally != want {
			t.Errorf("position: %+v, %v, %v", at, found, err)
		}
		if _, _, err := db.Import(ctx, Intake{List: "x", From: b.To, To: Position{310, 9100}, Last: true}); err != nil {
			t.Fatal(err)
		}
		if _, found, err := db.Importing(ctx, "x"); err != nil || found {
			t.Errorf("the list is at its end, and its position is still there: %v", err)
		}
		// A list that says they left: they leave, with a line for it.
		n, _, err = db.Import(ctx, Intake{All: []Import{importOf("here@example.org", Complained, now), importOf("new7@example.org", Bounced, now), importOf("left@example.org", Bounced, now)}, Actor: "ada"})
		if err != nil || (n != Tally{Left: 2, Known: 1}) {
			t.Errorf("left: %+v, %v", n, err)
		}
		if deeds, err = db.Consents(ctx, a.ID); err != nil || deeds[len(deeds)-1].Act != HasBounced {
			t.Errorf("left: %+v, %v", deeds, err)
		}
		if a, err := db.AddressOf(ctx, "email", "left@example.org"); err != nil || a.Standing != Unsubscribed {
			t.Errorf("%+v, %v", a, err)
		}
	})
}

// dump is all that is known of people, but for when it was looked at.
func dump(t *testing.T, db *DB) (all string) {
	t.Helper()
	for _, q := range []string{
		`SELECT id, mailbox, name || standing || language, updated_at FROM addresses ORDER BY id`,
		`SELECT address, topic, '', 0 FROM subscriptions ORDER BY address, topic`,
		`SELECT address, act, how || detail, at FROM consents ORDER BY address, at, act`,
	} {
		if err := db.read().each(t.Context(), q, nil, func(scan func(...any) error) error {
			var id, at int64
			var a, b string
			err := scan(&id, &a, &b, &at)
			all += fmt.Sprintln(id, a, b, at)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// An import and other changes at once: each is whole, and the import does not share its transaction with them.
func TestImportBesideOthers(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db, ctx := p.open(t), t.Context()
		ended := make(chan error)
		for k := range 4 {
			go func() {
				var all []Import
				for i := range 400 {
					all = append(all, importOf(fmt.Sprintf("reader%d@example.org", i*7%400), Active, db.Now()))
				}
				_, _, err := db.Import(ctx, Intake{All: all, Actor: fmt.Sprint(k)})
				ended <- err
			}()
			go func() {
				_, err := db.AddAddresses(ctx, []Address{{Channel: "email", Address: fmt.Sprintf("reader%d@example.org", k), Standing: Active}}, Deed{Act: Added, How: "test"})
				ended <- err
			}()
		}
		for range 8 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		n, err := db.Numbers(ctx)
		if err != nil || n["email"][Active] != 400 {
			t.Errorf("%v, %v", n, err)
		}
		var proofs int
		if _, err := db.read().one(ctx, `SELECT COUNT(*) FROM consents WHERE act IN ('imported', 'added')`, nil, &proofs); err != nil || proofs != 400 {
			t.Errorf("%d proofs, %v", proofs, err)
		}
	})
}
