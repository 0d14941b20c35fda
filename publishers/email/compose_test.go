package email

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"html"
	"mime"
	"net/mail"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	ics "github.com/arran4/golang-ical"
	"github.com/jhillyerd/enmime/v2"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/email/emailtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sober is a channel that is never connected.
func sober(t testing.TB, change func(*Config)) *mailer {
	t.Helper()
	c := Config{Host: "mail.example.org", TLS: tlsStart, From: "Crieur du Port <crieur@example.org>", Connections: 1, PerConnection: 1, Timeout: generous, TimeoutFinal: generous}
	if change != nil {
		change(&c)
	}
	p, err := New(c, testSite)
	if err != nil {
		t.Fatal(err)
	}
	return p.(*mailer)
}

// wire is a composed mail as its reader's server stores it: without the final dot, dots undoubled.
func wire(t testing.TB, m *mailer, msg announce.Message) []byte {
	t.Helper()
	to, err := mailbox(msg.To)
	if err != nil {
		t.Fatal(err)
	}
	b, _, _, fault := m.compose(nil, to, msg)
	if fault != nil {
		t.Fatal(fault)
	}
	b, ok := bytes.CutSuffix(b, []byte("\r\n.\r\n"))
	if !ok {
		t.Fatalf("no final dot: %q", b)
	}
	return bytes.ReplaceAll(append(b, crlf...), []byte("\r\n.."), []byte("\r\n."))
}

func event(t testing.TB) announce.Message {
	t.Helper()
	m := message(1)
	start, err := announce.ParseWhen("2027-04-14T18:30", "America/Toronto")
	if err != nil {
		t.Fatal(err)
	}
	m.Kind, m.Subject, m.Summary, m.Link = announce.KindEvent, "Rencontre d’avril : « Files et tubes » à Chicoutimi, mercredi 14 avril, 18 h 30", "Deux présentations et un café.", "https://crieur.example.org/a/avril"
	m.Event = &announce.Event{
		Start: start, Zone: "America/Toronto", Sequence: 0, SignUpURL: "https://crieur.example.org/inscription",
		Venue: &announce.Venue{Name: "Café du Port", Address: "1, rue du Port, Chicoutimi"},
		Talks: []announce.Talk{{Title: "Les files d’attente", Speakers: []announce.Speaker{{Name: "Ada"}}}},
	}
	return m
}

func goldens(t testing.TB) map[string]announce.Message {
	plain := message(1)
	plain.HTML = ""
	english := message(2)
	english.Language, english.Subject, english.Text, english.HTML = "en", "Call for talks 🎤", "Hello.\n", "<p>Hello.</p>"
	cancelled := event(t)
	cancelled.Kind, cancelled.Rev, cancelled.Subject = announce.KindCancellation, 2, "Annulé : rencontre d’avril"
	cancelled.Event.Sequence = 1
	pictures := message(3)
	pictures.HTML = `<p><img src="cid:image1" alt="Affiche"></p>`
	pictures.Images = []announce.Picture{{Data: []byte("\x89PNG\r\n\x1a\nabc"), Type: "image/png", Alt: "Affiche"}, {URL: "https://example.org/b.png", Alt: "Salle"}, {Data: []byte("\xff\xd8\xffdef"), Type: "image/jpeg", Alt: "Plan"}}
	pictures.Event = event(t).Event
	pictures.Kind = announce.KindReminder
	return map[string]announce.Message{"news": message(1), "plain": plain, "english": english, "event": event(t), "cancelled": cancelled, "pictures": pictures, "list": forList()}
}

