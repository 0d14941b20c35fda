package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// desk is a service on a record of its own, with what was written and told.
type desk struct {
	*Service
	db    *store.DB
	links *Links

	mu      sync.Mutex
	now     time.Time
	letters []Letter
	told    []string
}

func newDesk(t *testing.T, set ...func(*Options)) *desk {
	t.Helper()
	d := &desk{now: time.Date(2027, 3, 14, 12, 0, 0, 0, time.UTC)}
	var err error
	if d.db, err = store.Open(t.Context(), store.Options{Dir: t.TempDir(), MinFree: -1, Clock: d.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.db.Close(); err != nil {
			t.Error(err)
		}
	})
	d.links = NewLinks("https://crieur.example.org", []byte("key"))
	o := Options{
		Store: d.db, Links: d.links, Site: announce.Site{Name: "Fjord", Languages: []announce.Language{"fr", "en"}}, Channels: []string{"email", "telegram"}, Log: slog.New(slog.DiscardHandler),
		Write: func(_ context.Context, l Letter) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if !slices.ContainsFunc(d.letters, func(x Letter) bool { return x.Key == l.Key }) {
				d.letters = append(d.letters, l)
			}
			return nil
		},
		Tell: func(_ context.Context, key string, _ map[announce.Language]announce.Text) {
			d.told = append(d.told, key)
		},
	}
	for _, f := range set {
		f(&o)
	}
	d.Service = New(o)
	return d
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) forward(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

func asks(address string, n int) Request {
	return Request{Channel: "email", Address: address, Everything: true, Language: "fr", Words: "Oui, écrivez-moi", How: "form",
		Network: Truncate(netip.AddrFrom4([4]byte{100, byte(n >> 8), byte(n), 7}))}
}

func (d *desk) sent(t *testing.T) []Letter {
	t.Helper()
	for range 2 { // sending twice sends nothing twice
		if err := d.Send(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return d.letters
}

func (d *desk) of(t *testing.T, address string) store.Address {
	t.Helper()
	a, err := d.db.AddressOf(t.Context(), "email", address)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A thousand requests for one address, from 500 networks: one letter.
func TestBombing(t *testing.T) {
	d := newDesk(t)
	for i := range 1000 {
		if err := d.Join(t.Context(), asks("Victim@example.org", i%500)); err != nil {
			t.Fatal(err)
		}
	}
	if all := d.sent(t); len(all) != 1 || all[0].Kind != announce.KindConfirm || all[0].Language != "fr" {
		t.Errorf("%d letters: %+v", len(all), all)
	}
}

func TestBreaker(t *testing.T) {
	d := newDesk(t, func(o *Options) { o.HourlyLetters = 20 })
	for i := range 60 {
		if err := d.Join(t.Context(), asks(fmt.Sprintf("p%d@example.org", i), i)); err != nil {
			t.Fatal(err)
		}
	}
	if all := d.sent(t); len(all) != 20 || len(d.told) != 40 || d.told[0] != d.told[39] {
		t.Errorf("%d letters, told %v", len(all), d.told)
	}
}

// Who is known, who is not, and who must not be written to: nobody can tell from the answer, nor from the time it takes.
func TestNobodyLearnsWhoIsKnown(t *testing.T) {
	wide := func(o *Options) { o.HourlyLetters = 1 << 30 }
	d := newDesk(t, wide)
	ctx := t.Context()
	const n = 1000
	var known []store.Address
	for i := range n {
		known = append(known, store.Address{Channel: "email", Address: fmt.Sprintf("known%d@example.org", i), Everything: true})
	}
	if _, err := d.Add(ctx, known, store.Deed{Act: store.Added, How: "test"}, false); err != nil {
		t.Fatal(err)
	}
	took := map[string][]time.Duration{}
	for i := range n {
		for _, kind := range []string{"known", "new"} {
			began := time.Now()
			err := d.Join(ctx, asks(fmt.Sprintf("%s%d@example.org", kind, i), i))
			took[kind] = append(took[kind], time.Since(began))
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	median := func(kind string) time.Duration { slices.Sort(took[kind]); return took[kind][n/2] }
	ratio := float64(median("known")) / float64(median("new"))
	t.Logf("median of known %s, of new %s", median("known"), median("new"))
	if ratio < 0.6 || ratio > 1.7 {
		t.Errorf("known takes %.2f times as long as new (%s, %s)", ratio, median("known"), median("new"))
	}
	if all := d.sent(t); len(all) != n {
		t.Errorf("%d letters, not %d", len(all), n)
	}
}

func TestBadRequests(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	if err := d.db.PutTopic(ctx, store.Topic{Name: "board", Private: true}, ""); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Request){
		"address": func(r *Request) { r.Address = "a@x> RCPT TO:<b@y" }, "address ": func(r *Request) { r.Address = "Ada <ada@example.org>" },
		"address  ": func(r *Request) { r.Address = "ada@localhost" }, "address   ": func(r *Request) { r.Address = "" }, "channel": func(r *Request) { r.Channel = "pigeon" },
		"name": func(r *Request) { r.Name = "a\x00b" }, "language": func(r *Request) { r.Language = "!" }, "zone": func(r *Request) { r.Zone = "Mars/Base" },
		"frequency": func(r *Request) { r.Frequency = "hourly" }, "topics": func(r *Request) { r.Topics = []string{"board"} }, "topics ": func(r *Request) { r.Topics = []string{"none"} },
	} {
		r := asks("ada@example.org", 1)
		change(&r)
		var faults announce.Faults
		if err := d.Join(ctx, r); !errors.As(err, &faults) || len(faults) != 1 || faults[0].Field != trimmed(field) {
			t.Errorf("%q: %v", field, err)
		}
	}
	if all := d.sent(t); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

func trimmed(s string) string {
	for len(s) > 0 && s[len(s)-1] == ' ' {
		s = s[:len(s)-1]
	}
	return s
}

func TestTruncate(t *testing.T) {
	for from, to := range map[string]string{"203.0.113.77": "203.0.113.0/24", "::ffff:203.0.113.77": "203.0.113.0/24", "2001:db8:1:2:3::4": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48"} {
		if got := Truncate(netip.MustParseAddr(from)); got.String() != to {
			t.Errorf("%s: %s", from, got)
		}
	}
	if Truncate(netip.Addr{}).IsValid() {
		t.Error("no address has a network")
	}
}

func TestChoosing(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	for _, topic := range []store.Topic{
		{Name: "rust", Facet: "theme", Labels: map[announce.Language]string{"fr": "Rouille"}, Place: 2}, {Name: "go", Facet: "theme", Place: 1}, {Name: "board", Private: true},
	} {
		if err := d.db.PutTopic(ctx, topic, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Add(ctx, []store.Address{{Channel: "email", Address: "ada@example.org", Topics: []string{"board"}}}, store.Deed{Act: store.Added, How: "sheet"}, false); err != nil {
		t.Fatal(err)
	}
	b := Bearer{Address: d.of(t, "ada@example.org").ID}
	p, err := d.Profile(ctx, b)
	if err != nil || p.Masked != "a…@example.org" || len(p.Offers) != 2 || len(p.Why) != 1 {
		t.Fatalf("%+v %v", p, err)
	}
	if offers, err := d.Offers(ctx, "fr"); err != nil || len(offers) != 1 || offers[0].Topics[0].Name != "go" || offers[0].Topics[1].Label != "Rouille" {
		t.Errorf("%+v %v", offers, err)
	}
	now, weekly, hourly, topics, until := store.Now, store.Frequency("weekly"), store.Frequency("hourly"), []string{"rust", "board"}, d.clock().Add(time.Hour)
	if _, err = d.Change(ctx, b, Change{Frequency: &hourly}, "page", netip.Prefix{}); err == nil {
		t.Error("a digest was chosen that is not there: they would get nothing")
	}
	if p, err = d.Change(ctx, b, Change{Frequency: &weekly}, "page", netip.Prefix{}); err != nil || p.Frequency != weekly {
		t.Errorf("%+v %v", p, err)
	}
	if err := d.db.PutDigest(ctx, store.Digest{Name: "weekly", Schedule: "0 8 * * 1", Off: true}, ""); err != nil {
		t.Fatal(err)
	}
	name := "Ada" // whoever has a digest that was switched off since can change everything else
	if p, err = d.Change(ctx, b, Change{Name: &name, Frequency: &weekly}, "page", netip.Prefix{}); err != nil || p.Name != name {
		t.Errorf("%+v %v", p, err)
	}
	if paces, err := d.Paces(ctx, "fr"); err != nil || len(paces) != 3 || paces[0].Frequency != now {
		t.Errorf("%+v %v", paces, err)
	}
	p, err = d.Change(ctx, b, Change{Frequency: &now, Topics: &topics, PausedUntil: &until, Quiet: &[2]int{1320, 420}}, "page", netip.Prefix{})
	if err != nil || p.Frequency != now || !slices.Equal(p.Topics, []string{"board", "rust"}) || !p.PausedUntil.Equal(until) || p.QuietFrom != 1320 || len(p.Why) != 4 {
		t.Errorf("%+v %v", p, err)
	}
	topics = []string{"rust"} // a private topic can be left, and not chosen again
	if p, err = d.Change(ctx, b, Change{Topics: &topics}, "page", netip.Prefix{}); err != nil || !slices.Equal(p.Topics, topics) {
		t.Errorf("%+v %v", p, err)
	}
	topics = []string{"rust", "board"}
	if _, err = d.Change(ctx, b, Change{Topics: &topics}, "page", netip.Prefix{}); err == nil {
		t.Error("a private topic was chosen")
	}
	if _, err = d.Profile(ctx, Bearer{Address: 1 << 40}); !errors.Is(err, ErrLink) {
		t.Error(err)
	}
}

func TestUnsubscribing(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	if _, err := d.Add(ctx, []store.Address{{Channel: "email", Address: "ada@example.org"}}, store.Deed{Act: store.Added, How: "sheet"}, false); err != nil {
		t.Fatal(err)
	}
	b := Bearer{Address: d.of(t, "ada@example.org").ID}
	token := d.links.Token(Unsubscribe, b, d.clock())
	d.forward(10 * 365 * 24 * time.Hour)
	for range 2 {
		if known, err := d.Unsubscribe(ctx, token, "one-click", netip.Prefix{}); !known || err != nil {
			t.Fatal(known, err)
		}
	}
	for _, other := range []string{"", "x", d.links.Token(Preferences, b, d.clock()), d.links.Token(Unsubscribe, Bearer{Address: 1 << 40}, d.clock())} {
		if known, err := d.Unsubscribe(ctx, other, "page", netip.Prefix{}); known || err != nil {
			t.Errorf("%q: %v %v", other, known, err)
		}
	}
	if a := d.of(t, "ada@example.org"); a.Standing != store.Unsubscribed {
		t.Error(a.Standing)
	}
}

// A link that is too old brings a fresh one by mail, within the limits; one that is not ours brings nothing.
func TestFresh(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	if _, err := d.Add(ctx, []store.Address{{Channel: "email", Address: "ada@example.org"}}, store.Deed{Act: store.Added, How: "sheet"}, false); err != nil {
		t.Fatal(err)
	}
	if err := d.Join(ctx, asks("new@example.org", 1)); err != nil {
		t.Fatal(err)
	}
	preferences := d.links.Token(Preferences, Bearer{Address: d.of(t, "ada@example.org").ID}, d.clock())
	confirm := d.links.Token(Confirm, Bearer{Address: d.of(t, "new@example.org").ID}, d.clock())
	d.forward(100 * time.Hour)
	if _, err := d.Confirm(ctx, confirm, "page", netip.Prefix{}); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	for range 3 {
		for i, token := range []string{preferences, confirm, "nothing"} {
			if err := d.Fresh(ctx, token, Truncate(netip.AddrFrom4([4]byte{100, byte(i), 0, 1}))); err != nil {
				t.Error(err)
			}
		}
	}
	var kinds []announce.Kind
	for _, l := range d.sent(t) {
		kinds = append(kinds, l.Kind)
	}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []announce.Kind{announce.KindConfirm, announce.KindPreferences}) {
		t.Errorf("%v", kinds)
	}
}

func TestMovingAndForgetting(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	if _, err := d.Add(ctx, []store.Address{{Channel: "email", Address: "old@example.org", Name: "Ada"}}, store.Deed{Act: store.Added, How: "sheet", Words: "Yes"}, false); err != nil {
		t.Fatal(err)
	}
	b := Bearer{Address: d.of(t, "old@example.org").ID}
	if err := d.Move(ctx, b, "email", "new@example.org", "page", netip.Prefix{}); err != nil {
		t.Fatal(err)
	}
	if all := d.sent(t); len(all) != 1 || all[0].Kind != announce.KindConfirm || all[0].Address == b.Address {
		t.Fatalf("%+v", all)
	}
	if a := d.of(t, "old@example.org"); a.Standing != store.Active {
		t.Fatal(a.Standing)
	}
	moved := Bearer{Address: d.of(t, "new@example.org").ID}
	p, err := d.Confirm(ctx, d.links.Token(Confirm, moved, d.clock()), "page", netip.Prefix{})
	if err != nil || p.Name != "Ada" || len(p.Others) != 1 || p.Others[0].Standing != store.Removed {
		t.Fatalf("%+v %v", p, err)
	}
	// Start in a chat, with the link of the address, moves there.
	if err := d.Start(ctx, "4711", "Ada", "fr", d.links.Invitation(moved, "en", d.clock())); err != nil {
		t.Fatal(err)
	}
	chat, err := d.db.AddressOf(ctx, "telegram", "4711")
	if err != nil || chat.Standing != store.Active || chat.Person != b.Address || d.of(t, "new@example.org").Standing != store.Removed {
		t.Fatalf("%+v %v", chat, err)
	}
	// What is proved are the words beside the link, in the language that they were in.
	if deeds, err := d.db.Consents(ctx, chat.ID); err != nil || deeds[0].Words != Words(d.Site, "en") || deeds[0].Language != "en" || deeds[0].How != "telegram" {
		t.Errorf("%+v %v", deeds, err)
	}
	if err := d.Stop(ctx, "4711"); err != nil {
		t.Fatal(err)
	}
	if err := d.Start(ctx, "4711", "Ada", "fr", ""); err != nil { // and back
		t.Fatal(err)
	}
	// The address that was moved away from may be somebody else's: its links speak for it alone.
	for holder, addresses := range map[int64]int{b.Address: 1, chat.ID: 3} {
		export, err := d.Export(ctx, Bearer{Address: holder})
		var tables map[string][]map[string]any
		if err = errors.Join(err, json.Unmarshal(export, &tables)); err != nil || len(tables["addresses"]) != addresses {
			t.Fatalf("%s %v", export, err)
		}
	}
	if p, err := d.Profile(ctx, b); err != nil || len(p.Others) != 0 {
		t.Fatalf("%+v %v", p.Others, err)
	}
	if err := d.Erase(ctx, moved, "page"); err != nil {
		t.Fatal(err)
	}
	if a, err := d.db.Address(ctx, chat.ID); err != nil || a.Standing != store.Active {
		t.Fatalf("%+v %v", a, err)
	}
	if err := d.Erase(ctx, Bearer{Address: chat.ID}, "page"); err != nil {
		t.Fatal(err)
	}
	all, err := d.db.AddressesOf(ctx, b.Address)
	if err != nil || len(all) != 3 || slices.ContainsFunc(all, func(a store.Address) bool { return a.Standing != store.Erased || a.Address != "" || a.Name != "" }) {
		t.Errorf("%+v %v", all, err)
	}
	before := len(d.sent(t))
	if err := d.Join(ctx, asks("OLD@example.org", 9)); err != nil {
		t.Error(err)
	}
	if err := d.Start(ctx, "4711", "Ada", "fr", ""); err != nil {
		t.Error(err)
	}
	if _, err := d.Profile(ctx, b); !errors.Is(err, ErrLink) {
		t.Error(err)
	}
	if got := d.sent(t); len(got) != before {
		t.Errorf("%+v", got[before:])
	}
}

// Whoever is erased before they confirmed a new address is known under neither, and that address, which may be a
// stranger's, is free to join.
func TestErasedWhileMoving(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	if _, err := d.Add(ctx, []store.Address{{Channel: "email", Address: "old@example.org", Name: "Ada"}}, store.Deed{Act: store.Added, How: "sheet"}, false); err != nil {
		t.Fatal(err)
	}
	b := Bearer{Address: d.of(t, "old@example.org").ID}
	if err := d.Move(ctx, b, "email", "new@example.org", "page", netip.Prefix{}); err != nil {
		t.Fatal(err)
	}
	moving := Bearer{Address: d.of(t, "new@example.org").ID}
	if err := d.Erase(ctx, b, "page"); err != nil {
		t.Fatal(err)
	}
	if a, err := d.db.Address(ctx, moving.Address); err != nil || a.Standing != store.Erased || a.Address != "" || a.Name != "" {
		t.Errorf("%+v %v", a, err)
	}
	if _, err := d.Confirm(ctx, d.links.Token(Confirm, moving, d.clock()), "page", netip.Prefix{}); !errors.Is(err, ErrLink) {
		t.Errorf("its letter still confirms: %v", err)
	}
	before := len(d.sent(t))
	d.forward(25 * time.Hour)
	if err := d.Join(ctx, asks("new@example.org", 9)); err != nil {
		t.Error(err)
	}
	if got := d.sent(t); len(got) != before+1 {
		t.Errorf("%+v", got)
	}
}

// Two addresses that are each to take the other's place are erased all the same.
func TestErasedInACircle(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	for i, address := range []string{"one@example.org", "two@example.org"} {
		if err := d.Join(ctx, asks(address, i)); err != nil {
			t.Fatal(err)
		}
	}
	one, two := Bearer{Address: d.of(t, "one@example.org").ID}, Bearer{Address: d.of(t, "two@example.org").ID}
	d.forward(25 * time.Hour)
	if err := errors.Join(d.Move(ctx, one, "email", "two@example.org", "page", netip.Prefix{}), d.Move(ctx, two, "email", "one@example.org", "page", netip.Prefix{})); err != nil {
		t.Fatal(err)
	}
	if err := d.Erase(ctx, one, "page"); err != nil {
		t.Fatal(err)
	}
	for _, b := range []Bearer{one, two} {
		if a, err := d.db.Address(ctx, b.Address); err != nil || a.Standing != store.Erased {
			t.Errorf("%+v %v", a, err)
		}
	}
}

func TestHeard(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	if _, err := d.Add(ctx, []store.Address{{Channel: "email", Address: "ada@example.org"}}, store.Deed{Act: store.Added, How: "sheet"}, false); err != nil {
		t.Fatal(err)
	}
	id := d.of(t, "ada@example.org").ID
	for i, r := range []Report{{ID: "1", Class: store.Hard}, {ID: "1", Class: store.Spam}, {ID: "2", Class: store.Block}} {
		r.Address, r.At = id, d.clock().AddDate(0, 0, i)
		if err := d.Heard(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if a := d.of(t, "ada@example.org"); a.Standing != store.Active {
		t.Error(a.Standing)
	}
	if err := d.Heard(ctx, Report{ID: "3", Class: store.Hard, Address: id, At: d.clock().Add(25 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if a := d.of(t, "ada@example.org"); a.Standing != store.Bounced {
		t.Error(a.Standing)
	}
	for _, bad := range []Report{{Class: store.Hard, Address: id}, {ID: "4", Class: "gone", Address: id}} {
		if d.Heard(ctx, bad) == nil {
			t.Errorf("%+v", bad)
		}
	}
}

// One letter that cannot be written holds back none of the others.
func TestALetterThatCannotBeWritten(t *testing.T) {
	var broken int64
	var wrote []int64
	d := newDesk(t, func(o *Options) {
		o.Write = func(_ context.Context, l Letter) error {
			if l.Address == broken {
				return errors.New("cannot be rendered")
			}
			wrote = append(wrote, l.Address)
			return nil
		}
	})
	const people = 250 // more than are looked at once
	for i := range people {
		if err := d.Join(t.Context(), asks(fmt.Sprintf("p%d@example.org", i), i)); err != nil {
			t.Fatal(err)
		}
		d.forward(time.Second)
	}
	broken = d.of(t, "p0@example.org").ID
	for range 2 {
		if err := d.Send(t.Context()); err == nil {
			t.Error("nobody is told")
		}
		if len(wrote) != people-1 {
			t.Fatalf("%d letters were written", len(wrote))
		}
	}
	broken = 0
	if err := d.Send(t.Context()); err != nil || len(wrote) != people {
		t.Errorf("%d letters, %v", len(wrote), err)
	}
}

// Whoever agreed elsewhere before they were removed is asked now, and can confirm.
func TestAskingThoseWhoAgreedElsewhere(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	all := []store.Address{{Channel: "email", Address: "ada@example.org"}}
	if _, err := d.Add(ctx, all, store.Deed{Act: store.Added, How: "sheet"}, false); err != nil {
		t.Fatal(err)
	}
	id := d.of(t, "ada@example.org").ID
	if removed, err := d.db.RemoveAddress(ctx, id, store.Deed{How: "cli"}); !removed || err != nil {
		t.Fatal(removed, err)
	}
	if _, err := d.Add(ctx, all, store.Deed{Act: store.Added, How: "sheet", At: d.clock().AddDate(0, -1, 0)}, true); err != nil {
		t.Fatal(err)
	}
	if p, err := d.Confirm(ctx, d.links.Token(Confirm, Bearer{Address: id}, d.clock()), "page", netip.Prefix{}); err != nil || p.Standing != store.Active {
		t.Errorf("%s %v", p.Standing, err)
	}
}

// A browser that renewed its subscription by itself is not welcomed again.
func TestRenewing(t *testing.T) {
	d := newDesk(t, func(o *Options) { o.Channels = append(o.Channels, "webpush") })
	ctx := t.Context()
	before, after := `{"endpoint":"https://push.example.org/1","keys":{}}`, `{"endpoint":"https://push.example.org/2","keys":{}}`
	r := asks(before, 1)
	r.Channel = "webpush"
	if err := d.Browser(ctx, r, Bearer{}); err != nil {
		t.Fatal(err)
	}
	if all := d.sent(t); len(all) != 1 || all[0].Kind != announce.KindWelcome {
		t.Fatalf("%+v", all)
	}
	if err := d.Renew(ctx, "https://push.example.org/1", after, asks("", 2).Network); err != nil {
		t.Fatal(err)
	}
	if a, err := d.db.AddressOf(ctx, "webpush", after); err != nil || a.Standing != store.Active {
		t.Fatalf("%+v %v", a, err)
	}
	if all := d.sent(t); len(all) != 1 {
		t.Errorf("%+v", all[1:])
	}
}

// Run writes what is owed as soon as it is.
func TestRun(t *testing.T) {
	wrote := make(chan Letter, 1)
	d := newDesk(t, func(o *Options) { o.Write = func(_ context.Context, l Letter) error { wrote <- l; return nil } })
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error, 1)
	go func() { over <- d.Run(ctx) }()
	if err := d.Join(ctx, asks("ada@example.org", 1)); err != nil {
		t.Fatal(err)
	}
	select {
	case l := <-wrote:
		if l.Kind != announce.KindConfirm {
			t.Errorf("%+v", l)
		}
	case <-time.After(10 * time.Second):
		t.Error("nothing was written")
	}
	stop()
	if err := <-over; err != nil {
		t.Error(err)
	}
}

// Whoever complained is asked again only after somebody said that they want it, and then only by their own request.
func TestLiftedComplaint(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	if _, err := d.Add(ctx, []store.Address{{Channel: "email", Address: "ada@example.org"}}, store.Deed{Act: store.Added, How: "sheet"}, false); err != nil {
		t.Fatal(err)
	}
	if err := d.Heard(ctx, Report{ID: "1", Source: "arf", Class: store.Spam, Address: d.of(t, "ada@example.org").ID}); err != nil {
		t.Fatal(err)
	}
	var faults announce.Faults
	if err := d.Lift(ctx, "email", "ada@example.org", "by mistake", false, "bob"); !errors.As(err, &faults) || faults[0].Field != "asked" {
		t.Fatal(err)
	}
	if err := d.Join(ctx, asks("ada@example.org", 1)); err != nil || len(d.sent(t)) != 0 {
		t.Fatal(err, d.sent(t))
	}
	if err := d.Lift(ctx, "email", "ada@example.org", "by mistake", true, "bob"); err != nil {
		t.Fatal(err)
	}
	if a := d.of(t, "ada@example.org"); a.Standing != store.Unsubscribed {
		t.Errorf("they are %s", a.Standing)
	}
	d.forward(25 * time.Hour)
	if err := d.Join(ctx, asks("ada@example.org", 1)); err != nil || len(d.sent(t)) != 1 {
		t.Errorf("%v, letters %v", err, d.sent(t))
	}
	log, err := d.db.Events(ctx, 0, 100)
	if err != nil || !slices.ContainsFunc(log, func(e store.Event) bool {
		return e.What == "suppression-lifted" && e.Actor == "bob" && e.Detail == "complained: by mistake"
	}) {
		t.Errorf("%+v %v", log, err)
	}
}
