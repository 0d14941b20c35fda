package bluesky

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/crieur/crieur/internal/announce"
	"github.com/crieur/crieur/publishers/bluesky/blueskytest"
	"github.com/crieur/crieur/publishers/publishertest"
	"github.com/crieur/crieur/publishers/sim"
)

var update = flag.Bool("update", false, "write the golden requests anew")

// open returns the channel pointed at a fresh Bluesky, with more settings as name, value.
func open(t testing.TB, more ...string) (announce.Publisher, *blueskytest.Platform) {
	t.Helper()
	platform := blueskytest.New()
	t.Cleanup(platform.Close)
	environ := platform.Environ()
	for s := range slices.Chunk(more, 2) {
		environ[s[0]] = s[1]
	}
	p, err := configure(environ)
	if err != nil {
		t.Fatal(err)
	}
	return p, platform
}

func configure(environ map[string]string) (announce.Publisher, error) {
	c, err := env.ParseAsWithOptions[Config](env.Options{Environment: environ})
	if err != nil {
		return nil, err
	}
	return New(c, announce.Site{URL: "https://crieur.example"})
}

var due = time.Date(2027, 3, 14, 18, 30, 0, 123456789, time.UTC)

func message(n int) announce.Message {
	title := fmt.Sprintf("Rencontre nᵒ %02d : l’été à Québec & ses « surprises »", n)
	return announce.Message{
		Key: fmt.Sprintf("01j%023d", n), Rev: 1, Language: "fr-CA", Subject: title, Summary: "Deux conférences et une pizza.",
		Tags: []string{"SagLacIO"}, Mentions: []string{blueskytest.Friend, "nobody.test"},
		Text: title + " 🎉\n\nMercredi 22 octobre, 18 h 30\nAvec @club.example.test, @nobody.test et <b>@toi.test</b>\n\nhttps://example.org/evenements/" + fmt.Sprint(n) + "?a=1&copy=2\n#SagLacIO #autre",
		Link: "https://example.org/evenements/" + fmt.Sprint(n), Date: due,
	}
}

func picture(t testing.TB, side int) announce.Picture {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	return announce.Picture{Data: b.Bytes(), Type: "image/png", Width: side, Height: side, Alt: "Affiche : « l’été »"}
}

func answer(code int, body string) sim.Fault {
	return sim.Fault{Kind: sim.Answer, Status: code, Body: body}
}

func TestContract(t *testing.T) {
	const tooMany = `{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}`
	limited := answer(429, tooMany)
	limited.Header = map[string]string{"Date": "Sun, 14 Mar 2027 18:30:00 GMT", "RateLimit-Remaining": "0", "RateLimit-Reset": "1805049300"}
	for name, c := range map[string]struct {
		more []string
		can  []string
	}{
		"as it is":   {nil, []string{"retract", "find", "check"}},
		"with edits": {[]string{"EDITS", "true", "THREAD", "5", "CARD", "false"}, []string{"amend", "retract", "find", "check"}},
	} {
		publishertest.Run(t, publishertest.Case{
			Name:    name,
			Open:    func(t testing.TB) (announce.Publisher, sim.Platform) { return open(t, c.more...) },
			Message: message, Can: c.can, Secrets: []string{blueskytest.Password, "simulated-signature"},
			Method: "POST", Create: "/xrpc/com.atproto.repo.putRecord",
			Unauthorized: answer(401, `{"error":"AccountTakedown","message":"Account has been taken down"}`),
			Refusal:      answer(400, `{"error":"InvalidRequest","message":"Record/text must not be longer than 300 graphemes"}`),
			RateLimited:  limited, RateLimitedBare: answer(429, tooMany), Wait: 5 * time.Minute, Window: 5 * time.Minute,
		})
	}
}

func failed(t *testing.T, err error, want announce.Outcome, stop bool, say string) *announce.Error {
	t.Helper()
	var e *announce.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v (%T), want an *announce.Error", err, err)
	}
	if e.Outcome != want || e.Stop != stop || !strings.Contains(e.Fault, say) {
		t.Errorf("%s, stop %t, want %s, stop %t, saying %q: %v", e.Outcome, e.Stop, want, stop, say, e)
	}
	return e
}