func TestGoldenMails(t *testing.T) {
	m := sober(t, func(c *Config) { c.ReplyTo, c.UnsubscribeMailto = "Équipe <equipe@example.org>", "adieu@example.org" })
	for name, msg := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			got := wire(t, m, msg)
			if again := wire(t, sober(t, func(c *Config) { c.ReplyTo, c.UnsubscribeMailto = "Équipe <equipe@example.org>", "adieu@example.org" }), msg); !bytes.Equal(got, again) {
				t.Error("another process composes other bytes")
			}
			path := filepath.Join("testdata", name+".eml")
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("differs from %s; look, then run with -update:\n%s", path, got)
			}
		})
	}
}

// TestReadersSeeTheTexts reads every golden mail with an independent parser.
func TestReadersSeeTheTexts(t *testing.T) {
	m := sober(t, nil)
	for name, msg := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			e := parse(t, wire(t, m, msg))
			lines := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
			if got, want := lines(e.Text), strings.ReplaceAll(msg.Text, announce.UnsubscribeMark, msg.Unsubscribe); got != want {
				t.Errorf("text\n%q, want\n%q", got, want)
			}
			link := strings.ReplaceAll(msg.Unsubscribe, "&", "&amp;")
			if got, want := lines(e.HTML), strings.ReplaceAll(msg.HTML, announce.UnsubscribeMark, link); got != want {
				t.Errorf("HTML\n%q, want\n%q", got, want)
			}
			if got := e.GetHeader("Subject"); got != msg.Subject {
				t.Errorf("subject %q, want %q", got, msg.Subject)
			}
			for _, problem := range e.Errors {
				t.Errorf("the parser complains: %v", problem)
			}
			if msg.Event == nil {
				if len(e.Attachments) > 0 {
					t.Errorf("%d attachments", len(e.Attachments))
				}
				return
			}
			var entries [][]byte
			for _, p := range slices.Concat(e.Attachments, e.OtherParts) {
				if strings.HasPrefix(p.ContentType, "text/calendar") {
					entries = append(entries, p.Content)
				}
			}
			if len(entries) != 2 || !bytes.Equal(entries[0], entries[1]) {
				t.Fatalf("want the entry once beside the texts and once attached, got %d", len(entries))
			}
			c, err := ics.ParseCalendar(bytes.NewReader(entries[0]))
			if err != nil {
				t.Fatal(err)
			}
			v := c.Events()[0]
			status := map[bool]string{true: "CANCELLED", false: "CONFIRMED"}[msg.Kind == announce.KindCancellation]
			if v.Id() != string(msg.Announcement)+"@crieur.example.org" || v.GetProperty(ics.ComponentPropertyStatus).Value != status {
				t.Errorf("entry %s %s", v.Id(), v.GetProperty(ics.ComponentPropertyStatus).Value)
			}
		})
	}
}

