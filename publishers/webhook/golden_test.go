package webhook

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/webhook/webhooktest"
)

var update = flag.Bool("update", false, "write the golden requests anew")

const (
	seed    = "d2ViaG9vay10ZXN0LXNlZWQtb2YtMzItYnl0ZXMtISE=" // of a private key
	attempt = 1822222222
)

// capture is a receiver that keeps what came.
type capture struct {
	*httptest.Server
	header http.Header
	body   []byte
}

func newCapture(t *testing.T) *capture {
	t.Helper()
	c := &capture{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.header, c.body = r.Header.Clone(), nil
		c.body, _ = io.ReadAll(r.Body) // a test that misses it fails on the body
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *capture) golden(t *testing.T, file string) {
	t.Helper()
	var b bytes.Buffer
	for _, name := range []string{"Content-Type", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		b.WriteString(strings.ToLower(name) + ": " + c.header.Get(name) + "\n")
	}
	b.WriteString("\n")
	if err := json.Indent(&b, c.body, "", "  "); err != nil {
		t.Fatal(err)
	}
	b.WriteString("\n")
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test -update, then read what it wrote", err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s differs:\n%s", path, b.Bytes())
	}
}

// gala is an announcement with everything, and with characters that JSON, HTML and HTTP care for.
func gala() announce.Message {
	start := announce.When{Wall: "2027-10-20T18:30:00", Zone: "America/Toronto", Instant: time.Date(2027, 10, 20, 22, 30, 0, 0, time.UTC)}
	return announce.Message{
		Key: "01k0gala000000000000000000", Announcement: "01k0announcement0000000000", Rev: 1, Kind: announce.KindEvent, Language: "fr",
		Subject: "Soirée « gala » : l’IA, ça s’explique 🎉", Text: "unused: versions hold it",
		Link: "https://example.org/gala?x=1&y=2", Topics: []string{"logiciel libre"},
		Versions: []announce.Version{
			{Language: "fr", Subject: "Soirée « gala » : l’IA, ça s’explique 🎉", Summary: "Deux conférences.", Text: "Mercredi 20 octobre 2027, 18 h 30\nCafé du Clocher\n\n<script>alert(\"1\")</script> & \\ @everyone\nhttps://example.org/gala?x=1&y=2", HTML: "<p>not sent</p>"},
			{Language: "en", Subject: "Gala evening", Text: "Wednesday, October 20, 2027, 6:30 p.m.\n\u2028line"},
		},
		Images: []announce.Picture{
			{URL: "https://example.org/media/a.png", Data: []byte("x"), Type: "image/png", Width: 1200, Height: 630, Alt: "L’affiche : une fusée"},
			{Data: []byte("x"), Type: "image/png", Alt: "nobody else can fetch it"},
		},
		Event: &announce.Event{
			Start: start, Zone: "America/Toronto", Venue: &announce.Venue{Name: "Café du Clocher", Address: "19, rue Saint-Joseph, Alma"}, SignUpURL: "https://example.org/inscription",
			Talks: []announce.Talk{{Title: "L’œuvre d’Ada", Abstract: "Où *naît* l’été.", Speakers: []announce.Speaker{{Name: "Ada L.", Handles: map[string]string{"mastodon": "ada@example.social"}}}}},
		},
		Created: time.Date(2027, 9, 20, 10, 0, 0, 0, time.UTC), Updated: time.Date(2027, 9, 21, 10, 0, 0, 0, time.UTC), Date: time.Date(2027, 9, 20, 10, 1, 0, 0, time.UTC),
	}
}

