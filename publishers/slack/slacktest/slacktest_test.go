package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
)

func call(t *testing.T, p *Platform, method string, form url.Values) map[string]any {
	t.Helper()
	if form.Get("token") == "" && !form.Has("token") {
		form.Set("token", Token)
	}
	res, err := p.server.Client().PostForm(p.Environ()["API"]+"/"+method, form)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var a map[string]any
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a
}

func post(t *testing.T, p *Platform, blocks string) map[string]any {
	return call(t, p, "chat.postMessage", url.Values{"channel": {Channel}, "text": {"x"}, "blocks": {blocks}})
}

func TestBlocksAreHeldToTheRules(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	header := func(s string) string {
		return fmt.Sprintf(`[{"type":"header","text":{"type":"plain_text","text":%q}}]`, s)
	}
	rich := func(s string) string { return `[{"type":"rich_text","elements":[` + s + `]}]` }
	section := func(s string) string { return rich(`{"type":"rich_text_section","elements":[` + s + `]}`) }
	for blocks, want := range map[string]string{
		header("Bonjour"):               "",
		header(long(150)):               "",
		header(long(151)):               "invalid_blocks",
		header(strings.Repeat("🎉", 76)): "invalid_blocks",
		header(""):                      "invalid_blocks",
		`[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]`:                   "invalid_blocks",
		`[{"type":"section","text":{"type":"mrkdwn","text":"` + long(3000) + `"}}]`: "",
		`[{"type":"section","text":{"type":"mrkdwn","text":"` + long(3001) + `"}}]`: "invalid_blocks",
		`[{"type":"section"}]`: "invalid_blocks",
		`[{"type":"image","image_url":"https://example.org/a.png","alt_text":"x"}]`:                  "",
		`[{"type":"image","image_url":"https://example.org/a.png"}]`:                                 "invalid_blocks",
		`[{"type":"image","image_url":"https://example.org/a.png","alt_text":"` + long(2001) + `"}]`: "invalid_blocks",
		`[{"type":"image","image_url":"a.png","alt_text":"x"}]`:                                      "invalid_blocks",
		`[{"type":"divider"},{"type":"context","elements":[{"type":"mrkdwn","text":"x"}]}]`:          "",
		`[{"type":"context","elements":[]}]`:                                                         "invalid_blocks",
		`[{"type":"actions","elements":[{"type":"button"}]}]`:                                        "invalid_blocks",
		`[{"type":"header","title2":"x","text":{"type":"plain_text","text":"x"}}]`:                   "invalid_blocks",
		`{"type":"divider"}`: "invalid_blocks",
		`[` + strings.TrimSuffix(strings.Repeat(`{"type":"divider"},`, 50), ",") + `]`: "",
		`[` + strings.TrimSuffix(strings.Repeat(`{"type":"divider"},`, 51), ",") + `]`: "invalid_blocks",
		section(`{"type":"text","text":"x","style":{"bold":true}}`):                    "",
		section(`{"type":"text","text":""}`):                                           "invalid_blocks",
		section(`{"type":"text","text":"x","style":{"loud":true}}`):                    "invalid_blocks",
		section(`{"type":"link","url":"javascript:alert(1)"}`):                         "invalid_blocks",
		section(`{"type":"link","url":"mailto:ada@example.org","text":"x"}`):           "",
		section(`{"type":"broadcast","range":"channel"}`):                              "",
		section(`{"type":"broadcast","range":"world"}`):                                "invalid_blocks",
		section(`{"type":"shout","text":"x"}`):                                         "invalid_blocks",
		section(``):                                                                    "invalid_blocks",
		section(`{"type":"text","text":"` + long(13_200) + `"}`):                       "",
		section(`{"type":"text","text":"` + long(13_201) + `"}`):                       "msg_blocks_too_long",
		rich(``): "invalid_blocks",
		rich(`{"type":"rich_text_list","style":"bullet","indent":1,"offset":0,"border":0,"elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]}`): "",
		rich(`{"type":"rich_text_list","style":"square","elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]}`):                                  "invalid_blocks",
		rich(`{"type":"rich_text_list","style":"bullet","indent":9,"elements":[{"type":"rich_text_section","elements":[{"type":"text","text":"x"}]}]}`):                       "invalid_blocks",
		rich(`{"type":"rich_text_list","style":"bullet","elements":[{"type":"rich_text_quote","elements":[{"type":"text","text":"x"}]}]}`):                                    "invalid_blocks",
		rich(`{"type":"rich_text_quote","elements":[{"type":"text","text":"x"}]},{"type":"rich_text_preformatted","border":0,"elements":[{"type":"text","text":"x"}]}`):       "",
		rich(`{"type":"rich_text_preformatted","elements":[{"type":"emoji","name":"tada"}]}`):                                                                                 "invalid_blocks",
	} {
		p := New()
		a := post(t, p, blocks)
		if got, _ := a["error"].(string); got != want {
			t.Errorf("%.200s: %q, want %q: %v", blocks, got, want, a)
		}
		posts := p.Posts()
		if (len(posts) == 1) != (want == "") {
			t.Errorf("%.200s: %d posts", blocks, len(posts))
		}
		p.Close()
	}
}

