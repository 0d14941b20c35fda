package zuliptest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// call makes one call as the bot and returns the code of the error, or the sentence of one without.
func call(t *testing.T, p *Platform, method, path string, form url.Values) (status int, word string) {
	t.Helper()
	address, body := p.server.URL+"/api/v1"+path, form.Encode()
	if method == http.MethodGet {
		address, body = address+"?"+body, ""
	}
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(Email, Key)
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var a struct{ Code, Msg string }
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	if a.Code == "BAD_REQUEST" {
		return res.StatusCode, a.Msg
	}
	return res.StatusCode, a.Code
}

func TestRefusals(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	p.Say("de quelqu’un d’autre")
	send := func(change url.Values) url.Values {
		v := url.Values{"type": {"stream"}, "to": {`"annonces"`}, "topic": {"x"}, "content": {"x"}}
		for k := range change {
			v[k] = change[k]
		}
		return v
	}
	narrow := func(s string) url.Values {
		return url.Values{"anchor": {"newest"}, "num_before": {"1"}, "num_after": {"0"}, "apply_markdown": {"false"}, "narrow": {s}}
	}
	for _, x := range []struct {
		method, path string
		form         url.Values
		word         string
	}{
		{"POST", "/messages", send(nil), ""},
		{"POST", "/messages", send(url.Values{"to": {"7"}}), ""},
		{"POST", "/messages", send(url.Values{"to": {"annonces"}}), ""},
		{"POST", "/messages", send(url.Values{"to": {`"7"`}}), "STREAM_DOES_NOT_EXIST"},
		{"POST", "/messages", send(url.Values{"type": {"x"}}), "Invalid message type"},
		{"POST", "/messages", send(url.Values{"topic": {" "}}), "Topic can't be empty!"},
		{"POST", "/messages", send(url.Values{"topic": {"a\nb"}}), "Invalid character in topic"},
		{"POST", "/messages", send(url.Values{"content": {" \n"}}), "Message must not be empty"},
		{"POST", "/messages", send(url.Values{"content": {"a\x00"}}), "Message must not contain null bytes"},
		{"POST", "/messages", send(url.Values{"content": {strings.Repeat("é", 10_001)}}), "Message is too long: it would be cut"},
		{"PATCH", "/messages/1000", url.Values{"content": {"x"}}, "You don't have permission to edit this message"},
		{"PATCH", "/messages/1", url.Values{"content": {"x"}}, "Invalid message(s)"},
		{"DELETE", "/messages/1000", nil, "You don't have permission to delete this message"},
		{"GET", "/messages/1", nil, "Invalid message(s)"},
		{"GET", "/messages", narrow(`[{"operator":"stream","operand":"autre"}]`), "BAD_NARROW"},
		{"GET", "/messages", narrow(`[{"operator":"sender","operand":"x"}]`), "BAD_NARROW"},
		{"GET", "/messages", narrow(`x`), "Bad value"},
		{"GET", "/get_stream_id", url.Values{"stream": {"autre"}}, "Invalid channel name 'autre'"},
		{"GET", "/streams/8", nil, "Invalid channel ID"},
		{"DELETE", "/events", url.Values{"queue_id": {"x"}}, "BAD_EVENT_QUEUE_ID"},
		{"POST", "/user_uploads", nil, "You must specify a file to upload"},
	} {
		status, word := call(t, p, x.method, x.path, x.form)
		if word != x.word || (status == 200) != (x.word == "") {
			t.Errorf("%s %s %.80v: %d %q, want %q", x.method, x.path, x.form, status, word, x.word)
		}
	}
	if n := len(p.Posts()); n != 3 {
		t.Errorf("%d posts", n)
	}
}

// Whoever would be called is counted, and whatever is written is shown as words.
func TestPingsAndWords(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	for content, want := range map[string]int{
		"@**all**": 1, "@_**all**": 0, "(@**Ada**)": 1, "@**|10** @*tous*": 2, "x@**all**": 0, "`@**all**`": 0, "```\n@**all**\n```": 0, "@**nobody**": 0, "&#64;**all**": 0, "@all": 0,
	} {
		if got := pings(content); got != want {
			t.Errorf("%q calls %d, want %d", content, got, want)
		}
	}
	call(t, p, "POST", "/messages", url.Values{"type": {"stream"}, "to": {"7"}, "topic": {"<b>"}, "content": {`<script>alert(1)</script> [a](javascript:x) _x_ \*b* <https://example.org>`}})
	post := p.Posts()[0]
	if strings.Contains(post.HTML, "<script>") || strings.Contains(post.HTML, "<b>") || strings.Contains(post.HTML, "javascript") || !strings.Contains(post.HTML, `_x_ \<em>b</em>`) {
		t.Error(post.HTML)
	}
}
