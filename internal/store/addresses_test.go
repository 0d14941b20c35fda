package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
)

func mail(address string) Address {
	return Address{Channel: "email", Address: address, Everything: true}
}

func TestMailbox(t *testing.T) {
	for _, c := range [][3]string{
		{"email", " Ada.L@Example.ORG ", "ada.l@example.org"},
		{"email", "léa@café.example", "léa@xn--caf-dma.example"},
		{"email", `"a@b"@example.org`, `"a@b"@example.org`},
		{"email", "x@STRASSE.example", "x@strasse.example"},
		{"telegram", " 12345", "12345"},
		{"matrix", "@Ada:example.org", "@Ada:example.org"},
	} {
		if got := Mailbox(c[0], c[1]); got != c[2] {
			t.Errorf("%s %q: %q, not %q", c[0], c[1], got, c[2])
		}
	}
}

func TestAddresses(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		must(t, db.PutTopic(ctx, Topic{Name: "rust", Labels: map[announce.Language]string{"fr": "Rouille"}}, "ada"))
		rusty := mail(" ada@example.org")
		rusty.Name, rusty.Language, rusty.Topics, rusty.Everything = "Ada", "fr", []string{"rust"}, false
		list := []Address{{Channel: "email", Address: "Bea@Example.org", Language: "en"}, rusty, {Channel: "telegram", Address: "77"}}
		d := Deed{Act: Added, How: "sheet", Basis: "express", Words: "Tell me", Network: netip.MustParsePrefix("203.0.113.77/24")}
		if n, err := db.AddAddresses(ctx, list, d); n != (Taken{Added: 3}) || err != nil {
			t.Fatal(n, err)
		}
		if n, err := db.AddAddresses(ctx, []Address{mail("ADA@example.org")}, d); n != (Taken{Known: 1}) || err != nil {
			t.Fatal(n, err)
		}
		ada, err := db.AddressOf(ctx, "email", "Ada@EXAMPLE.org")
		must(t, err)
		want := Address{ID: ada.ID, Person: ada.ID, Channel: "email", Address: "ada@example.org", Name: "Ada", Language: "fr", Standing: Active, Frequency: Now,
			Topics: []string{"rust"}, Created: db.Now(), Updated: db.Now()}
		if !reflect.DeepEqual(ada, want) {
			t.Errorf("%+v\nwant\n%+v", ada, want)
		}
		if same, err := db.Address(ctx, ada.ID); err != nil || !reflect.DeepEqual(same, ada) {
			t.Errorf("%+v, %v", same, err)
		}
		proof, err := db.Consents(ctx, ada.ID)
		d.At, d.Network = db.Now(), netip.MustParsePrefix("203.0.113.0/24")
		if err != nil || !reflect.DeepEqual(proof, []Deed{d}) {
			t.Errorf("%+v, %v", proof, err)
		}
		_, err = db.AddAddresses(ctx, []Address{{Channel: "email", Address: "x@example.org", Topics: []string{"none"}}}, d)
		var faults announce.Faults
		if !errors.As(err, &faults) {
			t.Errorf("a topic that is none: %v", err)
		}
		_, err = db.Address(ctx, 1<<40)
		if !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

func TestSearch(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		must(t, db.PutTopic(ctx, Topic{Name: "go"}, ""))
		add(t, db, 60)
		more := []Address{{Channel: "telegram", Address: "12"}, {Channel: "email", Address: "anna@example.org", Topics: []string{"go"}}, {Channel: "email", Address: "ann_a@example.org"}}
		_, err := enlist(ctx, db, more)
		must(t, err)
		everybody := func(s Search) (found []string) {
			t.Helper()
			for {
				page, next, err := db.Addresses(ctx, s)
				must(t, err)
				for _, a := range page {
					found = append(found, a.Channel+" "+a.Address)
				}
				if s.After = next; next == "" {
					return found
				}
				if len(page) != s.Limit {
					t.Fatalf("a page of %d", len(page))
				}
			}
		}
		all := everybody(Search{Limit: 7})
		if len(all) != 63 || len(slices.Compact(slices.Clone(all))) != 63 || all[62] != "telegram 12" {
			t.Errorf("%d: %v", len(all), all)
		}
		for _, c := range []struct {
			s Search
			n int
		}{
			{Search{Channel: "email", Prefix: "Person00", Limit: 9}, 60},
			{Search{Prefix: "person001", Limit: 4}, 10},
			{Search{Prefix: "ann_", Limit: 4}, 1},
			{Search{Channel: "email", Prefix: "ANN", Limit: 1}, 2},
			{Search{Topic: "go", Limit: 4}, 1},
			{Search{Channel: "telegram", Limit: 4}, 1},
			{Search{Standing: []Standing{Removed}, Limit: 4}, 0},
		} {
			if got := everybody(c.s); len(got) != c.n {
				t.Errorf("%+v: %d, not %d: %v", c.s, len(got), c.n, got)
			}
		}
		numbers, err := db.Numbers(ctx)
		if err != nil || numbers["email"][Active] != 62 || numbers["telegram"][Active] != 1 {
			t.Errorf("%v %v", numbers, err)
		}
	})
}