func TestRefusals(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	first := post(t, p, `[{"type":"divider"}]`)["ts"].(string)
	p.Say("bonjour")
	for _, x := range []struct {
		method string
		form   url.Values
		want   string
	}{
		{"chat.postMessage", url.Values{"token": {""}, "text": {"x"}}, "not_authed"},
		{"chat.postMessage", url.Values{"token": {"xoxb-other"}, "text": {"x"}}, "invalid_auth"},
		{"chat.postMessage", url.Values{"channel": {"C0OTHER00"}, "text": {"x"}}, "channel_not_found"},
		{"chat.postMessage", url.Values{"channel": {Channel}}, "no_text"},
		{"chat.postMessage", url.Values{"channel": {Channel}, "text": {strings.Repeat("x", 40_001)}}, "msg_too_long"},
		{"chat.postMessage", url.Values{"channel": {Channel}, "text": {"x"}, "metadata": {"x"}}, "invalid_metadata_format"},
		{"chat.postMessage", url.Values{"channel": {Channel}, "text": {"x"}, "metadata": {`{"event_type":"x"}`}}, "invalid_metadata_schema"},
		{"chat.postMessage", url.Values{"channel": {Channel}, "text": {"x"}, "metadata": {`{"event_type":"` + strings.Repeat("x", 17_000) + `","event_payload":{}}`}}, "metadata_too_large"},
		{"chat.update", url.Values{"channel": {Channel}, "ts": {first}, "text": {strings.Repeat("x", 4001)}}, "msg_too_long"},
		{"chat.update", url.Values{"channel": {Channel}, "ts": {"1.000001"}, "text": {"x"}}, "message_not_found"},
		{"chat.update", url.Values{"channel": {Channel}, "ts": {first}, "text": {"x"}}, ""},
		{"chat.delete", url.Values{"channel": {Channel}, "ts": {first}}, ""},
		{"chat.delete", url.Values{"channel": {Channel}, "ts": {first}}, "message_not_found"},
		{"chat.getPermalink", url.Values{"channel": {Channel}, "message_ts": {first}}, "message_not_found"},
		{"conversations.history", url.Values{"channel": {Channel}, "limit": {"0"}}, "invalid_limit"},
		{"conversations.history", url.Values{"channel": {Channel}, "oldest": {"x"}}, "invalid_ts_oldest"},
		{"conversations.history", url.Values{"channel": {Channel}, "cursor": {"x"}}, "invalid_cursor"},
		{"chat.scheduleMessage", url.Values{}, "unknown_method"},
	} {
		if got, _ := call(t, p, x.method, x.form)["error"].(string); got != x.want {
			t.Errorf("%s %.80v: %q, want %q", x.method, x.form, got, x.want)
		}
	}
}

func TestWebhookAnswers(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	send := func(address, media, body string) (int, string) {
		res, err := p.server.Client().Post(address, media, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	for _, x := range []struct {
		address, media, body string
		status               int
		want                 string
	}{
		{p.Webhook(), "application/json", `{"text":"x"}`, 200, "ok"},
		{p.Webhook(), "application/json", `{}`, 400, "no_text"},
		{p.Webhook(), "application/json", `{`, 400, "invalid_payload"},
		{p.Webhook(), "text/plain", `{"text":"x"}`, 400, "invalid_payload"},
		{p.Webhook(), "application/json", `{"blocks":[{"type":"x"}]}`, 400, "invalid_blocks"},
		{p.Webhook() + "x", "application/json", `{"text":"x"}`, 403, "invalid_token"},
		{p.server.URL + "/services/T1/B1/x", "application/json", `{"text":"x"}`, 404, "no_service"},
	} {
		if status, word := send(x.address, x.media, x.body); status != x.status || word != x.want {
			t.Errorf("%s: %d %s", x.body, status, word)
		}
	}
	p.Change(func(w *Workspace) { w.Archived = true })
	if status, word := send(p.Webhook(), "application/json", `{"text":"x"}`); status != 410 || word != "channel_is_archived" {
		t.Errorf("%d %s", status, word)
	}
	if n := len(p.Posts()); n != 1 {
		t.Errorf("%d posts", n)
	}
}

// Whoever is called is counted, and whatever is written is shown as words.
func TestPingsAndWords(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	call(t, p, "chat.postMessage", url.Values{"channel": {Channel}, "text": {"<!channel> <@U1>"}})
	post(t, p, `[{"type":"section","text":{"type":"mrkdwn","text":"<!here>"}},{"type":"rich_text","elements":[{"type":"rich_text_section","elements":[{"type":"broadcast","range":"everyone"},{"type":"text","text":"<script>alert(1)</script>"}]}]}]`)
	if n := p.Pings(); n != 4 {
		t.Errorf("%d pings", n)
	}
	posts := p.Posts()
	if strings.Contains(posts[1].HTML, "<script>") || !strings.Contains(posts[1].HTML, "&lt;script&gt;") || !strings.Contains(posts[1].HTML, "@everyone") {
		t.Error(posts[1].HTML)
	}
	res, err := p.server.Client().Get(posts[1].URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if b, _ := io.ReadAll(res.Body); res.StatusCode != 200 || !strings.Contains(string(b), "&lt;script&gt;") {
		t.Errorf("%d %s", res.StatusCode, b)
	}
}
