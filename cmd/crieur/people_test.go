package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/internal/people"
	"github.com/crieur/crieur/internal/store"
	"github.com/crieur/crieur/internal/web"
	"github.com/crieur/crieur/internal/web/client"
	"github.com/crieur/crieur/publishers/sim"
)

// letter waits for the mail of a subject that begins so, to an address, and returns it with its parts decoded.
func (d *demoServer) letter(t *testing.T, to, subject string) (raw, text string) {
	t.Helper()
	for limit := time.Now().Add(30 * time.Second); time.Now().Before(limit); time.Sleep(20 * time.Millisecond) {
		for _, p := range d.world.Platform("email").Posts() {
			m, err := mail.ReadMessage(strings.NewReader(p.Raw))
			if err != nil || p.To != to {
				continue
			}
			got, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
			if strings.HasPrefix(got, subject) {
				return p.Raw, got + "\n" + decoded(t, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
			}
		}
	}
	t.Fatalf("no mail %q to %s", subject, to)
	return "", ""
}

func decoded(t *testing.T, kind, encoding string, body io.Reader) string {
	t.Helper()
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(media, "multipart/") {
		if strings.EqualFold(encoding, "quoted-printable") {
			body = quotedprintable.NewReader(body)
		} else if strings.EqualFold(encoding, "base64") {
			body = base64.NewDecoder(base64.StdEncoding, body)
		}
		b, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		return media + "\n" + string(b)
	}
	var all strings.Builder
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return all.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(decoded(t, p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p) + "\n")
	}
}

var eventUID = regexp.MustCompile(`(?m)^UID:(.*?)\r?$`)

// The life of a subscription: asked, confirmed, welcomed with the next event, told, and forgotten.
func TestLifeOfASubscription(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	event := announce.Draft{Kind: announce.KindEvent, Texts: map[announce.Language]announce.Text{"fr": {Title: "Rencontre de mai"}, "en": {Title: "May meetup"}},
		Event: &announce.DraftEvent{StartsAt: time.Now().AddDate(0, 1, 0).Format("2006-01-02T15:04")}}
	a, _, err := d.Submit(ctx, event, "")
	if err != nil {
		t.Fatal(err)
	}
	d.settle(t, a.ID)
	invitation, _ := d.letter(t, "grace@example.com", "May meetup")

	request := people.Request{Channel: "email", Address: "zoe@example.net", Name: "BUY NOW spam.example", Language: "en", Everything: true, Words: "Yes, write to me", How: "form",
		Network: people.Truncate(netip.MustParseAddr("203.0.113.9"))}
	for range 3 {
		if err := d.people.Join(ctx, request); err != nil {
			t.Fatal(err)
		}
	}
	raw, text := d.letter(t, "zoe@example.net", "Confirm your subscription")
	if strings.Contains(raw+text, "BUY NOW") || strings.Contains(raw+text, "spam.example") {
		t.Errorf("what a stranger typed is in the letter:\n%s", raw)
	}
	if strings.Count(text, "/confirm/") != 2 || strings.Contains(text, ".invalid") { // in the text and in the HTML
		t.Errorf("links of the letter:\n%s", text)
	}
	token := regexp.MustCompile(`/confirm/([A-Za-z0-9_-]{44})`).FindStringSubmatch(text)[1]

	// Not yet: nothing is sent to them.
	b, _, err := d.Submit(ctx, numbered(1), "")
	if err != nil {
		t.Fatal(err)
	}
	if st := d.settle(t, b.ID); st.People[0].Planned != 3 {
		t.Errorf("planned %d", st.People[0].Planned)
	}
	for range 2 {
		p, err := d.people.Confirm(ctx, token, "page", netip.Prefix{})
		if err != nil || p.Standing != store.Active || len(p.Why) != 2 {
			t.Fatalf("%+v %v", p, err)
		}
	}
	raw, text = d.letter(t, "zoe@example.net", "Welcome")
	if !strings.Contains(text, "May meetup") || !strings.Contains(text, "/preferences/") || !strings.Contains(text, "text/calendar") || !strings.Contains(raw, "List-Unsubscribe:") || strings.Contains(raw, "List-Unsubscribe-Post:") {
		t.Errorf("the welcome:\n%s", text)
	}
	m, err := mail.ReadMessage(strings.NewReader(invitation))
	if err != nil {
		t.Fatal(err)
	}
	one, other := eventUID.FindStringSubmatch(text), eventUID.FindStringSubmatch(decoded(t, m.Header.Get("Content-Type"), "", m.Body))
	if one == nil || other == nil || one[1] != other[1] {
		t.Errorf("the event is two in a calendar: %v and %v", one, other)
	}
	if c, _, err := d.Submit(ctx, numbered(2), ""); err != nil || d.settle(t, c.ID).People[0].Planned != 4 {
		t.Errorf("the announcement after the confirmation: %v", err)
	}
	if all, err := d.List(ctx, "", 100); err != nil || len(all) != 3 {
		t.Errorf("letters to one person are among %d announcements, %v", len(all), err)
	}

	var out, errs bytes.Buffer
	vars := []string{"CRIEUR_URL=" + d.url, "CRIEUR_TOKEN=" + d.token}
	command := func(args ...string) string {
		t.Helper()
		out.Reset()
		if code := run(ctx, args, vars, streams{strings.NewReader(""), &out, &errs}); code != exitDone {
			t.Fatalf("%v: exit %d\n%s", args, code, errs.String())
		}
		return out.String()
	}
	if proof := command("subscribers", "proof", "zoe@example.net"); !strings.Contains(proof, "Yes, write to me") || !strings.Contains(proof, "203.0.113.0/24") || !strings.Contains(proof, "confirmed") {
		t.Error(proof)
	}
	if code := run(ctx, []string{"bounce"}, vars, streams{strings.NewReader(""), &out, &errs}); code != exitInput {
		t.Errorf("no mail at all: exit %d, which a mail server would try again", code)
	}
	command("topics", "add", "rust", "--facet", "theme", "--label", "fr=Rouille")
	command("subscribers", "change", "zoe@example.net", "--topic", "rust", "--no-everything", "--quiet", "22:00-07:00", "--frequency", "now")
	if shown := command("subscribers", "show", "ZOE@example.net"); !strings.Contains(shown, `"rust"`) || !strings.Contains(shown, "22:00-07:00") {
		t.Error(shown)
	}
	command("subscribers", "change", "zoe@example.net", "--pause", "2035-03-14")
	if shown := command("subscribers", "show", "zoe@example.net"); !strings.Contains(shown, `"paused_until": "2035-03-14T00:00:00Z"`) || !strings.Contains(shown, `"rust"`) {
		t.Error(shown)
	}
	if shown := command("subscribers", "change", "zoe@example.net", "--pause", "2000-01-01", "--no-topics"); strings.Contains(shown, "rust") {
		t.Error(shown)
	}
	if found := command("subscribers", "search", "zo"); !strings.Contains(found, "zoe@example.net") {
		t.Error(found)
	}
	if export := command("subscribers", "show", "--export", "zoe@example.net"); !strings.Contains(export, "Yes, write to me") || !strings.Contains(export, `"letters"`) {
		t.Error(export)
	}
	command("subscribers", "erase", "zoe@example.net")
	if found := command("subscribers", "search", "zo"); found != "" {
		t.Error(found)
	}
	if again := command("subscribers", "add", "zoe@example.net"); !strings.Contains(again, "0 added") || !strings.Contains(again, "1 must never") {
		t.Error(again)
	}
	if shown := command("subscribers", "suppressed", "Zoe@example.net"); !strings.Contains(shown, "erased") {
		t.Error(shown)
	}
	for _, wrong := range [][]string{
		{"zoe@example.net", "--reason", "mistyped"}, {"zoe@example.net", "--asked", "--reason", " "}, {"zoe@example.net", "--asked", "--reason", "Zoe@example.net wrote"},
		{"nobody@example.net", "--asked", "--reason", "wrote to us"}, {"nobody", "--asked", "--reason", "wrote to us"},
	} {
		if code := run(ctx, append([]string{"subscribers", "lift"}, wrong...), vars, streams{strings.NewReader(""), &out, &errs}); code != exitInput {
			t.Errorf("%q: exit %d", wrong, code)
		}
	}
	if c, _, err := d.Submit(ctx, numbered(3), ""); err != nil || d.settle(t, c.ID).People[0].Planned != 3 {
		t.Errorf("the announcement after the erasure: %v", err)
	}
	if n := slices.IndexFunc(d.world.Platform("email").Posts(), func(p sim.Post) bool { return p.To == "zoe@example.net" && strings.Contains(p.Raw, "n°3") }); n >= 0 {
		t.Error("mail to somebody who was erased")
	}
	command("subscribers", "lift", "zoe@example.net", "--asked", "--reason", "wrote to us on May 2")
	if back := command("subscribers", "add", "zoe@example.net"); !strings.Contains(back, "1 added") {
		t.Error(back)
	}
	command("subscribers", "suppress", "zoe@example.net")
	if shown := command("subscribers", "suppressed", "zoe@example.net"); !strings.Contains(shown, "by-hand") || !strings.Contains(shown, "on record: unsubscribed") {
		t.Error(shown)
	}
}

