package mastodontest

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"regexp"
	"strings"
	"testing"
)

// send makes a call as the account's application.
func send(t *testing.T, p *Platform, method, path, kind, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+Token)
	req.Header.Set("Content-Type", kind)
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = []string{header[i+1]}
	}
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

const asJSON = "application/json"

func upload(t *testing.T, p *Platform, alt string) (int, string) {
	t.Helper()
	var b, pixels bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("description", alt)
	part, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="a.png"`}, "Content-Type": {"image/png"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = png.Encode(&pixels, image.NewGray(image.Rect(0, 0, 1, 1)))
	_, _ = part.Write(pixels.Bytes())
	_ = w.Close()
	code, body := send(t, p, "POST", "/api/v2/media", w.FormDataContentType(), b.String())
	return code, regexp.MustCompile(`"id":"(\w+)"`).FindString(body)
}

func TestIsAsStrictAsTheServer(t *testing.T) {
	for _, c := range []struct {
		open         func() *Platform
		name, body   string
		header       []string
		method, path string
		code         int
	}{
		{New, "a link after a letter is none", `{"status":"` + strings.Repeat("é", 477) + `https://example.org/` + strings.Repeat("a", 200) + `"}`, nil, "POST", "/api/v1/statuses", 422},
		{New, "full with a link", `{"status":"` + strings.Repeat("é", 476) + ` https://example.org/` + strings.Repeat("a", 200) + `"}`, nil, "POST", "/api/v1/statuses", 200},
		{New, "a mention without its server", `{"status":"` + strings.Repeat("é", 494) + ` @club@example.social"}`, nil, "POST", "/api/v1/statuses", 200},
		{New, "one too many", `{"status":"` + strings.Repeat("é", 501) + `"}`, nil, "POST", "/api/v1/statuses", 422},
		{New, "the warning counts", `{"status":"` + strings.Repeat("é", 500) + `","spoiler_text":"x"}`, nil, "POST", "/api/v1/statuses", 422},
		{New, "a family is one", `{"status":"` + strings.Repeat("👩‍👩‍👧", 500) + `"}`, nil, "POST", "/api/v1/statuses", 200},
		{NewGoToSocial, "a family is five", `{"status":"` + strings.Repeat("👩‍👩‍👧", 1001) + `"}`, nil, "POST", "/api/v1/statuses", 400},
		{New, "empty", `{"status":" "}`, nil, "POST", "/api/v1/statuses", 422},
		{New, "a language with its region", `{"status":"x","language":"fr-CA"}`, nil, "POST", "/api/v1/statuses", 422},
		{New, "an unknown field", `{"status":"x","quote":"y"}`, nil, "POST", "/api/v1/statuses", 400},
		{New, "an unknown picture", `{"status":"x","media_ids":["7"]}`, nil, "POST", "/api/v1/statuses", 422},
		{New, "another token", `{"status":"x"}`, []string{"Authorization", "Bearer x"}, "POST", "/api/v1/statuses", 401},
		{New, "no application's name", `{"status":"x"}`, []string{"User-Agent", ""}, "POST", "/api/v1/statuses", 200},
		{NewGoToSocial, "no application's name there", `{"status":"x"}`, []string{"User-Agent", ""}, "POST", "/api/v1/statuses", 418},
		{New, "no such post", "", nil, "DELETE", "/api/v1/statuses/12", 404},
		{New, "no such call", "", nil, "GET", "/api/v1/timelines", 404},
	} {
		p := c.open()
		t.Cleanup(p.Close)
		if code, body := send(t, p, c.method, c.path, asJSON, c.body, c.header...); code != c.code {
			t.Errorf("%s: %d %s, want %d", c.name, code, body, c.code)
		}
	}
}

// A picture belongs to one post.
func TestPicturesAreUsedOnce(t *testing.T) {
	for _, c := range []struct {
		open func() *Platform
		code int
	}{{New, 422}, {NewGoToSocial, 400}} {
		p := c.open()
		t.Cleanup(p.Close)
		code, id := upload(t, p, "Une salle")
		if code != 200 {
			t.Fatalf("upload: %d", code)
		}
		body := fmt.Sprintf(`{"status":"x","media_ids":[%s]}`, strings.TrimPrefix(id, `"id":`))
		if code, said := send(t, p, "POST", "/api/v1/statuses", asJSON, body); code != 200 {
			t.Errorf("%d %s", code, said)
		}
		if code, said := send(t, p, "POST", "/api/v1/statuses", asJSON, body); code != c.code {
			t.Errorf("again: %d %s, want %d", code, said, c.code)
		}
	}
	p := New()
	t.Cleanup(p.Close)
	if code, _ := upload(t, p, strings.Repeat("é", 1501)); code != 422 {
		t.Errorf("a long alternative: %d", code)
	}
}

func TestReadersSeeNoMarkupOfTheAuthors(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	p.Say("<b>@ada</b> #io http://x\n\nhttps://www.example.org/" + strings.Repeat("é", 40) + "?a&b \u2060fin")
	post := p.Posts()[0]
	for _, want := range []string{`&lt;b&gt;<a class="mention">@ada</a>&lt;/b&gt;`, `<a class="mention">#io</a>`, `</p><p>`, `>example.org/éééééééééééééééééé…</a>`, `?a&amp;b"`} {
		if !strings.Contains(post.HTML, want) {
			t.Errorf("%s is not in %s", want, post.HTML)
		}
	}
	if strings.Contains(post.Text, "\u2060") || p.Pings() != 1 {
		t.Errorf("%q, %d pings", post.Text, p.Pings())
	}
	if got := content("a https://example.org/12345678901234567890123 b"); !strings.Contains(got, `<span class="ellipsis">example.org/123456789012345678</span><span class="invisible">90123</span>`) {
		t.Error(got)
	}
}