func TestWhoLeftStaysAway(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		add(t, db, 3)
		all, err := enlisted(ctx, db, 10)
		must(t, err)
		for range 2 {
			if known, err := leave(ctx, db, all[0].ID); !known || err != nil {
				t.Fatal(known, err)
			}
		}
		if known, err := leave(ctx, db, 1<<40); known || err != nil {
			t.Fatal(known, err)
		}
		for _, want := range []bool{true, false} {
			if removed, err := db.RemoveAddress(ctx, all[1].ID, Deed{How: "ada"}); removed != want || err != nil {
				t.Fatal(removed, err)
			}
		}
		must(t, db.Suppress(ctx, "email", strings.ToUpper(all[2].Address), "by-hand", Deed{How: "ada"}))
		must(t, db.Suppress(ctx, "email", "never@example.org", "by-hand", Deed{How: "ada"}))
		n, err := db.AddAddresses(ctx, append(people(3), mail("Never@example.org")), Deed{Act: Imported, How: "old list"})
		if err != nil || n != (Taken{Added: 1, Known: 1, Suppressed: 2}) {
			t.Fatalf("%+v %v", n, err)
		}
		standing := map[Standing]int{}
		page, _, err := db.Addresses(ctx, Search{})
		must(t, err)
		for _, a := range page {
			standing[a.Standing]++
		}
		if !reflect.DeepEqual(standing, map[Standing]int{Active: 1, Unsubscribed: 2}) {
			t.Error(standing)
		}
		if s, on, err := db.Suppressed(ctx, "email", "NEVER@example.org"); s != (Suppression{"by-hand", db.Now()}) || !on || err != nil {
			t.Error(s, on, err)
		}
		for _, want := range []bool{true, false} {
			if lifted, err := db.Lift(ctx, "email", "never@example.org", "they asked", Deed{How: "ada"}); lifted != want || err != nil {
				t.Error(lifted, err)
			}
		}
	})
}

func TestChange(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		for _, name := range []string{"go", "rust"} {
			must(t, db.PutTopic(ctx, Topic{Name: name}, ""))
		}
		add(t, db, 1)
		all, err := enlisted(ctx, db, 1)
		must(t, err)
		id := all[0].ID
		until := db.Now().Add(24 * time.Hour)
		for range 2 { // again: nothing is different, so nothing is logged
			a, err := db.ChangeAddress(ctx, id, func(a *Address) error {
				a.Address, a.Channel = "other@example.org", "sms" // not to be chosen
				a.Name, a.Language, a.Zone, a.Frequency, a.QuietFrom, a.QuietTo = "New name", "en", "Europe/Paris", "weekly", 1320, 420
				a.Everything, a.Topics, a.PausedUntil = false, []string{"rust", "go", "go"}, until
				return nil
			}, Deed{Act: Changed, How: "page"})
			must(t, err)
			stored, err := db.Address(ctx, id)
			if err != nil || !reflect.DeepEqual(a, stored) || a.Address != all[0].Address || a.Channel != "email" || !slices.Equal(a.Topics, []string{"go", "rust"}) || !a.PausedUntil.Equal(until) {
				t.Fatalf("%+v %+v %v", a, stored, err)
			}
		}
		proof, err := db.Consents(ctx, id)
		if err != nil || len(proof) != 2 || !strings.Contains(proof[1].Detail, "frequency: weekly") || strings.Contains(proof[1].Detail, "New name") {
			t.Errorf("%+v %v", proof, err)
		}
		refused := errors.New("refused")
		if _, err := db.ChangeAddress(ctx, id, func(a *Address) error { a.Name = "x"; return refused }, Deed{Act: Changed}); !errors.Is(err, refused) {
			t.Error(err)
		}
		waits := sample(db).personal(db, "email")
		waits.Announcement.Topics = []string{"go", "#rust"}
		save(t, db, waits)
		want(t, db.RemoveTopic(ctx, "go", "ada"), ErrNamed)
		planAll(t, db, 10)
		must(t, db.RemoveTopic(ctx, "go", "ada"))
		want(t, db.RemoveTopic(ctx, "go", "ada"), ErrNotFound)
		if a, err := db.Address(ctx, id); err != nil || a.Name != "New name" || !slices.Equal(a.Topics, []string{"rust"}) {
			t.Errorf("%+v %v", a, err)
		}
	})
}

