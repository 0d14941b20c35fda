package matrixtest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// call makes one call with the bot's token and returns the errcode, or the event that was made.
func call(t *testing.T, p *Platform, method, path, body string) (word, event string) {
	t.Helper()
	env := p.Environ()
	req, err := http.NewRequestWithContext(t.Context(), method, env["API"]+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+env["TOKEN"])
	res, err := p.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var a struct {
		Code  string `json:"errcode"`
		Event string `json:"event_id"`
	}
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		t.Fatal(err)
	}
	return a.Code, a.Event
}

const (
	rooms = "/_matrix/client/v3/rooms/"
	send  = rooms + Room + "/send/m.room.message/"
	hello = `{"msgtype":"m.text","body":"bonjour","m.mentions":{}}`
)

func TestRefusals(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	p.Write(map[string]any{"msgtype": "m.text", "body": "de quelqu’un d’autre"})
	other := "$" + strings.Repeat("0", 42) + "1"
	for _, x := range []struct{ method, path, body, want string }{
		{"PUT", send + "a", hello, ""},
		{"PUT", send + "b", `{`, "M_NOT_JSON"},
		{"PUT", send + "c", `[]`, "M_BAD_JSON"},
		{"PUT", send + "d", `{"msgtype":"m.text"}`, "M_BAD_JSON"},
		{"PUT", send + "e", `{"body":"x"}`, "M_BAD_JSON"},
		{"PUT", send + "f", `{"msgtype":"m.text","body":"x","format":"org.matrix.custom.html"}`, "M_BAD_JSON"},
		{"PUT", send + "g", `{"msgtype":"m.text","body":"x","info":{"w":1.5}}`, "M_BAD_JSON"},
		{"PUT", send + "h", `{"msgtype":"m.text","body":"` + strings.Repeat("x", 65_000) + `"}`, "M_BAD_JSON"},
		{"PUT", send + "i", `{"msgtype":"m.text","body":"x","m.relates_to":{"rel_type":"m.replace","event_id":"$none"}}`, "M_UNKNOWN"},
		{"PUT", rooms + "!other:matrix.example/send/m.room.message/j", hello, "M_UNSUPPORTED_ROOM_VERSION"},
		{"PUT", rooms + Room + "/redact/$none/k", `{}`, "M_NOT_FOUND"},
		{"PUT", rooms + Room + "/redact/" + other + "/l", `{}`, "M_FORBIDDEN"},
		{"GET", rooms + Room + "/event/$none", "", "M_NOT_FOUND"},
		{"GET", rooms + Room + "/messages", "", "M_MISSING_PARAM"},
		{"GET", rooms + Room + "/messages?dir=b&limit=0", "", "M_INVALID_PARAM"},
		{"GET", rooms + Room + "/messages?dir=b&from=tx", "", "M_INVALID_PARAM"},
		{"GET", "/_matrix/client/v3/directory/room/%23none:matrix.example", "", "M_NOT_FOUND"},
		{"GET", "/_matrix/client/v9/none", "", "M_UNRECOGNIZED"},
	} {
		if got, _ := call(t, p, x.method, x.path, x.body); got != x.want {
			t.Errorf("%s %s %.80s: %s, want %s", x.method, x.path, x.body, got, x.want)
		}
	}
	p.Change(func(s *Settings) { s.Spec = true })
	if got, _ := call(t, p, "PUT", send+"m", `{"msgtype":"m.text","body":"`+strings.Repeat("x", 65_000)+`"}`); got != "M_TOO_LARGE" {
		t.Error(got)
	}
	if got := len(p.Posts()); got != 1 {
		t.Errorf("%d posts", got)
	}
}

// A repeat is known by its transaction ID: until a restart or another token as measured, for ever by the specification.
func TestTransactions(t *testing.T) {
	for _, spec := range []bool{false, true} {
		p := New()
		t.Cleanup(p.Close)
		p.Change(func(s *Settings) { s.Spec = spec })
		_, first := call(t, p, "PUT", send+"1", hello)
		if _, again := call(t, p, "PUT", send+"1", `{"msgtype":"m.text","body":"autre"}`); again != first {
			t.Errorf("a repeat is another event")
		}
		p.Login()
		if _, again := call(t, p, "PUT", send+"1", hello); (again == first) != spec {
			t.Errorf("by the specification: %t; same after a login: %t", spec, again == first)
		}
		p.Restart()
		if _, again := call(t, p, "PUT", send+"1", hello); (again == first) != spec {
			t.Errorf("by the specification: %t; same after a restart: %t", spec, again == first)
		}
	}
}

// Whoever is called is counted, what is unsafe is not shown, and an edit of an edit changes nothing.
func TestWhatReadersSee(t *testing.T) {
	p := New()
	t.Cleanup(p.Close)
	_, first := call(t, p, "PUT", send+"1", `{"msgtype":"m.text","body":"@room","format":"org.matrix.custom.html","formatted_body":"<script>alert(1)</script><b onclick='x'>gras</b><img src='https://a.example/x.png'>"}`)
	edit := func(of, words string) string {
		return `{"msgtype":"m.text","body":"* x","m.mentions":{},"m.new_content":{"msgtype":"m.text","body":"` + words + `"},"m.relates_to":{"rel_type":"m.replace","event_id":"` + of + `"}}`
	}
	if posts := p.Posts(); p.Pings() != 1 || posts[0].HTML != `<div class="matrix"><b>gras</b></div>` {
		t.Errorf("%d pings; %s", p.Pings(), posts[0].HTML)
	}
	_, second := call(t, p, "PUT", send+"2", edit(first, "deux <b>"))
	call(t, p, "PUT", send+"3", edit(second, "trois"))
	posts := p.Posts()
	if len(posts) != 1 || posts[0].Text != "deux <b>" || posts[0].Edited != 1 || posts[0].HTML != `<div class="matrix">deux &lt;b&gt;</div>` {
		t.Errorf("%+v", posts)
	}
}