func publish(t *testing.T, p announce.Publisher, m announce.Message) announce.Receipt {
	t.Helper()
	r, err := p.Publish(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// gala is everything that could go wrong in a text, in one message.
func gala(t testing.TB) announce.Message {
	return announce.Message{
		Key: "01k0gala000000000000000000", Rev: 3, Language: "fr-CA", Subject: "Gala « d’été »", Summary: "Une soirée & plus.", Date: due,
		Tags: []string{"SagLacIO"}, Mentions: []string{"Club.Example.Test"}, Link: "https://example.org/soirée/?q=é#fin",
		Text: "👩‍👩‍👧 Gala @everyone & <script> 🎉\n\nÉcrivez à info@club.example.test, merci @CLUB.example.test! pas @club.example.testing\n" +
			"#saglacio #SagLacIO2027 #include C#\n(https://example.org/soirée/?q=é#fin), voir http://www.example.org/ ; ahttps://example.org https://nulle/part",
		Images: []announce.Picture{picture(t, 4), {URL: "https://example.org/only-an-address.png"}},
	}
}

func TestGoldenRequests(t *testing.T) {
	p, platform := open(t, "EDITS", "true", "THREAD", "3")
	golden := func(name string, i int) {
		t.Helper()
		var got bytes.Buffer
		if err := json.Indent(&got, []byte(platform.Posts()[i].Raw), "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteByte('\n')
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got.Bytes(), want)
		}
	}
	root := publish(t, p, gala(t))
	golden("card.golden.json", 0)
	part := message(2)
	part.Part, part.Parts, part.Root, part.Parent = 1, 2, root, root
	publish(t, p, part)
	golden("reply.golden.json", 1)
	after := gala(t)
	after.Text, after.Images = "Le gala est remis 🎉", append(after.Images, picture(t, 5))
	r, err := p.(announce.Amender).Amend(t.Context(), root, after)
	if err != nil {
		t.Fatal(err)
	}
	golden("amend.golden.json", 0)
	if was, is := strings.Fields(root.ID), strings.Fields(r.ID); was[0] != is[0] || was[1] == is[1] {
		t.Errorf("the receipt was %s and is %s", root.ID, r.ID)
	}
	if n := platform.Pings(); n != 2 {
		t.Errorf("%d accounts were told; want the mention of each of two posts", n)
	}
	if !strings.HasPrefix(root.URL, "https://bsky.app/profile/rencontre.test/post/") || !root.At.Equal(due.Truncate(time.Millisecond)) {
		t.Errorf("%+v", root)
	}
}

// The same call makes the same post, whatever happened in between.
func TestRepeats(t *testing.T) {
	p, platform := open(t)
	m := gala(t)
	first := publish(t, p, m)
	platform.Forget()
	platform.Expire(true)
	var e *announce.Error
	for _, err := p.Publish(t.Context(), m); errors.As(err, &e) && e.Outcome == announce.Temporary; _, err = p.Publish(t.Context(), m) {
		t.Log(err) // the session had ended
	}
	if r := publish(t, p, m); r != first {
		t.Errorf("%+v, then %+v", first, r)
	}
	other := m
	other.Mentions = nil // nobody resolves the name any more
	if r := publish(t, p, other); r != first {
		t.Errorf("%+v, then %+v", first, r)
	}
	other.Text += " !"
	_, err := p.Publish(t.Context(), other)
	failed(t, err, announce.Permanent, false, "earlier text")
	if posts := platform.Posts(); len(posts) != 1 || posts[0].Edited != 0 {
		t.Errorf("%+v", posts)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if r := publish(t, p, other); r.ID == first.ID || strings.Fields(r.ID)[0] != strings.Fields(first.ID)[0] {
		t.Errorf("published anew: %+v", r)
	}
}

func TestKeys(t *testing.T) {
	seen := map[string]string{}
	for n := range 3000 {
		m := message(n)
		key, err := recordKey(m)
		if err != nil || len(key) != 13 || strings.Trim(key, "234567abcdefghijklmnopqrstuvwxyz") != "" || key[0] != '3' {
			t.Fatalf("%q, %v", key, err)
		}
		if seen[key] != "" {
			t.Fatalf("%s and %s are both %s", seen[key], m.Key, key)
		}
		seen[key] = m.Key
	}
	early, late := message(1), message(1)
	late.Date = due.Add(time.Second)
	a, _ := recordKey(early)
	b, _ := recordKey(late)
	early.Rev, early.Text = 7, "autre"
	if c, _ := recordKey(early); a >= b || a != c {
		t.Errorf("%s, %s, %s", a, b, c)
	}
	_, err := recordKey(announce.Message{Key: "x"})
	failed(t, err, announce.Permanent, false, "no date")
}

func TestPictures(t *testing.T) {
	for name, c := range map[string]struct {
		more   []string
		change func(*announce.Message)
		want   string
	}{
		"a link":                {nil, func(m *announce.Message) { m.Images = nil }, `"external":{"uri":"https://example.org/soir%C3%A9e/?q=%C3%A9#fin","title":"Gala « d’été »","description":"Une soirée & plus."}}`},
		"a link and a picture":  {nil, func(*announce.Message) {}, `"thumb":{"$type":"blob"`},
		"no card":               {[]string{"CARD", "false"}, func(*announce.Message) {}, `"images":[{"alt":"Affiche : « l’été »","image":{"$type":"blob"`},
		"several pictures":      {nil, func(m *announce.Message) { m.Images = append(m.Images, picture(t, 5), picture(t, 6)) }, `"aspectRatio":{"width":6,"height":6}}]}`},
		"a picture and no link": {nil, func(m *announce.Message) { m.Link = "" }, `"aspectRatio":{"width":4,"height":4}}]}`},
		"nothing":               {nil, func(m *announce.Message) { m.Link, m.Images = "", nil }, `}],"langs":["fr-CA"]`},
		"a further part": {nil, func(m *announce.Message) {
			m.Part, m.Parent, m.Images = 1, announce.Receipt{ID: "at://did:plc:simulated22rencontre2222/app.bsky.feed.post/3ndpuwbkngrwx bafyreihs7as7bidjupqylphf3bjxrpf4ncxbaz3qwvmmhmf4zl6lyn5yia"}, nil
		}, `lyn5yia"}},"langs":["fr-CA"]`},
	} {
		p, platform := open(t, c.more...)
		m := gala(t)
		c.change(&m)
		publish(t, p, m)
		if raw := platform.Posts()[0].Raw; !strings.Contains(raw, c.want) {
			t.Errorf("%s: %s is not in %s", name, c.want, raw)
		}
	}
	p, platform := open(t)
	m := gala(t)
	m.Images[0].Data = append(m.Images[0].Data, make([]byte, 1_000_000)...)
	_, err := p.Publish(t.Context(), m)
	failed(t, err, announce.Permanent, false, "blob too big")
	if n := len(platform.Posts()); n != 0 {
		t.Errorf("%d posts", n)
	}
}

func TestThread(t *testing.T) {
	p, platform := open(t, "THREAD", "3")
	if n := p.Limits().Thread; n != 3 {
		t.Errorf("threads of %d", n)
	}
	receipts := []announce.Receipt{publish(t, p, message(1))}
	for i := 1; i < 3; i++ {
		m := message(1 + i)
		m.Part, m.Parts, m.Root, m.Parent = i, 3, receipts[0], receipts[i-1]
		receipts = append(receipts, publish(t, p, m))
	}
	var last record
	if err := json.Unmarshal([]byte(platform.Posts()[2].Raw), &last); err != nil {
		t.Fatal(err)
	}
	for i, v := range []version{last.Reply.Root, last.Reply.Parent} {
		if v.URI+" "+v.CID != receipts[i].ID {
			t.Errorf("answers %+v, want %s", v, receipts[i].ID)
		}
	}
	if last.CreatedAt != "2027-03-14T18:30:00.125Z" {
		t.Errorf("a further part is of %s", last.CreatedAt)
	}
}

// Of a post that a person settled, the address alone is known. A further part never stands alone.
func TestReceiptOfAPerson(t *testing.T) {
	p, platform := open(t, "THREAD", "3")
	root := publish(t, p, message(1))
	answers := func(n int, r announce.Receipt) announce.Message {
		m := message(n)
		m.Part, m.Parts, m.Root, m.Parent = 1, 3, r, r
		return m
	}
	given := announce.Receipt{URL: root.URL}
	publish(t, p, answers(2, given))
	var last record
	if err := json.Unmarshal([]byte(platform.Posts()[1].Raw), &last); err != nil {
		t.Fatal(err)
	}
	if last.Reply == nil || last.Reply.Parent != last.Reply.Root || last.Reply.Parent.URI+" "+last.Reply.Parent.CID != root.ID {
		t.Errorf("answers %+v, want %s", last.Reply, root.ID)
	}
	if err := p.(announce.Retracter).Retract(t.Context(), given); err != nil || !platform.Posts()[0].Deleted {
		t.Errorf("not taken back: %v", err)
	}
	for n, r := range []announce.Receipt{given, {}, {URL: "https://bsky.app/profile/someone.test/post/3n2uakgx6f6qq"}} {
		_, err := p.Publish(t.Context(), answers(3+n, r))
		if e := failed(t, err, announce.Permanent, false, "answers"); e.Ask != (n > 0) {
			t.Errorf("%+v", e)
		}
	}
	if n := len(platform.Posts()); n != 2 {
		t.Errorf("%d posts: a part stands alone", n)
	}
}

func TestConfiguration(t *testing.T) {
	good := func() map[string]string { return map[string]string{"HANDLE": "@meetup.example", "APP_PASSWORD": "x"} }
	for variable, value := range map[string]string{"API": "https://bsky.social/xrpc", "HANDLE": "meetup", "THREAD": "0"} {
		environ := good()
		environ[variable] = value
		if _, err := configure(environ); err == nil || !strings.HasPrefix(err.Error(), variable+": ") {
			t.Errorf("%s: %v", variable, err)
		}
	}
	if _, err := configure(map[string]string{"API": "bsky.social", "HANDLE": "x y", "APP_PASSWORD": "x", "THREAD": "99"}); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not every fault at once: %v", err)
	}
	if _, err := configure(good()); err != nil {
		t.Error(err)
	}
}