func TestSweep(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		must(t, db.PutTopic(ctx, Topic{Name: "go"}, ""))
		add(t, db, 1203)
		until := db.Now().Add(time.Hour)
		active := Search{Standing: []Standing{Active}}
		if n, err := db.SweepAddresses(ctx, nil, active, Sweep{Add: []string{"go"}, Pause: &until}, Deed{How: "ada"}); n != 1203 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := db.SweepAddresses(ctx, nil, active, Sweep{Add: []string{"go"}}, Deed{How: "ada"}); n != 0 || err != nil {
			t.Fatal(n, err)
		}
		first, err := enlisted(ctx, db, 3)
		must(t, err)
		ids := []int64{first[0].ID, first[1].ID, 1 << 40}
		if n, err := db.SweepAddresses(ctx, ids, Search{}, Sweep{Drop: []string{"go"}}, Deed{How: "ada"}); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := db.SweepAddresses(ctx, nil, Search{Standing: active.Standing, Topic: "go"}, Sweep{Remove: true}, Deed{How: "ada"}); n != 1201 || err != nil {
			t.Fatal(n, err)
		}
		left, err := enlisted(ctx, db, 10)
		if err != nil || len(left) != 2 || !left[0].PausedUntil.Equal(until) {
			t.Fatalf("%+v %v", left, err)
		}
		proof, err := db.Consents(ctx, first[2].ID)
		if err != nil || proof[len(proof)-1].Act != WasRemoved {
			t.Errorf("%+v %v", proof, err)
		}
	})
}

