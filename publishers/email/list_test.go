package email

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/email/emailtest"
)

// forList is a message to a mailing list: nobody's own, so without a link to unsubscribe.
func forList() announce.Message {
	m := message(1)
	m.To, m.Unsubscribe = "annonces@listes.example.org", ""
	m.Text, _, _ = strings.Cut(m.Text, "Se désabonner")
	m.HTML, _, _ = strings.Cut(m.HTML, "<a href")
	return m
}

// A mailing list has headers of its own, and takes mail that calls itself automatic or bulk for a loop.
func TestAMailingListGetsAnOrdinaryMail(t *testing.T) {
	m := sober(t, func(c *Config) { c.UnsubscribeMailto = "adieu@example.org" })
	people := wire(t, m, message(1))
	meetup := event(t)
	meetup.To, meetup.Unsubscribe, meetup.Text, meetup.HTML = forList().To, "", "Bonjour.\n", ""
	for _, msg := range []announce.Message{forList(), meetup} {
		raw := wire(t, m, msg)
		var names []string
		for name := range headers(t, raw) {
			names = append(names, name)
		}
		slices.Sort(names)
		if want := []string{"Content-Language", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To"}; !slices.Equal(names, want) {
			t.Errorf("headers %v", names)
		}
		if e := parse(t, raw); strings.Contains(e.Text+e.HTML, "unsubscribe") {
			t.Errorf("%s\n%s", e.Text, e.HTML)
		}
	}
	if !bytes.Equal(people, wire(t, m, message(1))) {
		t.Error("what subscribers get has changed")
	}
}

// The same words for people and for a list are two bodies.
func TestAListAndPeopleShareNoBody(t *testing.T) {
	m := sober(t, nil)
	one, other := forList(), forList()
	other.To, other.Unsubscribe = "ada1@example.org", message(1).Unsubscribe
	for range 2 {
		if h := headers(t, wire(t, m, one)); h.Get("Precedence") != "" {
			t.Error("the list gets the headers of people")
		}
		if h := headers(t, wire(t, m, other)); h.Get("Precedence") != "bulk" || h.Get("List-Unsubscribe") == "" {
			t.Error("people get the headers of the list")
		}
	}
	marked := message(1)
	marked.Unsubscribe = ""
	_, err := m.Publish(t.Context(), marked)
	var e *announce.Error
	if !errors.As(err, &e) || e.Outcome != announce.Permanent || e.Field != "unsubscribe" {
		t.Errorf("a link that is nobody's went out: %v", err)
	}
}

// What a list adds to a mail leaves its signature good; what it may not touch is covered.
func TestASignatureOutlivesAList(t *testing.T) {
	m, p := start(t, emailtest.Options{}, func(c *Config) { c.DKIMKey, c.DKIMSelector = rsaKey(t), "r1" })
	publish(t, m, forList())
	raw := p.Mails()[0].Raw
	added := []byte("List-Id: <annonces.listes.example.org>\r\nList-Unsubscribe: <mailto:sortir@listes.example.org>\r\nPrecedence: list\r\nReply-To: annonces@listes.example.org\r\nSender: annonces@listes.example.org\r\n")
	for _, b := range [][]byte{raw, append(added, raw...)} {
		if v := verify(t, m, b); len(v) != 1 || v[0].Err != nil {
			t.Errorf("%+v", v)
		}
	}
	for what, b := range map[string][]byte{
		"another text": bytes.Replace(raw, []byte("arrive"), []byte("arrivz"), 1), "a second From": append([]byte("From: eve@example.org\r\n"), raw...),
	} {
		if v := verify(t, m, b); len(v) != 1 || v[0].Err == nil {
			t.Errorf("%s goes unseen", what)
		}
	}
}

// A picture with an address is shown from there; one without travels in the mail.
func TestPicturesTravelWhenTheyMust(t *testing.T) {
	data := []byte("\x89PNG\r\n\x1a\nabc")
	msg := message(1)
	msg.HTML = `<p><img src="https://crieur.example.org/media/a.png" alt="A"><img src="cid:image2" alt="B"></p>`
	msg.Images = []announce.Picture{
		{URL: "https://crieur.example.org/media/a.png", Data: data, Type: "image/png", Alt: "A"},
		{Data: data, Type: "image/png", Alt: "B"},
		{Data: data, Type: "image/png", Alt: "C"},
	}
	e := parse(t, wire(t, sober(t, nil), msg))
	if len(e.Inlines) != 1 || e.Inlines[0].ContentID != "image2" || len(e.Attachments) != 1 || e.Attachments[0].FileName != "image3.png" {
		t.Errorf("%d inside, %d attached", len(e.Inlines), len(e.Attachments))
	}
}

func TestPictureLimits(t *testing.T) {
	l := sober(t, nil).Limits()
	if total := l.Images * l.Picture.Bytes * 4 / 3; total > 8_000_000 || l.Picture.Bytes == 0 || l.Card {
		t.Errorf("a mail may hold %d bytes of pictures", total)
	}
}