// A token for subscribers manages who is told, and nothing else.
func TestScopeOfSubscribers(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	ctx := context.Background()
	made, err := d.CreateToken(ctx, "form", []string{web.ScopeSubscribers})
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(d.url, announce.NewSecret(made.Secret), nil)
	if _, err := c.AddSubscribers(ctx, web.Addition{Subscribers: []web.Subscriber{{Address: "x@example.org"}}}); err != nil {
		t.Error(err)
	}
	name := "X"
	if s, err := c.ChangeSubscriber(ctx, "x@example.org", web.SubscriberChange{Name: &name}); err != nil || s.Name != "X" {
		t.Errorf("%+v %v", s, err)
	}
	past := time.Now().Add(-time.Hour)
	if n, err := c.SweepSubscribers(ctx, web.SubscriberSweep{Filter: &web.SubscriberFilter{Search: "x@"}, PausedUntil: &past}); n != 1 || err != nil {
		t.Error(n, err)
	}
	if err := c.RemoveSubscriber(ctx, "x@example.org"); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"announce": func() error { _, _, err := c.Submit(ctx, numbered(1), ""); return err }(),
		"list":     func() error { _, err := c.List(ctx, "", 1); return err }(),
		"tokens":   func() error { _, err := c.Tokens(ctx); return err }(),
		"erase":    c.EraseSubscriber(ctx, "ada@example.org"),
		"proof":    func() error { _, err := c.Consents(ctx, "ada@example.org"); return err }(),
		"lift":     c.LiftSuppression(ctx, web.Lifting{Suppressing: web.Suppressing{Address: "ada@example.org"}, Reason: "x"}),
		"topics":   c.PutTopic(ctx, web.Topic{Name: "x"}),
	} {
		if !status(err, 403) {
			t.Errorf("%s: %v", what, err)
		}
	}
	reader, err := d.CreateToken(ctx, "reader", []string{web.ScopeAnnounce})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.New(d.url, announce.NewSecret(reader.Secret), nil).Subscribers(ctx, web.SubscriberFilter{}, "", 1); !status(err, 403) {
		t.Errorf("who announces sees who is told: %v", err)
	}
}