// Whoever is forgotten is nowhere: not in a table, and not in the files.
func TestErase(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		ctx := t.Context()
		must(t, db.PutTopic(ctx, Topic{Name: "go"}, ""))
		const secret, network = "quokka", "198.51.100.0/24"
		var all []Address
		for i := range 900 {
			a := mail(fmt.Sprintf("reader%03d@example.org", i*7919%900))
			if i%90 == 45 {
				a = mail(fmt.Sprintf("%s%d@quokka.example", secret, i))
				a.Name, a.Topics = "Quokka "+strings.Repeat("long ", 20), []string{"go"}
			}
			all = append(all, a)
		}
		d := Deed{Act: Added, How: "form", Network: netip.MustParsePrefix(network)}
		for some := range slices.Chunk(all, 10) { // pages split while they are there
			_, err := db.AddAddresses(ctx, some, d)
			must(t, err)
		}
		id := save(t, db, sample(db).personal(db, "email"))
		planAll(t, db, 1000)
		deliver(t, db, id)
		must(t, raw(db, `UPDATE letters SET fault = 'no <quokka45@quokka.example> here', receipt_id = 'quokka-1' WHERE address IN (SELECT id FROM addresses WHERE mailbox LIKE 'quokka%')`))
		found, _, err := db.Addresses(ctx, Search{Prefix: secret})
		if err != nil || len(found) != 10 {
			t.Fatal(len(found), err)
		}
		for i, a := range found {
			_, err := db.ChangeAddress(ctx, a.ID, func(a *Address) error { a.Name += " Quokkason"; a.Zone = "America/Quokka"; return nil }, Deed{Act: Changed, How: "page"})
			must(t, err)
			_, err = db.Hear(ctx, Report{ID: fmt.Sprint("r", i), Source: "dsn", Class: Soft, Status: "4.2.2", Address: a.ID, Domain: "quokka.example", Detail: "<" + a.Address + "> is full"}, Patience{Hard: time.Hour, Soft: 5, Over: time.Hour})
			must(t, err)
			export, err := db.Export(ctx, []Address{a})
			var tables map[string][]map[string]any
			if err = errors.Join(err, json.Unmarshal(export, &tables)); err != nil || tables["addresses"][0]["address"] != a.Address ||
				len(tables["consents"]) != 2 || len(tables["subscriptions"]) != 1 || len(tables["reports"]) != 1 || len(tables["letters"]) != 1 {
				t.Fatalf("%s %v", export, err)
			}
		}
		for _, a := range found {
			must(t, db.EraseAddress(ctx, a.ID, Deed{How: "page", Network: netip.MustParsePrefix("192.0.2.0/24")}))
			want(t, db.EraseAddress(ctx, a.ID, Deed{How: "page"}), ErrNotFound)
			_, err := db.Hear(ctx, Report{ID: fmt.Sprint("late", a.ID), Source: "dsn", Class: Hard, Status: "5.1.1", Address: a.ID, Domain: "quokka.example", Detail: "no <" + a.Address + ">"}, Patience{})
			must(t, err)
			proof, err := db.Consents(ctx, a.ID)
			if err != nil || len(proof) != 1 || proof[0].Act != WasErased {
				t.Errorf("%+v %v", proof, err)
			}
		}
		for _, table := range tables(t, db) {
			out := map[string][]map[string]any{}
			must(t, db.table(ctx, out, table, `SELECT * FROM `+table+` WHERE 0 < ?`, 1))
			text, err := json.Marshal(out)
			must(t, err)
			if strings.Contains(strings.ToLower(string(text)), secret) {
				t.Errorf("%s knows them: %.300s", table, text)
			}
		}
		if !p.postgres {
			files, err := filepath.Glob(filepath.Join(p.Dir, "*"))
			must(t, err)
			for _, f := range files {
				content, err := os.ReadFile(f)
				must(t, err)
				if n := strings.Count(strings.ToLower(string(content)), secret); n > 0 {
					t.Errorf("%s holds %d traces of them", filepath.Base(f), n)
				}
			}
			if len(files) < 2 {
				t.Errorf("looked at %v", files)
			}
		}
		for _, a := range found {
			n, err := db.AddAddresses(ctx, []Address{mail(strings.ToUpper(a.Address))}, d)
			if n != (Taken{Suppressed: 1}) || err != nil {
				t.Fatal(n, err)
			}
		}
	})
}

func tables(t *testing.T, db *DB) (names []string) {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND 0 < ?`
	if db.postgres() {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND 0 < ?`
	}
	must(t, db.read().each(t.Context(), query, []any{1}, func(scan func(...any) error) error {
		var name string
		err := scan(&name)
		names = append(names, name)
		return err
	}))
	return names
}

// Every table with a column that names an address is in what a person can export, and is emptied when they are erased.
func TestExportKnowsEveryTable(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		db := p.open(t)
		var covered []string
		for _, k := range knows() {
			covered = append(covered, k.table)
		}
		names := map[string]bool{"address": true, "mailbox": true, "subscriber": true, "recipient": true, "person": true}
		seen := 0
		for _, table := range tables(t, db) {
			rows, err := db.read().on.QueryContext(t.Context(), `SELECT * FROM `+table+` WHERE 0 > ?`, 1)
			must(t, err)
			columns, err := rows.Columns()
			must(t, errors.Join(err, rows.Close()))
			if slices.ContainsFunc(columns, func(c string) bool { return names[c] }) {
				seen++
				if !slices.Contains(covered, table) {
					t.Errorf("the table %s names an address (%v) and is not in the export: add it to knows, and to erase", table, columns)
				}
			}
		}
		if seen < 4 {
			t.Errorf("only %d tables name an address", seen)
		}
	})
}
