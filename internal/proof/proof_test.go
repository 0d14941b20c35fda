package proof

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/store"
)

// made is a proof of an announcement on one place and to two people, amended once, as it is handed over, and the key.
func made(t *testing.T) (document, key []byte) {
	t.Helper()
	ctx := t.Context()
	db, err := store.Open(ctx, store.Options{Dir: t.TempDir(), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if _, err := db.AddAddresses(ctx, []store.Address{
		{Channel: "email", Address: "ada@example.org", Standing: store.Active, Everything: true, Frequency: store.Now},
		{Channel: "email", Address: "bob@example.org", Standing: store.Active, Everything: true, Frequency: store.Now},
	}, store.Deed{Act: store.Added, How: "test"}); err != nil {
		t.Fatal(err)
	}
	now := db.Now()
	start, err := announce.ParseWhen("2099-05-14T18:30", "America/Toronto")
	if err != nil {
		t.Fatal(err)
	}
	a := announce.Announcement{
		ID: announce.NewID(now), Rev: 1, Kind: announce.KindEvent, Default: "fr", Zone: "America/Toronto", Created: now, Updated: now,
		Texts: map[announce.Language]announce.Text{"fr": {Title: "Soirée <de> mai & « juin » 🎉", Body: "le corps"}},
		Event: &announce.Event{Start: start, Zone: "America/Toronto", Venue: &announce.Venue{Name: "Café"}, Partners: []announce.Partner{{Name: "Coop du Fjord"}}},
	}
	sub := func() store.Submission {
		return store.Submission{
			Announcement: a, Actor: "token site",
			Payloads: []store.Payload{
				{Account: "slack", Language: "fr", Message: announce.Message{Rev: a.Rev, Language: "fr", Text: "x"}},
				{Account: "email", Language: "fr", Message: announce.Message{Rev: a.Rev, Language: "fr", Text: "x"}},
			},
			Deliveries: []announce.Delivery{{Account: "slack", Language: "fr", Wanted: true, Rev: a.Rev, First: now, Next: now}},
			Plans:      []store.Plan{{Account: "email", First: now, Next: now}},
		}
	}
	if _, _, err := db.Save(ctx, sub()); err != nil {
		t.Fatal(err)
	}
	call := func(how func(*announce.Delivery)) {
		t.Helper()
		c, ok, err := db.Claim(ctx, "slack", a.ID, store.ClaimOptions{Owner: "w", Lease: time.Minute})
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		d := c.Delivery
		d.Calling = announce.Nothing
		how(&d)
		if err := db.Record(ctx, c.Fence, d); err != nil {
			t.Fatal(err)
		}
	}
	call(func(d *announce.Delivery) { d.Fault, d.Next = "down: secret-of-the-platform", now })
	call(func(d *announce.Delivery) {
		d.Shown, d.Attempts, d.Receipt = 1, 0, announce.Receipt{ID: "C1:2", URL: "https://example.slack.com/archives/C1/p2", At: now}
	})
	for done := false; !done; {
		if done, _, err = db.Plan(ctx, 10); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Skip(ctx, "email", a.ID, "too late", "server-3fa9"); err != nil { // decided by nobody
		t.Fatal(err)
	}
	off := *a.Event
	a.Rev, a.Updated, a.Event, off.Cancelled = 2, db.Now(), &off, true
	if err := db.Revise(ctx, 1, sub()); err != nil {
		t.Fatal(err)
	}
	o := New(db, announce.Site{Name: "Club d’essai", URL: "https://crieur.example.org"})
	p, err := o.Make(ctx, a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if document, err = json.Marshal(p); err != nil {
		t.Fatal(err)
	}
	if key, err = o.PublicKey(ctx); err != nil {
		t.Fatal(err)
	}
	return document, key
}

func TestProofSaysWhatHappened(t *testing.T) {
	document, key := made(t)
	s, err := Verify(document, key)
	if err != nil {
		t.Fatal(err)
	}
	if s.Announcement.Rev != 2 || s.Announcement.Titles["fr"] != "Soirée <de> mai & « juin » 🎉" || s.Announcement.Event.Venue != "Café" || !slices.Equal(s.Announcement.Partners, []string{"Coop du Fjord"}) {
		t.Errorf("%+v", s.Announcement)
	}
	if len(s.Decisions) != 2 || s.Decisions[0].What != "submitted" || s.Decisions[0].By != "token site" || s.Decisions[1].What != "amended" || s.Decisions[1].Rev != 2 || s.Decisions[0].Event != "" || s.Decisions[1].Event != Cancelled {
		t.Errorf("decisions %+v", s.Decisions)
	}
	if len(s.Places) != 1 {
		t.Fatalf("places %+v", s.Places)
	}
	p := s.Places[0]
	if p.Account != "slack" || p.Rev != 1 || p.Attempts != 2 || p.URL != "https://example.slack.com/archives/C1/p2" || p.At == nil || p.State != announce.Published {
		t.Errorf("place %+v", p)
	}
	if len(p.History) != 1 || p.History[0].State != announce.Published || p.History[0].URL != p.URL {
		t.Errorf("history %+v", p.History)
	}
	if len(s.People) != 1 || s.People[0].Planned != 2 || s.People[0].Counts[announce.Waiting] != 2 {
		t.Errorf("people %+v", s.People)
	}
	for _, private := range []string{"ada@", "bob@", "secret", "le corps"} {
		if bytes.Contains(document, []byte(private)) {
			t.Errorf("%q is in it", private)
		}
	}
}

// Whoever changes anything of a proof, or signs it with a key of their own, is found out.
func TestProofCannotBeChanged(t *testing.T) {
	document, key := made(t)
	for _, change := range [][2]string{
		{`"attempts":2`, `"attempts":1`}, {"token site", "token sita"}, {"Caf", "Kaf"}, {`"planned":2`, `"planned":9`}, {`"retracted":false`, `"retracted":true`},
		{`"version":1`, `"version":2`}, {`"proof":{`, `"proof":{"more":1,`}, {`"people":[`, `"people":[{},`},
	} {
		forged := bytes.Replace(document, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(forged, document) {
			t.Errorf("%q is not in it", change[0])
		}
		if _, err := Verify(forged, key); !errors.Is(err, ErrForged) {
			t.Errorf("%v: %v", change, err)
		}
	}
	_, other := made(t)
	if _, err := Verify(document, other); !errors.Is(err, ErrForged) {
		t.Errorf("the key of another server: %v", err)
	}
	// How it is laid out, and what stands beside it, is not signed.
	var laid bytes.Buffer
	if err := json.Indent(&laid, document, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(laid.Bytes(), key); err != nil {
		t.Errorf("indented: %v", err)
	}
	for name, bad := range map[string][2][]byte{"no proof": {[]byte(`{}`), key}, "no JSON": {[]byte("x"), key}, "no key": {document, []byte("x")}} {
		if _, err := Verify(bad[0], bad[1]); err == nil || errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Other programs than this one check it, as docs/proof.md says.
func TestProofByStandardTools(t *testing.T) {
	for _, tool := range []string{"jq", "openssl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("NOT RUN: it needs jq and openssl")
		}
	}
	document, key := made(t)
	dir := t.TempDir()
	put := func(name string, data []byte) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole, pem := put("proof.json", document), put("key.pem", key)
	check := func(document string) error {
		t.Helper()
		signed, err := exec.Command("jq", "-cjS", ".proof", document).Output()
		if err != nil {
			t.Fatal(err)
		}
		value, err := exec.Command("jq", "-r", ".signature.value", document).Output()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(value)))
		if err != nil {
			t.Fatal(err)
		}
		return exec.Command("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", pem, "-rawin", "-in", put("signed", signed), "-sigfile", put("signature", raw)).Run()
	}
	if err := check(whole); err != nil {
		t.Errorf("openssl refuses a good proof: %v", err)
	}
	if err := check(put("forged.json", bytes.Replace(document, []byte("token site"), []byte("token mine"), 1))); err == nil {
		t.Error("openssl takes a forged proof")
	}
}

// Text from elsewhere is such that every writer of JSON makes the same bytes of it.
func TestPlain(t *testing.T) {
	in := "a\u2028b\u2029c\x7fd\x00e\tf\u0085g\xffh<&>\"\\é🎉"
	raw, err := json.Marshal(map[string]string{"k": plain(in)})
	if err != nil {
		t.Fatal(err)
	}
	out, err := canonical(raw)
	if want := `{"k":"a b c d e f g h<&>\"\\é🎉"}`; err != nil || string(out) != want {
		t.Errorf("%v\n%s\n%s", err, out, want)
	}
}

func TestTurn(t *testing.T) {
	day := func(n int) announce.When { return announce.When{Instant: time.Date(2099, 5, n, 18, 0, 0, 0, time.UTC)} }
	on, moved := &announce.Event{Start: day(1)}, &announce.Event{Start: day(2)}
	off, later := &announce.Event{Start: day(1), Cancelled: true}, &announce.Event{Start: day(1), Cancelled: true, Postponed: true}
	for i, x := range []struct {
		before, now *announce.Event
		want        Turn
	}{
		{on, on, ""}, {nil, on, ""}, {on, nil, ""}, {off, off, ""}, {on, off, Cancelled}, {on, later, Postponed}, {later, off, Cancelled}, {off, later, Postponed},
		{off, on, Restored}, {later, moved, Restored}, {on, moved, Moved},
	} {
		if got := turn(x.before, x.now); got != x.want {
			t.Errorf("%d: %q, not %q", i, got, x.want)
		}
	}
}