func parse(t testing.TB, b []byte) *enmime.Envelope {
	t.Helper()
	e, err := enmime.ReadEnvelope(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// expected is the header set of every mail; nothing that anybody writes may add to it.
func expected() []string {
	return []string{
		"Auto-Submitted", "Content-Language", "Content-Type", "Date", "From", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post",
		"Message-Id", "Mime-Version", "Precedence", "Subject", "To", "X-Auto-Response-Suppress",
	}
}

func headers(t testing.TB, b []byte) mail.Header {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range msg.Header {
		if len(values) != 1 {
			t.Errorf("%s stands there %d times", name, len(values))
		}
	}
	return msg.Header
}

func TestHeaders(t *testing.T) {
	h := headers(t, wire(t, sober(t, nil), message(1)))
	var names []string
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	if !reflect.DeepEqual(names, expected()) {
		t.Errorf("headers %v", names)
	}
	for name, want := range map[string]string{
		"From": `"Crieur du Port" <crieur@example.org>`, "To": "ada1@example.org",
		"Date":             "Sun, 14 Mar 2027 18:30:01 -0400",
		"List-Unsubscribe": "<https://crieur.example.org/unsubscribe/token1?a=1&b=2>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
		"List-Id": "=?utf-8?q?Club_de_l=E2=80=99=C3=A9t=C3=A9?= <announcements.example.org>", "Auto-Submitted": "auto-generated", "Precedence": "bulk",
		"Content-Language": "fr", "Mime-Version": "1.0", "X-Auto-Response-Suppress": "All",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if other := headers(t, wire(t, sober(t, nil), message(2))); other.Get("Message-Id") == h.Get("Message-Id") {
		t.Error("two deliveries have one Message-ID")
	}
	with := headers(t, wire(t, sober(t, func(c *Config) { c.UnsubscribeMailto = "adieu@example.org" }), message(1)))
	if got, want := with.Get("List-Unsubscribe"), "<https://crieur.example.org/unsubscribe/token1?a=1&b=2>, <mailto:adieu@example.org?subject=unsubscribe>"; got != want {
		t.Errorf("List-Unsubscribe: %q, want %q", got, want)
	}
	near := message(1)
	near.Unsubscribe = "http://127.0.0.1:8080/unsubscribe/token1"
	if h := headers(t, wire(t, sober(t, nil), near)); h.Get("List-Unsubscribe") != "<"+near.Unsubscribe+">" || h.Get("List-Unsubscribe-Post") != "" {
		t.Errorf("one click without https: %v", h)
	}
}

func TestSubject(t *testing.T) {
	for _, s := range []string{"", "Hello", "é", strings.Repeat("word ", 40) + "end", strings.Repeat("été 🎉 ", 30) + "fin", "=?UTF-8?Q?x?=", strings.Repeat("x", 300), "a  b\tc"} {
		b := appendSubject(nil, oneLine(s))
		lines := strings.Split(strings.TrimSuffix(string(b), crlf), crlf)
		for i, l := range lines {
			if len(l) > 76 && strings.Contains(s, " ") || strings.TrimSpace(strings.TrimPrefix(l, "Subject:")) == "" && s != "" {
				t.Errorf("line %d of %q: %q", i, s, l)
			}
		}
		value := strings.ReplaceAll(strings.TrimPrefix(strings.TrimSuffix(string(b), crlf), "Subject: "), "\r\n ", " ")
		got, err := new(mime.WordDecoder).DecodeHeader(value)
		if want := strings.Join(strings.Fields(s), " "); err != nil || got != want {
			t.Errorf("%q reads back as %q, %v", want, got, err)
		}
	}
}

func TestInjection(t *testing.T) {
	const evil = "x\r\nBcc: eve@example.org\r\n\r\n.\r\nMAIL FROM:<eve@example.org>\r\n"
	for name, change := range map[string]func(*announce.Message){
		"subject":      func(m *announce.Message) { m.Subject = evil },
		"subject, LF":  func(m *announce.Message) { m.Subject = "x\nBcc: eve@example.org" },
		"subject, NEL": func(m *announce.Message) { m.Subject = "x\u0085Bcc: eve@example.org\u2028y" },
		"language":     func(m *announce.Message) { m.Language = evil },
		"text":         func(m *announce.Message) { m.Text = ".\r\n" + evil },
		"HTML":         func(m *announce.Message) { m.HTML = ".\n.\r\n\r\n.\r\nQUIT\r\n" + evil },
		"text, CR":     func(m *announce.Message) { m.Text = "a\r.\rb\n.\rc\x00\xff" },
		"key":          func(m *announce.Message) { m.Key = evil },
		"announcement": func(m *announce.Message) { m.Announcement = evil },
		"topics":       func(m *announce.Message) { m.Topics = []string{evil} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, p := start(t, emailtest.Options{}, patient)
			msg := message(1)
			change(&msg)
			publish(t, m, msg)
			publish(t, m, message(2))
			if n := p.Count(""); n != 2 || p.Stats().Connections != 1 {
				t.Fatalf("%d mails on %d connections", n, p.Stats().Connections)
			}
			for k := range headers(t, p.Mails()[0].Raw) {
				if !slices.Contains(expected(), k) {
					t.Errorf("header %s", k)
				}
			}
		})
	}
	for _, to := range []string{
		"", "ada", "@example.org", "ada@", "ada@@example.org", "ada@exa mple.org", "ada @example.org", "<ada@example.org>", "ada@example.org>", "Ada <ada@example.org>",
		"ada@example.org\r\nRCPT TO:<eve@example.org>", "ada@example.org\n", "ada\x00@example.org", "ada@example.org,eve@example.org", `"a@x> ORCPT=b"@example.org`, `"a b"@example.org`,
		"ada@example.org> ORCPT=rfc822;eve", "ada@-example.org", "ada@example..org", "ada@example.org.", "zoé@example.org", `"a\`, `"a"b"@example.org`, "ada@[127.0.0.1]",
		strings.Repeat("a", 65) + "@example.org", "ada@" + strings.Repeat("a", 64) + ".org", "ada@" + strings.Repeat("abcd.", 60) + "org", "ada@exam\u00adple\u200b.org\u0000",
	} {
		_, err := sober(t, nil).Publish(context.Background(), func() announce.Message { m := message(1); m.To = to; return m }())
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.Permanent || !e.Gone || e.Field != "to" {
			t.Errorf("%q: %v", to, err)
		}
	}
	for _, link := range []string{"", "ftp://example.org", "https://example.org/\r\nBcc: eve@example.org", "https://example.org/>", "https://example.org/ b", "https://example.org/é", "javascript:alert(1)", "https://example.org/,x"} {
		msg := message(1)
		msg.Unsubscribe = link
		_, err := sober(t, nil).Publish(context.Background(), msg)
		var e *announce.Error
		if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Field != "unsubscribe" {
			t.Errorf("%q: %v", link, err)
		}
	}
}

func TestMailbox(t *testing.T) {
	for in, want := range map[string]string{
		"ada@example.org": "ada@example.org", "Ada.L+x@Example.ORG": "Ada.L+x@Example.ORG", "ada@exämple.org": "ada@xn--exmple-cua.org",
		"ada@café.example": "ada@xn--caf-dma.example", "a..b@example.org": `"a..b"@example.org`, ".a@example.org": `".a"@example.org`,
		`"a,b"@example.org`: `"a,b"@example.org`, `"ada"@example.org`: "ada@example.org", `"a@b"@example.org`: `"a@b"@example.org`,
		`"a\,b"@example.org`: `"a,b"@example.org`, "ada@localhost": "ada@localhost", "o'hara=x/y@example.org": "o'hara=x/y@example.org",
	} {
		if got, err := mailbox(in); got != want || err != nil {
			t.Errorf("%s: %q %v, want %q", in, got, err, want)
		}
	}
}

// TestSharedBodies: what is shared is shared only by what is the same, and does not grow without end.
func TestSharedBodies(t *testing.T) {
	m := sober(t, nil)
	first := wire(t, m, message(1))
	changed := message(1)
	changed.Text = "Autre chose.\n"
	if bytes.Contains(wire(t, m, changed), []byte("arrive.\r\n.\r\n")) || bytes.Equal(first, wire(t, m, changed)) {
		t.Error("another text went out as the first")
	}
	withEvent := event(t)
	withEvent.Subject, withEvent.Kind = message(1).Subject, announce.KindNews
	if !bytes.Contains(wire(t, m, func() announce.Message { e := event(t); e.Event.Cancelled = true; return e }()), []byte("invite.ics")) {
		t.Error("no calendar entry")
	}
	one := wire(t, m, event(t))
	if !bytes.Equal(one, wire(t, m, event(t))) {
		t.Error("an equal event gave other bytes")
	}
	for i := range 3 * shelf {
		wire(t, m, message(i))
	}
	if n := len(m.bodies.list); n != shelf {
		t.Errorf("%d bodies are kept", n)
	}
	big := message(1)
	big.Images = []announce.Picture{{Data: make([]byte, weight), Type: "image/png"}}
	m.bodies.of(big, func(*body) {})
	if n := len(m.bodies.list); n != 1 {
		t.Errorf("%d bodies beside one that is too heavy", n-1)
	}
}

// What is a person's own reaches that person as it is, whatever they are called, and nothing of it is markup or a header.
func TestPersonalParts(t *testing.T) {
	m := sober(t, nil)
	for _, name := range []string{"", "Ada", "Zoé  Ünal\r\nBcc: eve@example.org", `<b onclick="x">O'Neil & fils</b>`, strings.Repeat("名", 80), ".", "=?UTF-8?Q?x?=", announce.UnsubscribeMark} {
		msg := message(7)
		msg.Name, msg.Preferences, msg.Archive = name, "https://crieur.example.org/preferences/abc", "https://crieur.example.org/read/abc"
		msg.Text = "Bonjour" + announce.NameMark + ",\n" + announce.PreferencesMark + " " + announce.ArchiveMark + " " + announce.UnsubscribeMark + "\n"
		msg.HTML = "<p>Bonjour" + announce.NameMark + `,</p><a href="` + announce.PreferencesMark + `#why">?</a><a href="` + announce.ArchiveMark + `">web</a>`
		e := parse(t, wire(t, m, msg))
		said := strings.Join(strings.Fields(name), " ")
		if said != "" {
			said = " " + said
		}
		want := "Bonjour" + said + ",\r\nhttps://crieur.example.org/preferences/abc https://crieur.example.org/read/abc " + msg.Unsubscribe
		if got := strings.TrimRight(e.Text, "\r\n"); got != want {
			t.Errorf("%q: text\n%q, want\n%q", name, got, want)
		}
		want = "<p>Bonjour" + html.EscapeString(said) + `,</p><a href="https://crieur.example.org/preferences/abc#why">?</a><a href="https://crieur.example.org/read/abc">web</a>`
		if got := strings.TrimRight(e.HTML, "\r\n"); got != want {
			t.Errorf("%q: HTML\n%q, want\n%q", name, got, want)
		}
		if e.GetHeader("Bcc") != "" {
			t.Errorf("%q became a header", name)
		}
	}
	msg := message(7)
	msg.Text += announce.PreferencesMark
	if _, _, _, fault := m.compose(nil, msg.To, msg); fault == nil {
		t.Error("a mail without a link to preferences, which its text promises, was composed")
	}
}

// The return path of one mail stands in its envelope, not in its headers.
func TestReturnPathOfOneMail(t *testing.T) {
	m, p := start(t, emailtest.Options{}, nil)
	msg := message(1)
	msg.ReturnPath = "b+k7d2m4@rebonds.example.org"
	if _, err := m.Publish(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	got := p.Mails()[0]
	if got.From != msg.ReturnPath || bytes.Contains(got.Raw, []byte("k7d2m4")) {
		t.Errorf("envelope %q; %s", got.From, got.Raw)
	}
	for service, want := range map[string]string{"postmark": "X-PM-Metadata-token: k7d2m4", "mailgun": `X-Mailgun-Variables: {"token": "k7d2m4"}`, "sendgrid": `X-SMTPAPI: {"unique_args": {"token": "k7d2m4"}}`, "ses": "X-SES-MESSAGE-TAGS: token=k7d2m4"} {
		if got := wire(t, sober(t, func(c *Config) { c.Service = service }), msg); !bytes.Contains(got, []byte("\r\n"+want+"\r\n")) {
			t.Errorf("%s: %s", service, got)
		}
	}
	msg.ReturnPath = "b> SIZE=1\r\nRSET"
	var e *announce.Error
	if _, err := m.Publish(t.Context(), msg); !errors.As(err, &e) || e.Outcome != announce.Permanent || len(p.Mails()) != 1 {
		t.Errorf("%v", err)
	}
}