func TestGoldenRequests(t *testing.T) {
	c := newCapture(t)
	p := at(t, c.URL, webhooktest.Secret, "whsk_"+seed)
	p.now = func() time.Time { return time.Unix(attempt, 5) }
	m := gala()
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	c.golden(t, "published.golden.http")
	m.Rev, m.Event.Cancelled = 2, true
	if r, err = p.Amend(t.Context(), r, m); err != nil {
		t.Fatal(err)
	}
	c.golden(t, "updated.golden.http")
	if err := p.Retract(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	c.golden(t, "retracted.golden.http")
}

// A repeat carries the same ID and body, the time of its own attempt, and so another signature.
func TestRepeats(t *testing.T) {
	c := newCapture(t)
	p := at(t, c.URL, webhooktest.Secret, "")
	ids := map[string]bool{}
	for _, x := range []struct {
		verb string
		call func(announce.Message) error
	}{
		{"publish", func(m announce.Message) error { _, err := p.Publish(t.Context(), m); return err }},
		{"amend", func(m announce.Message) error { _, err := p.Amend(t.Context(), announce.Receipt{}, m); return err }},
		{"retract", func(m announce.Message) error {
			return p.Retract(t.Context(), announce.Receipt{ID: told{m.Announcement, m.Key, m.Rev}.String()})
		}},
	} {
		for rev := 1; rev <= 2; rev++ {
			m := gala()
			m.Rev = rev
			var bodies, headers []string
			for n := range 2 {
				p.now = func() time.Time { return time.Unix(attempt+int64(n)*3600, 0) }
				if err := x.call(m); err != nil {
					t.Fatal(err)
				}
				id := c.header.Get("webhook-id")
				if n == 0 && ids[id] || strings.Contains(id, ".") {
					t.Errorf("%s %d: the ID %s is of another event, or holds a full stop", x.verb, rev, id)
				}
				ids[id] = true
				bodies = append(bodies, string(c.body))
				headers = append(headers, id, c.header.Get("webhook-timestamp"), c.header.Get("webhook-signature"))
			}
			if headers[0] != headers[3] || headers[1] == headers[4] || headers[2] == headers[5] {
				t.Errorf("%s %d: %q", x.verb, rev, headers)
			}
			if bodies[0] != bodies[1] && x.verb != "retract" {
				t.Errorf("%s %d: another body at the second attempt", x.verb, rev)
			}
		}
	}
	if len(ids) != 6 {
		t.Errorf("%d IDs of six events", len(ids))
	}
}

// Both secrets sign while they change, and a public key verifies what the private one signed.
func TestSignatures(t *testing.T) {
	raw, err := base64.StdEncoding.DecodeString(seed)
	if err != nil {
		t.Fatal(err)
	}
	pair := ed25519.NewKeyFromSeed(raw)
	c := newCapture(t)
	for _, secrets := range [][2]string{{"whsk_" + seed, ""}, {webhooktest.Secret, "whsk_" + seed}, {"whsk_" + base64.StdEncoding.EncodeToString(pair), webhooktest.Secret}} {
		p := at(t, c.URL, secrets[0], secrets[1])
		if _, err := p.Publish(t.Context(), message(1)); err != nil {
			t.Fatal(err)
		}
		list := strings.Split(c.header.Get("webhook-signature"), " ")
		i := slices.IndexFunc(list, func(s string) bool { return strings.HasPrefix(s, "v1a,") })
		if want := len(strings.Fields(secrets[0] + " " + secrets[1])); len(list) != want || i < 0 {
			t.Fatalf("signatures %q", list)
		}
		sum, err := base64.StdEncoding.DecodeString(list[i][len("v1a,"):])
		if err != nil {
			t.Fatal(err)
		}
		content := c.header.Get("webhook-id") + "." + c.header.Get("webhook-timestamp") + "." + string(c.body)
		if !ed25519.Verify(pair.Public().(ed25519.PublicKey), []byte(content), sum) {
			t.Error("the public key does not verify the event")
		}
		if ed25519.Verify(pair.Public().(ed25519.PublicKey), []byte(content+" "), sum) {
			t.Error("the public key verifies another event")
		}
	}
	for _, old := range []string{"whsec_" + seed, ""} { // the receiver knows one of them
		other, platform := open(t)
		p := at(t, platform.Environ()["URL"], webhooktest.Secret, old)
		p.path = other.path
		if _, err := p.Publish(t.Context(), message(1)); err != nil {
			t.Errorf("old secret %q: %v", old, err)
		}
		p = at(t, platform.Environ()["URL"], "whsec_"+seed, webhooktest.Secret)
		if _, err := p.Publish(t.Context(), message(2)); err != nil {
			t.Errorf("a receiver that has the old secret: %v", err)
		}
		if _, err := at(t, platform.Environ()["URL"], "whsec_"+seed, "").Publish(t.Context(), message(3)); err == nil || len(platform.Posts()) != 2 {
			t.Errorf("a secret that the receiver does not know: %v", err)
		}
	}
}

// However much an announcement holds, its event stays below the limit and tells what is announced.
func TestEventsStaySmall(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é\"", n/2) }
	full := gala()
	full.Versions[0].Text, full.Versions[1].Text = strings.Repeat("é", mostText/2), strings.Repeat("é", mostText/2)
	usual, err := compose(published, full.Date, full)
	if err != nil {
		t.Fatal(err)
	}
	if len(usual) >= mostBody || bytes.Contains(usual, []byte(`"partial"`)) {
		t.Errorf("two languages at their limit take %d bytes, and something was left out", len(usual))
	}
	for name, c := range map[string]struct {
		change func(*announce.Message)
		kept   string
		left   string
	}{
		"abstracts":       {func(m *announce.Message) { m.Event.Talks[0].Abstract = long(9000) }, `"Gala evening","text":`, `"abstract"`},
		"many languages":  {func(m *announce.Message) { m.Versions = append(m.Versions, m.Versions[1], m.Versions[1]) }, `"text":"ééé`, `"abstract"`},
		"long programmes": {func(m *announce.Message) { m.Event.Talks = slices.Repeat([]announce.Talk{{Title: long(300)}}, 50) }, `"starts_at"`, `"talks"`},
		"long addresses": {func(m *announce.Message) {
			m.Images = slices.Repeat([]announce.Picture{{URL: "https://example.org/" + long(5000), Alt: "x"}}, 4)
		}, `"starts_at"`, `"images"`},
		"twenty titles": {func(m *announce.Message) {
			m.Versions = slices.Repeat([]announce.Version{{Language: "fr", Subject: long(1000), Summary: long(1000), Text: long(5000)}}, 20)
		}, `"text":"`, `"topics"`},
		"a long place": {func(m *announce.Message) {
			m.Event.OnlineURL, m.Event.Venue.URL = "https://example.org/"+long(9000), "https://example.org/"+long(9000)
		}, `"text":"`, `"starts_at"`},
	} {
		m := gala()
		m.Versions = slices.Clone(full.Versions)
		c.change(&m)
		before, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		body, err := compose(published, m.Date, m)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) >= mostBody || !bytes.Contains(body, []byte(`"partial":true`)) {
			t.Errorf("%s: %d bytes", name, len(body))
		}
		if !bytes.Contains(body, []byte(c.kept)) || bytes.Contains(body, []byte(c.left)) || !bytes.Contains(body, []byte(`"link"`)) {
			t.Errorf("%s: does not keep %s, or keeps %s", name, c.kept, c.left)
		}
		if after, err := json.Marshal(m); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the message was changed", name)
		}
	}
}

func TestTextIsMeasuredAsItIsWritten(t *testing.T) {
	for s, want := range map[string]int{"": 0, "a": 1, "é": 2, "🎉": 4, "\"": 2, "\\": 2, "\n": 2, "<&>": 3, "\u2028": 6, "\x01": 6} {
		if got := written(s); got != want {
			t.Errorf("%q measures %d, want %d", s, got, want)
		}
	}
}
