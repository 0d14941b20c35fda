package mattermosttest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// call makes one call with the bot's token and returns the status, and the name of the error or the post's ID.
func call(t *testing.T, p *Platform, method, path, body string) (status int, word string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var a struct {
		ID string `json:"id"`
	}
	if json.Unmarshal(raw, &a) != nil {
		return res.StatusCode, strings.TrimSpace(string(raw))
	}
	return res.StatusCode, a.ID
}

func TestRefusals(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	p.Say("de quelqu’un d’autre")
	const other, posts = "/api/v4/posts/post0000000000000000000001", "/api/v4/posts"
	for _, x := range []struct {
		method, path, body string
		status             int
		word               string
	}{
		{"POST", posts, `{`, 400, "api.context.invalid_body_param.app_error"},
		{"POST", posts, `{"channel_id":"short","message":"x"}`, 400, "api.context.invalid_url_param.app_error"},
		{"POST", posts, `{"channel_id":"other00000000000000000000","message":"x"}`, 400, "api.context.invalid_url_param.app_error"},
		{"POST", posts, `{"channel_id":"other000000000000000000000","message":"x"}`, 404, "app.channel.get.existing.app_error"},
		{"POST", posts, `{"channel_id":"` + Channel + `","message":" "}`, 400, "api.context.invalid_body_param.app_error"},
		{"POST", posts, `{"channel_id":"` + Channel + `","message":"` + strings.Repeat("é", 16_384) + `"}`, 400, "model.post.is_valid.message_length.app_error"},
		{"POST", posts, `{"channel_id":"` + Channel + `","message":"x","file_ids":["none"]}`, 400, "api.context.invalid_body_param.app_error"},
		{"GET", posts + "/none", "", 404, "app.post.get.app_error"},
		{"PUT", posts + "/none/patch", `{"message":"x"}`, 403, "api.context.permissions.app_error"},
		{"PUT", other + "/patch", `{"message":"x"}`, 403, "api.context.permissions.app_error"},
		{"DELETE", other, "", 403, "api.context.permissions.app_error"},
		{"POST", "/api/v4/files?channel_id=" + Channel, "x", 400, "api.file.upload_file.read_request.app_error"},
		{"GET", "/api/v4/channels/" + Channel + "/posts?since=x", "", 400, "api.context.invalid_url_param.app_error"},
		{"GET", "/api/v4/none", "", 404, "api.context.404.app_error"},
		{"POST", hook, `{}`, 400, "web.incoming_webhook.text.app_error"},
		{"POST", hook, `{`, 400, "api.incoming_webhook.invalid_body.app_error"},
		{"POST", hook + "x", `{"text":"x"}`, 400, "web.incoming_webhook.invalid.app_error"},
		{"POST", hook, `{"text":"` + strings.Repeat("é", 16_384) + `"}`, 400, "model.post.is_valid.message_length.app_error"},
		{"POST", hook, `{"text":"<!channel>"}`, 200, "ok"},
	} {
		if status, word := call(t, p, x.method, x.path, x.body); status != x.status || word != x.word {
			t.Errorf("%s %s %.80s: %d %s, want %d %s", x.method, x.path, x.body, status, word, x.status, x.word)
		}
	}
	if n := len(p.Posts()); n != 1 || p.Pings() != 1 {
		t.Errorf("%d posts, %d pings", n, p.Pings())
	}
}

// A repeat is known by its pending_post_id until the server starts anew.
func TestRepeats(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	const body = `{"channel_id":"` + Channel + `","message":"x","pending_post_id":"1"}`
	_, first := call(t, p, "POST", "/api/v4/posts", body)
	if _, again := call(t, p, "POST", "/api/v4/posts", body); again != first {
		t.Error("a repeat is another post")
	}
	p.Restart()
	if _, again := call(t, p, "POST", "/api/v4/posts", body); again == first {
		t.Error("known after a restart")
	}
}

// Whoever would be called is counted, and whatever is written is shown as words.
func TestPingsAndWords(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	for message, want := range map[string]int{"@all": 1, "a.@channel": 1, "@here! @ada": 2, "`@all`": 0, "a@all": 0, "@\u200ball": 0, "&#64;all": 1, "\\@all": 1, "@nobody": 0} {
		before := p.Pings()
		body, _ := json.Marshal(map[string]string{"channel_id": Channel, "message": message})
		if call(t, p, "POST", "/api/v4/posts", string(body)); p.Pings()-before != want {
			t.Errorf("%q calls %d, want %d", message, p.Pings()-before, want)
		}
	}
	_, id := call(t, p, "POST", "/api/v4/posts", `{"channel_id":"`+Channel+`","message":"<script>alert(1)</script> [a](javascript:x)"}`)
	posts := p.Posts()
	if html := posts[len(posts)-1].HTML; strings.Contains(html, "<script>") || strings.Contains(html, "javascript") || !strings.Contains(html, "&lt;script&gt;") {
		t.Error(html)
	}
	if status, page := call(t, p, "GET", "/_redirect/pl/"+id, ""); status != 200 || !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("%d %s", status, page)
	}
}
