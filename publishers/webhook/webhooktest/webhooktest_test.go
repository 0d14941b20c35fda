package webhooktest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

const sound = `{"type":"announcement.published","timestamp":"2027-10-01T12:00:00Z","data":{"id":"a","delivery":"d","rev":2,"kind":"news","language":"fr",` +
	`"versions":[{"language":"fr","title":"<b>T</b>","text":"<script>alert(1)</script>\nVoyez https://example.org/été?a=1&b=2."}],` +
	`"images":[{"url":"https://example.org/a.png","alt":"\"><script>"},{"url":"javascript:alert(1)","alt":"x"}]}}`

// request is an event that a receiver takes, to be spoilt.
type request struct{ method, path, media, id, at, signature, body string }

func fresh(body string) request {
	r := request{http.MethodPost, Path + "?source=crieur", "application/json", "d_1_publish", fmt.Sprint(time.Now().Unix()), "", body}
	return r.signed()
}

func (r request) signed() request {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(Secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(r.id + "." + r.at + "." + r.body))
	r.signature = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return r
}

func (p *Platform) send(t *testing.T, r request) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), r.method, p.server.URL+r.path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"Content-Type": r.media, "webhook-id": r.id, "webhook-timestamp": r.at, "webhook-signature": r.signature} {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func TestStrict(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	spoil := func(change func(*request)) request { r := fresh(sound); change(&r); return r }
	then := func(old, with string) request { return fresh(strings.Replace(sound, old, with, 1)) }
	old, soon := fmt.Sprint(time.Now().Add(-6*time.Minute).Unix()), fmt.Sprint(time.Now().Add(6*time.Minute).Unix())
	for name, c := range map[string]struct {
		request request
		status  int
	}{
		"another path":      {spoil(func(r *request) { r.path = "/hooks/" }), 404},
		"a lost query":      {spoil(func(r *request) { r.path = Path }), 404},
		"another method":    {spoil(func(r *request) { r.method = http.MethodPut }), 405},
		"another type":      {spoil(func(r *request) { r.media = "text/plain" }), 415},
		"no ID":             {spoil(func(r *request) { r.id = "" }), 400},
		"a full stop":       {spoil(func(r *request) { r.id = "a.b"; *r = r.signed() }), 400},
		"no time":           {spoil(func(r *request) { r.at = "" }), 400},
		"an old attempt":    {spoil(func(r *request) { r.at = old; *r = r.signed() }), 400},
		"a future attempt":  {spoil(func(r *request) { r.at = soon; *r = r.signed() }), 400},
		"no signature":      {spoil(func(r *request) { r.signature = "" }), 401},
		"another version":   {spoil(func(r *request) { r.signature = "v2" + r.signature[2:] }), 401},
		"half a signature":  {spoil(func(r *request) { r.signature = r.signature[:20] }), 401},
		"a tampered body":   {spoil(func(r *request) { r.body += " " }), 401},
		"a tampered ID":     {spoil(func(r *request) { r.id += "x" }), 401},
		"too large":         {fresh(strings.Replace(sound, "Voyez", strings.Repeat("x", largest), 1)), 413},
		"no JSON":           {fresh("x"), 400},
		"an unknown field":  {then(`"rev":2`, `"rev":2,"x":1`), 400},
		"an unknown type":   {then("announcement.published", "announcement.made"), 400},
		"no announcement":   {then(`"id":"a",`, ``), 400},
		"no title":          {then(`<b>T</b>`, ``), 400},
		"an odd retraction": {then("announcement.published", "announcement.retracted"), 400},
	} {
		if status := p.send(t, c.request); status != c.status {
			t.Errorf("%s: %d, want %d", name, status, c.status)
		}
	}
	if status := p.send(t, fresh(sound)); status != http.StatusAccepted {
		t.Errorf("a sound event: %d", status)
	}
	if status := p.send(t, spoil(func(r *request) { r.signature = "v1,AAAA v1a,AAAA " + r.signature })); status != http.StatusOK {
		t.Errorf("the same again, among other signatures: %d", status)
	}
	if n := len(p.Posts()); n != 1 || p.Copies() != 1 {
		t.Errorf("%d posts, %d copies", n, p.Copies())
	}
}

func TestOrderAndShow(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	say := func(id, kind string, rev int, title string) {
		t.Helper()
		body := strings.NewReplacer("announcement.published", kind, `"rev":2`, fmt.Sprintf(`"rev":%d`, rev), "<b>T</b>", title).Replace(sound)
		if kind == "announcement.retracted" {
			body = fmt.Sprintf(`{"type":%q,"timestamp":"2027-10-01T12:00:00Z","data":{"id":"a","delivery":"d","rev":%d}}`, kind, rev)
		}
		r := fresh(body)
		r.id = id
		if status := p.send(t, r.signed()); status != http.StatusAccepted {
			t.Fatalf("%s: %d", id, status)
		}
	}
	say("1", "announcement.published", 2, "<b>two</b>")
	say("2", "announcement.updated", 4, "four")
	say("3", "announcement.updated", 3, "three")
	if posts := p.Posts(); len(posts) != 1 || posts[0].Subject != "four" || posts[0].Edited != 1 || posts[0].Key != "d" {
		t.Errorf("a late event replaces a newer one: %+v", posts)
	}
	shown := p.Posts()[0]
	for _, want := range []string{"&lt;script&gt;", `<br>Voyez <a href="https://example.org/%c3%a9t%c3%a9?a=1&amp;b=2"`, `alt="&#34;&gt;&lt;script&gt;"`} {
		if !strings.Contains(shown.HTML, want) {
			t.Errorf("no %s in %s", want, shown.HTML)
		}
	}
	if strings.Contains(shown.HTML, "<script") || strings.Contains(shown.HTML, "javascript:") || len(shown.Images) != 2 {
		t.Error(shown.HTML)
	}
	say("4", "announcement.retracted", 4, "")
	say("5", "announcement.retracted", 4, "")
	if posts := p.Posts(); len(posts) != 1 || !posts[0].Deleted {
		t.Errorf("%+v", posts)
	}
}
